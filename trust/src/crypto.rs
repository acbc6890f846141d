//! The algorithms this crate needs, handed in: p256 on devices ([`crate::soft`]), aws-lc-rs in the
//! service.

use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::{KEY_ID_SIZE, LmsPublicKey, PublicKey};
use crate::lms;

/// A raw ECDSA signature, r ‖ s.
pub type Signature = [u8; 64];

/// What verifies and derives. Messages come in parts, so that nothing is copied to be hashed.
pub trait Crypto {
    /// SHA-256 over the parts, one after another.
    fn sha256(&self, parts: &[&[u8]]) -> Digest;

    /// SHA-512 over the parts (DICE inputs).
    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64];

    /// HMAC-SHA-512 over the parts (DICE key derivation).
    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64];

    /// Verifies ES256 (RFC 9053 §2.1) over the parts.
    ///
    /// # Errors
    /// `KeyInvalid` if the key is no point of the curve, `SignatureInvalid` otherwise.
    fn es256_verify(&self, key: &PublicKey, parts: &[&[u8]], signature: &Signature) -> Result<()>;

    /// The root that an HSS/LMS signature (RFC 8778) over the parts leads to: the key's if it is
    /// right, and any other otherwise. [`lms::root`] finds it by a hash in pieces.
    ///
    /// # Errors
    /// `SignatureInvalid` for bytes that no signature of the set is.
    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root>;

    /// Verifies HSS/LMS over the parts.
    ///
    /// # Errors
    /// `SignatureInvalid`.
    fn lms_verify(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<()> {
        let root = self.lms_root(key, parts, signature)?;
        if root == key.root { Ok(()) } else { Err(Error::SignatureInvalid) }
    }
}

/// SHA-256 in pieces, for who never has all of it at once.
pub trait RunningSha256 {
    /// Of nothing yet.
    fn new() -> Self;

    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digest of all that came.
    fn finish(self) -> [u8; 32];
}

/// What also tells the number that a signature is compared with, for who compares it twice.
pub trait Es256Point: Crypto {
    /// The x of the signature's point, modulo the order of the group: `r` of a right signature, and
    /// any other number otherwise.
    ///
    /// # Errors
    /// `KeyInvalid` if the key is no point of the curve, `SignatureInvalid` for numbers that no
    /// signature has.
    fn es256_x(&self, key: &PublicKey, digest: &Digest, signature: &Signature) -> Result<[u8; 32]>;
}

/// What signs with one key that it keeps to itself.
pub trait Signer {
    /// The key that verifies.
    fn public_key(&self) -> PublicKey;

    /// Signs the parts with ES256.
    ///
    /// # Errors
    /// Any error the key's keeper has.
    fn sign(&self, parts: &[&[u8]]) -> Result<Signature>;
}

/// What signs with one HSS/LMS key, each leaf of it once: the leaf is spent, for good, before the
/// signature leaves.
pub trait LmsSigner {
    /// The key that verifies.
    fn public_key(&self) -> LmsPublicKey;

    /// Signs the parts with the next leaf.
    ///
    /// # Errors
    /// Any error the key's keeper has.
    fn sign(&self, parts: &[&[u8]]) -> Result<lms::Signature>;
}

/// Who signs, by his algorithm.
#[derive(Clone, Copy)]
pub enum By<'s> {
    /// ES256.
    Es256(&'s dyn Signer),
    /// HSS/LMS.
    Lms(&'s dyn LmsSigner),
}

impl By<'_> {
    /// The hint by which a signature names the key.
    #[must_use]
    pub fn key_id(self, crypto: &impl Crypto) -> [u8; KEY_ID_SIZE] {
        match self {
            Self::Es256(signer) => signer.public_key().key_id(crypto),
            Self::Lms(signer) => signer.public_key().key_id(crypto),
        }
    }
}

/// Algorithms that also hold a private key, so that what signs need not name the library that does.
pub trait KeyedCrypto: Crypto {
    /// A private key in memory. It wipes itself.
    type Key: Signer;

    /// The key of 32 secret bytes, big-endian. The caller wipes them.
    ///
    /// # Errors
    /// `KeyInvalid` for zero or a number not below the group's order (once in 2³² for random
    /// bytes).
    fn key(&self, secret: &[u8; 32]) -> Result<Self::Key>;
}
