//! COSE_Sign1 (RFC 9052 §4.2) in the one shape we accept: protected `{1: alg, 4: key id}`, nothing
//! unprotected, ES256 or, over the kinds that a platform's root or publisher signs, HSS/LMS.
//!
//! Rules: SIG-1 every kind of object has its own `external_aad`, so that a signature over one kind
//! never verifies as another; SIG-4 a signature is verified by the algorithm that it names, and by
//! a key of that algorithm only.
//!
//! ECDSA is malleable: (r, n − s) verifies wherever (r, s) does, and both verifiers we use take
//! either. It is harmless here because nothing is named or counted by the bytes of a signature:
//! identity is the digest of the payload, and a signer counts by his key (SIG-2, SIG-3).

use crate::cbor::{Reader, Writer};
use crate::copy::copy;
use crate::crypto::{By, Crypto, Signature, Signer};
use crate::error::{Error, Result};
use crate::key::{ES256, HSS_LMS, KEY_ID_SIZE, LmsPublicKey, PublicKey};
use crate::lms;

/// The kind of a signed object; its `external_aad` (SIG-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A section of the trust store.
    TrustStore,
    /// An image's manifest.
    Image,
    /// An image set.
    ImageSet,
    /// An approval of an image set.
    Approval,
    /// An assignment, with time and certificate if the device asked online.
    Assignment,
    /// A device capability.
    Capability,
    /// A manufacturer's endorsement of a device.
    Endorsement,
    /// A checkpoint of the log.
    Checkpoint,
    /// A root of trust's evidence.
    Evidence,
    /// An order to move the lifecycle, or to erase.
    Lifecycle,
    /// The devices that a station made.
    Lot,
    /// A DICE certificate. Off-spec for SIG-1: the Open Profile leaves the `external_aad` empty,
    /// and a layer's key signs nothing else with an empty one.
    DiceCertificate,
}

impl Kind {
    /// The bytes that a signature of this kind covers beside its payload.
    #[must_use]
    pub const fn external_aad(self) -> &'static [u8] {
        match self {
            Self::TrustStore => b"craton/1/trust-store",
            Self::Image => b"craton/1/image",
            Self::ImageSet => b"craton/1/image-set",
            Self::Approval => b"craton/1/approval",
            Self::Assignment => b"craton/1/assignment",
            Self::Capability => b"craton/1/capability",
            Self::Endorsement => b"craton/1/endorsement",
            Self::Checkpoint => b"craton/1/checkpoint",
            Self::Evidence => b"craton/1/evidence",
            Self::Lifecycle => b"craton/1/lifecycle",
            Self::Lot => b"craton/1/lot",
            Self::DiceCertificate => b"",
        }
    }

    /// Whether LMS keys sign such objects: those of a platform's root and publisher (STORE-8).
    const fn takes_lms(self) -> bool {
        matches!(self, Self::TrustStore | Self::Image)
    }
}

/// Bytes of a detached [`Sign1`] by ES256.
pub const SIGN1_SIZE: usize = 83;
/// Bytes of a detached [`Sign1`] by HSS/LMS.
pub const LMS_SIGN1_SIZE: usize = 1525;

/// The algorithms' numbers, as items.
const ES256_ITEM: &[u8] = &[0x26];
/// As above.
const HSS_LMS_ITEM: &[u8] = &[0x38, 45];
const _: () = assert!(ES256 == -1 - 6 && HSS_LMS == -1 - 45);

/// Bytes of the protected header of ES256: `{1: -7, 4: h'8 bytes'}`.
const PROTECTED_SIZE: usize = 13;
/// Bytes of that of HSS/LMS: `{1: -46, 4: h'8 bytes'}`.
const LMS_PROTECTED_SIZE: usize = 14;

/// One signature. The payload is beside it (detached) or inside (attached).
#[derive(Clone, Copy, Debug)]
pub struct Sign1<'b> {
    protected: &'b [u8],
    payload: Option<&'b [u8]>,
    signature: Bytes<'b>,
    /// The hint that names the signer's key, where it came: a ROM copies nothing that it does not
    /// believe yet (ROT-25).
    pub key_id: &'b [u8; KEY_ID_SIZE],
}

/// A signature's bytes, by the algorithm that its header names.
#[derive(Clone, Copy, Debug)]
enum Bytes<'b> {
    Es256(&'b Signature),
    Lms(&'b lms::Signature),
}

impl<'b> Sign1<'b> {
    /// Reads one signature.
    ///
    /// # Errors
    /// `AlgorithmMismatch` for another algorithm, `CoseShape` for another shape.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        read(Reader::new(bytes)?).map_err(|error| match error {
            Error::AlgorithmMismatch => error,
            _ => Error::CoseShape,
        })
    }

    /// Verifies a detached signature by ES256 over `payload`.
    ///
    /// # Errors
    /// `CoseShape` if a payload is inside, `AlgorithmMismatch` for another algorithm,
    /// `SignatureInvalid`, `KeyInvalid`.
    pub fn verify(
        &self,
        crypto: &impl Crypto,
        kind: Kind,
        key: &PublicKey,
        payload: &[&[u8]],
    ) -> Result<()> {
        if self.payload.is_some() {
            return Err(Error::CoseShape);
        }
        let Bytes::Es256(signature) = self.signature else {
            return Err(Error::AlgorithmMismatch); // SIG-4
        };
        over(self.protected, kind, payload, &mut |parts| crypto.es256_verify(key, parts, signature))
    }

    /// Verifies a detached signature by HSS/LMS over `payload`.
    ///
    /// # Errors
    /// As [`Sign1::verify`]; `AlgorithmMismatch` for a kind that no LMS key signs, too.
    pub fn verify_lms(
        &self,
        crypto: &impl Crypto,
        kind: Kind,
        key: &LmsPublicKey,
        payload: &[&[u8]],
    ) -> Result<()> {
        if self.payload.is_some() {
            return Err(Error::CoseShape);
        }
        let Bytes::Lms(signature) = self.signature else {
            return Err(Error::AlgorithmMismatch); // SIG-4
        };
        self.check_kind(kind)?;
        over(self.protected, kind, payload, &mut |parts| crypto.lms_verify(key, parts, signature))
    }

    /// Refuses an algorithm that signs no object of this kind, whoever signed: what nobody may need
    /// is not passed over.
    ///
    /// # Errors
    /// `AlgorithmMismatch`.
    pub fn check_kind(&self, kind: Kind) -> Result<()> {
        match self.signature {
            Bytes::Lms(_) if !kind.takes_lms() => Err(Error::AlgorithmMismatch),
            _ => Ok(()),
        }
    }

    /// Verifies an attached signature and returns the payload it covers.
    ///
    /// # Errors
    /// `CoseShape` if no payload is inside, `AlgorithmMismatch`, `SignatureInvalid`, `KeyInvalid`.
    pub fn verify_attached(
        &self,
        crypto: &impl Crypto,
        kind: Kind,
        key: &PublicKey,
    ) -> Result<&'b [u8]> {
        let payload = self.payload.ok_or(Error::CoseShape)?;
        let Bytes::Es256(signature) = self.signature else {
            return Err(Error::AlgorithmMismatch); // SIG-4
        };
        over(self.protected, kind, &[payload], &mut |parts| {
            crypto.es256_verify(key, parts, signature)
        })?;
        Ok(payload)
    }

    /// The payload inside, not verified: for a token that names the key to verify it by.
    #[must_use]
    pub fn unchecked_payload(&self) -> Option<&'b [u8]> {
        self.payload
    }
}

fn read(mut reader: Reader<'_>) -> Result<Sign1<'_>> {
    reader.array(4)?;
    let protected = reader.bytes(LMS_PROTECTED_SIZE)?;
    reader.map(0)?;
    let payload = reader.optional(|r| r.bytes(usize::MAX))?;
    let signature = reader.bytes(lms::SIGNATURE_SIZE)?;
    reader.end()?;
    let mut header = Reader::new(protected)?;
    header.map(2)?;
    header.key(1)?;
    // By its bytes: a number that somebody chose is not made here (ROT-25).
    let signature = match header.raw()? {
        ES256_ITEM => signature.try_into().map(Bytes::Es256),
        HSS_LMS_ITEM => signature.try_into().map(Bytes::Lms),
        _ => return Err(Error::AlgorithmMismatch),
    };
    let signature = signature.map_err(|_| Error::CoseShape)?;
    header.key(4)?;
    let key_id = header.fixed_in_place()?;
    header.end()?;
    Ok(Sign1 { protected, payload, signature, key_id })
}

/// Signs `payload` detached by ES256, into `out`; returns the bytes written.
///
/// # Errors
/// `BufferTooSmall`, or the signer's.
pub fn sign<'o>(
    crypto: &impl Crypto,
    signer: &dyn Signer,
    kind: Kind,
    payload: &[&[u8]],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let (protected, signature) = signature(crypto, signer, kind, payload)?;
    detached(&protected, &signature, out)
}

/// Signs `payload` detached, by either algorithm, into `out`; returns the bytes written,
/// [`LMS_SIGN1_SIZE`] at most.
///
/// # Errors
/// `BufferTooSmall`, `AlgorithmMismatch` for a kind that no LMS key signs, or the signer's.
pub fn sign_by<'o>(
    crypto: &impl Crypto,
    by: By<'_>,
    kind: Kind,
    payload: &[&[u8]],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let signer = match by {
        By::Es256(signer) => return sign(crypto, signer, kind, payload, out),
        By::Lms(_) if !kind.takes_lms() => return Err(Error::AlgorithmMismatch),
        By::Lms(signer) => signer,
    };
    let mut protected = [0u8; LMS_PROTECTED_SIZE];
    write_protected(HSS_LMS, &by.key_id(crypto), &mut protected)?;
    let mut signature = [0; lms::SIGNATURE_SIZE];
    over(&protected, kind, payload, &mut |parts| signer.sign(parts).map(|made| signature = made))?;
    detached(&protected, &signature, out)
}

/// Bytes of a detached [`Sign1`] as a byte string, so that who writes one knows before it is made.
pub(crate) const fn sign1_item_size(by: By<'_>) -> usize {
    match by {
        By::Es256(_) => 2 + SIGN1_SIZE,
        By::Lms(_) => 3 + LMS_SIGN1_SIZE,
    }
}

fn detached<'o>(protected: &[u8], signature: &[u8], out: &'o mut [u8]) -> Result<&'o [u8]> {
    let mut writer = Writer::new(out);
    writer.array(4)?.bytes(protected)?.map(0)?.null()?.bytes(signature)?;
    writer.written()
}

fn write_protected(algorithm: i64, key_id: &[u8; KEY_ID_SIZE], out: &mut [u8]) -> Result<()> {
    Writer::new(out).map(2)?.i64(1)?.i64(algorithm)?.i64(4)?.bytes(key_id).map(|_| ())
}

/// Signs `payload` attached, into `out`; returns the bytes written.
///
/// # Errors
/// `BufferTooSmall`, or the signer's.
pub fn sign_attached<'o>(
    crypto: &impl Crypto,
    signer: &dyn Signer,
    kind: Kind,
    payload: &[u8],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let (protected, signature) = signature(crypto, signer, kind, &[payload])?;
    let mut writer = Writer::new(out);
    writer.array(4)?.bytes(&protected)?.map(0)?.bytes(payload)?.bytes(&signature)?;
    writer.written()
}

fn signature(
    crypto: &impl Crypto,
    signer: &dyn Signer,
    kind: Kind,
    payload: &[&[u8]],
) -> Result<([u8; PROTECTED_SIZE], Signature)> {
    let mut protected = [0u8; PROTECTED_SIZE];
    let key_id = signer.public_key().key_id(crypto);
    write_protected(ES256, &key_id, &mut protected)?;
    let mut signature = [0; 64];
    over(&protected, kind, payload, &mut |parts| signer.sign(parts).map(|made| signature = made))?;
    Ok((protected, signature))
}

/// The most parts a payload comes in.
const PARTS_MAX: usize = 4;

/// Calls `use_` with the parts of the Sig_structure (RFC 9052 §4.4).
fn over(
    protected: &[u8],
    kind: Kind,
    payload: &[&[u8]],
    use_: &mut dyn FnMut(&[&[u8]]) -> Result<()>,
) -> Result<()> {
    let mut head = [0u8; 80];
    let length = payload.iter().map(|part| part.len()).sum();
    let mut writer = Writer::new(&mut head);
    writer.array(4)?.text("Signature1")?.bytes(protected)?.bytes(kind.external_aad())?;
    writer.bytes_head(length)?;
    let mut parts: [&[u8]; PARTS_MAX + 1] = [&[]; PARTS_MAX + 1];
    let (first, rest) = parts.split_at_mut(1);
    copy(first, &[writer.written()?]);
    copy(rest.get_mut(..payload.len()).ok_or(Error::BufferTooSmall)?, payload);
    use_(parts.get(..=payload.len()).ok_or(Error::BufferTooSmall)?)
}

#[cfg(all(test, feature = "soft", feature = "compact"))]
mod examples;

#[cfg(all(test, feature = "soft"))]
mod tests {
    use super::*;
    use crate::soft::{Soft, SoftKey};

    fn key() -> SoftKey {
        SoftKey::from_bytes(&[3; 32]).unwrap()
    }

    #[test]
    fn sig_1_a_signature_of_one_kind_is_none_of_another() {
        let mut room = [0u8; 128];
        let bytes = sign(&Soft, &key(), Kind::Image, &[b"payload"], &mut room).unwrap();
        assert_eq!(bytes.len(), SIGN1_SIZE);
        let sign1 = Sign1::parse(bytes).unwrap();
        let public = key().public_key();
        assert_eq!(sign1.verify(&Soft, Kind::Image, &public, &[b"pay", b"load"]), Ok(()));
        let other = sign1.verify(&Soft, Kind::ImageSet, &public, &[b"payload"]);
        assert_eq!(other, Err(Error::SignatureInvalid));
        assert_eq!(sign1.verify_attached(&Soft, Kind::Image, &public), Err(Error::CoseShape));
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_refused() {
        let mut room = [0u8; 128];
        let bytes = sign_attached(&Soft, &key(), Kind::Evidence, b"token", &mut room).unwrap();
        let public = key().public_key();
        let sign1 = Sign1::parse(bytes).unwrap();
        assert_eq!(sign1.verify_attached(&Soft, Kind::Evidence, &public), Ok(&b"token"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut broken = [0u8; 128];
            broken[..bytes.len()].copy_from_slice(bytes);
            broken[bit / 8] ^= 1 << (bit % 8);
            let verdict = Sign1::parse(&broken[..bytes.len()])
                .and_then(|s| s.verify_attached(&Soft, Kind::Evidence, &public).map(<[u8]>::len));
            assert!(verdict.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_algorithm_is_an_algorithm_mismatch() {
        let mut room = [0u8; 128];
        let length = sign(&Soft, &key(), Kind::Image, &[b"x"], &mut room).unwrap().len();
        room[4] = 0x27; // EdDSA in the protected header
        assert_eq!(Sign1::parse(&room[..length]).err(), Some(Error::AlgorithmMismatch));
        room[4] = 0x26;
        room[15] = 0xa1; // something unprotected
        assert!(Sign1::parse(&room[..length]).is_err());
    }
}
