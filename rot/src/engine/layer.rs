//! The engine's own layer: the one DICE step from the device secret, and how it is handed over.
//!
//! Rule ROT-1: the device secret is readable only until this step is done; its key is the identity
//! and certifies this layer, whose key attests. Inputs: code = SHA-512 of the implementation id,
//! which for a program that a ROM verified is SHA-256 of that program; authority = SHA-512 of the
//! platform section's genesis; mode; configuration as [`layer_configuration`] has it. Sealing
//! depends on none but authority and mode.
//!
//! Rule ROT-16: a ROM hands over no more than this: not the device secret, and not the key of the
//! identity. Whoever reads a handover can be this layer, and no other; he can write the state, too.
//! What of it leaves the chip (identity, certificate, implementation, mode) counts only if the
//! identity certified it so: a secret that a fault put there is none of it. Its secrets, which no
//! certificate names, a ROM derives twice and reads where they were left (ROT-18).

use super::doubt::{difference, unequal};
use super::state::Program;
use super::{journal, lifecycle};
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use crate::secret::Secret;
use crate::slots::Slot;
use craton_trust::cbor::{Reader, Writer};
use craton_trust::crypto::{Crypto, KeyedCrypto, Signer as _};
use craton_trust::dice::{self, CERTIFICATE_MAX, Cdi, Certified, Inputs, Mode};
use craton_trust::evidence::layer_configuration;
use craton_trust::{ClassId, ComponentId, Digest, PublicKey, copy};

/// The most bytes of a handover.
pub const HANDOVER_MAX: usize = 1024;

const MAGIC: &[u8; 8] = b"craton\x01h";
const FORMAT: u64 = 3;
/// Bytes of a layer's configuration before its zeros.
pub(super) const CONFIGURED: usize = 19;

/// A layer as the identity certified it, with its secrets.
pub struct Layer0 {
    pub(super) identity: PublicKey,
    pub(super) mode: Mode,
    pub(super) implementation: Digest,
    /// The program of this layer, if a ROM verified it.
    pub(super) program: Option<Program>,
    /// The slot that a ROM started it from.
    pub(super) slot: Option<Slot>,
    /// The private key that attests.
    pub(super) attester: Secret,
    /// What every sealing key of this layer comes from.
    pub(super) sealing: Secret,
    /// The key that the state is kept under, whatever the layer (ROT-24).
    pub(super) state: Secret,
    /// The sum of the state by which a ROM decided.
    pub(super) found: Digest,
    /// What it was derived from, of lifecycle and class; not handed over.
    pub(super) configuration: [u8; CONFIGURED],
    /// What speaks against its secrets: 0 is nothing; not handed over.
    pub(super) doubt: u32,
    certificate: [u8; CERTIFICATE_MAX],
    certificate_length: usize,
}

impl Layer0 {
    /// Derives the layer of a program from the device secret, which is hidden until the next reset
    /// whatever comes of it.
    #[inline(never)] // a step that is measured
    pub(super) fn derive(
        platform: &mut impl Platform,
        crypto: &impl KeyedCrypto,
        genesis: &Digest,
        about: (Option<Program>, Digest),
        mode: Mode,
    ) -> Result<Self> {
        let derived = derive(platform, crypto, genesis, about, mode).and_then(|mut layer| {
            layer.doubt = layer.doubt_secrets(platform, crypto, genesis)?;
            Ok(layer)
        });
        platform.lock_uds(); // ROT-1
        derived
    }

    /// By what its secrets differ from those of a layer of what it says that it is.
    #[inline(never)] // its room leaves the stack
    fn doubt_secrets(
        &self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        genesis: &Digest,
    ) -> Result<u32> {
        let mut uds = Secret::<32>::zero();
        platform.fuses(Row::Uds, &mut uds.0)?;
        let inputs = inputs(platform, crypto, genesis, &self.implementation, self.mode)?;
        let own = dice::Layer::of_uds(&uds.0).next(crypto, &inputs);
        // The first candidate: once in 2³² it is no key, and such a chip starts no such program.
        let attester = own.private_key(crypto, |secret| Ok(Cdi(*secret)))?;
        let state = journal::key_of(crypto, &uds);
        Ok(dice::doubt_known(crypto)
            | difference(&attester.0, &self.attester.0)
            | difference(&own.seal.0, &self.sealing.0)
            | difference(&state.0, &self.state.0))
    }

    /// What speaks against `bytes` being this layer, as it was handed over for a program in a slot,
    /// or in none: 0 is nothing (ROT-18).
    #[inline(never)] // as above
    pub(super) fn doubt_handed(
        &self,
        bytes: &[u8],
        (program, implementation): (Program, &Digest),
        slot: Option<Slot>,
    ) -> u32 {
        let Ok(handed) = Self::take_over(bytes) else { return !0 };
        let none = Program { security_version: !program.security_version, ..program };
        let found = handed.program.unwrap_or(none);
        let place = |slot: Option<Slot>| slot.map_or(0, |slot| 1 + slot as u64);
        let against = [
            difference(&handed.identity.0, &self.identity.0),
            unequal(handed.mode as u64, self.mode as u64),
            difference(&handed.implementation.0, &implementation.0),
            difference(&handed.attester.0, &self.attester.0),
            difference(&handed.sealing.0, &self.sealing.0),
            difference(&handed.state.0, &self.state.0),
            difference(handed.certificate(), self.certificate()),
            difference(&found.component.0, &program.component.0),
            unequal(found.security_version, program.security_version),
            unequal(place(handed.slot), place(slot)),
            difference(&handed.found.0, &self.found.0),
        ];
        against.iter().fold(0, |all, bits| all | bits)
    }

    /// Refuses a layer that is not what the identity certified: with this key, by what its chip
    /// has burned and its state has in force.
    ///
    /// # Errors
    /// `HandoverInvalid`.
    #[inline(never)] // as above
    pub(super) fn check_certified(
        &self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        genesis: &Digest,
        subject: PublicKey,
    ) -> Result<()> {
        if platform.vault().is_some() {
            return Ok(()); // it vouches for this layer in every quote
        }
        let certified = dice::verify(crypto, &self.identity, self.certificate());
        let right = Certified { subject, ..self.certified(platform, crypto, genesis)? };
        if certified == Ok(right) { Ok(()) } else { Err(Error::HandoverInvalid) }
    }

    /// What the identity says of this layer, where it does not certify it but quotes.
    pub(super) fn certified(
        &self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        genesis: &Digest,
    ) -> Result<Certified> {
        let Inputs { code, configuration, authority, .. } =
            inputs(platform, crypto, genesis, &self.implementation, self.mode)?;
        Ok(Certified { code, configuration, authority, mode: self.mode, subject: self.identity })
    }

    /// The component of the program of this layer, if a ROM verified it.
    #[must_use]
    pub fn component(&self) -> Option<ComponentId> {
        self.program.as_ref().map(|program| program.component)
    }

    /// The certificate; nothing where the chip keeps the identity.
    pub(super) fn certificate(&self) -> &[u8] {
        self.certificate.get(..self.certificate_length).unwrap_or(&[])
    }

    /// Writes the handover into `out`; returns its length. The caller wipes it once it was read.
    ///
    /// # Errors
    /// `RoomTooSmall`, which [`HANDOVER_MAX`] bytes are not.
    #[inline(never)] // as above
    pub fn hand_over(&self, out: &mut [u8]) -> Result<usize> {
        let room = out.split_first_chunk_mut().ok_or(Error::RoomTooSmall)?;
        let (magic, rest): (&mut [u8; MAGIC.len()], _) = room;
        *magic = *MAGIC;
        let (length, body) = rest.split_first_chunk_mut().ok_or(Error::RoomTooSmall)?;
        let mut writer = Writer::new(body);
        writer.array(11)?.u64(FORMAT)?.bytes(&self.identity.0)?.u64(self.mode as u64)?;
        writer.bytes(&self.implementation.0)?.bytes(&self.attester.0)?;
        writer.bytes(&self.sealing.0)?.bytes(&self.state.0)?.bytes(self.certificate())?;
        Program::write_optional(self.program.as_ref(), &mut writer)?;
        match self.slot {
            Some(slot) => writer.u64(slot as u64)?,
            None => writer.null()?,
        };
        writer.bytes(&self.found.0)?;
        let written = writer.length();
        *length = u32::try_from(written).map_err(|_| Error::RoomTooSmall)?.to_le_bytes();
        Ok(MAGIC.len() + length.len() + written)
    }

    /// Takes a layer over from the stage before. `bytes` may go on after it.
    ///
    /// # Errors
    /// `HandoverInvalid`: no stage that this program knows wrote it.
    pub fn take_over(bytes: &[u8]) -> Result<Self> {
        let mut layer = Self::blank();
        layer.fill(bytes).map_err(|_| Error::HandoverInvalid)?;
        Ok(layer)
    }

    /// Of which nothing is known yet.
    const fn blank() -> Self {
        Self {
            identity: PublicKey([0; 64]),
            mode: Mode::Recovery,
            implementation: Digest([0; 32]),
            program: None,
            slot: None,
            attester: Secret::zero(),
            sealing: Secret::zero(),
            state: Secret::zero(),
            found: Digest([0; 32]),
            configuration: [0; CONFIGURED],
            doubt: 0,
            certificate: [0; CERTIFICATE_MAX],
            certificate_length: 0,
        }
    }

    #[inline(never)] // each field comes to its place at once: no copy of a secret is left behind
    fn fill(&mut self, bytes: &[u8]) -> craton_trust::error::Result<()> {
        let invalid = craton_trust::Error::FieldInvalid;
        let body = bytes.strip_prefix(MAGIC).ok_or(invalid)?;
        let (length, body) = body.split_first_chunk().ok_or(invalid)?;
        let body = body.get(..u32::from_le_bytes(*length) as usize).ok_or(invalid)?;
        let mut reader = Reader::new(body)?;
        reader.array(11)?;
        if reader.u64()? != FORMAT {
            return Err(craton_trust::Error::VersionUnknown);
        }
        self.identity.0 = reader.fixed()?;
        self.mode = Mode::from_number(reader.u8()?)?;
        self.implementation = reader.digest()?;
        self.attester.0 = reader.fixed()?;
        self.sealing.0 = reader.fixed()?;
        self.state.0 = reader.fixed()?;
        let certificate = reader.bytes(CERTIFICATE_MAX)?;
        copy(self.certificate.get_mut(..certificate.len()).ok_or(invalid)?, certificate);
        self.certificate_length = certificate.len();
        self.program = reader.optional(Program::read)?;
        self.slot = reader.optional(|r| Slot::from_number(r.u64()?).ok_or(invalid))?;
        self.found = reader.digest()?;
        reader.end()
    }
}

fn derive(
    platform: &impl Platform,
    crypto: &impl KeyedCrypto,
    genesis: &Digest,
    (program, implementation): (Option<Program>, Digest),
    mode: Mode,
) -> Result<Layer0> {
    let mut uds = Secret::<32>::zero();
    platform.fuses(Row::Uds, &mut uds.0)?;
    let first = dice::Layer::of_uds(&uds.0);
    let inputs = inputs(platform, crypto, genesis, &implementation, mode)?;
    let own = first.next(crypto, &inputs);
    let (attester, key) = key_pair(crypto, &own)?;
    let subject = key.public_key();
    let mut certificate = [0u8; CERTIFICATE_MAX];
    let (identity, certificate_length) = match platform.vault() {
        // It vouches for this layer in every quote.
        Some(vault) => (vault.identity(&uds)?, 0),
        None => {
            let (_, identity) = key_pair(crypto, &first)?;
            let made = dice::certify(crypto, &identity, &inputs, &subject, &mut certificate)?;
            (identity.public_key(), made.len())
        }
    };
    let mut configuration = [0; CONFIGURED];
    copy(&mut configuration, &inputs.configuration[..CONFIGURED]);
    Ok(Layer0 {
        identity,
        mode,
        implementation,
        program,
        slot: None,
        attester: Secret::new(attester.0),
        sealing: Secret::new(own.seal.0),
        state: journal::key_of(crypto, &uds),
        found: Digest([0; 32]),
        configuration,
        doubt: !0,
        certificate,
        certificate_length,
    })
}

/// The key of a layer, and the secret that it is of.
#[inline(never)] // for both layers
fn key_pair<C: KeyedCrypto>(crypto: &C, layer: &dice::Layer) -> Result<(Cdi, C::Key)> {
    Ok(layer.private_key(crypto, |secret| Ok((Cdi(*secret), crypto.key(secret)?)))?)
}

fn inputs(
    platform: &impl Platform,
    crypto: &impl Crypto,
    genesis: &Digest,
    implementation: &Digest,
    mode: Mode,
) -> Result<Inputs> {
    Ok(Inputs {
        code: crypto.sha512(&[&implementation.0]),
        configuration: configuration(platform)?,
        authority: crypto.sha512(&[&genesis.0]),
        mode: mode as u8,
        hidden: [0; 64],
    })
}

fn configuration(platform: &impl Platform) -> Result<[u8; 64]> {
    let mut class = ClassId([0; 16]);
    platform.fuses(Row::Class, &mut class.0)?;
    Ok(layer_configuration(lifecycle::read(platform)?, &class))
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::platform::memory::MemoryPlatform;
    use craton_trust::soft::Soft;

    #[test]
    fn rot_18_secrets_of_another_layer_than_it_says_are_a_doubt() {
        let mut chip = MemoryPlatform::new();
        chip.burn(Row::Uds, &[5; 32]).unwrap();
        chip.burn(Row::Class, &[6; 16]).unwrap();
        let (genesis, other) = (Digest([1; 32]), Digest([3; 32]));
        let doubt = |genesis: &Digest, change: fn(&mut Layer0)| {
            let about = (None, Digest([2; 32]));
            let mut layer = derive(&chip, &Soft, &Digest([1; 32]), about, Mode::Normal).unwrap();
            assert_ne!(layer.doubt, 0, "before it was looked at");
            change(&mut layer);
            layer.doubt_secrets(&chip, &Soft, genesis).unwrap()
        };
        assert_eq!(doubt(&genesis, |_| ()), 0);
        assert_ne!(doubt(&other, |_| ()), 0);
        let changes: [fn(&mut Layer0); 5] = [
            |layer| layer.mode = Mode::Recovery,
            |layer| layer.implementation.0[31] ^= 1,
            |layer| layer.sealing.0 = [0; 32],
            |layer| layer.attester.0[0] ^= 0x80,
            |layer| layer.state.0[16] ^= 4,
        ];
        for change in changes {
            assert_ne!(doubt(&genesis, change), 0);
        }
    }
}
