//! Owners: claim, succession, a new epoch; and what the owner's keys may tell a device.
//!
//! Rules: ROT-10 a first owner needs the one-time claim code, and a new epoch overwrites the epoch
//! secret in the same write that makes it; ROT-13 nothing that one owner signed binds the next one;
//! ROT-4 no command takes a counter value: time and
//! checkpoint size come from objects that are verified here.

use super::journal::Journal;
use super::lifecycle::{is_claim_used, read};
use super::state::State;
use super::{Engine, Phase, write_state};
use crate::error::{Error, Result};
use crate::order::{Action, Order};
use crate::platform::{Platform, Row};
use craton_trust::assignment::{Address, Assignment};
use craton_trust::capability::Capability;
use craton_trust::crypto::{Crypto, KeyedCrypto};
use craton_trust::evidence::Lifecycle;
use craton_trust::merkle::Checkpoint;
use craton_trust::rollback::Floors;
use craton_trust::set::{ImageSet, Member};
use craton_trust::store::{
    Role, Section, SectionKind, accept_genesis, accept_successor, keeps_images, keeps_installed,
};
use craton_trust::suit;
use craton_trust::{ComponentId, Digest, Error as Refusal, SetId, Signed, Verified};

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    pub(super) fn take_owner(&mut self, code: &[u8], owner: &[u8]) -> Result<()> {
        if self.state.owner.is_some() {
            return Err(Error::AlreadyOwned);
        }
        if is_claim_used(&self.platform)? {
            return Err(Error::ClaimCodeUsed);
        }
        let mut right = [0u8; 32];
        self.platform.fuses(Row::ClaimCode, &mut right)?;
        if self.crypto.sha256(&[code]).0 != right {
            return Err(Error::ClaimCodeWrong); // ROT-10
        }
        let section = self.first_owner(owner)?;
        self.new_owner(&section, owner)
    }

    /// A first version of an owner section that this device may have.
    fn first_owner<'b>(&self, bytes: &'b [u8]) -> Result<Verified<Section<'b>>> {
        let section = accept_genesis(&self.crypto, &Signed::parse(bytes)?)?;
        if section.kind != SectionKind::Owner {
            return Err(Error::Trust(Refusal::SectionKind));
        }
        if section.dev && read(&self.platform)? == Lifecycle::DeviceComplete {
            return Err(Error::DevelopmentRoot);
        }
        Ok(section)
    }

    #[inline(never)] // its states come to the stack after what an owner signed
    fn new_owner(&mut self, section: &Verified<Section<'_>>, bytes: &[u8]) -> Result<()> {
        let mut next = self.state.clone();
        self.stage_section(&mut next, section, section.digest(), bytes)?;
        // Another catalog has another log, another service, other versions. What the last owner's
        // signatures raised must not bind the next one: a floor at the old ceiling, or a clock in
        // the year 2199, would make the device useless to him. Nothing is lost by it: what those
        // floors kept from older images was sealed under the epoch secret, which goes in the same
        // write; and a set of the last owner's, old or new, is of another catalog (SET-1). The
        // floor of the runtime is the platform's, below the platform's ceiling, and stays.
        next.checkpoint_size = 0;
        next.time_floor = 0;
        next.floors = Floors::NONE;
        if let Some(runtime) = next.runtime {
            next.floors.raise(runtime, self.state.floors.of(runtime))?;
        }
        self.settle_programs()?;
        self.begin_epoch(next)
    }

    #[inline(never)] // as above
    fn same_owner(&mut self) -> Result<()> {
        self.begin_epoch(self.state.clone())
    }

    /// Everything sealed before is erased by this one write (ROT-10).
    fn begin_epoch(&mut self, mut next: State) -> Result<()> {
        next.epoch = next.epoch.saturating_add(1);
        self.platform.random(&mut next.epoch_secret.0)?;
        (next.confirmed, next.challenge, next.debug_next) = (None, None, false);
        next.erasing = true;
        self.commit(next)?; // the write that commits
        self.phase = Phase::Over;
        // Committed already: what fails here is redone by the reset that must follow.
        let Self { platform, crypto, journal, state, .. } = self;
        let erased = finish_erase(platform, crypto, journal, state);
        let _ = erased.and_then(|()| finish_claim(platform, state));
        Ok(())
    }

    pub(super) fn replace_section(
        &mut self,
        successor: &[u8],
        sets: &[&[u8]],
        envelopes: &[&[u8]],
    ) -> Result<()> {
        let (section, genesis) = self.accept(successor)?;
        self.refuse_omitted(sets, envelopes)?;
        self.keeps(&section, sets, envelopes)?;
        self.take_section(&section, genesis, successor)
    }

    /// A successor of the section in force, and the genesis of both.
    #[inline(never)] // as the steps after it: their rooms are on the stack one after another
    fn accept<'b>(&self, successor: &'b [u8]) -> Result<(Verified<Section<'b>>, Digest)> {
        let kind = kind_of(successor)?;
        let mut room = [0u8; Section::excerpt_size(1)];
        let old = self.load_section(kind, &[Role::Root], &mut room)?;
        let genesis = self.state.installed(kind).ok_or(Error::Unowned)?.genesis;
        Ok((succeed(&self.crypto, &old, genesis, successor)?, genesis))
    }

    #[inline(never)]
    fn take_section(
        &mut self,
        section: &Verified<Section<'_>>,
        genesis: Digest,
        successor: &[u8],
    ) -> Result<()> {
        let mut next = self.state.clone();
        self.stage_section(&mut next, section, genesis, successor)?;
        self.commit(next) // the write that commits
    }

    /// Refuses a caller who leaves out what a successor might orphan: the set that runs, the
    /// confirmed one, or an envelope of any set. An image is known by the digest of its manifest,
    /// which signing its envelope again does not change.
    #[inline(never)]
    fn refuse_omitted(&self, sets: &[&[u8]], envelopes: &[&[u8]]) -> Result<()> {
        let running = self.booted().ok().and_then(|boot| boot.set);
        for needed in [running, self.state.confirmed].into_iter().flatten() {
            let mut all = sets.iter().filter_map(|bytes| Signed::parse(bytes).ok());
            if !all.any(|signed| SetId(signed.digest(&self.crypto).0) == needed) {
                return Err(Error::InstalledOmitted);
            }
        }
        for set in sets {
            let set = ImageSet::parse(Signed::parse(set)?.unchecked_payload())?;
            let is = |envelope: &[u8], member: &Member| {
                let read = suit::unchecked_parse(&self.crypto, envelope);
                read.is_ok_and(|(image, _)| image == member.image)
            };
            if !set.members().all(|member| envelopes.iter().any(|bytes| is(bytes, &member))) {
                return Err(Error::InstalledOmitted);
            }
        }
        Ok(())
    }

    /// STORE-4: sets and images stay believed, and no floor is above the new ceiling.
    #[inline(never)] // as the other steps
    fn keeps(&self, section: &Section<'_>, sets: &[&[u8]], envelopes: &[&[u8]]) -> Result<()> {
        if section.kind == SectionKind::Owner {
            keeps_installed(&self.crypto, section, sets.iter().copied())?;
        }
        keeps_images(&self.crypto, section, envelopes.iter().copied())?;
        self.keeps_own_program(section)?;
        let orphaned = |(component, floor): (ComponentId, u64)| {
            self.floor_kind(component) == section.kind && floor > section.ceiling
        };
        if self.state.floors.iter().any(orphaned) {
            return Err(Error::Trust(Refusal::SuccessorOrphans));
        }
        Ok(())
    }

    /// Whose ceiling binds a floor.
    fn floor_kind(&self, component: ComponentId) -> SectionKind {
        if self.state.runtime == Some(component) {
            SectionKind::Platform
        } else {
            SectionKind::Owner
        }
    }

    pub(super) fn erase(&mut self, order: &[u8], next_owner: Option<&[u8]>) -> Result<()> {
        let action = match self.state.owner {
            Some(_) => self.owners_order(order)?,
            None => self.manufacturers_order(order)?,
        };
        match (action, next_owner) {
            (Action::NewEpoch(None), None) => self.same_owner(),
            (Action::NewEpoch(Some(digest)), Some(bytes)) => {
                let section = self.first_owner(bytes)?;
                if section.digest() != digest {
                    return Err(Error::OrderMismatch);
                }
                self.new_owner(&section, bytes)
            }
            _ => Err(Error::OrderMismatch),
        }
    }

    #[inline(never)] // leaves the stack before an epoch begins
    fn owners_order(&self, order: &[u8]) -> Result<Action> {
        let mut room = [0u8; Section::excerpt_size(1)];
        let section = self.load_section(SectionKind::Owner, &[Role::Root], &mut room)?;
        let (device, epoch) = (crate::RootOfTrust::device(self), self.state.epoch);
        let signed = Signed::parse(order)?;
        let order = Order::verify(&self.crypto, section.role(Role::Root), device, epoch, &signed)?;
        Ok(order.action)
    }

    pub(super) fn open_challenge(&mut self) -> Result<Digest> {
        let mut challenge = Digest([0; 32]);
        self.platform.random(&mut challenge.0)?;
        self.change(&mut |next| next.challenge = Some(challenge))?;
        Ok(challenge)
    }

    pub(super) fn apply_capability(&mut self, capability: &[u8]) -> Result<()> {
        self.answered_by(capability)?;
        // CAP-2: a challenge is answered once.
        self.change(&mut |next| (next.challenge, next.debug_next) = (None, true))
    }

    #[inline(never)] // leaves the stack before the state is copied
    fn answered_by(&self, capability: &[u8]) -> Result<()> {
        let catalog = self.catalog()?;
        let request = self.state.challenge.ok_or(Error::NoChallenge)?;
        let (device, epoch) = (crate::RootOfTrust::device(self), self.state.epoch);
        let open = Address { catalog, device, epoch, request };
        let mut room = [0u8; Section::excerpt_size(2)];
        let roles = [Role::Publisher, Role::Catalog];
        let owner = self.load_section(SectionKind::Owner, &roles, &mut room)?;
        verify_capability(&self.crypto, &owner, &open, capability)
    }

    pub(super) fn raise_time(&mut self, reply: &[u8], request: &Digest) -> Result<()> {
        let (time, checkpoint_size) = self.told_by(reply, request)?;
        self.change(&mut |next| {
            next.time_floor = next.time_floor.max(time);
            next.checkpoint_size = checkpoint_size; // LOG-2
        })
    }

    /// The time that a reply tells, and the size of its checkpoint; what is known if it tells none.
    #[inline(never)] // leaves the stack before the state is copied
    fn told_by(&self, reply: &[u8], request: &Digest) -> Result<(u64, u64)> {
        let catalog = self.catalog()?;
        let mut room = [0u8; Section::excerpt_size(3)];
        let roles = [Role::Online, Role::Log, Role::Witness];
        let owner = self.load_section(SectionKind::Owner, &roles, &mut room)?;
        let (device, epoch) = (crate::RootOfTrust::device(self), self.state.epoch);
        let address = Address { catalog, device, epoch, request: *request };
        self.told_to(&address, &owner, reply)
    }

    #[inline(never)] // comes to the stack after the section left it
    fn told_to(&self, address: &Address, owner: &Section<'_>, reply: &[u8]) -> Result<(u64, u64)> {
        let reply = Assignment::verify(&self.crypto, owner, address, &Signed::parse(reply)?)?;
        let time = reply.online.as_ref().map_or(0, |online| online.time);
        let least = self.state.checkpoint_size;
        let Some(target) = &reply.target else { return Ok((time, least)) };
        let signed = Signed::parse(target.checkpoint)?;
        let checkpoint = Checkpoint::verify(&self.crypto, owner, address.catalog, least, &signed)?;
        Ok((time, checkpoint.size))
    }
}

#[inline(never)] // leaves the stack before the section in force comes to it
fn kind_of(signed: &[u8]) -> Result<SectionKind> {
    Ok(Section::parse(Signed::parse(signed)?.unchecked_payload())?.kind)
}

#[inline(never)] // comes to the stack after it left
fn succeed<'b>(
    crypto: &impl Crypto,
    old: &Section<'_>,
    genesis: Digest,
    successor: &'b [u8],
) -> Result<Verified<Section<'b>>> {
    Ok(accept_successor(crypto, old, genesis, &Signed::parse(successor)?)?)
}

#[inline(never)] // as `told_to`
fn verify_capability(
    crypto: &impl Crypto,
    owner: &Section<'_>,
    open: &Address,
    capability: &[u8],
) -> Result<()> {
    Ok(Capability::verify(crypto, owner, open, &Signed::parse(capability)?).map(|_| ())?)
}

/// Writes the other copy of the state, too, which still holds the old epoch secret. Recovery: each
/// reset redoes it.
pub(super) fn finish_erase(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    journal: &mut Journal,
    state: &mut State,
) -> Result<()> {
    if !state.erasing {
        return Ok(());
    }
    state.erasing = false;
    platform.forget();
    let written = write_state(platform, crypto, journal, state);
    state.erasing = written.is_err();
    written
}

/// Burns the claim code's fuse once there is an owner. Recovery: each reset redoes it.
pub(super) fn finish_claim(platform: &mut impl Platform, state: &State) -> Result<()> {
    if state.owner.is_some() && !is_claim_used(platform)? {
        platform.burn(Row::ClaimUsed, &[0xff])?;
    }
    Ok(())
}
