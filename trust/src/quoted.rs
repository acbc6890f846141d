//! Evidence of a TPM: the claims, what they say of the engine's layer, and a quote over both.
//!
//! Rules: EV-4 the quote's qualifying data is the hash of a label of its own, the layer and the
//! claims, and its key is the endorsed identity, which a TPM lets quote and nothing else; EV-5 the
//! registers that travel along are those that were quoted. The other scheme (`evidence`) cannot be
//! passed off as this one, nor this one as that: there an ES256 signature covers a Sig_structure,
//! which begins with 0x84, and here a TPMS_ATTEST, which begins with 0xff.

use crate::cbor::{Reader, Writer};
use crate::copy::copy;
use crate::crypto::{Crypto, Signature};
use crate::dice::{Certified, Mode};
use crate::error::{Error, Result};
use crate::evidence::{Authentic, CLAIMS_MAX, Claims, EVIDENCE_MAX};
use crate::id::Digest;
use crate::key::PublicKey;
use crate::quote::{ATTEST_MAX, Quote, REGISTERS, Selection};
use crate::signed::Verified;

const FORMAT: u64 = 2;
const LABEL: &[u8] = b"craton/1/quoted-evidence";

/// The values of some registers of the SHA-256 bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Which.
    pub selection: Selection,
    values: [Digest; REGISTERS as usize],
}

impl Registers {
    /// No register.
    #[must_use]
    pub const fn none() -> Self {
        Self { selection: Selection(0), values: [Digest([0; 32]); REGISTERS as usize] }
    }

    /// Adds one; lowest first.
    ///
    /// # Errors
    /// `FieldInvalid` for a register that does not exist or is not above the last one.
    pub fn push(&mut self, register: u8, value: Digest) -> Result<()> {
        let place = self.values.get_mut(usize::from(register)).ok_or(Error::FieldInvalid)?;
        if self.selection.0 >> register != 0 {
            return Err(Error::FieldInvalid);
        }
        *place = value;
        self.selection.0 |= 1 << register;
        Ok(())
    }

    /// All of them, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Digest)> {
        let all = (0..REGISTERS).zip(&self.values);
        all.filter(|(register, _)| self.selection.0 >> register & 1 == 1)
    }

    /// Reads `[* [register, value]]`, lowest first.
    ///
    /// # Errors
    /// Those of the encoding; `FieldInvalid`.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut registers = Self::none();
        for _ in 0..reader.list(usize::from(REGISTERS))? {
            reader.array(2)?;
            let register = reader.u8()?;
            registers.push(register, reader.digest()?)?;
        }
        Ok(registers)
    }

    /// Writes what [`Registers::read`] reads.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.array(self.iter().count())?;
        for (register, value) in self.iter() {
            writer.array(2)?.u64(u64::from(register))?.bytes(&value.0)?;
        }
        Ok(())
    }

    /// SHA-256 over their values, as a quote has it.
    #[must_use]
    pub fn digest(&self, crypto: &impl Crypto) -> Digest {
        let (mut parts, mut count) = ([&[][..]; REGISTERS as usize], 0);
        for (place, (_, value)) in parts.iter_mut().zip(self.iter()) {
            *place = &value.0;
            count += 1;
        }
        crypto.sha256(parts.get(..count).unwrap_or(&[]))
    }
}

/// What a TPM answers when it is asked for a quote.
#[derive(Clone, Copy, Debug)]
pub struct SignedQuote {
    attest: [u8; ATTEST_MAX],
    length: usize,
    /// By the identity, over the TPMS_ATTEST.
    pub signature: Signature,
    /// The registers as they were read beside it.
    pub registers: Registers,
}

impl SignedQuote {
    /// Takes the bytes of a TPMS_ATTEST over.
    ///
    /// # Errors
    /// `FieldTooLong`.
    pub fn new(attest: &[u8], signature: Signature, registers: Registers) -> Result<Self> {
        let mut own = [0u8; ATTEST_MAX];
        copy(own.get_mut(..attest.len()).ok_or(Error::FieldTooLong)?, attest);
        Ok(Self { attest: own, length: attest.len(), signature, registers })
    }

    /// The TPMS_ATTEST.
    #[must_use]
    pub fn attest(&self) -> &[u8] {
        self.attest.get(..self.length).unwrap_or(&[])
    }
}

/// Evidence, with a room for the claims while they are encoded.
///
/// `quote` gets the qualifying data.
///
/// # Errors
/// `BufferTooSmall`, or those of `quote`.
pub fn write<'o, E: From<Error>>(
    crypto: &impl Crypto,
    claims: &Claims,
    layer: &Certified,
    quote: impl FnOnce(&Digest) -> core::result::Result<SignedQuote, E>,
    out: &'o mut [u8],
) -> core::result::Result<&'o [u8], E> {
    let mut room = [0u8; CLAIMS_MAX];
    let claims = claims.encode(&mut room)?;
    let quote = quote(&qualifying(crypto, layer, claims))?;
    Ok(assemble(claims, layer, &quote, out)?)
}

fn assemble<'o>(
    claims: &[u8],
    layer: &Certified,
    quote: &SignedQuote,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let mut writer = Writer::new(out);
    writer.array(6)?.u64(FORMAT)?.array(4)?.bytes(&layer.code)?.bytes(&layer.configuration)?;
    writer.bytes(&layer.authority)?.u64(layer.mode as u64)?.bytes(claims)?;
    quote.registers.write(&mut writer)?;
    writer.bytes(quote.attest())?.bytes(&quote.signature)?;
    writer.written()
}

/// What a quote over these claims is qualified by. All but the claims have one length, and they
/// come last: no two inputs are one string.
fn qualifying(crypto: &impl Crypto, layer: &Certified, claims: &[u8]) -> Digest {
    let mode = [layer.mode as u8];
    crypto.sha256(&[LABEL, &layer.code, &layer.configuration, &layer.authority, &mode, claims])
}

/// Authentic evidence of a TPM.
#[derive(Clone, Debug)]
pub struct Quoted {
    /// Its claims, and its layer as the identity vouches for it.
    pub authentic: Authentic,
    /// The registers that were quoted.
    pub registers: Registers,
    /// The quote.
    pub quote: Quote,
}

/// Verifies evidence of a TPM by the endorsed identity (EV-4, EV-5).
///
/// # Errors
/// `QuoteShape`, `QuoteOther`, `SignatureInvalid`, `IdentityMismatch`, `ChainBroken`,
/// `ProfileUnknown`, `MeasuredTwice`, and those of the encoding.
pub fn verify(
    crypto: &impl Crypto,
    identity: &PublicKey,
    evidence: &[u8],
) -> Result<Verified<Quoted>> {
    if evidence.len() > EVIDENCE_MAX {
        return Err(Error::FieldTooLong);
    }
    let mut reader = Reader::new(evidence)?;
    reader.array(6)?;
    if reader.u64()? != FORMAT {
        return Err(Error::VersionUnknown);
    }
    reader.array(4)?;
    let (code, configuration) = (reader.fixed()?, reader.fixed()?);
    let (authority, mode) = (reader.fixed()?, Mode::from_number(reader.u8()?)?);
    let layer = Certified { code, configuration, authority, mode, subject: *identity };
    let bytes = reader.bytes(CLAIMS_MAX)?;
    let registers = Registers::read(&mut reader)?;
    let attest = reader.bytes(ATTEST_MAX)?;
    let signature = reader.fixed::<64>()?;
    reader.end()?;
    crypto.es256_verify(identity, &[attest], &signature)?;
    let quote = Quote::parse(attest)?;
    if quote.qualifying != qualifying(crypto, &layer, bytes) {
        return Err(Error::QuoteOther); // EV-4
    }
    if quote.selection != registers.selection || quote.registers != registers.digest(crypto) {
        return Err(Error::QuoteOther); // EV-5
    }
    let claims = Claims::parse(bytes)?;
    if claims.device != identity.device_id(crypto) {
        return Err(Error::IdentityMismatch);
    }
    if claims.mode != mode {
        return Err(Error::ChainBroken);
    }
    let digest = crypto.sha256(&[bytes]);
    let authentic = Authentic { claims, layer };
    Ok(Verified::new(Quoted { authentic, registers, quote }, digest))
}

#[cfg(all(test, feature = "soft"))]
mod tests {
    use super::*;
    use crate::cose::{self, Kind};
    use crate::crypto::Signer as _;
    use crate::evidence::{self, Lifecycle, Measured, Measurements, Purpose};
    use crate::id::{CatalogId, ComponentId};
    use crate::quote::tests::attest;
    use crate::rollback::Floors;
    use crate::soft::{Soft, SoftKey};
    use std::vec::Vec;

    fn identity() -> SoftKey {
        SoftKey::from_bytes(&[3; 32]).unwrap()
    }

    fn claims() -> Claims {
        let mut measured = Measurements::default();
        let digest = Digest([6; 32]);
        measured.push(Measured { component: ComponentId([5; 16]), digest }).unwrap();
        Claims {
            client_key: PublicKey([1; 64]),
            nonce: Digest([2; 32]),
            device: identity().public_key().device_id(&Soft),
            implementation: Digest([4; 32]),
            lifecycle: Lifecycle::DeviceComplete,
            mode: Mode::Normal,
            purpose: Purpose::CheckIn,
            audience: CatalogId([7; 32]),
            epoch: 1,
            boot: 2,
            check_in: 3,
            floors: Floors::default(),
            measured,
        }
    }

    fn layer() -> Certified {
        Certified {
            code: [1; 64],
            configuration: [2; 64],
            authority: [3; 64],
            mode: Mode::Normal,
            subject: identity().public_key(),
        }
    }

    fn registers() -> Registers {
        let mut registers = Registers::none();
        for register in [0, 7, 23] {
            registers.push(register, Digest([register; 32])).unwrap();
        }
        registers
    }

    /// What the TPM of the identity answers.
    fn tpm(qualifying: &Digest, shown: Registers) -> Result<SignedQuote> {
        let registers = registers();
        let attest = attest(*qualifying, registers.selection, registers.digest(&Soft));
        let signature = identity().sign(&[&attest]).unwrap();
        SignedQuote::new(&attest, signature, shown)
    }

    fn made(claims: &Claims, shown: Registers) -> Vec<u8> {
        let mut room = [0u8; EVIDENCE_MAX];
        let quote = |qualifying: &Digest| tpm(qualifying, shown);
        write(&Soft, claims, &layer(), quote, &mut room).unwrap().to_vec()
    }

    fn verdict(evidence: &[u8]) -> Result<Quoted> {
        verify(&Soft, &identity().public_key(), evidence).map(|quoted| (*quoted).clone())
    }

    #[test]
    fn ev_4_a_quote_is_evidence_for_its_own_claims_and_layer_only() {
        let good = made(&claims(), registers());
        let read = verdict(&good).unwrap();
        assert_eq!((read.authentic.claims, read.authentic.layer), (claims(), layer()));
        assert_eq!(read.registers, registers());
        for bit in (0..good.len()).map(|byte| byte * 8 + byte % 8) {
            let mut broken = good.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(verdict(&broken).is_err(), "{bit}");
        }
        let stranger = SoftKey::from_bytes(&[9; 32]).unwrap().public_key();
        let refused = verify(&Soft, &stranger, &good).err();
        assert_eq!(refused, Some(Error::SignatureInvalid));
        // The quote of one evidence beside the claims of another.
        let mut other = claims();
        other.check_in = 4;
        let mut room = [0u8; CLAIMS_MAX];
        let quote =
            tpm(&qualifying(&Soft, &layer(), claims().encode(&mut room).unwrap()), registers());
        let (mut room, mut out) = ([0u8; CLAIMS_MAX], [0u8; EVIDENCE_MAX]);
        let other = other.encode(&mut room).unwrap();
        let spliced = assemble(other, &layer(), &quote.unwrap(), &mut out).unwrap();
        assert_eq!(verdict(spliced).err(), Some(Error::QuoteOther));
    }

    #[test]
    fn ev_4_what_else_a_key_signs_is_no_quote_over_claims() {
        let mut room = [0u8; CLAIMS_MAX];
        let bytes = claims().encode(&mut room).unwrap().to_vec();
        // A quote that somebody had made over the bare digest of the claims.
        let bare = tpm(&Soft.sha256(&[&bytes]), registers()).unwrap();
        let mut out = [0u8; EVIDENCE_MAX];
        let unlabelled = assemble(&bytes, &layer(), &bare, &mut out).unwrap();
        assert_eq!(verdict(unlabelled).err(), Some(Error::QuoteOther));
        // A COSE signature by the same key, in the place of the TPMS_ATTEST.
        let mut out = [0u8; 512];
        let cose = cose::sign(&Soft, &identity(), Kind::Evidence, &[&[]], &mut out).unwrap();
        let signature = *cose.last_chunk::<64>().unwrap();
        let structure = [&[0x84, 0x6a][..], b"Signature1"].concat();
        let disguised = SignedQuote::new(&structure, signature, registers()).unwrap();
        let mut out = [0u8; EVIDENCE_MAX];
        let disguised = assemble(&bytes, &layer(), &disguised, &mut out).unwrap();
        assert_eq!(verdict(disguised).err(), Some(Error::SignatureInvalid));
        // Neither scheme reads the other's bytes.
        let quoted = made(&claims(), registers());
        assert!(evidence::verify(&Soft, &identity().public_key(), &quoted).is_err());
        let mut out = [0u8; EVIDENCE_MAX];
        let token = claims().sign(&Soft, &identity(), &[], &mut out).unwrap();
        assert!(verdict(token).is_err());
    }

    #[test]
    fn ev_4_claims_of_another_device_or_mode_are_refused() {
        let mut other = claims();
        other.device.0[0] ^= 1;
        assert_eq!(verdict(&made(&other, registers())).err(), Some(Error::IdentityMismatch));
        let debug = Claims { mode: Mode::Debug, ..claims() };
        assert_eq!(verdict(&made(&debug, registers())).err(), Some(Error::ChainBroken));
    }

    #[test]
    fn ev_5_registers_that_were_not_quoted_are_a_quote_other() {
        let mut other = Registers::none();
        for register in [0, 7, 23] {
            other.push(register, Digest([register ^ 1; 32])).unwrap();
        }
        assert_eq!(verdict(&made(&claims(), other)).err(), Some(Error::QuoteOther));
        let mut fewer = Registers::none();
        fewer.push(0, Digest([0; 32])).unwrap();
        assert_eq!(verdict(&made(&claims(), fewer)).err(), Some(Error::QuoteOther));
        assert_eq!(fewer.push(0, Digest([0; 32])), Err(Error::FieldInvalid));
        assert_eq!(fewer.push(24, Digest([0; 32])), Err(Error::FieldInvalid));
    }
}
