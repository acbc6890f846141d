//! ECDSA over P-256 with SHA-256 (FIPS 186-5), with the nonces of RFC 6979.

use super::point::{B, Point};
use super::residue::{Modulus as _, Number, Order, Scalar, Words};
use super::sha256::hmac_sha256;
use crate::copy::copy;
use crate::crypto::{Mixed, Signature};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::PublicKey;
use zeroize::{Zeroize as _, Zeroizing};

/// Each is refused once in 2³².
const CANDIDATES_MAX: u32 = 8;

/// Signs a digest: each nonce is secret, as the key is.
pub(super) fn sign(key: &Scalar, digest: &Digest) -> Result<Signature> {
    let z = Scalar::from_bytes_modulo(&digest.0);
    let mut nonces = Nonces::new(key, &z);
    for _ in 0..CANDIDATES_MAX {
        let Some(mut nonce) = nonces.next() else { continue };
        let mut words = nonce.to_words();
        let mut point = Point::of_generator(&words);
        words.zeroize();
        let r = Scalar::from_bytes_modulo(&point.x_bytes());
        point.zeroize();
        let mut inverse = nonce.inverse();
        nonce.zeroize();
        let s = r.times(key).plus(&z).times(&inverse);
        inverse.zeroize();
        if !r.is_zero() && !s.is_zero() {
            let mut signature = [0; 64];
            let (first, second) = signature.split_at_mut(32);
            copy(first, &r.to_bytes());
            copy(second, &s.to_bytes());
            return Ok(signature);
        }
    }
    Err(Error::KeyInvalid)
}

/// Where a right signature leads: a number that nothing else leads to.
pub(super) const RIGHT: [u8; 32] = bytes_of(B.montgomery());

const fn bytes_of(words: &Words) -> [u8; 32] {
    let (mut bytes, mut at) = ([0; 32], 0);
    while at < bytes.len() {
        bytes[at] = words[at / 4].to_be_bytes()[at % 4];
        at += 1;
    }
    bytes
}

/// What divides all that is computed of a signature: a number that nobody knows beforehand.
pub(super) type Factor = u32;

/// [`RIGHT`] for a right signature of the key over a digest, and anything else otherwise.
pub(super) fn leads(
    key: &PublicKey,
    digest: &Mixed,
    signature: &Signature,
    (mask, factor): (u32, Factor),
) -> Result<Mixed> {
    let point = Point::from_bytes(&key.0).ok_or(Error::KeyInvalid)?;
    lead(&point, digest, signature, (mask, factor)).ok_or(Error::SignatureInvalid)
}

/// p - n: below it r may be the x of a point less n (SEC 1, §4.1.4).
const SPARE: Words = [0x039c_daae, 0x0c46_353d, 0x58e8_617b, 0x4319_0553, 0, 0, 0, 0];

/// Who wrote the signature chose r and s, and so every number that the standard computes with.
/// ROT-25: none of them is in memory here. r, s and the digest are mixed with the mask, and s is
/// multiplied by the factor before anything is computed: with s·factor, what r and the digest are
/// divided by gives a point of which the right one is a multiple. Its x is not computed, but
/// whether r is that: x·z is compared with r·z, of which nobody knows z.
fn lead(
    key: &Point,
    digest: &Mixed,
    signature: &Signature,
    (mask, factor): (u32, Factor),
) -> Option<Mixed> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let (r, s) = (Number::of(r, mask), Number::of(s.try_into().ok()?, mask));
    let below = r.is_below(&Order::WORDS) && s.is_below(&Order::WORDS);
    if !below || r.is_zero() || s.is_zero() {
        return None;
    }
    let inverse = s.times(&Scalar::of_word(factor).for_montgomery()).inverse();
    // Not in Montgomery form: the inverse was.
    let u = Number::of_mixed(digest).times(&inverse);
    let v = r.times(&inverse);
    let part = key.combination(u.montgomery(), v.montgomery());
    let (x, z) = part.times(factor).x_and_z();
    if z.is_zero() {
        return None; // the point at infinity has no x
    }
    let z = z.for_montgomery();
    let mut difference = x.minus(&r.times(&z));
    if r.is_below(&SPARE) {
        let above = difference.minus(&Number::open(Order::WORDS).times(&z));
        difference = difference.times(&above);
    }
    Some(Mixed::of(*difference.plus(&B).montgomery(), 0))
}

/// The nonces of one key and digest (RFC 6979 §3.2), wiped when they are no longer needed.
struct Nonces {
    k: Zeroizing<[u8; 32]>,
    v: Zeroizing<[u8; 32]>,
    again: bool,
}

impl Nonces {
    fn new(key: &Scalar, z: &Scalar) -> Self {
        let (x, z) = (Zeroizing::new(key.to_bytes()), z.to_bytes());
        let (k, v) = (Zeroizing::new([0; 32]), Zeroizing::new([1; 32]));
        let mut nonces = Self { k, v, again: false };
        nonces.stir(&[&[0], &*x, &z]);
        nonces.stir(&[&[1], &*x, &z]);
        nonces
    }

    /// Steps d and e, f and g, and what step h does with a refused candidate.
    fn stir(&mut self, with: &[&[u8]; 3]) {
        let [a, b, c] = *with;
        *self.k = hmac_sha256(0, &self.k, &[&*self.v, a, b, c]);
        *self.v = hmac_sha256(0, &self.k, &[&*self.v]);
    }

    /// Step h. The candidate is one in all but 2⁻³² of the cases.
    fn next(&mut self) -> Option<Scalar> {
        if self.again {
            self.stir(&[&[0], &[], &[]]);
        }
        self.again = true;
        *self.v = hmac_sha256(0, &self.k, &[&*self.v]);
        Scalar::from_bytes(&self.v).filter(|nonce| !nonce.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979 A.2.5: the nonce of the message "sample".
    #[test]
    fn the_first_nonce_is_the_one_of_the_standard_and_the_next_follows_by_its_rule() {
        let key = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
        let key = Scalar::from_bytes(&crate::id::from_hex(key).unwrap()).unwrap();
        let z = Scalar::from_bytes_modulo(&crate::hash::sha256(&[b"sample"]));
        let mut nonces = Nonces::new(&key, &z);
        let nonce = "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60";
        assert_eq!(nonces.next().map(Scalar::to_bytes), crate::id::from_hex(nonce));
        let k = hmac_sha256(0, &nonces.k, &[&*nonces.v, &[0]]);
        let v = hmac_sha256(0, &k, &[&hmac_sha256(0, &k, &[&*nonces.v])]);
        assert_eq!(nonces.next().map(Scalar::to_bytes), Some(v));
    }
}
