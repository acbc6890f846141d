//! Boot: what runs next is verified against the signed set, then measured, then counted.
//!
//! Rule ROT-12: under the ids of the trust store, of the image set, and of a component that ever
//! had a floor stands only what this boot verified, and under that of the root of trust's own
//! program the one that a ROM verified and started, whichever of its versions the set names. Who
//! calls these commands may lie about digests; he gets neither the measurement nor the rung of
//! something else by it.

use super::ladder::{Rung, derive_from};
use super::state::State;
use super::{Engine, Phase};
use crate::boot::{Event, NextLayer};
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::secret::Secret;
use craton_trust::crypto::KeyedCrypto;
use craton_trust::dice::Mode;
use craton_trust::evidence::{IMAGE_SET, Measured, Measurements, RESERVED, TRUST_STORE};
use craton_trust::rollback::Floors;
use craton_trust::set::{COMPONENTS_MAX, ImageSet};
use craton_trust::store::{Role, Section, SectionKind};
use craton_trust::{ComponentId, Digest, SetId, Signed, Verified};

/// What one boot may use; the sealing root is gone.
pub struct Boot {
    number: u64,
    mode: Mode,
    pub(super) measured: Measurements,
    /// The set that runs.
    pub(super) set: Option<SetId>,
    /// What confirming raises the floors to: the verified versions (ROT-4).
    pub(super) confirmed: Floors,
    /// The runtime's component, if it is one of the set.
    runtime: Option<ComponentId>,
    rungs: [Option<(ComponentId, Rung)>; COMPONENTS_MAX + 1],
    /// The root of the device-auth keys.
    pub(super) client_root: Secret,
}

impl Boot {
    pub(super) fn event(&self, place: usize) -> Option<Event> {
        match place.checked_sub(1) {
            None => Some(Event::Booted { boot: self.number, mode: self.mode }),
            Some(place) => self.measured.iter().nth(place).copied().map(Event::Measured),
        }
    }

    pub(super) fn rung(&self, component: ComponentId) -> Result<&Rung> {
        let mut all = self.rungs.iter().flatten();
        let found = all.find(|(id, _)| *id == component).map(|(_, rung)| rung);
        found.ok_or(Error::ComponentNotBooted)
    }
}

/// A set that was verified for this boot, and what it raises the floors to.
struct Admitted<'b> {
    set: Verified<ImageSet<'b>>,
    floors: Floors,
}

impl Admitted<'_> {
    fn has(&self, component: ComponentId) -> bool {
        self.set.members().any(|member| member.component == component)
    }
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    pub(super) fn start(&mut self, next: &NextLayer<'_>) -> Result<Mode> {
        let root = match &self.phase {
            Phase::Fresh(root) => root.clone(),
            Phase::Booted(_) => return Err(Error::AlreadyBooted),
            Phase::Over => return Err(Error::ResetNeeded),
        };
        let mode = self.layer.mode;
        let images = next.images.iter().chain([&next.runtime]);
        let own = self.layer.component() == Some(next.runtime.component);
        if own || images.map(|image| image.component).any(|id| RESERVED.contains(&id)) {
            return Err(Error::ComponentReserved); // ROT-12
        }
        let admitted = match next.set {
            Some(bytes) => Some(self.admit(bytes, next, mode)?),
            None => None,
        };
        if admitted.is_none() && !next.images.is_empty() {
            return Err(Error::MeasuredNotInSet);
        }
        self.refuse_disguised(next, admitted.as_ref())?;
        self.enter(&root, next, admitted.as_ref(), mode)?;
        Ok(mode)
    }

    /// Counts a boot that was admitted, and keeps what it may use.
    #[inline(never)] // what a boot keeps is 3 KiB, and comes to the stack after the signatures
    fn enter(
        &mut self,
        root: &Secret,
        next: &NextLayer<'_>,
        admitted: Option<&Admitted<'_>>,
        mode: Mode,
    ) -> Result<()> {
        let measured = self.measure(next, admitted)?;
        let rungs = self.rungs(root, next, admitted)?;
        let client_root = derive_from(&self.crypto, root, &[b"craton/1/client", &self.bound().0]);
        // The write that commits: the boot counts.
        self.change(&mut |next| {
            // At one boot a second this is full after 10¹¹ years.
            next.boot = next.boot.saturating_add(1);
            next.check_in = 0;
            next.challenge = None; // CAP-2: what answers an older boot's challenge is void
        })?;
        let number = self.state.boot;
        let set = admitted.map(|admitted| SetId(admitted.set.digest().0));
        let runtime = next.runtime.component;
        let runtime = admitted.filter(|set| set.has(runtime)).map(|_| runtime);
        let confirmed = admitted.map_or_else(Floors::default, |admitted| admitted.floors);
        let boot = Boot { number, mode, measured, set, confirmed, runtime, rungs, client_root };
        self.phase = Phase::Booted(boot);
        Ok(())
    }

    /// Verifies the set, and that each image is the one that the set names.
    #[inline(never)] // leaves the stack before the boot is entered
    fn admit<'b>(&self, bytes: &'b [u8], next: &NextLayer<'_>, mode: Mode) -> Result<Admitted<'b>> {
        let (set, ceiling) = self.verify_set(bytes, mode)?;
        set.check_class(self.class()?)?; // SET-5
        // In its place from here on: a table of floors is half of it.
        let mut admitted = Admitted { set, floors: self.state.floors };
        self.admit_versions(&mut admitted, ceiling, next.runtime.component)?;
        for member in admitted.set.members() {
            let is_runtime = member.component == next.runtime.component;
            let found = if is_runtime { Some(&next.runtime) } else { only(next, member.component) };
            let digest = found.ok_or(Error::MemberNotMeasured)?.digest;
            if digest != member.payload {
                return Err(Error::MeasurementMismatch);
            }
        }
        if !next.images.iter().all(|image| admitted.has(image.component)) {
            return Err(Error::MeasuredNotInSet);
        }
        Ok(admitted)
    }

    /// The set, believed by the owner's section, and that section's ceiling.
    #[inline(never)] // leaves the stack before the platform's section comes to it
    pub(super) fn verify_set<'b>(
        &self,
        bytes: &'b [u8],
        mode: Mode,
    ) -> Result<(Verified<ImageSet<'b>>, u64)> {
        let catalog = self.catalog()?;
        let mut room = [0u8; Section::excerpt_size(2)];
        let roles = [Role::Publisher, Role::Catalog];
        let owner = self.load_section(SectionKind::Owner, &roles, &mut room)?;
        let development = owner.dev || mode == Mode::Debug;
        let signed = Signed::parse(bytes)?;
        let set = ImageSet::verify(&self.crypto, &owner, catalog, development, &signed)?;
        Ok((set, owner.ceiling))
    }

    /// ROLL-1, ROLL-2, and that confirming will have room for every floor.
    /// The runtime's version stands below both ceilings: its floor outlives the owner.
    fn admit_versions(
        &self,
        admitted: &mut Admitted<'_>,
        owners_ceiling: u64,
        runtime: ComponentId,
    ) -> Result<()> {
        for member in admitted.set.members() {
            let (component, version) = (member.component, member.security_version);
            let ceiling = if component == runtime {
                owners_ceiling.min(self.load_limits(SectionKind::Platform)?.0)
            } else {
                owners_ceiling
            };
            self.state.floors.admit(component, version, ceiling)?;
            if self.as_it_runs(component, member.payload) == member.payload {
                // ROT-4: not by a program that does not run
                admitted.floors.raise(component, version)?;
            }
        }
        Ok(())
    }

    fn measure(
        &self,
        next: &NextLayer<'_>,
        admitted: Option<&Admitted<'_>>,
    ) -> Result<Measurements> {
        let mut measured = Measurements::default();
        let digest = self.trust_store_digest();
        measured.push(Measured { component: TRUST_STORE, digest })?;
        measured.push(next.runtime)?;
        if let Some(admitted) = admitted {
            measured.push(Measured { component: IMAGE_SET, digest: admitted.set.digest() })?;
        }
        let images = next.images.iter();
        images.filter(|i| **i != next.runtime).try_for_each(|image| {
            let digest = self.as_it_runs(image.component, image.digest);
            measured.push(Measured { digest, ..*image })
        })?;
        Ok(measured)
    }

    /// What a set's image is measured as (ROT-12): itself, but for the root of trust's own program.
    /// That one is brought by commands of its own, before or after the set that names it, and falls
    /// back alone; a set with another version of it boots.
    fn as_it_runs(&self, component: ComponentId, digest: Digest) -> Digest {
        let own = self.layer.component() == Some(component);
        if own { self.layer.implementation } else { digest }
    }

    /// A runtime outside the set is one that nothing verified: it may not call itself an app that
    /// was confirmed once (ROT-12).
    fn refuse_disguised(
        &self,
        next: &NextLayer<'_>,
        admitted: Option<&Admitted<'_>>,
    ) -> Result<()> {
        let runtime = next.runtime.component;
        let verified = admitted.is_some_and(|admitted| admitted.has(runtime));
        let known = self.state.floors.has(runtime) && self.state.runtime != Some(runtime);
        if known && !verified { Err(Error::MeasuredNotInSet) } else { Ok(()) }
    }

    /// The rung of each component's booted version. A runtime outside the set gets the lowest of a
    /// ladder of its own: what a verified component sealed, at whatever version, it cannot open.
    fn rungs(
        &self,
        root: &Secret,
        next: &NextLayer<'_>,
        admitted: Option<&Admitted<'_>>,
    ) -> Result<[Option<(ComponentId, Rung)>; COMPONENTS_MAX + 1]> {
        let mut rungs = [const { None }; COMPONENTS_MAX + 1];
        let mut places = rungs.iter_mut();
        if let Some(admitted) = admitted {
            for (member, place) in admitted.set.members().zip(&mut places) {
                let (component, version) = (member.component, member.security_version);
                *place = Some((component, self.rung(root, b"craton/1/seal", component, version)?));
            }
        }
        let runtime = next.runtime.component;
        let of_set = admitted.is_some_and(|admitted| admitted.has(runtime));
        if let (false, Some(place)) = (of_set, places.next()) {
            *place = Some((runtime, self.rung(root, b"craton/1/seal-unverified", runtime, 0)?));
        }
        Ok(rungs)
    }

    #[inline(never)] // for both labels
    fn rung(
        &self,
        root: &Secret,
        label: &[u8],
        component: ComponentId,
        version: u64,
    ) -> Result<Rung> {
        let bound = self.bound();
        let component_root = derive_from(&self.crypto, root, &[label, &bound.0, &component.0]);
        Rung::of(&self.crypto, &component_root, version)
    }

    /// What every key of this boot is bound to beside mode and platform: authority and epoch
    /// secret.
    fn bound(&self) -> Secret<64> {
        let authority = self.state.owner.map_or(self.state.platform.genesis, |owner| owner.genesis);
        Secret::new(self.crypto.sha512(&[&authority.0, &self.state.epoch_secret.0]))
    }

    pub(super) fn measure_more(&mut self, component: ComponentId, digest: Digest) -> Result<()> {
        let known = self.state.floors.has(component);
        let reserved = RESERVED.contains(&component) || self.layer.component() == Some(component);
        match &mut self.phase {
            Phase::Booted(_) if reserved => Err(Error::ComponentReserved),
            Phase::Booted(boot) if known && boot.measured.of(component).is_none() => {
                Err(Error::MeasuredNotInSet) // ROT-12
            }
            Phase::Booted(boot) => Ok(boot.measured.push(Measured { component, digest })?),
            Phase::Fresh(_) => Err(Error::NotBooted),
            Phase::Over => Err(Error::ResetNeeded),
        }
    }

    /// Raises the floors to what this boot verified (ROT-4).
    pub(super) fn raise_floors(&mut self) -> Result<()> {
        let boot = self.booted()?;
        let set = boot.set.is_some() || self.confirms_alone();
        if !set || boot.mode != Mode::Normal {
            return Err(Error::NothingToConfirm);
        }
        self.confirm_slot()?; // ROT-21
        self.raise_to_booted()?;
        self.give_up_older()
    }

    #[inline(never)] // its states leave the stack with it
    fn raise_to_booted(&mut self) -> Result<()> {
        let boot = self.booted()?;
        let mut state = self.state.clone();
        for (component, version) in boot.confirmed.iter() {
            state.floors.raise(component, version)?;
        }
        state.confirmed = boot.set.or(state.confirmed);
        state.runtime = boot.runtime.or(state.runtime);
        if let Some(own) = &mut state.own {
            let started = self.layer.program.map_or(0, |program| program.security_version);
            own.security_version = own.security_version.max(started);
        }
        let told = |state: &State| (state.floors, state.confirmed, state.runtime, state.own);
        if told(&state) == told(&self.state) {
            return Ok(());
        }
        self.commit(state)
    }
}

fn only<'a>(next: &'a NextLayer<'_>, component: ComponentId) -> Option<&'a Measured> {
    next.images.iter().find(|image| image.component == component)
}
