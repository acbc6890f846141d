//! The algorithms this crate needs, handed in: p256 on devices ([`crate::soft`]), aws-lc-rs in the
//! service.

use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::{KEY_ID_SIZE, LmsPublicKey, PublicKey};
use crate::lms;
use core::hint::black_box;

/// A raw ECDSA signature, r ‖ s.
pub type Signature = [u8; 64];

/// What verifies and derives. Messages come in parts, so that nothing is copied to be hashed.
pub trait Crypto {
    /// SHA-256 over the parts, one after another.
    fn sha256(&self, parts: &[&[u8]]) -> Digest;

    /// SHA-256 over parts that nobody believes yet, so that no word of it is in memory that
    /// somebody chose (ROT-25): for who compares it.
    fn sha256_mixed(&self, parts: &[&[u8]]) -> Mixed {
        Mixed::open(&self.sha256(parts).0)
    }

    /// What speaks against `found` being the digest of these parts as they are read here: 0 is
    /// nothing (ROT-18).
    fn doubt_read(&self, found: &Mixed, parts: &[&[u8]]) -> u32 {
        found.unlike(&self.sha256_mixed(parts))
    }

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

/// 32 bytes that come of what nobody believes yet, big-endian in words, each mixed with a mask that
/// who wrote it does not know (ROT-25). Under the mask 0 they are the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Mixed {
    words: [u32; 8],
    mask: u32,
    /// Of a digest: its message, as it was hashed.
    #[cfg_attr(not(feature = "compact"), allow(dead_code))] // who has no mask has no such word
    message: u32,
}

impl Mixed {
    /// From words that are mixed with this mask.
    #[must_use]
    pub const fn of(words: [u32; 8], mask: u32) -> Self {
        Self { words, mask, message: 0 }
    }

    /// The same, of this message.
    #[cfg(feature = "compact")]
    pub(crate) const fn of_message(self, message: u32) -> Self {
        Self { message, ..self }
    }

    /// By what its message is another one.
    #[cfg(feature = "compact")]
    pub(crate) const fn other_message(&self, other: &Self) -> u32 {
        self.message ^ other.message
    }

    /// From bytes, mixed with nothing.
    #[must_use]
    pub fn open(bytes: &[u8; 32]) -> Self {
        let mut words = [0; 8];
        for (word, four) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_be_bytes(*four);
        }
        Self::of(words, 0)
    }

    /// The words as they are, and the mask.
    #[cfg(feature = "compact")]
    pub(crate) const fn parts(&self) -> ([u32; 8], u32) {
        (self.words, self.mask)
    }

    /// One of the bytes.
    #[must_use]
    pub fn byte(&self, at: usize) -> u8 {
        let word = self.words.get(at / 4).map_or(0, |word| word ^ black_box(self.mask));
        (word >> (24 - 8 * (at % 4))) as u8
    }

    /// The bytes, for who believes them.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.iter_mut().enumerate().for_each(|(at, place)| *place = self.byte(at));
        bytes
    }

    /// The complement of [`Mixed::to_bytes`].
    #[must_use]
    pub fn complement(&self) -> [u8; 32] {
        black_box(self.to_bytes()).map(|byte| !byte)
    }

    /// Whether its first bytes are these, at most 32: for a first look, which branches on it.
    #[inline(never)]
    #[must_use]
    pub fn is(&self, right: &[u8]) -> bool {
        let same = |(at, byte): (usize, &u8)| self.byte(at) == *byte;
        (1..=32).contains(&right.len()) && right.iter().enumerate().all(same)
    }

    /// The bits by which its first words differ from these bytes, at most 32: 0 if they are the
    /// same. For a second look: by other instructions than [`Mixed::is`] (ROT-18).
    #[inline(never)] // so that no compiler concludes from an earlier comparison
    #[must_use]
    pub fn difference(&self, right: &[u8]) -> u32 {
        let (right, rest) = black_box(right).as_chunks();
        let none = u32::from(right.is_empty() || !rest.is_empty() || right.len() > 8);
        let pairs = self.words.iter().zip(right);
        pairs.fold(none, |bits, (word, four)| {
            bits | (word ^ black_box(self.mask) ^ u32::from_be_bytes(*four))
        })
    }

    /// The bits by which it differs from another one, neither of which is believed.
    #[inline(never)]
    pub(crate) fn unlike(&self, other: &Self) -> u32 {
        let pairs = self.words.iter().zip(&other.words);
        let masks = black_box(self.mask ^ other.mask);
        pairs.fold(0, |bits, (a, b)| bits | (a ^ b ^ masks))
    }
}

/// SHA-256 in pieces, for who never has all of it at once.
pub trait RunningSha256: Clone {
    /// Of nothing yet.
    fn new() -> Self;

    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digest of all that came.
    fn finish(self) -> [u8; 32];

    /// As [`RunningSha256::finish`], for who does not believe yet what came.
    fn finish_mixed(self) -> Mixed {
        Mixed::open(&self.finish())
    }

    /// Takes the first bytes of what nobody believes yet: a multiple of 4, at most 32.
    fn update_mixed(&mut self, mixed: &Mixed, count: usize) {
        self.update(mixed.to_bytes().get(..count).unwrap_or(&[]));
    }
}

/// What also tells where signatures lead, for who compares that twice.
pub trait Leads: Crypto {
    /// Where a signature over the parts leads, and the complement of where it should.
    ///
    /// # Errors
    /// `KeyInvalid` if the key is no point of the curve, `SignatureInvalid` for numbers that no
    /// signature has.
    fn es256_leads(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<[Mixed; 2]>;

    /// As [`Crypto::lms_root`]; the root is the first bytes.
    ///
    /// # Errors
    /// As there.
    fn lms_leads(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<Mixed>;
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
