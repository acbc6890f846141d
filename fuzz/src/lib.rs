//! What the targets share: a verifier that believes everything, so that a fuzzer gets past it.
#![forbid(unsafe_code)]

use craton_trust::Digest;
use craton_trust::crypto::{Crypto, KeyedCrypto, Signature};
use craton_trust::error::Result;
use craton_trust::key::{LmsPublicKey, PublicKey};
use craton_trust::lms;
use craton_trust::signed::Signed;
use craton_trust::soft::{Soft, SoftKey};

/// Any key: [`Believing`] believes it.
pub const KEY: PublicKey = PublicKey([7; 64]);

/// Any LMS key.
pub const LMS_KEY: LmsPublicKey = LmsPublicKey { id: [7; 16], root: [8; 24] };

/// The devices' algorithms, but every signature verifies.
pub struct Believing;

impl Crypto for Believing {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        Soft.sha256(parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        Soft.sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        Soft.hmac_sha512(key, parts)
    }

    fn es256_verify(&self, _: &PublicKey, _: &[&[u8]], _: &Signature) -> Result<()> {
        Ok(())
    }

    fn lms_root(&self, key: &LmsPublicKey, _: &[&[u8]], _: &lms::Signature) -> Result<lms::Root> {
        Ok(key.root)
    }
}

impl KeyedCrypto for Believing {
    type Key = SoftKey;

    fn key(&self, secret: &[u8; 32]) -> Result<SoftKey> {
        Soft.key(secret)
    }
}

/// The bytes themselves, and what is signed in them if they are a signed object.
pub fn objects(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let signed = Signed::parse(bytes).ok();
    [Some(bytes), signed.map(|signed| signed.unchecked_payload())].into_iter().flatten()
}

/// What was read must be written as the same bytes: there is one encoding of one value.
pub fn same(read: &[u8], written: Result<&[u8]>) {
    assert_eq!(written, Ok(read));
}
