//! One device: a simulated monitor over the real parts. It does one thing at each [`Device::step`].

mod check_in;
mod fetch;
mod held;
mod trial;

pub use check_in::{Believing, Missed, Prepared};

use crate::chip::Chip;
use crate::maker::{CLASS, Maker};
use crate::release::Release;
use crate::seed::Seed;
use anyhow::{Context as _, Result};
use craton_device::auth::RUNTIME;
use craton_device::link::{Credential, Peer};
use craton_rot::{AuthRole, Engine, Manufacture, NextLayer, RootOfTrust as _, Start, Status};
use craton_trust::crypto::Crypto as _;
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::evidence::Measured;
use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};
use craton_trust::slots::{Run, Slot, Slots};
use craton_trust::soft::Soft;
use craton_trust::{DeviceId, Digest, SetId};
use held::Held;
use std::collections::BTreeMap;

/// The engine as devices run it.
pub type Rot = Engine<Chip, Soft>;

/// The world around a device, as it is in this step.
pub struct World<'w> {
    /// The service's address and key; nobody may answer there.
    pub peer: &'w Peer,
    /// What is published, so that health can be drawn.
    pub releases: &'w [Release],
    /// The seed, for an app's health.
    pub seed: Seed,
}

/// What a device did in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It booted this.
    Booted(Option<Run>),
    /// Its root of trust or its verifier refused what is installed.
    Refused(SetId, u16),
    /// It checked in and was told to run this.
    CheckedIn(Option<SetId>),
    /// It was out of reach, or was refused for this reason.
    Missed(Option<String>),
    /// It fetched a set, armed it, and needs a boot; whether by delta.
    Armed(SetId, bool),
    /// It could not fetch.
    NotFetched(String),
    /// Its trial held.
    Confirmed(SetId),
    /// Its trial failed.
    FellBack(SetId),
    /// Its trial heard nobody: the old set tries.
    Excused(SetId),
    /// It sent this many failure records.
    Reported(usize),
    /// It has nothing to do until tomorrow.
    Quiet,
}

/// A booted root of trust.
struct Powered {
    rot: Rot,
    role: AuthRole,
    run: Option<Run>,
}

/// A device.
pub struct Device {
    /// Its place in the fleet.
    pub number: u64,
    /// Its id.
    pub id: DeviceId,
    /// The manufacturer's signed endorsement.
    pub endorsement: Vec<u8>,
    claim_code: [u8; 16],
    chip: Chip,
    runtime: Digest,
    powered: Option<Powered>,
    slots: Slots,
    sets: BTreeMap<SetId, Held>,
    spool: Vec<Vec<u8>>,
    records: u64,
    draws: u64,
    due: bool,
    target: Option<SetId>,
    credential: Option<Credential>,
    seed: Seed,
}

impl Device {
    /// Manufactures a device and moves it to `Module1Complete`.
    ///
    /// # Errors
    /// The root of trust's.
    pub fn manufacture(seed: Seed, number: u64, maker: &Maker, platform: &[u8]) -> Result<Self> {
        let chip = Chip::new(seed.stream("chip", number));
        let mut claim_code = [0; 16];
        seed.stream("claim-code", number).fill(&mut claim_code);
        let code_digest = Soft.sha256(&[&claim_code]);
        let with =
            Manufacture { platform_section: platform, claim_code: code_digest, class: CLASS };
        let mut rot = Engine::manufacture(chip.clone(), Soft, &with)?;
        rot.advance_lifecycle(&maker.complete_module(rot.device(), rot.status()?.epoch)?)?;
        let identity = rot.identity();
        let endorsement = maker.endorse(&Endorsement {
            identity,
            rot: RotClass::Software,
            class: CLASS,
            claim_code: code_digest,
        })?;
        Ok(Self {
            number,
            id: rot.device(),
            endorsement,
            claim_code,
            chip,
            runtime: Digest([0; 32]),
            powered: None,
            slots: Slots::default(),
            sets: BTreeMap::new(),
            spool: Vec::new(),
            records: 0,
            draws: 0,
            due: true,
            target: None,
            credential: None,
            seed,
        })
    }

    /// Takes its first owner, and the runtime that it will measure.
    ///
    /// # Errors
    /// The root of trust's.
    pub fn claim(&mut self, owner_section: &[u8], runtime: Digest) -> Result<()> {
        let mut rot = Engine::reset(self.chip.clone(), Soft, Start::Normal)?;
        rot.claim(&self.claim_code, owner_section)?;
        (self.runtime, self.powered) = (runtime, None);
        Ok(())
    }

    /// Boots with the set that another device has confirmed, and confirms it, as if it had fetched
    /// it: a benchmark's fleet need not download it a thousand times.
    ///
    /// # Errors
    /// If the other has none, or this one's root of trust refuses it.
    pub fn install_like(&mut self, other: &Device) -> Result<()> {
        let set = other.slots.confirmed().context("the other device has confirmed nothing")?;
        let held = other.sets.get(&set).context("a slot names a set that is not held")?;
        self.sets.insert(set, held.clone());
        self.slots = self.slots.stage(set)?.arm()?.boot().0.confirm()?;
        self.powered = None;
        self.boot().map(|_| ())
    }

    /// A new day: it will check in.
    pub fn wake(&mut self) {
        self.due = true;
    }

    /// Takes its power away; what is not on its flash is gone.
    pub fn cut_power(&mut self) {
        (self.powered, self.credential, self.target) = (None, None, None);
    }

    /// What runs.
    #[must_use]
    pub fn run(&self) -> Option<Run> {
        self.powered.as_ref().and_then(|powered| powered.run)
    }

    /// Its slots.
    #[must_use]
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Lifecycle, counters and floors; `None` while it is off.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.powered.as_ref().and_then(|powered| powered.rot.status().ok())
    }

    /// Does the next thing.
    ///
    /// # Errors
    /// Only what is a defect of the simulation; what a device meets is an [`Event`].
    pub async fn step(&mut self, world: &World<'_>) -> Result<Event> {
        let Some(powered) = &self.powered else { return self.boot() };
        if powered.run.is_some_and(|run| run.trial) {
            return self.try_out(world).await;
        }
        if self.due {
            return self.check_in_once(world).await;
        }
        if !self.spool.is_empty() && self.credential.is_some() {
            return self.report(world).await;
        }
        match self.target.filter(|target| self.wants(*target)) {
            Some(target) => self.update(target, world).await,
            None => Ok(Event::Quiet),
        }
    }

    /// One boot: the root of trust resets, what is installed is verified whole, measured, started.
    fn boot(&mut self) -> Result<Event> {
        let mut rot = Engine::reset(self.chip.clone(), Soft, Start::Normal)?;
        let role = rot.take_auth_role()?;
        let believed = self.believed(&rot)?;
        let (slots, run) = self.slots.boot();
        self.slots = slots;
        let runtime = Measured { component: RUNTIME, digest: self.runtime };
        if let Some(run) = run {
            let held = self.sets.get(&run.set).context("a slot names a set that is not held")?;
            let verified = held.verify(run.set, &believed).map_err(|error| error.code());
            let booted = verified.and_then(|images| {
                let set = Some(&held.signed[..]);
                rot.boot(&NextLayer { runtime, set, images: &images }).map_err(|e| e.code())
            });
            if let Err(code) = booted {
                if run.trial {
                    self.slots = self.slots.fall_back()?;
                    self.keep(FailureKind::TrialFailed, run.set, i64::from(code), 0)?;
                }
                return Ok(Event::Refused(run.set, code));
            }
        } else {
            rot.boot(&NextLayer { runtime, set: None, images: &[] })?;
        }
        self.powered = Some(Powered { rot, role, run });
        self.finish()?;
        self.due = true;
        Ok(Event::Booted(run))
    }

    /// Raises the floors of a confirm, then frees the old slot (SLOT-3).
    fn finish(&mut self) -> Result<()> {
        let confirmed = self.run().is_some_and(|run| !run.trial);
        let Some(powered) = self.powered.as_mut().filter(|_| confirmed) else { return Ok(()) };
        if self.slots.unfinished() || self.slots.confirmed().is_some() {
            powered.rot.confirm()?;
            self.slots = self.slots.finish();
        }
        let kept: Vec<SetId> = self.slots.kept().collect();
        self.sets.retain(|set, _| kept.contains(set));
        Ok(())
    }

    async fn check_in_once(&mut self, world: &World<'_>) -> Result<Event> {
        self.due = false;
        match self.check_in(world.peer).await? {
            Ok(believed) => {
                self.target = believed.target;
                self.credential = Some(believed.credential);
                self.old_tried(true)?;
                Ok(Event::CheckedIn(believed.target))
            }
            Err(missed) => {
                self.credential = None;
                self.old_tried(false)?;
                Ok(Event::Missed(missed.why()))
            }
        }
    }

    /// After an unreachable trial the old set tries, and tells whose fault it was (SLOT-4).
    fn old_tried(&mut self, reached: bool) -> Result<()> {
        let suspect = self.slots.slots().iter().find_map(|slot| match slot {
            Slot::Suspect(set) => Some(*set),
            _ => None,
        });
        let Some(suspect) = suspect else { return Ok(()) };
        self.slots = self.slots.old_tried(reached)?;
        if reached {
            self.keep(FailureKind::TrialFailed, suspect, 0, 0)?;
            self.due = true;
        }
        Ok(())
    }

    fn wants(&self, target: SetId) -> bool {
        self.run().is_none_or(|run| run.set != target) && self.slots.failed != Some(target)
    }

    /// Fetches, stages and arms: from here on a boot tries the set (SLOT-1).
    async fn update(&mut self, target: SetId, world: &World<'_>) -> Result<Event> {
        let staged_before = self.slots.slots().contains(&Slot::Staged(target));
        let mut by_delta = false;
        if !staged_before {
            match self.fetch(target, world.peer).await {
                Ok((held, delta)) => {
                    by_delta = delta;
                    self.sets.insert(target, held);
                    self.slots = self.slots.stage(target)?;
                }
                Err(why) => {
                    self.target = None;
                    return Ok(Event::NotFetched(why.to_string()));
                }
            }
        }
        self.slots = self.slots.arm()?;
        self.cut_power();
        Ok(Event::Armed(target, by_delta))
    }

    /// Spools a failure record of a set.
    fn keep(&mut self, kind: FailureKind, set: SetId, code: i64, boot: u64) -> Result<()> {
        let none = craton_trust::ComponentId([0; 16]);
        let image = craton_trust::ImageId([0; 32]);
        let mut failure = Failure::new(kind, none, image, Digest(set.0));
        (failure.code, failure.boot) = (code, boot);
        self.spool_record(failure)
    }

    fn spool_record(&mut self, mut failure: Failure<'_>) -> Result<()> {
        self.records += 1;
        failure.number = self.records;
        let mut room = [0u8; RECORD_MAX];
        self.spool.push(failure.encode(&mut room)?.to_vec());
        Ok(())
    }
}
