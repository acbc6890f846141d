//! Reset: from power to an engine that may boot the next layer.
//!
//! On one chip one program does it all ([`Engine::reset`]); where a ROM comes first, the ROM
//! selects this program and derives its layer ([`super::rom`]), and the program goes on from what
//! it is handed ([`Engine::resume`]).

use super::journal::{self, Journal};
use super::layer::Layer0;
use super::ownership::{finish_claim, finish_erase};
use super::state::{Program, State};
use super::{Engine, Phase, lifecycle, write_state};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row, Source};
use crate::secret::Secret;
use craton_trust::Digest;
use craton_trust::crypto::{Crypto, KeyedCrypto, Signer as _};
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

/// What reads a state: [`State::read`], or [`State::read_of_rom`].
type Read = fn(&mut State, &[u8]) -> Result<()>;

/// Reads the state in force, of this chip and no other, into `state`; `journal` tells then where it
/// lies.
#[inline(never)] // its rooms leave the stack before anything is verified or derived
pub(super) fn load_state(
    platform: &impl Source,
    crypto: &impl Crypto,
    journal: &mut Journal,
    (state, read): (&mut State, Read),
) -> Result<()> {
    journal.load(platform, crypto, |body| read(state, body))?;
    let mut genesis = [0u8; 32];
    platform.row(Row::PlatformGenesis, &mut genesis)?;
    if state.platform.genesis.0 == genesis { Ok(()) } else { Err(Error::StorageDamaged) }
}

/// As [`load_state`], where the device secret is not hidden yet.
pub(super) fn load_first(
    platform: &impl Source,
    crypto: &impl Crypto,
    state: (&mut State, Read),
) -> Result<Journal> {
    let mut journal = Journal::under(journal::key(platform, crypto)?);
    load_state(platform, crypto, &mut journal, state)?;
    Ok(journal)
}

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// Resets a chip and starts the engine on it.
    ///
    /// # Errors
    /// `NotManufactured`, `StorageDamaged`, `StorageFailed`, `RandomFailed`.
    pub fn reset(mut platform: P, crypto: C, start: Start) -> Result<Self> {
        platform.reset();
        if !lifecycle::is_manufactured(&platform)? {
            return Err(Error::NotManufactured);
        }
        let mut state = State::blank();
        let journal = load_first(&platform, &crypto, (&mut state, State::read))?;
        let (mode, genesis) = (start.mode(state.debug_next), state.platform.genesis);
        let own = implementation(&crypto);
        let mut layer = Layer0::derive(&mut platform, &crypto, &genesis, (None, own), mode)?;
        let (attester, root) = keys(&crypto, &mut layer)?;
        let mut engine = Self::over(platform, crypto, layer, attester);
        (engine.journal, engine.state) = (journal, state);
        engine.begin(root)?;
        Ok(engine)
    }

    /// Goes on from the layer that a ROM handed over, in the place where the engine stays: a chip
    /// has no room for it on its stack as well. That ROM hid the device secret.
    ///
    /// # Errors
    /// As [`Engine::reset`]; `HandoverInvalid` for a layer in another mode than the state asks for,
    /// of another state, or that its identity certified as another one.
    /// The place is empty then.
    pub fn resume_in(
        place: &mut Option<Self>,
        platform: P,
        crypto: C,
        mut layer: Layer0,
    ) -> Result<()> {
        let (attester, root) = keys(&crypto, &mut layer)?;
        scrub();
        let engine = Self::put_in(place, platform, crypto, layer, attester);
        let resumed = engine.go_on(root);
        if resumed.is_err() {
            *place = None;
        }
        resumed
    }

    /// As [`Engine::resume_in`], where there is room for it.
    ///
    /// # Errors
    /// As [`Engine::resume_in`].
    pub fn resume(platform: P, crypto: C, mut layer: Layer0) -> Result<Self> {
        let (attester, root) = keys(&crypto, &mut layer)?;
        let mut engine = Self::over(platform, crypto, layer, attester);
        engine.go_on(root)?;
        Ok(engine)
    }

    #[inline(never)] // the engine is on the stack here, and nowhere below
    fn put_in(
        place: &mut Option<Self>,
        platform: P,
        crypto: C,
        layer: Layer0,
        attester: C::Key,
    ) -> &mut Self {
        place.insert(Self::over(platform, crypto, layer, attester))
    }

    /// One that does nothing yet.
    fn over(platform: P, crypto: C, mut layer: Layer0, attester: C::Key) -> Self {
        let key = core::mem::replace(&mut layer.state, Secret::zero());
        Self {
            platform,
            crypto,
            journal: Journal::under(key),
            state: State::blank(),
            layer,
            attester,
            phase: Phase::Over,
            auth_session: [0; 16],
            auth_taken: false,
            install: None,
        }
    }

    fn go_on(&mut self, root: Secret) -> Result<()> {
        let Self { platform, crypto, journal, state, .. } = self;
        load_state(platform, crypto, journal, (state, State::read))?;
        let normal = Start::Normal.mode(self.state.debug_next);
        // The state by which the ROM let this program start, and no other that came meanwhile.
        let other = self.journal.sum() != self.layer.found;
        if other || (self.layer.mode != normal && self.layer.mode != Mode::Recovery) {
            return Err(Error::HandoverInvalid);
        }
        let Self { platform, crypto, state, layer, attester, .. } = self;
        let genesis = &state.platform.genesis;
        layer.check_certified(platform, crypto, genesis, attester.public_key())?;
        self.begin(root)
    }

    fn begin(&mut self, root: Secret) -> Result<()> {
        let Self { platform, crypto, journal, state, layer, auth_session, .. } = self;
        platform.random(auth_session)?;
        settle(platform, crypto, journal, state, layer)?;
        self.phase = Phase::Fresh(root);
        Ok(())
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

/// Takes the key that attests, and the root of what is sealed, out of a layer.
fn keys<C: KeyedCrypto>(crypto: &C, layer: &mut Layer0) -> Result<(C::Key, Secret)> {
    let attester = crypto.key(&layer.attester.0)?;
    layer.attester = Secret::zero();
    Ok((attester, core::mem::replace(&mut layer.sealing, Secret::zero())))
}

/// More than what is on the stack while an engine is made in its place.
const SCRUBBED: usize = 4 * 1024;

/// Overwrites the stack below its caller. ROT-23: an engine comes to its place with the bytes that
/// no field of it uses yet; they are what the stack held, such as a key that was derived, and
/// nothing would wipe them before the next reset.
#[inline(never)]
pub(super) fn scrub() {
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
