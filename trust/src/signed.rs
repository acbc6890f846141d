//! A payload with its signatures, and the proof that they were enough.
//!
//! `Signed = [payload: bstr, [1*8 COSE_Sign1 detached: bstr]]`. Identity is the digest of the
//! payload, never of this envelope, so that an object can be signed again without becoming another.
//!
//! Rules: SIG-2 one key signs an object once; SIG-3 a role is satisfied by a threshold of its
//! distinct keys, and a signature that names one of them and does not verify spoils the object. A
//! role that must have several algorithms (hybrid) lists a key of each and a threshold of all;
//! today there is one, and a key or signature of another is refused when it is read, never skipped.

use crate::cbor::{Reader, Writer};
use crate::cose::{self, Kind, SIGN1_SIZE, Sign1};
use crate::crypto::{Crypto, Signer};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::store::RoleKeys;

/// The most signatures on one object.
pub const SIGNATURES_MAX: usize = 8;

/// The largest payload of a signed object, bytes.
pub const PAYLOAD_MAX: usize = 64 * 1024;

/// A payload and its signatures, not believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'b> {
    payload: &'b [u8],
    signatures: Signatures<'b>,
}

/// The signatures on one object.
#[derive(Clone, Copy, Debug)]
pub struct Signatures<'b> {
    found: [Option<Sign1<'b>>; SIGNATURES_MAX],
}

impl<'b> Signatures<'b> {
    /// Reads a list of `count` detached signatures, each a byte string.
    ///
    /// # Errors
    /// `SignerUnknown` if there is none, `FieldTooLong`, `SignerRepeated` (SIG-2), and those of
    /// [`Sign1::parse`].
    pub fn read(reader: &mut Reader<'b>, count: usize) -> Result<Self> {
        let mut found: [Option<Sign1<'b>>; SIGNATURES_MAX] = [None; SIGNATURES_MAX];
        if count == 0 {
            return Err(Error::SignerUnknown);
        }
        if count > SIGNATURES_MAX {
            return Err(Error::FieldTooLong);
        }
        for place in 0..count {
            let sign1 = Sign1::parse(reader.bytes(SIGN1_SIZE)?)?;
            if found.iter().flatten().any(|other| other.key_id == sign1.key_id) {
                return Err(Error::SignerRepeated); // SIG-2
            }
            *found.get_mut(place).ok_or(Error::FieldTooLong)? = Some(sign1);
        }
        Ok(Self { found })
    }

    /// Refuses unless a threshold of the role's distinct keys signed `payload` (SIG-3).
    ///
    /// A signature by a key outside the role is passed over: another role may need it. One that
    /// names a key of the role and does not verify is refused, however many others there are.
    ///
    /// # Errors
    /// `RoleEmpty`, `SignerUnknown`, `SignatureInvalid`, `KeyInvalid`, `ThresholdNotMet`.
    pub fn satisfy(
        &self,
        crypto: &impl Crypto,
        kind: Kind,
        payload: &[&[u8]],
        role: RoleKeys<'_>,
    ) -> Result<()> {
        if role.threshold == 0 || role.is_empty() {
            return Err(Error::RoleEmpty);
        }
        let mut distinct = 0u8;
        for key in role.keys() {
            let id = key.key_id(crypto);
            let named = self.found.iter().flatten().find(|sign1| sign1.key_id == id);
            if let Some(sign1) = named {
                sign1.verify(crypto, kind, &key, payload)?;
                distinct = distinct.saturating_add(1);
            }
        }
        match distinct {
            0 => Err(Error::SignerUnknown),
            n if n < role.threshold => Err(Error::ThresholdNotMet),
            _ => Ok(()),
        }
    }
}

impl<'b> Signed<'b> {
    /// Reads an object with its signatures.
    ///
    /// # Errors
    /// Those of the encoding, `SignerRepeated`, `CoseShape`, `AlgorithmMismatch`.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(2)?;
        let payload = reader.bytes(PAYLOAD_MAX)?;
        let count = reader.list(SIGNATURES_MAX)?;
        let signatures = Signatures::read(&mut reader, count)?;
        reader.end()?;
        Ok(Self { payload, signatures })
    }

    /// The payload, not verified: to read which role must have signed it.
    #[must_use]
    pub fn unchecked_payload(&self) -> &'b [u8] {
        self.payload
    }

    /// The object's identity: the digest of what is signed.
    #[must_use]
    pub fn digest(&self, crypto: &impl Crypto) -> Digest {
        crypto.sha256(&[self.payload])
    }

    /// Refuses unless each of `roles` signed; then `parse` reads the payload.
    ///
    /// # Errors
    /// Those of [`Signatures::satisfy`] and of `parse`.
    pub fn verify<T>(
        &self,
        crypto: &impl Crypto,
        kind: Kind,
        roles: &[RoleKeys<'_>],
        parse: impl FnOnce(&'b [u8]) -> Result<T>,
    ) -> Result<Verified<T>> {
        if roles.is_empty() {
            return Err(Error::RoleEmpty);
        }
        for role in roles {
            self.signatures.satisfy(crypto, kind, &[self.payload], *role)?;
        }
        let value = parse(self.payload)?;
        Ok(Verified { value, digest: self.digest(crypto) })
    }
}

/// A value that the right keys signed. Only [`Signed::verify`] and the manifest's verifier make
/// one.
///
/// It does not promise that the value is meant for this device, request or time: those are checked
/// by each object's own `addressed`.
#[derive(Clone, Copy, Debug)]
pub struct Verified<T> {
    value: T,
    digest: Digest,
}

impl<T> Verified<T> {
    pub(crate) const fn new(value: T, digest: Digest) -> Self {
        Self { value, digest }
    }

    /// The digest of the signed bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl<T> core::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Signs `payload` by every signer, into `out`; returns the bytes written.
///
/// # Errors
/// `BufferTooSmall`, `FieldTooLong`, `SignerUnknown` without a signer, or a signer's.
pub fn seal<'o>(
    crypto: &impl Crypto,
    kind: Kind,
    payload: &[u8],
    signers: &[&dyn Signer],
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    if signers.is_empty() {
        return Err(Error::SignerUnknown);
    }
    if payload.len() > PAYLOAD_MAX || signers.len() > SIGNATURES_MAX {
        return Err(Error::FieldTooLong); // what nobody could read back
    }
    let mut writer = Writer::new(out);
    writer.array(2)?.bytes(payload)?.array(signers.len())?;
    for signer in signers {
        let mut room = [0u8; SIGN1_SIZE];
        writer.bytes(cose::sign(crypto, *signer, kind, &[payload], &mut room)?)?;
    }
    let length = writer.length();
    out.get(..length).ok_or(Error::BufferTooSmall)
}

/// Adds one signature to an object that has some, into `out`; returns the bytes written.
///
/// # Errors
/// `SignerRepeated` if the key signed already, `FieldTooLong` for a ninth, `BufferTooSmall`.
pub fn countersign<'o>(
    crypto: &impl Crypto,
    kind: Kind,
    object: &[u8],
    signer: &dyn Signer,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let signed = Signed::parse(object)?;
    let id = signer.public_key().key_id(crypto);
    if signed.signatures.found.iter().flatten().any(|sign1| sign1.key_id == id) {
        return Err(Error::SignerRepeated);
    }
    let mut reader = Reader::new(object)?;
    reader.array(2)?;
    reader.bytes(PAYLOAD_MAX)?;
    let count = reader.list(SIGNATURES_MAX - 1)?;
    let mut writer = Writer::new(out);
    writer.array(2)?.bytes(signed.payload)?.array(count + 1)?;
    for _ in 0..count {
        writer.raw(reader.raw()?)?;
    }
    let mut room = [0u8; SIGN1_SIZE];
    writer.bytes(cose::sign(crypto, signer, kind, &[signed.payload], &mut room)?)?;
    let length = writer.length();
    out.get(..length).ok_or(Error::BufferTooSmall)
}

#[cfg(all(test, feature = "soft"))]
mod tests {
    use super::*;
    use crate::soft::{Soft, SoftKey};
    use crate::store::RoleKeysBuilder;

    fn key(seed: u8) -> SoftKey {
        SoftKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn role(threshold: u8, seeds: &[u8]) -> RoleKeysBuilder {
        let mut keys = RoleKeysBuilder::new(threshold);
        seeds.iter().for_each(|seed| keys.push(key(*seed).public_key()).unwrap());
        keys
    }

    fn verdict(object: &[u8], kind: Kind, role: &RoleKeysBuilder) -> Result<Digest> {
        let signed = Signed::parse(object)?;
        signed.verify(&Soft, kind, &[role.role_keys()], |bytes| Ok(bytes.len())).map(|v| v.digest())
    }

    #[test]
    fn sig_2_refuses_one_key_that_signs_twice() {
        let mut room = [0u8; 512];
        let twice = seal(&Soft, Kind::ImageSet, b"p", &[&key(1), &key(1)], &mut room).unwrap();
        assert_eq!(Signed::parse(twice).err(), Some(Error::SignerRepeated));
        let mut room = [0u8; 512];
        let once = seal(&Soft, Kind::ImageSet, b"p", &[&key(1)], &mut room).unwrap();
        let mut more = [0u8; 512];
        let again = countersign(&Soft, Kind::ImageSet, once, &key(1), &mut more);
        assert_eq!(again.err(), Some(Error::SignerRepeated));
    }

    #[test]
    fn sig_3_counts_distinct_keys_of_the_role() {
        let mut room = [0u8; 512];
        let both = seal(&Soft, Kind::ImageSet, b"p", &[&key(1), &key(2)], &mut room).unwrap();
        assert!(verdict(both, Kind::ImageSet, &role(2, &[1, 2, 3])).is_ok());
        let three = verdict(both, Kind::ImageSet, &role(3, &[1, 2, 3]));
        assert_eq!(three, Err(Error::ThresholdNotMet));
        let other = verdict(both, Kind::ImageSet, &role(1, &[4]));
        assert_eq!(other, Err(Error::SignerUnknown));
        assert_eq!(verdict(both, Kind::ImageSet, &role(0, &[1])), Err(Error::RoleEmpty));
        assert_eq!(verdict(both, Kind::Image, &role(1, &[1])), Err(Error::SignatureInvalid));
    }

    #[test]
    fn countersigning_keeps_the_identity() {
        let mut room = [0u8; 512];
        let first = seal(&Soft, Kind::ImageSet, b"p", &[&key(1)], &mut room).unwrap();
        let mut more = [0u8; 512];
        let both = countersign(&Soft, Kind::ImageSet, first, &key(2), &mut more).unwrap();
        let digest = Signed::parse(first).unwrap().digest(&Soft);
        assert_eq!(verdict(both, Kind::ImageSet, &role(2, &[1, 2])), Ok(digest));
    }
}
