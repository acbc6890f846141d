//! ECDSA over P-256 with SHA-256 (FIPS 186-5), with the nonces of RFC 6979.

use super::point::Point;
use super::residue::{Field, Modulus as _, Number, Order, Scalar, Words};
use super::sha256::hmac_sha256;
use crate::copy::copy;
use crate::crypto::{Mixed, Signature};
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::PublicKey;
use core::hint::black_box;
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

/// What all that is computed of a signature is divided and multiplied by: numbers that nobody knows
/// beforehand, of the point and of its x.
pub(super) type Factors = [u32; 2];

/// p - n: below it r may be the x of a point less n (SEC 1, §4.1.4).
const SPARE: Words = [0x039c_daae, 0x0c46_353d, 0x58e8_617b, 0x4319_0553, 0, 0, 0, 0];

/// Where a signature of the key over a digest leads, and where it should: the same if it is right.
///
/// Who wrote the signature chose r and s, and so every number that the standard computes with.
/// ROT-25: none of them is in memory here. r, s and the digest are mixed with the mask, and s is
/// multiplied by a factor before anything is computed: with s·factor, what r and the digest are
/// divided by gives a point of which the right one is a multiple. Its x and r are compared as
/// multiples of another factor. That of r comes first: what a skipped instruction leaves where the
/// other one should be is not this one (ROT-18), and it comes as its complement: memory that a lost
/// address leads to, of zeros for instance, has no such pair. `digest` is asked twice, for
/// [`Numbers::fill`] and for [`Numbers::hold`].
pub(super) fn leads(
    key: &PublicKey,
    digest: impl Fn() -> Mixed,
    signature: &Signature,
    (mask, blind): (u32, Factors),
) -> Result<[Mixed; 2]> {
    let [factor, scale] = blind;
    let mut numbers = Numbers::NONE;
    if !numbers.fill(&digest, signature, (mask, blind)) {
        return Err(Error::SignatureInvalid);
    }
    let key = Point::from_bytes(&key.0).ok_or(Error::KeyInvalid)?;
    if !Point::combines() {
        return Err(Error::SignatureInvalid);
    }
    let mut used = [[0; 8]; 2];
    let part = key.combination(numbers.u.montgomery(), numbers.v.montgomery(), &mut used);
    if !numbers.hold(&used, &digest, signature, (mask, blind)) {
        return Err(Error::SignatureInvalid);
    }
    let scale = Field::of_word(scale);
    let found = part.x_of_multiple(factor, &scale);
    if found.is_zero() {
        return Err(Error::SignatureInvalid); // the point at infinity
    }
    Ok([Mixed::of(*found.montgomery(), 0), Mixed::of(*numbers.counter(&found), 0)])
}

/// r and s, if they are numbers of a signature.
#[inline(never)] // for both who read them
fn read(signature: &Signature, mask: u32) -> Option<[Number; 2]> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let [r, s] = [r, s.first_chunk()?].map(|bytes| Number::of(bytes, mask));
    let is_one = |number: &Number| number.is_below(&Order::WORDS) && !number.is_zero();
    (is_one(&r) && is_one(&s)).then_some([r, s])
}

/// What a signature is verified with.
struct Numbers {
    /// How many times the generator and the key are added.
    u: Scalar,
    v: Scalar,
    /// The complements of the multiple of x that is right, and of the other one that is, too, if r
    /// is so small that there is one. They are not kept as they are: what is found must not be
    /// compared with itself, where an address is lost (ROT-18).
    counters: [Words; 2],
}

impl Numbers {
    /// Those to which no point leads, where [`Numbers::fill`] is left out.
    const NONE: Self = Self { u: Scalar::ZERO, v: Scalar::ZERO, counters: [[0; 8]; 2] };

    /// Whether the signature has them.
    #[inline(never)] // its room leaves the stack before points are added
    fn fill(
        &mut self,
        digest: &impl Fn() -> Mixed,
        signature: &Signature,
        (mask, [factor, scale]): (u32, Factors),
    ) -> bool {
        let Some([r, s]) = read(signature, mask) else { return false };
        self.counters = counters(&r, scale);
        let inverse = s.times(&Scalar::of_word(factor).for_montgomery()).inverse();
        // As numbers: not in Montgomery form.
        self.v = r.times(&inverse);
        self.u = Number::of_mixed(&digest()).times(&inverse);
        true
    }

    /// Whether it was this signature's numbers that points were added by: all of it is read once
    /// more, and compared with what was used. A number that another one took the place of, by a
    /// skipped instruction or a bit of an address, would leave a signature to who knows no key, if
    /// one came of r and the other one not; and so would lost factors (ROT-18).
    #[inline(never)] // as above
    fn hold(
        &self,
        used: &[Words; 2],
        digest: &impl Fn() -> Mixed,
        signature: &Signature,
        (mask, factors): (u32, Factors),
    ) -> bool {
        let Some([r, s]) = read(signature, mask) else { return false };
        let [u, v] = black_box(used).map(Scalar::from_montgomery);
        let same = black_box(self).counters == counters(&r, factors[1]);
        let [a, b] = factors.map(Scalar::of_word);
        let divisor = s.times(&a.for_montgomery());
        let sum = u.times(&a).plus(&v.times(&b)).times(&divisor);
        let both = Number::of_mixed(&digest()).times(&a).plus(&r.times(&b));
        !divisor.is_zero() && !b.is_zero() && sum.equals(&both) && same
    }

    /// The complement of the multiple of x that is right, of two of the one that was found.
    #[inline(never)] // as above
    fn counter(&self, found: &Field) -> &Words {
        let [counter, other] = &self.counters;
        // Word by word: none of them is made the complement of what was found.
        let pairs = found.montgomery().iter().zip(other);
        let is_other = pairs.fold(0, |bits, (found, other)| bits | !(found ^ other)) == 0;
        if is_other { other } else { counter }
    }
}

/// The complements of r as a multiple of x, and of r + n if that is below p; of r again if not.
#[inline(never)] // for both who compute them
fn counters(r: &Number, scale: u32) -> [Words; 2] {
    let scale = Field::of_word(scale).for_montgomery();
    let right = r.times(&scale);
    let none = Number::open([0; 8]);
    let more = if r.is_below(&SPARE) { Number::open(Order::WORDS) } else { none };
    let other = right.plus(&more.times(&scale));
    [right, other].map(|number| number.montgomery().map(|word| !word))
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
