//! A payload with its signatures, and the proof that they were enough.
//!
//! `Signed = [payload: bstr, [1*8 COSE_Sign1 detached: bstr]]`. Identity is the digest of the
//! payload, never of this envelope, so that an object can be signed again without becoming another.
//!
//! Rules: SIG-2 one key signs an object once; SIG-3 a role is satisfied by a threshold of its
//! distinct keys, and a signature that names one of them and does not verify spoils the object;
//! SIG-5 a role that holds keys of two algorithms is hybrid: its threshold is reached in each of
//! them, so that who breaks one has nothing. Which algorithms a role has is the section's word and
//! never the object's: nothing that is left out of an object makes it need less. A key or signature
//! of an algorithm that nobody knows here is refused when it is read, never skipped.

use crate::cbor::{Reader, Writer};
use crate::cose::{self, Kind, LMS_SIGN1_SIZE, SIGN1_SIZE, Sign1};
use crate::crypto::{By, Crypto, Signer};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::KEY_ID_SIZE;
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
            let bytes = reader.bytes(LMS_SIGN1_SIZE)?;
            if bytes.len() > SIGN1_SIZE && bytes.len() < LMS_SIGN1_SIZE {
                return Err(Error::FieldTooLong); // there is no size between
            }
            let sign1 = Sign1::parse(bytes)?;
            if found.iter().flatten().any(|other| other.key_id == sign1.key_id) {
                return Err(Error::SignerRepeated); // SIG-2
            }
            *found.get_mut(place).ok_or(Error::FieldTooLong)? = Some(sign1);
        }
        Ok(Self { found })
    }

    /// Refuses unless a threshold of the role's distinct keys signed `payload` (SIG-3), and of each
    /// algorithm that the role has (SIG-5).
    ///
    /// A signature by a key outside the role is passed over: another role may need it. One that
    /// names a key of the role and does not verify is refused, however many others there are.
    ///
    /// # Errors
    /// `RoleEmpty`, `SignerUnknown`, `SignatureInvalid`, `KeyInvalid`, `AlgorithmMismatch`,
    /// `ThresholdNotMet`, `HybridUnmet`.
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
        self.found.iter().flatten().try_for_each(|sign1| sign1.check_kind(kind))?;
        let (mut distinct, mut distinct_lms) = (0u8, 0u8);
        for key in role.keys() {
            if let Some(sign1) = self.by(&key.key_id(crypto)) {
                sign1.verify(crypto, kind, &key, payload)?;
                distinct = distinct.saturating_add(1);
            }
        }
        for key in role.lms_keys() {
            if let Some(sign1) = self.by(&key.key_id(crypto)) {
                sign1.verify_lms(crypto, kind, &key, payload)?;
                distinct_lms = distinct_lms.saturating_add(1);
            }
        }
        match distinct {
            0 => Err(Error::SignerUnknown),
            n if n < role.threshold => Err(Error::ThresholdNotMet),
            _ if distinct_lms < role.lms_threshold() => Err(Error::HybridUnmet), // SIG-5
            _ => Ok(()),
        }
    }

    /// The signature that names a key.
    fn by(&self, id: &[u8; KEY_ID_SIZE]) -> Option<&Sign1<'b>> {
        self.found.iter().flatten().find(|sign1| sign1.key_id == id)
    }

    /// Refuses a key that has signed already (SIG-2).
    ///
    /// # Errors
    /// `SignerRepeated`.
    pub(crate) fn check_new(&self, id: &[u8; KEY_ID_SIZE]) -> Result<()> {
        if self.by(id).is_some() { Err(Error::SignerRepeated) } else { Ok(()) }
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
        self.check_signed(crypto, kind, roles)?;
        let value = parse(self.payload)?;
        Ok(Verified { value, digest: self.digest(crypto) })
    }

    #[inline(never)] // for every kind of value
    fn check_signed(&self, crypto: &impl Crypto, kind: Kind, roles: &[RoleKeys<'_>]) -> Result<()> {
        if roles.is_empty() {
            return Err(Error::RoleEmpty);
        }
        let satisfied =
            |role: &RoleKeys<'_>| self.signatures.satisfy(crypto, kind, &[self.payload], *role);
        roles.iter().try_for_each(satisfied)
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

/// The payload of an object whose bytes are known: they are those that were believed. Its
/// signatures are not read.
///
/// # Errors
/// Those of the encoding.
pub fn unchecked_payload(bytes: &[u8]) -> Result<&[u8]> {
    let mut reader = Reader::new(bytes)?;
    reader.array(2)?;
    reader.bytes(PAYLOAD_MAX)
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
    writer.written()
}

/// Adds one signature by ES256 to an object that has some, into `out`; returns the bytes written.
///
/// # Errors
/// As [`countersign_by`].
pub fn countersign<'o>(
    crypto: &impl Crypto,
    kind: Kind,
    object: &[u8],
    signer: &dyn Signer,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    countersign_by(crypto, kind, object, By::Es256(signer), out)
}

/// Adds one signature, by either algorithm, to an object that has some, into `out`; returns the
/// bytes written.
///
/// # Errors
/// `SignerRepeated` if the key signed already, `FieldTooLong` for a ninth, `BufferTooSmall`,
/// `AlgorithmMismatch` for a kind that no LMS key signs, or the signer's.
pub fn countersign_by<'o>(
    crypto: &impl Crypto,
    kind: Kind,
    object: &[u8],
    by: By<'_>,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let signed = Signed::parse(object)?;
    signed.signatures.check_new(&by.key_id(crypto))?;
    let mut reader = Reader::new(object)?;
    reader.array(2)?;
    reader.bytes(PAYLOAD_MAX)?;
    let count = reader.list(SIGNATURES_MAX - 1)?;
    let size = out.len();
    let mut writer = Writer::new(out);
    writer.array(2)?.bytes(signed.payload)?.array(count + 1)?;
    for _ in 0..count {
        writer.raw(reader.raw()?)?;
    }
    if writer.length() + cose::sign1_item_size(by) > size {
        return Err(Error::BufferTooSmall); // before a leaf is spent on it
    }
    let mut room = [0u8; LMS_SIGN1_SIZE];
    writer.bytes(cose::sign_by(crypto, by, kind, &[signed.payload], &mut room)?)?;
    writer.written()
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
