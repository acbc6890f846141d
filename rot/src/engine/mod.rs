//! The engine: the logic of a root of trust over what a chip gives ([`Platform`]).
//!
//! Reading order: [`rom::select`] and `layer` (in ROM), [`Engine::reset`],
//! `boot`, `attest`, `sealing`, `ownership`, `lifecycle`.

mod attest;
mod boot;
mod device_auth;
mod doubt;
mod gcm;
mod journal;
mod ladder;
mod layer;
mod lifecycle;
mod manufacture;
mod own;
mod ownership;
mod reset;
pub mod rom;
mod sealing;
mod sections;
mod state;

#[cfg(feature = "tpm")]
pub(crate) use ladder::derive_from;
pub use layer::{HANDOVER_MAX, Layer0};
pub use manufacture::{Manufacture, provision};
pub use reset::{DESCRIPTOR, Start, implementation};
pub use state::Program;

use crate::auth::{Ask, AuthMessage, AuthRole};
use crate::boot::{Event, NextLayer, Status};
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::programs::Programs;
use crate::{RootOfTrust, order};
use craton_trust::crypto::{Crypto, KeyedCrypto, Signature};
use craton_trust::dice::Mode;
use craton_trust::soft::Soft;
use craton_trust::store::SectionKind;
use craton_trust::{ClassId, ComponentId, DeviceId, Digest, PublicKey};
use journal::{BODY_MAX, Journal};
use state::State;
use zeroize::Zeroize as _;

/// A root of trust on a platform.
pub struct Engine<P: Platform, C: KeyedCrypto = Soft> {
    platform: P,
    crypto: C,
    journal: Journal,
    state: State,
    layer: Layer0,
    attester: C::Key,
    phase: Phase,
    auth_session: [u8; 16],
    auth_taken: bool,
    install: Option<own::Install>,
}

/// How far this reset is.
#[expect(clippy::large_enum_variant, reason = "there is one, and no heap to put it on")]
enum Phase {
    /// Nothing booted: the sealing root is still here.
    Fresh(crate::secret::Secret),
    /// Booted: only the rungs that this boot may use are left.
    Booted(boot::Boot),
    /// Lifecycle or owner changed, or what the storage holds is not known: nothing attests, unseals
    /// or commits until the next reset.
    Over,
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// The chip, when this engine is no longer needed.
    #[must_use]
    pub fn into_platform(self) -> P {
        self.platform
    }

    /// The chip, for what it needs beside the engine.
    pub const fn platform_mut(&mut self) -> &mut P {
        &mut self.platform
    }

    /// The chip, for what it is asked beside the engine.
    #[cfg(feature = "tpm")]
    pub(crate) fn platform(&self) -> &P {
        &self.platform
    }

    /// Makes `next` the state: one write that commits (ROT-7).
    fn commit(&mut self, next: State) -> Result<()> {
        self.write(&next)?;
        self.state = next;
        Ok(())
    }

    #[inline(never)] // so that who commits has one copy of the next state on the stack
    fn write(&mut self, next: &State) -> Result<()> {
        let written = write_state(&mut self.platform, &self.crypto, &mut self.journal, next);
        if self.journal.check_certain().is_err() {
            self.phase = Phase::Over;
        }
        written
    }

    /// Commits the state as `change` leaves it.
    #[inline(never)] // the changed state is on the stack of this alone
    fn change(&mut self, change: &mut dyn FnMut(&mut State)) -> Result<()> {
        let mut next = self.state.clone();
        change(&mut next);
        self.write(&next)?; // the write that commits
        core::mem::swap(&mut self.state, &mut next); // moved, it would be on the stack twice
        Ok(())
    }

    /// The class of devices, as it was burned.
    fn class(&self) -> Result<ClassId> {
        let mut class = ClassId([0; 16]);
        self.platform.fuses(Row::Class, &mut class.0)?;
        Ok(class)
    }

    fn booted(&self) -> Result<&boot::Boot> {
        match &self.phase {
            Phase::Booted(boot) => Ok(boot),
            Phase::Fresh(_) => Err(Error::NotBooted),
            Phase::Over => Err(Error::ResetNeeded),
        }
    }
}

/// Writes a state: one write that commits (ROT-7).
#[inline(never)] // its room leaves the stack with it
fn write_state(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    journal: &mut Journal,
    state: &State,
) -> Result<()> {
    let mut body = [0u8; BODY_MAX];
    let length = state.encode(&mut body)?;
    let bytes = body.get(..length).ok_or(Error::StorageFull)?;
    let written = journal.write(platform, crypto, bytes);
    body.zeroize();
    written
}

// Not inlined: whoever passes commands on must not have the rooms of all of them on his stack.
impl<P: Platform, C: KeyedCrypto> RootOfTrust for Engine<P, C> {
    fn identity(&self) -> PublicKey {
        self.layer.identity
    }

    fn device(&self) -> DeviceId {
        self.layer.identity.device_id(&self.crypto)
    }

    fn certificate(&self, place: usize) -> Option<&[u8]> {
        (place == 0).then(|| self.layer.certificate()).filter(|it| !it.is_empty())
    }

    fn capabilities(&self) -> Capabilities {
        self.platform.capabilities()
    }

    #[inline(never)]
    fn status(&self) -> Result<Status> {
        let state = &self.state;
        Ok(Status {
            lifecycle: lifecycle::read(&self.platform)?,
            class: self.class()?,
            mode: self.layer.mode,
            booted: matches!(self.phase, Phase::Booted(_)),
            owner: self.catalog().ok(),
            sections: (state.platform.section, state.owner.map(|owner| owner.section)),
            epoch: state.epoch,
            boot: state.boot,
            check_in: state.check_in,
            time_floor: state.time_floor,
            checkpoint_size: state.checkpoint_size,
            floors: state.floors,
            debug_next: state.debug_next,
        })
    }

    #[inline(never)]
    fn section<'o>(&self, kind: SectionKind, out: &'o mut [u8]) -> Result<&'o [u8]> {
        self.read_section(kind, out)
    }

    #[inline(never)]
    fn advance_lifecycle(&mut self, order: &[u8]) -> Result<()> {
        self.move_lifecycle(order)
    }

    fn take_auth_role(&mut self) -> Result<AuthRole> {
        if self.auth_taken {
            return Err(Error::AuthRoleTaken);
        }
        self.auth_taken = true;
        Ok(AuthRole { session: self.auth_session })
    }

    #[inline(never)]
    fn boot(&mut self, next: &NextLayer<'_>) -> Result<Mode> {
        self.start(next)
    }

    #[inline(never)]
    fn extend(&mut self, component: ComponentId, digest: Digest) -> Result<()> {
        self.measure_more(component, digest)
    }

    fn event(&self, place: usize) -> Result<Option<Event>> {
        Ok(self.booted().ok().and_then(|boot| boot.event(place)))
    }

    #[inline(never)]
    fn attest<'o>(&mut self, ask: &Ask<'_>, out: &'o mut [u8]) -> Result<&'o [u8]> {
        self.quote(ask, out)
    }

    #[inline(never)]
    fn client_key(&self) -> Result<PublicKey> {
        self.device_auth_public()
    }

    #[inline(never)]
    fn renew_client_key(&mut self) -> Result<PublicKey> {
        self.device_auth_renew()
    }

    #[inline(never)]
    fn sign(&self, message: &AuthMessage<'_>) -> Result<Signature> {
        self.device_auth_sign(message)
    }

    #[inline(never)]
    fn seal<'o>(
        &mut self,
        component: ComponentId,
        plain: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        self.seal_for(component, plain, out)
    }

    #[inline(never)]
    fn unseal<'o>(
        &self,
        component: ComponentId,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        self.unseal_for(component, sealed, out)
    }

    #[inline(never)]
    fn confirm(&mut self) -> Result<()> {
        self.raise_floors()
    }

    #[inline(never)]
    fn claim(&mut self, code: &[u8], owner: &[u8]) -> Result<()> {
        self.take_owner(code, owner)
    }

    #[inline(never)]
    fn replace(&mut self, successor: &[u8], sets: &[&[u8]], envelopes: &[&[u8]]) -> Result<()> {
        self.replace_section(successor, sets, envelopes)
    }

    #[inline(never)]
    fn new_epoch(&mut self, order: &[u8], next_owner: Option<&[u8]>) -> Result<()> {
        self.erase(order, next_owner)
    }

    #[inline(never)]
    fn challenge(&mut self) -> Result<Digest> {
        self.open_challenge()
    }

    #[inline(never)]
    fn apply(&mut self, capability: &[u8]) -> Result<()> {
        self.apply_capability(capability)
    }

    #[inline(never)]
    fn accept_reply(&mut self, reply: &[u8], request: &Digest) -> Result<()> {
        self.raise_time(reply, request)
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        self.platform.random(out)
    }

    #[inline(never)]
    fn programs(&self) -> Result<Programs> {
        self.show_programs()
    }

    #[inline(never)]
    fn begin_program(&mut self, length: usize) -> Result<()> {
        self.begin_install(length)
    }

    #[inline(never)]
    fn write_program(&mut self, offset: usize, piece: &[u8]) -> Result<()> {
        self.write_install(offset, piece)
    }

    #[inline(never)]
    fn arm_program(&mut self, set: Option<&[u8]>) -> Result<()> {
        self.arm_install(set)
    }
}

const _: () = assert!(order::ORDER_MAX < BODY_MAX);
