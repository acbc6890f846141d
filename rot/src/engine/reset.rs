//! Reset: from power to an engine that may boot the next layer.
//!
//! On one chip one program does it all ([`Engine::reset`]); where a ROM comes first, the ROM
//! selects this program and derives its layer ([`super::rom`]), and the program goes on from what
//! it is handed ([`Engine::resume`]).

use super::journal::{BODY_MAX, Journal};
use super::layer::Layer0;
use super::ownership::{finish_claim, finish_erase};
use super::state::{Program, State};
use super::{Engine, Phase, lifecycle, write_state};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::secret::Secret;
use craton_trust::Digest;
use craton_trust::crypto::{Crypto, KeyedCrypto};
use craton_trust::dice::Mode;
use zeroize::Zeroize as _;

/// What stands for the engine's program in its DICE layer and in evidence where nothing measures
/// it: its name and version.
pub const DESCRIPTOR: &str = concat!("craton-rot/engine/", env!("CARGO_PKG_VERSION"));

/// The implementation id that evidence of such an engine carries.
#[must_use]
pub fn implementation(crypto: &impl Crypto) -> Digest {
    crypto.sha256(&[DESCRIPTOR.as_bytes()])
}

/// How to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Mode Normal, or Debug if a capability is pending.
    Normal,
    /// Mode Recovery: fetches and installs, unseals nothing, and leaves a pending capability alone.
    Recovery,
}

impl Start {
    /// The mode of this start, with this state.
    pub(super) const fn mode(self, debug_next: bool) -> Mode {
        match self {
            Self::Recovery => Mode::Recovery,
            Self::Normal if debug_next => Mode::Debug,
            Self::Normal => Mode::Normal,
        }
    }
}

/// The state in force, of this chip and no other, and where it lies.
#[inline(never)] // its rooms leave the stack before anything is verified or derived
pub(super) fn load_state(
    platform: &impl Platform,
    crypto: &impl Crypto,
) -> Result<(Journal, State)> {
    let mut state = State::blank();
    let journal = read_state(platform, crypto, &mut state)?;
    let mut genesis = [0u8; 32];
    platform.fuses(Row::PlatformGenesis, &mut genesis)?;
    if state.platform.genesis.0 == genesis {
        Ok((journal, state))
    } else {
        Err(Error::StorageDamaged)
    }
}

fn read_state(
    platform: &impl Platform,
    crypto: &impl Crypto,
    state: &mut State,
) -> Result<Journal> {
    let mut body = [0u8; BODY_MAX];
    let loaded = Journal::load(platform, crypto, &mut body);
    let journal = loaded.and_then(|(journal, length)| {
        state.read(body.get(..length).unwrap_or(&[]))?;
        Ok(journal)
    });
    body.zeroize();
    journal
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// Resets a chip and starts the engine on it.
    ///
    /// # Errors
    /// `NotManufactured`, `StorageDamaged`, `StorageFailed`, `RandomFailed`.
    pub fn reset(platform: P, crypto: C, start: Start) -> Result<Self> {
        Ok(Ready::reset(platform, crypto, start)?.engine())
    }

    /// As [`Engine::reset`], in the place where the engine stays: for a chip on whose stack it has
    /// no room a second time.
    ///
    /// # Errors
    /// As [`Engine::reset`]; what was in the place is still there.
    pub fn reset_in(
        place: &mut Option<Self>,
        platform: P,
        crypto: C,
        start: Start,
    ) -> Result<&mut Self> {
        let ready = Ready::reset(platform, crypto, start)?;
        scrub();
        Ok(ready.put_in(place))
    }

    /// Goes on from the layer that a ROM handed over; that ROM hid the device secret.
    ///
    /// # Errors
    /// As [`Engine::reset`]; `HandoverInvalid` for a layer in another mode than the state asks for.
    pub fn resume(platform: P, crypto: C, layer: Layer0) -> Result<Self> {
        Ok(Ready::resume(platform, crypto, layer)?.engine())
    }

    /// As [`Engine::resume`], in the place where the engine stays.
    ///
    /// # Errors
    /// As [`Engine::resume`]; what was in the place is still there.
    pub fn resume_in(
        place: &mut Option<Self>,
        platform: P,
        crypto: C,
        layer: Layer0,
    ) -> Result<&mut Self> {
        let ready = Ready::resume(platform, crypto, layer)?;
        scrub();
        Ok(ready.put_in(place))
    }

    /// Resets this chip: what the reset line of a real one does.
    ///
    /// # Errors
    /// As [`Engine::reset`].
    pub fn restart(self, start: Start) -> Result<Self> {
        let Self { platform, crypto, .. } = self;
        Self::reset(platform, crypto, start)
    }
}

/// What an engine is put together from: less than half of it, because nothing booted yet.
struct Ready<P, C: KeyedCrypto> {
    platform: P,
    crypto: C,
    journal: Journal,
    state: State,
    layer: Layer0,
    attester: C::Key,
    root: Secret,
    auth_session: [u8; 16],
}

impl<P: Platform, C: KeyedCrypto> Ready<P, C> {
    fn reset(mut platform: P, crypto: C, start: Start) -> Result<Self> {
        platform.reset();
        if !lifecycle::is_manufactured(&platform)? {
            return Err(Error::NotManufactured);
        }
        let (journal, state) = load_state(&platform, &crypto)?;
        let (mode, genesis) = (start.mode(state.debug_next), state.platform.genesis);
        let own = implementation(&crypto);
        let layer = Layer0::derive(&mut platform, &crypto, &genesis, (None, own), mode)?;
        Self::begin(platform, crypto, journal, state, layer)
    }

    fn resume(platform: P, crypto: C, layer: Layer0) -> Result<Self> {
        let (journal, state) = load_state(&platform, &crypto)?;
        let normal = Start::Normal.mode(state.debug_next);
        if layer.mode != normal && layer.mode != Mode::Recovery {
            return Err(Error::HandoverInvalid);
        }
        Self::begin(platform, crypto, journal, state, layer)
    }

    fn begin(
        mut platform: P,
        crypto: C,
        mut journal: Journal,
        mut state: State,
        mut layer: Layer0,
    ) -> Result<Self> {
        let attester = crypto.key(&layer.attester.0)?;
        layer.attester = Secret::zero();
        let root = core::mem::replace(&mut layer.sealing, Secret::zero());
        let mut auth_session = [0u8; 16];
        platform.random(&mut auth_session)?;
        settle(&mut platform, &crypto, &mut journal, &mut state, &layer)?;
        Ok(Self { platform, crypto, journal, state, layer, attester, root, auth_session })
    }

    fn engine(self) -> Engine<P, C> {
        let Self { platform, crypto, journal, state, layer, attester, root, auth_session } = self;
        let (phase, auth_taken) = (Phase::Fresh(root), false);
        Engine {
            platform,
            crypto,
            journal,
            state,
            layer,
            attester,
            phase,
            auth_session,
            auth_taken,
            install: None,
        }
    }

    #[inline(never)] // an engine comes to the stack after what was derived for it
    fn put_in(self, place: &mut Option<Engine<P, C>>) -> &mut Engine<P, C> {
        place.insert(self.engine())
    }
}

/// More than what an engine is and the copy of it that is moved to its place.
const SCRUBBED: usize = 8 * 1024;

/// Overwrites the stack below its caller. ROT-23: an engine is moved to its place with the bytes
/// that no field of it uses yet; they are what the stack held, such as a state that was hashed, and
/// nothing would wipe them before the next reset.
#[inline(never)]
fn scrub() {
    let mut room = [0u64; SCRUBBED / 8];
    room.zeroize();
}

/// Finishes what was begun before this reset, and what this reset begins: each is one write, and
/// redone by the next reset if it fails.
#[inline(never)] // its rooms leave the stack with it
fn settle(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    journal: &mut Journal,
    state: &mut State,
    layer: &Layer0,
) -> Result<()> {
    finish_erase(platform, crypto, journal, state)?;
    finish_claim(platform, state)?;
    // From the first start on the ROM starts no program of another component, whose floor would be
    // 0 (ROLL-1).
    if let (Some(program), None) = (layer.program, state.own) {
        state.own = Some(Program { security_version: 0, ..program });
        write_state(platform, crypto, journal, state)?;
    }
    // CAP-2: consumed before anything can be booted by it. A boot that is refused, or a cut, costs
    // the capability; it never leaves a device that is in mode Debug reset after reset.
    if layer.mode == Mode::Debug {
        state.debug_next = false;
        write_state(platform, crypto, journal, state)?;
    }
    Ok(())
}
