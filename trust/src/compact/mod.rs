//! ES256 for chips: small, and the same steps for every secret.
//!
//! Reading order: `ecdsa`, `point`, `residue`.
//!
//! What is true of it: the steps of making a key and of signing depend on nothing secret, neither
//! branches nor addresses, so the instruction count is one number for all keys and all messages of
//! one length (but for a nonce that RFC 6979 refuses, once in 2³²). Signatures are those of
//! `crate::soft`, byte for byte. Nothing in it can panic. What it keeps of a secret it wipes.
//!
//! What it does not promise: that copies which the compiler left on the stack are wiped; the same
//! *time* on a core that multiplies small numbers faster (a Cortex-M3 does); anything against who
//! measures power or injects faults. Verification takes steps that tell the key, the message and
//! the signature: all of them are public.
//!
//! Measured on the Cortex-M33 of QEMU's mps2-an505 (thumbv8m.main-none-eabi, opt-level "s", fat
//! LTO), a program that makes a key, signs and verifies:
//!
//! | | this | p256 0.14 | this, on fiat-crypto 0.3 |
//! |---|---|---|---|
//! | make a key | 2.35 M | 12.63 M | 4.50 M |
//! | sign | 2.94 M | 13.04 M | 5.66 M |
//! | verify, in the ROM | 6.38 M | 13.58 M | 11.53 M |
//! | the program's bytes | 15 688 | 30 720 | 27 292 |
//! | stack to make a key, sign, verify | 1.6, 1.7, 2.5 KB | 2.6, 3.3, 5.9 KB | 1.7, 1.8, 2.6 KB |
//!
//! fiat-crypto's arithmetic is proven in Coq, and is straight-line code: 12 KB and twice the
//! instructions. So the arithmetic here is our own. What stands for a proof is the tests: against
//! long multiplication, the p256 crate and Project Wycheproof.

mod ecdsa;
mod point;
mod residue;
mod table;
#[cfg(all(test, feature = "soft"))]
mod tests;

use crate::crypto::{Crypto, Es256Point, KeyedCrypto, Signature, Signer};
use crate::error::{Error, Result};
use crate::hash;
use crate::id::Digest;
use crate::key::{LmsPublicKey, PublicKey};
use crate::lms;
use point::Point;
use residue::Scalar;
use zeroize::Zeroize as _;

/// The curve of this crate, and sha2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compact;

impl Crypto for Compact {
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
        ecdsa::verify(key, &self.sha256(parts), signature)
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root> {
        lms::root::<hash::RunningSha2>(key, parts, signature)
    }
}

impl Es256Point for Compact {
    fn es256_x(&self, key: &PublicKey, digest: &Digest, signature: &Signature) -> Result<[u8; 32]> {
        ecdsa::x(key, digest, signature)
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
        ecdsa::sign(&self.secret, &Digest(hash::sha256(parts)))
    }
}
