//! Reset: the only code that sees the device secret, and the one DICE step from it to the engine.
//!
//! Rule ROT-1: the device secret is readable only here; its key is the identity and certifies the
//! engine's layer, whose key attests. Inputs of that layer: code = SHA-512 of [`DESCRIPTOR`];
//! authority = SHA-512 of the platform section's genesis; mode; configuration = format 1, lifecycle
//! (2 bytes), class (16 bytes), zeros. Sealing depends on none but authority and mode.

use super::journal::{BODY_MAX, Journal};
use super::state::State;
use super::{Engine, Phase, lifecycle};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::secret::Secret;
use craton_trust::Digest;
use craton_trust::PublicKey;
use craton_trust::crypto::{Crypto, Signer as _};
use craton_trust::dice::{self, CERTIFICATE_MAX, Inputs, Layer, Mode};
use craton_trust::soft::SoftKey;
use zeroize::Zeroize as _;

/// What stands for the engine's program in its DICE layer and in evidence: its name and version.
pub const DESCRIPTOR: &str = concat!("craton-rot/engine/", env!("CARGO_PKG_VERSION"));

/// The implementation id that evidence of this engine carries.
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

/// The engine's own layer, as the identity certified it.
pub struct Layer0 {
    pub(super) identity: PublicKey,
    pub(super) mode: Mode,
    pub(super) attester: SoftKey,
    certificate: [u8; CERTIFICATE_MAX],
    certificate_length: usize,
}

impl Layer0 {
    pub(super) fn certificate(&self) -> &[u8] {
        self.certificate.get(..self.certificate_length).unwrap_or(&[])
    }
}

impl<P: Platform, C: Crypto> Engine<P, C> {
    /// Resets a chip and starts the engine on it.
    ///
    /// # Errors
    /// `NotManufactured`, `StorageDamaged`, `StorageFailed`, `RandomFailed`.
    pub fn reset(mut platform: P, crypto: C, start: Start) -> Result<Self> {
        platform.reset();
        if !lifecycle::is_manufactured(&platform)? {
            return Err(Error::NotManufactured);
        }
        let mut body = [0u8; BODY_MAX];
        let loaded = Journal::load(&platform, &crypto, &mut body);
        let state = loaded.and_then(|(journal, length)| {
            Ok((journal, State::parse(body.get(..length).unwrap_or(&[]))?))
        });
        body.zeroize();
        let (journal, state) = state?;
        let mode = match start {
            Start::Recovery => Mode::Recovery,
            Start::Normal if state.debug_next => Mode::Debug,
            Start::Normal => Mode::Normal,
        };
        let mut genesis = [0u8; 32];
        platform.fuses(Row::PlatformGenesis, &mut genesis)?;
        if state.platform.genesis.0 != genesis {
            return Err(Error::StorageDamaged); // the state is of another chip
        }
        let derived = derive(&platform, &crypto, &state, mode);
        platform.lock_uds(); // ROT-1
        let (layer, root) = derived?;
        let mut auth_session = [0u8; 16];
        platform.random(&mut auth_session)?;
        let phase = Phase::Fresh(root);
        let auth_taken = false;
        let mut engine =
            Self { platform, crypto, journal, state, layer, phase, auth_session, auth_taken };
        engine.finish_erase()?;
        engine.finish_claim()?;
        engine.consume_capability()?;
        Ok(engine)
    }

    /// CAP-2: consumed before anything can be booted by it. A boot that is refused, or a cut, costs
    /// the capability; it never leaves a device that is in mode Debug reset after reset.
    fn consume_capability(&mut self) -> Result<()> {
        if self.layer.mode != Mode::Debug {
            return Ok(());
        }
        let next = State { debug_next: false, ..self.state.clone() };
        self.commit(next)
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

fn derive(
    platform: &impl Platform,
    crypto: &impl Crypto,
    state: &State,
    mode: Mode,
) -> Result<(Layer0, Secret)> {
    let mut uds = Secret::zero();
    platform.fuses(Row::Uds, &mut uds.0)?;
    let first = Layer::of_uds(&uds.0);
    let identity = first.private_key(crypto, SoftKey::from_bytes)?;
    let inputs = Inputs {
        code: crypto.sha512(&[DESCRIPTOR.as_bytes()]),
        configuration: configuration(platform)?,
        authority: crypto.sha512(&[&state.platform.genesis.0]),
        mode: mode as u8,
        hidden: [0; 64],
    };
    let own = first.next(crypto, &inputs);
    let attester = own.private_key(crypto, SoftKey::from_bytes)?;
    let mut certificate = [0u8; CERTIFICATE_MAX];
    let certified =
        dice::certify(crypto, &identity, &inputs, &attester.public_key(), &mut certificate)?;
    let certificate_length = certified.len();
    let identity = identity.public_key();
    let layer = Layer0 { identity, mode, attester, certificate, certificate_length };
    Ok((layer, Secret::new(own.seal.0)))
}

fn configuration(platform: &impl Platform) -> Result<[u8; 64]> {
    let mut class = [0u8; 16];
    platform.fuses(Row::Class, &mut class)?;
    let mut configuration = [0u8; 64];
    let lifecycle = (lifecycle::read(platform)? as u16).to_be_bytes();
    let parts = [&[1][..], &lifecycle, &class].into_iter().flatten();
    configuration.iter_mut().zip(parts).for_each(|(place, byte)| *place = *byte);
    Ok(configuration)
}
