//! ECDSA over P-256 with SHA-256 (FIPS 186-5), with the nonces of RFC 6979.

use super::point::Point;
use super::residue::Scalar;
use crate::copy::copy;
use crate::crypto::Signature;
use crate::error::{Error, Result};
use crate::hash;
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

/// Whether `signature` is the key's over the digest.
pub(super) fn verify(key: &PublicKey, digest: &Digest, signature: &Signature) -> Result<()> {
    let x = x(key, digest, signature)?;
    if signature.starts_with(&x) { Ok(()) } else { Err(Error::SignatureInvalid) }
}

/// What `r` of a right signature is.
pub(super) fn x(key: &PublicKey, digest: &Digest, signature: &Signature) -> Result<[u8; 32]> {
    let point = Point::from_bytes(&key.0).ok_or(Error::KeyInvalid)?;
    x_of(&point, digest, signature).ok_or(Error::SignatureInvalid)
}

fn x_of(key: &Point, digest: &Digest, signature: &Signature) -> Option<[u8; 32]> {
    let (r_bytes, s) = signature.split_first_chunk::<32>()?;
    let (r, s) = (Scalar::from_bytes(r_bytes)?, Scalar::from_bytes(s.try_into().ok()?)?);
    if r.is_zero() || s.is_zero() {
        return None;
    }
    let inverse = s.inverse();
    let u = Scalar::from_bytes_modulo(&digest.0).times(&inverse);
    let v = r.times(&inverse);
    let point = key.combination(&u.to_words(), &v.to_words());
    // The point at infinity gives 0, which no r is; a field element may be the order or more.
    Some(Scalar::from_bytes_modulo(&point.x_bytes()).to_bytes())
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
        *self.k = hash::hmac_sha256(&*self.k, &[&*self.v, a, b, c]);
        *self.v = hash::hmac_sha256(&*self.k, &[&*self.v]);
    }

    /// Step h. The candidate is one in all but 2⁻³² of the cases.
    fn next(&mut self) -> Option<Scalar> {
        if self.again {
            self.stir(&[&[0], &[], &[]]);
        }
        self.again = true;
        *self.v = hash::hmac_sha256(&*self.k, &[&*self.v]);
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
        let z = Scalar::from_bytes_modulo(&hash::sha256(&[b"sample"]));
        let mut nonces = Nonces::new(&key, &z);
        let nonce = "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60";
        assert_eq!(nonces.next().map(Scalar::to_bytes), crate::id::from_hex(nonce));
        let k = hash::hmac_sha256(&*nonces.k, &[&*nonces.v, &[0]]);
        let v = hash::hmac_sha256(&k, &[&hash::hmac_sha256(&k, &[&*nonces.v])]);
        assert_eq!(nonces.next().map(Scalar::to_bytes), Some(v));
    }
}
