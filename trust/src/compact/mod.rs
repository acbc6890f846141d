//! ES256 for chips: small, and the same steps for every secret.
//!
//! Reading order: `sha256`, `ecdsa`, `point`, `residue`.
//!
//! What is true of it: the steps of making a key and of signing depend on nothing secret, neither
//! branches nor addresses, so the instruction count is one number for all keys and all messages of
//! one length (but for a nonce that RFC 6979 refuses, once in 2³²). Signatures are those of
//! `crate::soft`, byte for byte. Nothing in it can panic. What it keeps of a secret it wipes.
//!
//! What it does not promise: that copies which the compiler left on the stack are wiped; the same
//! *time* on a core that multiplies small numbers faster (a Cortex-M3 does); anything against who
//! measures power. Verification takes steps that tell the key, the message and the signature: all
//! of them are public. Against who makes a chip skip an instruction there is [`Blinded`].
//!
//! Measured on the Cortex-M33 of QEMU's mps2-an505 (thumbv8m.main-none-eabi, opt-level "s", fat
//! LTO), a program that makes a key, signs and verifies:
//!
//! | | this | p256 0.14 | this, on fiat-crypto 0.3 |
//! |---|---|---|---|
//! | make a key | 2.35 M | 12.63 M | 4.50 M |
//! | sign | 2.94 M | 13.04 M | 5.66 M |
//! | verify, not blinded, in the ROM | 6.38 M | 13.58 M | 11.53 M |
//! | the program's bytes | 15 688 | 30 720 | 27 292 |
//! | stack to make a key, sign, verify | 1.6, 1.7, 2.5 KB | 2.6, 3.3, 5.9 KB | 1.7, 1.8, 2.6 KB |
//!
//! In the firmware's own build (opt-level "z", with the SHA-256 of this crate) a key is 2.52 M, a
//! signature 3.16 M (`cd firmware && cargo test --release --test steps -- --nocapture`).
//!
//! fiat-crypto's arithmetic is proven in Coq, and is straight-line code: 12 KB and twice the
//! instructions. So the arithmetic here is our own. What stands for a proof is the tests: against
//! long multiplication, the p256 crate and Project Wycheproof. SHA-256 is our own for what sha2
//! does not promise, where its block lies (see `sha256`); its proof is sha2 and NIST's vectors.

mod ecdsa;
mod point;
mod residue;
mod sha256;
mod table;
#[cfg(all(test, feature = "soft"))]
mod tests;

use crate::crypto::{Crypto, KeyedCrypto, Leads, Mixed, Signature, Signer};
use crate::error::{Error, Result};
use crate::hash;
use crate::id::Digest;
use crate::key::{LmsPublicKey, PublicKey};
use crate::lms;
use ecdsa::Factors;
use point::Point;
use residue::Scalar;
use sha256::Sha256;
use zeroize::Zeroize as _;

/// The curve and the SHA-256 of this crate, and sha2's SHA-512.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compact;

impl Crypto for Compact {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        Blinded::NOT.sha256(parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        hash::sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        hash::hmac_sha512(key, parts)
    }

    fn es256_verify(&self, key: &PublicKey, parts: &[&[u8]], signature: &Signature) -> Result<()> {
        Blinded::NOT.es256_verify(key, parts, signature)
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root> {
        Blinded::NOT.lms_root(key, parts, signature)
    }
}

/// The algorithms that verify, for a ROM whose memory somebody may read a word of by a fault: what
/// they are given is in memory only as nobody chose it (ROT-25).
pub struct Blinded {
    mask: u32,
    /// What a signature's factor comes of.
    key: Option<[u8; 32]>,
}

impl Blinded {
    const NOT: Self = Self { mask: 0, key: None };

    /// By a mask and a key that whoever writes messages and signatures does not know.
    #[must_use]
    pub const fn by(mask: u32, key: [u8; 32]) -> Self {
        Self { mask, key: Some(key) }
    }

    /// Of each signature others: who learns them, by a fault in each of many boots, knows those of
    /// no signature that he makes then.
    fn factors(&self, signature: &Signature) -> Factors {
        let Some(key) = &self.key else { return [1; 2] };
        let [a, b, c, d, e, f, g, h, ..] = sha256::hmac_sha256(self.mask, key, &[signature]);
        // All of one length, and none is 0.
        [[a, b, c, d], [e, f, g, h]].map(|four| u32::from_be_bytes(four) | 0x8000_0001)
    }
}

impl Crypto for Blinded {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        Digest(self.sha256_mixed(parts).to_bytes())
    }

    fn sha256_mixed(&self, parts: &[&[u8]]) -> Mixed {
        sha256::sha256(self.mask, parts, false)
    }

    fn doubt_read(&self, found: &Mixed, parts: &[&[u8]]) -> u32 {
        found.other_message(&sha256::sha256(self.mask, parts, true))
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        hash::sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        hash::hmac_sha512(key, parts)
    }

    fn es256_verify(&self, key: &PublicKey, parts: &[&[u8]], signature: &Signature) -> Result<()> {
        let [found, counter] = self.es256_leads(key, parts, signature)?;
        if found.is(&counter.complement()) { Ok(()) } else { Err(Error::SignatureInvalid) }
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

impl Leads for Blinded {
    fn es256_leads(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<[Mixed; 2]> {
        let blind = (self.mask, self.factors(signature));
        ecdsa::leads(key, || self.sha256_mixed(parts), signature, blind)
    }

    fn lms_leads(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<Mixed> {
        lms::root(Sha256::under(self.mask), key, parts, signature)
    }
}

impl KeyedCrypto for Compact {
    type Key = CompactKey;

    fn key(&self, secret: &[u8; 32]) -> Result<CompactKey> {
        CompactKey::from_bytes(secret)
    }
}

/// A P-256 key in memory. It wipes itself, and has no `Debug`.
pub struct CompactKey {
    secret: Scalar,
    public: PublicKey,
}

impl CompactKey {
    /// From 32 secret bytes, big-endian.
    ///
    /// # Errors
    /// `KeyInvalid` for zero or a number not below the group's order (once in 2³² for random
    /// bytes).
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self> {
        let secret = Scalar::from_bytes(secret).filter(|secret| !secret.is_zero());
        let secret = secret.ok_or(Error::KeyInvalid)?;
        let mut words = secret.to_words();
        let mut point = Point::of_generator(&words);
        words.zeroize();
        let public = PublicKey(point.affine());
        point.zeroize();
        Ok(Self { secret, public })
    }
}

impl Drop for CompactKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Signer for CompactKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, parts: &[&[u8]]) -> Result<Signature> {
        ecdsa::sign(&self.secret, &Compact.sha256(parts))
    }
}
