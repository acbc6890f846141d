//! Numbers modulo the field's prime and modulo the group's order, in Montgomery form.
//!
//! What is true of this file: a value is always below its modulus, so equal numbers are equal
//! words; and no branch and no address depends on a value, so a secret may pass through it. It does
//! not promise that no copy of a value stays on the stack.
//!
//! Words are written out eight at a time (`each!`): on a chip a loop's counting costs as much as
//! the word it counts, and carries stay in the flags.

use crate::copy::copy;
use crate::crypto::Mixed;
use core::hint::black_box;
use core::marker::PhantomData;
use subtle::Choice;
use zeroize::Zeroize;

/// Eight words, least significant first. A closure would be called for each where the compiler
/// looks at size alone.
macro_rules! each {
    ($i:ident => $word:expr) => {
        each!($i => $word, 0, 1, 2, 3, 4, 5, 6, 7)
    };
    ($i:ident => $word:expr, $($place:literal),*) => {
        [$({
            let $i = $place;
            $word
        }),*]
    };
}

/// 256 bits, least significant word first.
pub(super) type Words = [u32; 8];

/// A prime between 2²⁵⁵ and 2²⁵⁶.
pub(super) trait Modulus: Copy {
    const WORDS: Words;
    /// 2²⁵⁶ modulo the prime: one, in Montgomery form.
    const ONE: Words;
    /// 2⁵¹² modulo the prime: what takes a number into Montgomery form.
    const SQUARE: Words;

    /// A step of Montgomery's reduction: adds the multiple of the prime that makes the lowest word
    /// zero, and drops that word. `over` is the bit above `top`.
    fn reduced(words: Words, top: u32, over: bool) -> (Words, u32);
}

/// p of P-256 (SP 800-186 §3.2.1.3).
#[derive(Clone, Copy)]
pub(super) struct Prime;

/// n, the order of the group of P-256.
#[derive(Clone, Copy)]
pub(super) struct Order;

/// A coordinate.
pub(super) type Field = Residue<Prime>;
/// How many times a point is added.
pub(super) type Scalar = Residue<Order>;

impl Modulus for Prime {
    const WORDS: Words = [!0, !0, !0, 0, 0, 0, 1, !0];
    const ONE: Words = [1, 0, 0, !0, !0, !0, !1, 0];
    const SQUARE: Words = [3, 0, !0, !4, !1, !0, !2, 4];

    /// p is 2²²⁴·(2³² - 1) + 2¹⁹² + 2⁹⁶ - 1: no word needs to be multiplied, and -1 clears the
    /// lowest.
    #[inline(always)]
    fn reduced(words: Words, top: u32, over: bool) -> (Words, u32) {
        let [word, a, b, c, d, e, f, g] = words;
        let (low, borrow) = 0u32.overflowing_sub(word);
        let high = word.wrapping_sub(u32::from(borrow));
        let rest = [a, b, c, d, e, f, g, top];
        let (words, carry) = sum(&rest, &[0, 0, word, 0, 0, word, low, high]);
        (words, u32::from(carry) + u32::from(over))
    }
}

impl Modulus for Order {
    const WORDS: Words = [
        0xfc63_2551,
        0xf3b9_cac2,
        0xa717_9e84,
        0xbce6_faad,
        0xffff_ffff,
        0xffff_ffff,
        0x0000_0000,
        0xffff_ffff,
    ];
    const ONE: Words = [
        0x039c_daaf,
        0x0c46_353d,
        0x58e8_617b,
        0x4319_0552,
        0x0000_0000,
        0x0000_0000,
        0xffff_ffff,
        0x0000_0000,
    ];
    const SQUARE: Words = [
        0xbe79_eea2,
        0x8324_4c95,
        0x49bd_6fa6,
        0x4699_799c,
        0x2b6b_ec59,
        0x2845_b239,
        0xf3d9_5620,
        0x66e1_2d94,
    ];

    #[inline(always)]
    fn reduced(words: Words, top: u32, over: bool) -> (Words, u32) {
        /// -n⁻¹ modulo 2³².
        const FACTOR: u32 = 0xee00_bc4f;
        let factor = words[0].wrapping_mul(FACTOR);
        let ([_, a, b, c, d, e, f, g], carry) = multiple_added(&words, factor, &Self::WORDS);
        let (top, again) = top.overflowing_add(carry);
        ([a, b, c, d, e, f, g, top], u32::from(over) + u32::from(again))
    }
}

/// A number modulo `M`.
#[derive(Clone, Copy)]
pub(super) struct Residue<M>(Words, PhantomData<M>);

impl<M: Modulus> Residue<M> {
    pub(super) const ZERO: Self = Self::from_montgomery([0; 8]);
    pub(super) const ONE: Self = Self::from_montgomery(M::ONE);

    /// A number whose Montgomery form is known.
    pub(super) const fn from_montgomery(words: Words) -> Self {
        Self(words, PhantomData)
    }

    /// The words of the Montgomery form.
    pub(super) const fn montgomery(&self) -> &Words {
        &self.0
    }

    /// A number, from bytes, big-endian, if it is below the modulus. Whether it is, is no secret.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let number = Number::of(bytes, 0);
        number.is_below(&M::WORDS).then(|| Self::modulo(&number))
    }

    /// Any 256 bits, big-endian, modulo `M`.
    pub(super) fn from_bytes_modulo(bytes: &[u8; 32]) -> Self {
        Self::modulo(&Number::of(bytes, 0))
    }

    fn modulo(number: &Number) -> Self {
        number.times(&Self::from_montgomery(M::SQUARE))
    }

    /// A small number.
    pub(super) fn of_word(word: u32) -> Self {
        Self::modulo(&Number::open([word, 0, 0, 0, 0, 0, 0, 0]))
    }

    /// What a [`Number`] is multiplied by for the Montgomery form of its product with this.
    pub(super) fn for_montgomery(&self) -> Self {
        self.times(&Self::from_montgomery(M::SQUARE))
    }

    /// The number.
    pub(super) fn to_words(self) -> Words {
        product::<M>(&self.0, 0, &[1, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The number's bytes, big-endian.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (place, word) in bytes.rchunks_exact_mut(4).zip(self.to_words()) {
            copy(place, &word.to_be_bytes());
        }
        bytes
    }

    #[inline(never)]
    pub(super) fn plus(&self, other: &Self) -> Self {
        let (words, carry) = sum(&self.0, &other.0);
        Self::from_montgomery(settled(&words, u32::from(carry), &M::WORDS))
    }

    #[inline(never)]
    pub(super) fn minus(&self, other: &Self) -> Self {
        let (words, borrow) = difference(&self.0, &other.0);
        let mask = mask(u32::from(borrow));
        Self::from_montgomery(sum(&words, &each!(i => M::WORDS[i] & mask)).0)
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        Self::from_montgomery(product::<M>(&self.0, 0, &other.0))
    }

    /// The inverse, and zero of zero: the power modulus - 2 (Fermat). The exponent is no secret.
    /// Both have long runs of ones: four of them cost one multiplication.
    pub(super) fn inverse(&self) -> Self {
        let (mut power, mut run) = (Self::ONE, *self);
        for _ in 0..3 {
            run = run.times(&run).times(self);
        }
        for (i, word) in M::WORDS.iter().enumerate().rev() {
            // Both moduli end in a word above 1, so that word alone gives the 2.
            let word = if i == 0 { word.wrapping_sub(2) } else { *word };
            for bit in (0..32).rev() {
                power = power.times(&power);
                let four = word >> (bit & 28) & 15;
                if four == 15 && bit & 3 == 0 {
                    power = power.times(&run);
                } else if four != 15 && word >> bit & 1 == 1 {
                    power = power.times(self);
                }
            }
        }
        power
    }

    pub(super) fn is_zero(&self) -> bool {
        let any = self.0.iter().fold(0, |any, word| any | word);
        mask((any | any.wrapping_neg()) >> 31) == 0
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        self.minus(other).is_zero()
    }

    /// Adds the bits of a Montgomery form where the mask has ones.
    #[inline(always)]
    pub(super) fn or_masked(&mut self, montgomery: &Words, mask: u32) {
        self.0.iter_mut().zip(montgomery).for_each(|(place, word)| *place |= word & mask);
    }
}

impl<M> Zeroize for Residue<M> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// All ones for 1, zero for 0; the compiler does not learn that there are only two.
#[inline(always)]
pub(super) fn mask(bit: u32) -> u32 {
    u32::from(Choice::from(bit as u8 & 1).unwrap_u8()).wrapping_neg()
}

/// 256 bits that somebody chose, each word of it mixed with a mask that he does not know (ROT-25).
pub(super) struct Number {
    mixed: Words,
    mask: u32,
}

impl Number {
    /// From bytes, big-endian.
    pub(super) fn of(bytes: &[u8; 32], mask: u32) -> Self {
        let mut mixed = [mask; 8];
        for (at, byte) in bytes.iter().enumerate() {
            // Byte by byte, into what is mixed: the word is in no register either.
            mixed[7 - at / 4] ^= u32::from(*byte) << (24 - 8 * (at % 4));
        }
        Self { mixed, mask }
    }

    /// From what is mixed already.
    pub(super) fn of_mixed(mixed: &Mixed) -> Self {
        let (mut mixed, mask) = mixed.parts();
        mixed.reverse();
        Self { mixed, mask }
    }

    /// What is not mixed: no number of somebody's.
    pub(super) const fn open(words: Words) -> Self {
        Self { mixed: words, mask: 0 }
    }

    /// Whether it is below another one.
    pub(super) fn is_below(&self, other: &Words) -> bool {
        let carry = self.mixed.iter().zip(other).fold(true, |carry, (word, of)| {
            (word ^ black_box(self.mask)).carrying_add(!of, carry).1
        });
        // Only the answer is looked at: left to itself the compiler compares word by word, and
        // stops at the first that decides.
        mask(u32::from(carry)) == 0
    }

    pub(super) fn is_zero(&self) -> bool {
        self.mixed.iter().all(|word| *word == self.mask)
    }

    /// This number times another one, divided by 2²⁵⁶: whose Montgomery form the other has, if
    /// that is meant to be the result's.
    pub(super) fn times<M: Modulus>(&self, other: &Residue<M>) -> Residue<M> {
        Residue::from_montgomery(product::<M>(&self.mixed, self.mask, &other.0))
    }
}

/// a · b / 2²⁵⁶ modulo the prime. `b` is below the prime, `a` any 256 bits, its words mixed with
/// `mask`: then the sum stays below twice the prime after every word of `a`.
#[inline(never)]
fn product<M: Modulus>(a: &Words, mask: u32, b: &Words) -> Words {
    let (mut words, mut top) = ([0; 8], 0u32);
    for a in a {
        let (added, carry) = multiple_added(&words, a ^ mask, b);
        let (above, over) = top.overflowing_add(carry);
        (words, top) = M::reduced(added, above, over);
    }
    settled(&words, top, &M::WORDS)
}

/// to + factor · words, and the word that is carried out of it.
#[inline(always)]
fn multiple_added(to: &Words, factor: u32, words: &Words) -> (Words, u32) {
    let mut carry = 0;
    let words = each!(i => {
        let (low, high) = factor.carrying_mul_add(words[i], to[i], carry);
        carry = high;
        low
    });
    (words, carry)
}

/// a + b modulo 2²⁵⁶, and the carry.
#[inline(always)]
fn sum(a: &Words, b: &Words) -> (Words, bool) {
    let mut carry = false;
    let words = each!(i => {
        let (word, bit) = a[i].carrying_add(b[i], carry);
        carry = bit;
        word
    });
    (words, carry)
}

/// a - b modulo 2²⁵⁶, and the borrow. As a + !b + 1, because the compiler keeps a chain of carries
/// in the flags, and one of borrows not.
#[inline(always)]
fn difference(a: &Words, b: &Words) -> (Words, bool) {
    let mut carry = true;
    let words = each!(i => {
        let (word, bit) = a[i].carrying_add(!b[i], carry);
        carry = bit;
        word
    });
    (words, !carry)
}

/// over · 2²⁵⁶ + words, which is below twice the modulus, modulo the modulus.
#[inline(never)]
fn settled(words: &Words, over: u32, modulus: &Words) -> Words {
    let (less, borrow) = difference(words, modulus);
    let keep = mask(u32::from(borrow) & !over);
    each!(i => less[i] ^ (less[i] ^ words[i]) & keep)
}

#[cfg(test)]
pub(super) fn of_words(words: &Words) -> Scalar {
    Scalar::modulo(&Number::open(*words))
}

/// Whether a number is below a modulus, however it is mixed.
#[cfg(test)]
pub(super) fn below<M: Modulus>(words: &Words) -> bool {
    let by = |mask| Number { mixed: words.map(|word| word ^ mask), mask }.is_below(&M::WORDS);
    let all = [0, 1, 0x5ac3_96e1, !0].map(by);
    assert_eq!(all, [all[0]; 4]);
    all[0]
}
