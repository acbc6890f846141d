//! Boot: what runs next is verified against the signed set, then measured, then counted.
//!
//! Rule ROT-12: under the ids of the trust store, of the image set, and of a component that ever
//! had a floor stands only what this boot verified, and under that of the root of trust's own
//! program the one that a ROM verified and started, whichever of its versions the set names. Who
//! calls these commands may lie about digests; he gets neither the measurement nor the rung of
//! something else by it.

use super::ladder::{Rung, derive_from};
use super::reset::scrub;
use super::state::State;
use super::{Engine, Layer0, Phase};
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
use craton_trust::{ClassId, ComponentId, Digest, SetId, Signed, Verified};

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

impl Boot {
    /// Of nothing yet.
    fn blank(mode: Mode) -> Self {
        Self {
            number: 0,
            mode,
            measured: Measurements::default(),
            set: None,
            confirmed: Floors::NONE,
            runtime: None,
            rungs: [const { None }; COMPONENTS_MAX + 1],
            client_root: Secret::zero(),
        }
    }
}

/// A set that was verified for this boot.
type Admitted<'b> = Verified<ImageSet<'b>>;

#[inline(never)] // a member is on the stack here, and nowhere below
fn has(set: &ImageSet<'_>, component: ComponentId) -> bool {
    set.members().any(|member| member.component == component)
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    pub(super) fn start(&mut self, next: &NextLayer<'_>) -> Result<Mode> {
        let root = match &self.phase {
            Phase::Fresh(root) => root.clone(),
            Phase::Booted(_) => return Err(Error::AlreadyBooted),
            Phase::Over => return Err(Error::ResetNeeded),
        };
        let mode = self.layer.mode;
        let images = next.images().chain([next.runtime]);
        let own = self.layer.component() == Some(next.runtime.component);
        if own || images.map(|image| image.component).any(|id| RESERVED.contains(&id)) {
            return Err(Error::ComponentReserved); // ROT-12
        }
        let Some(bytes) = next.set else {
            if next.images().next().is_some() {
                return Err(Error::MeasuredNotInSet);
            }
            self.enter(root, next, None, mode)?;
            return Ok(mode);
        };
        let set = self.admit(bytes, next, mode)?;
        self.enter(root, next, Some(&set), mode)?;
        Ok(mode)
    }

    /// Counts a boot that was admitted, and keeps what it may use. That is 3 KiB: it is made in its
    /// place, which a refusal gives back to the root.
    #[inline(never)] // comes to the stack after the signatures
    fn enter(
        &mut self,
        root: Secret,
        next: &NextLayer<'_>,
        set: Option<&Admitted<'_>>,
        mode: Mode,
    ) -> Result<()> {
        self.refuse_disguised(next, set)?;
        self.clear(mode);
        let kept = self.measure(next, set).and_then(|()| self.keep_rungs(&root, next, set));
        let counted = kept.and_then(|()| self.count_boot());
        if counted.is_err() && !matches!(self.phase, Phase::Over) {
            scrub(); // rungs were on the stack, and the phase has room that a root does not fill
            self.give_back(root);
        }
        counted
    }

    #[inline(never)] // made on the stack that was scrubbed (ROT-23)
    fn give_back(&mut self, root: Secret) {
        self.phase = Phase::Fresh(root);
    }

    #[inline(never)] // the only time that it is on the stack
    fn clear(&mut self, mode: Mode) {
        self.phase = Phase::Booted(Boot::blank(mode));
    }

    /// The write that commits: the boot counts.
    fn count_boot(&mut self) -> Result<()> {
        self.change(&mut |next| {
            // At one boot a second this is full after 10¹¹ years.
            next.boot = next.boot.saturating_add(1);
            next.check_in = 0;
            next.challenge = None; // CAP-2: what answers an older boot's challenge is void
        })
    }

    /// Verifies the set, and that each image is the one that the set names.
    #[inline(never)] // what it looks at leaves the stack with it
    fn admit<'b>(&self, bytes: &'b [u8], next: &NextLayer<'_>, mode: Mode) -> Result<Admitted<'b>> {
        let (set, ceiling) = self.verify_set(bytes, mode)?;
        check_class(&set, self.class()?)?;
        self.admit_versions(&set, ceiling, next.runtime.component)?;
        check_images(&set, next)?;
        Ok(set)
    }

    /// The set, believed by the owner's section, and that section's ceiling.
    #[inline(never)] // leaves the stack before the platform's section comes to it
    pub(super) fn verify_set<'b>(
        &self,
        bytes: &'b [u8],
        mode: Mode,
    ) -> Result<(Admitted<'b>, u64)> {
        let mut room = [0u8; Section::excerpt_size(2)];
        let roles = [Role::Publisher, Role::Catalog];
        let owner = self.load_section(SectionKind::Owner, &roles, &mut room)?;
        Ok((self.verify_set_by(&owner, bytes, mode)?, owner.ceiling))
    }

    #[inline(never)] // comes to the stack after the section left it
    fn verify_set_by<'b>(
        &self,
        owner: &Section<'_>,
        bytes: &'b [u8],
        mode: Mode,
    ) -> Result<Admitted<'b>> {
        let development = owner.dev || mode == Mode::Debug;
        let signed = Signed::parse(bytes)?;
        Ok(ImageSet::verify(&self.crypto, owner, self.catalog()?, development, &signed)?)
    }

    /// ROLL-1, ROLL-2, and that confirming will have room for every floor.
    /// The runtime's version stands below both ceilings: its floor outlives the owner.
    #[inline(never)] // its floors leave the stack with it
    fn admit_versions(
        &self,
        set: &ImageSet<'_>,
        owners_ceiling: u64,
        runtime: ComponentId,
    ) -> Result<()> {
        let platforms_ceiling = if has(set, runtime) {
            self.load_limits(SectionKind::Platform)?.0
        } else {
            owners_ceiling
        };
        let mut raised = self.state.floors;
        for member in set.members() {
            let (component, version) = (member.component, member.security_version);
            let ceiling = if component == runtime { platforms_ceiling } else { u64::MAX };
            self.state.floors.admit(component, version, ceiling.min(owners_ceiling))?;
            if as_it_runs(&self.layer, component, member.payload) == member.payload {
                raised.raise(component, version)?; // ROT-4: not by a program that does not run
            }
        }
        Ok(())
    }

    fn measure(&mut self, next: &NextLayer<'_>, set: Option<&Admitted<'_>>) -> Result<()> {
        let (digest, number) = (self.trust_store_digest(), self.state.boot.saturating_add(1));
        let Self { layer, state, phase: Phase::Booted(boot), .. } = self else {
            return Err(Error::ResetNeeded);
        };
        boot.number = number;
        boot.measured.push(Measured { component: TRUST_STORE, digest })?;
        boot.measured.push(next.runtime)?;
        if let Some(set) = set {
            boot.measured.push(Measured { component: IMAGE_SET, digest: set.digest() })?;
            boot.set = Some(SetId(set.digest().0));
            let runtime = next.runtime.component;
            boot.runtime = has(set, runtime).then_some(runtime);
            boot.confirmed = state.floors;
            raise_to(&mut boot.confirmed, layer, set)?;
        }
        let mut images = next.images().filter(|image| *image != next.runtime);
        Ok(images.try_for_each(|image| {
            let digest = as_it_runs(layer, image.component, image.digest);
            boot.measured.push(Measured { digest, ..image })
        })?)
    }

    /// A runtime outside the set is one that nothing verified: it may not call itself an app that
    /// was confirmed once (ROT-12).
    fn refuse_disguised(
        &self,
        next: &NextLayer<'_>,
        admitted: Option<&Admitted<'_>>,
    ) -> Result<()> {
        let runtime = next.runtime.component;
        let verified = admitted.is_some_and(|set| has(set, runtime));
        let known = self.state.floors.has(runtime) && self.state.runtime != Some(runtime);
        if known && !verified { Err(Error::MeasuredNotInSet) } else { Ok(()) }
    }

    /// The rung of each component's booted version. A runtime outside the set gets the lowest of a
    /// ladder of its own: what a verified component sealed, at whatever version, it cannot open.
    fn keep_rungs(
        &mut self,
        root: &Secret,
        next: &NextLayer<'_>,
        set: Option<&Admitted<'_>>,
    ) -> Result<()> {
        let bound = self.bound();
        let Self { crypto, phase: Phase::Booted(boot), .. } = self else {
            return Err(Error::ResetNeeded);
        };
        boot.client_root = derive_from(crypto, root, &[b"craton/1/client", &bound.0]);
        let members = set.into_iter().flat_map(|set| set.members());
        let verified = members.map(|m| (&b"craton/1/seal"[..], m.component, m.security_version));
        let runtime = next.runtime.component;
        let alone = boot.runtime.is_none();
        let alone = alone.then_some((&b"craton/1/seal-unverified"[..], runtime, 0));
        for (place, (label, component, version)) in boot.rungs.iter_mut().zip(verified.chain(alone))
        {
            let component_root = derive_from(crypto, root, &[label, &bound.0, &component.0]);
            *place = Some((component, Rung::of(crypto, &component_root, version)?));
        }
        Ok(())
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

#[inline(never)] // as `has`
fn check_class(set: &ImageSet<'_>, class: ClassId) -> Result<()> {
    Ok(set.check_class(class)?) // SET-5
}

/// That each member is an image on the device, and each image a member.
#[inline(never)] // as `has`
fn check_images(set: &ImageSet<'_>, next: &NextLayer<'_>) -> Result<()> {
    for member in set.members() {
        let is_runtime = member.component == next.runtime.component;
        let found = if is_runtime { Some(next.runtime) } else { only(next, member.component) };
        let digest = found.ok_or(Error::MemberNotMeasured)?.digest;
        if digest != member.payload {
            return Err(Error::MeasurementMismatch);
        }
    }
    if next.images().all(|image| has(set, image.component)) {
        Ok(())
    } else {
        Err(Error::MeasuredNotInSet)
    }
}

/// What a set's image is measured as (ROT-12): itself, but for the root of trust's own program.
/// That one is brought by commands of its own, before or after the set that names it, and falls
/// back alone; a set with another version of it boots.
fn as_it_runs(layer: &Layer0, component: ComponentId, digest: Digest) -> Digest {
    let own = layer.component() == Some(component);
    if own { layer.implementation } else { digest }
}

#[inline(never)] // as `has`
fn raise_to(floors: &mut Floors, layer: &Layer0, set: &ImageSet<'_>) -> Result<()> {
    for member in set.members() {
        if as_it_runs(layer, member.component, member.payload) == member.payload {
            // ROT-4: not by a program that does not run.
            floors.raise(member.component, member.security_version)?;
        }
    }
    Ok(())
}

fn only(next: &NextLayer<'_>, component: ComponentId) -> Option<Measured> {
    next.images().find(|image| image.component == component)
}
