//! The algorithms in portable Rust: p256 and sha2. What a device without an accelerator uses.

use crate::crypto::{Crypto, KeyedCrypto, Leads, Mixed, RunningSha256 as _, Signature, Signer};
use crate::error::{Error, Result};
use crate::hash;
use crate::id::Digest;
use crate::key::{LmsPublicKey, PublicKey};
use crate::lms;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::ecdsa::{SigningKey, VerifyingKey};

/// p256 and sha2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Soft;

impl Soft {
    /// HMAC-SHA-256 over the parts (RFC 2104), for who speaks a protocol that demands it.
    #[must_use]
    pub fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        hash::hmac_sha256(key, parts)
    }
}

impl Crypto for Soft {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        Digest(hash::sha256(parts))
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        hash::sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        hash::hmac_sha512(key, parts)
    }

    fn es256_verify(&self, key: &PublicKey, parts: &[&[u8]], signature: &Signature) -> Result<()> {
        let point = VerifyingKey::from_sec1_bytes(&key.to_sec1()).map_err(|_| Error::KeyInvalid)?;
        let signature = p256::ecdsa::Signature::from_slice(signature);
        let signature = signature.map_err(|_| Error::SignatureInvalid)?;
        let digest = self.sha256(parts);
        point.verify_prehash(&digest.0, &signature).map_err(|_| Error::SignatureInvalid)
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root> {
        self.lms_leads(key, parts, signature).map(|root| lms::root_of(&root))
    }
}

impl Leads for Soft {
    /// Its library tells a verdict alone.
    fn es256_leads(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<[Mixed; 2]> {
        let found = match self.es256_verify(key, parts, signature) {
            Ok(()) => 1,
            Err(Error::SignatureInvalid) => 0,
            Err(error) => return Err(error),
        };
        Ok([found, !1].map(|byte| Mixed::open(&[byte; 32])))
    }

    fn lms_leads(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<Mixed> {
        lms::root(hash::RunningSha2::new(), key, parts, signature)
    }
}

impl KeyedCrypto for Soft {
    type Key = SoftKey;

    fn key(&self, secret: &[u8; 32]) -> Result<SoftKey> {
        SoftKey::from_bytes(secret)
    }
}

/// A P-256 key in memory. It wipes itself, and has no `Debug`.
pub struct SoftKey(SigningKey);

impl SoftKey {
    /// From 32 secret bytes, big-endian.
    ///
    /// # Errors
    /// `KeyInvalid` for zero or a number not below the group's order (once in 2³² for random
    /// bytes).
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self> {
        SigningKey::from_slice(secret).map(Self).map_err(|_| Error::KeyInvalid)
    }

    /// The secret, for the file or the fuse that keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

impl Signer for SoftKey {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        PublicKey::from_sec1(point.as_bytes()).unwrap_or(PublicKey([0; 64]))
    }

    fn sign(&self, parts: &[&[u8]]) -> Result<Signature> {
        let digest = Soft.sha256(parts);
        let signature: core::result::Result<p256::ecdsa::Signature, _> =
            self.0.sign_prehash(&digest.0);
        signature.map(|s| s.to_bytes().into()).map_err(|_| Error::KeyInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_sha512_matches_rfc_4231_case_2() {
        let tag = Soft.hmac_sha512(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..8], [0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2]);
    }

    #[test]
    fn a_signature_over_parts_is_one_over_their_concatenation() {
        let key = SoftKey::from_bytes(&[9; 32]).unwrap();
        let signature = key.sign(&[b"ab", b"c"]).unwrap();
        assert_eq!(Soft.es256_verify(&key.public_key(), &[b"a", b"bc"], &signature), Ok(()));
        let other = Soft.es256_verify(&key.public_key(), &[b"abd"], &signature);
        assert_eq!(other, Err(Error::SignatureInvalid));
        assert_eq!(SoftKey::from_bytes(&[0xff; 32]).err(), Some(Error::KeyInvalid));
    }

    #[test]
    fn a_key_by_the_trait_is_the_key_of_its_bytes_and_no_other_number_is_one() {
        let key = Soft.key(&[9; 32]).unwrap();
        let own = SoftKey::from_bytes(&[9; 32]).unwrap();
        assert_eq!(key.public_key(), own.public_key());
        assert_eq!(key.sign(&[b"abc"]), own.sign(&[b"abc"]));
        for no_key in [[0; 32], [0xff; 32]] {
            assert_eq!(Soft.key(&no_key).err(), Some(Error::KeyInvalid));
        }
    }
}
