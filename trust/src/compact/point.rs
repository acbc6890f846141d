//! Points of P-256, by complete formulas: no pair of points is an exception that needs a branch.
//!
//! The formulas are those of Renes, Costello and Batina, "Complete addition formulas for prime
//! order elliptic curves" (2016), algorithms 4 and 6, for a = -3.

use super::residue::{Field, Words, mask};
use super::table::COMB;
use crate::copy::copy;
use core::hint::black_box;
use zeroize::Zeroize;

/// The curve's b, in Montgomery form.
pub(super) const B: Field = Field::from_montgomery([
    0x29c4_bddf,
    0xd89c_df62,
    0x7884_3090,
    0xacf0_05cd,
    0xf721_2ed6,
    0xe5a2_20ab,
    0x0487_4834,
    0xdc30_061d,
]);

/// The x, in Montgomery form, of the generator 2 + 2^129 + 15 times.
const FEW: Field = Field::from_montgomery([
    0xbf95_5e21,
    0x7cd3_673b,
    0xf3ab_ec5e,
    0x2ff5_ac78,
    0x5c49_3648,
    0xd27a_9177,
    0x66dc_c488,
    0x88e2_1231,
]);

/// x and y times an unknown factor, and that factor; zero for the point at infinity.
#[derive(Clone, Copy)]
pub(super) struct Point {
    x: Field,
    y: Field,
    z: Field,
}

impl Zeroize for Point {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
    }
}

impl Point {
    const INFINITY: Self = Self { x: Field::ZERO, y: Field::ONE, z: Field::ZERO };

    /// From x ‖ y, if that is a point of the curve.
    #[inline(never)] // as below
    pub(super) fn from_bytes(bytes: &[u8; 64]) -> Option<Self> {
        let (x, y) = bytes.split_first_chunk::<32>()?;
        let (x, y) = (Field::from_bytes(x)?, Field::from_bytes(y.try_into().ok()?)?);
        let three = Field::ONE.plus(&Field::ONE).plus(&Field::ONE);
        let right = x.times(&x).minus(&three).times(&x).plus(&B);
        y.times(&y).equals(&right).then_some(Self { x, y, z: Field::ONE })
    }

    /// x ‖ y, and zeros for the point at infinity.
    pub(super) fn affine(&self) -> [u8; 64] {
        let mut inverse = self.z.inverse();
        let mut bytes = [0; 64];
        let (x, y) = bytes.split_at_mut(32);
        copy(x, &self.x.times(&inverse).to_bytes());
        copy(y, &self.y.times(&inverse).to_bytes());
        inverse.zeroize();
        bytes
    }

    /// x, and zero for the point at infinity.
    pub(super) fn x_bytes(&self) -> [u8; 32] {
        let mut inverse = self.z.inverse();
        let x = self.x.times(&inverse).to_bytes();
        inverse.zeroize();
        x
    }

    /// A multiple of the x of this point taken `factor` times, which itself is not computed; zero
    /// of the point at infinity.
    #[inline(never)] // as below
    pub(super) fn x_of_multiple(&self, factor: u32, scale: &Field) -> Field {
        let point = self.times(factor);
        point.x.times(&point.z.inverse().times(scale))
    }

    /// Algorithm 4.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let (p, q) = (self, other);
        let (xx, yy, zz) = (p.x.times(&q.x), p.y.times(&q.y), p.z.times(&q.z));
        let xy = p.x.plus(&p.y).times(&q.x.plus(&q.y)).minus(&xx.plus(&yy));
        let yz = p.y.plus(&p.z).times(&q.y.plus(&q.z)).minus(&yy.plus(&zz));
        let xz = p.x.plus(&p.z).times(&q.x.plus(&q.z)).minus(&xx.plus(&zz));
        let e = tripled(&xz.minus(&B.times(&zz)));
        let (less, more) = (yy.minus(&e), yy.plus(&e));
        let zz = tripled(&zz);
        let f = tripled(&B.times(&xz).minus(&zz).minus(&xx));
        let g = tripled(&xx).minus(&zz);
        Self {
            x: xy.times(&more).minus(&yz.times(&f)),
            y: more.times(&less).plus(&g.times(&f)),
            z: yz.times(&less).plus(&xy.times(&g)),
        }
    }

    /// Algorithm 6.
    pub(super) fn doubled(&self) -> Self {
        let (xx, yy, zz) = (self.x.times(&self.x), self.y.times(&self.y), self.z.times(&self.z));
        let (xy, xz) = (twice(&self.x.times(&self.y)), twice(&self.x.times(&self.z)));
        let yz = twice(&self.y.times(&self.z));
        let e = tripled(&B.times(&zz).minus(&xz));
        let (less, more) = (yy.minus(&e), yy.plus(&e));
        let zz = tripled(&zz);
        let f = tripled(&B.times(&xz).minus(&zz).minus(&xx));
        let g = tripled(&xx).minus(&zz);
        Self {
            x: less.times(&xy).minus(&yz.times(&f)),
            y: less.times(&more).plus(&g.times(&f)),
            z: twice(&twice(&yz.times(&yy))),
        }
    }

    /// The same x, and y below.
    pub(super) fn negated(&self) -> Self {
        Self { y: Field::ZERO.minus(&self.y), ..*self }
    }

    /// The generator, `scalar` times. Always the same steps: `scalar` may be secret.
    pub(super) fn of_generator(scalar: &Words) -> Self {
        let mut sum = Self::INFINITY;
        for i in (0..64).rev() {
            sum = sum.doubled();
            let mut tooth = comb(scalar, i);
            sum = sum.plus(&tooth);
            tooth.zeroize();
        }
        sum
    }

    /// This point, `factor` times, which is not zero. The steps tell the factor.
    fn times(&self, factor: u32) -> Self {
        let mut sum = *self;
        for bit in (0..factor.checked_ilog2().unwrap_or(0)).rev() {
            sum = sum.doubled();
            if factor >> bit & 1 == 1 {
                sum = sum.plus(self);
            }
        }
        sum
    }

    /// The generator `u` times and this point `v` times; both numbers as they were used come into
    /// `used`, which is 0 before: what a fault lost of them is not there, for who compares
    /// (ROT-18). The steps tell `u` and `v`.
    #[inline(never)] // its room leaves the stack
    pub(super) fn combination(&self, u: &Words, v: &Words, used: &mut [Words; 2]) -> Self {
        let mut digits = [0; DIGITS];
        sign_digits(v, &mut digits);
        self.by_digits(u, &digits, used)
    }

    /// Whether [`Point::by_digits`] finds what it should of a few digits, where both points are
    /// added, and this one taken away. A skipped instruction that leaves one of them out for good
    /// would leave a signature to who knows no key (ROT-18).
    #[inline(never)]
    pub(super) fn combines() -> bool {
        let generator = comb(&[1, 0, 0, 0, 0, 0, 0, 0], 0);
        let mut used = [[0; 8]; 2];
        let (u, v) = ([2, 0, 0, 0, 2, 0, 0, 0], [-1, 0, 0, 0, 1]);
        let found = generator.by_digits(&u, &v, &mut used);
        found.x.equals(&FEW.times(&found.z))
    }

    /// Of the first of these points makes it once, 3, 5 and 7 times.
    #[inline(never)] // its room leaves the stack
    fn make_odd(odd: &mut [Self; 4]) {
        let twice = odd[0].doubled();
        for i in 1..4 {
            odd[i] = odd[i - 1].plus(&twice);
        }
    }

    /// As [`Point::combination`], of digits of `v`, and of the bits of `u` that stand where they
    /// do.
    #[inline(never)]
    fn by_digits(&self, u: &Words, digits: &[i8], [used_u, used_v]: &mut [Words; 2]) -> Self {
        let mut odd = [*self; 4];
        Self::make_odd(&mut odd);
        let mut sum = Self::INFINITY;
        for (i, digit) in digits.iter().enumerate().rev() {
            let digit = black_box(*digit);
            sum = sum.doubled();
            if let Some(multiple) = odd.get(usize::from(digit.unsigned_abs() / 2)) {
                match digit {
                    0 => (),
                    1.. => sum = sum.plus(multiple),
                    _ => sum = sum.plus(&multiple.negated()),
                }
                take_digit(used_v, digit);
            }
            if i < 64 {
                let tooth = black_box(tooth(u, i));
                sum = sum.plus(&comb_at(tooth));
                for (t, word) in used_u.iter_mut().skip(i / 32).step_by(2).enumerate() {
                    *word |= (tooth >> t & 1) << (i % 32);
                }
            }
        }
        sum
    }
}

/// Makes it twice the number, and the digit.
#[inline(never)]
pub(super) fn take_digit(number: &mut Words, digit: i8) {
    // A negative digit as 2²⁵⁶ and it.
    let high = (i32::from(digit) >> 8).cast_unsigned();
    let mut add = i32::from(digit).cast_unsigned();
    let (mut above, mut carry) = (0, false);
    for word in number {
        let double = *word << 1 | above;
        above = *word >> 31;
        (*word, carry) = double.carrying_add(add, carry);
        add = high;
    }
}

fn twice(a: &Field) -> Field {
    a.plus(a)
}

fn tripled(a: &Field) -> Field {
    twice(a).plus(a)
}

/// The sum of 2^(64·t)·G over the bits i + 64·t of `scalar`.
fn comb(scalar: &Words, i: usize) -> Point {
    comb_at(tooth(scalar, i))
}

/// Those bits.
fn tooth(scalar: &Words, i: usize) -> u32 {
    let bit = |t: usize| scalar[(2 * t + i / 32) & 7] >> (i % 32) & 1;
    bit(0) | bit(1) << 1 | bit(2) << 2 | bit(3) << 3
}

/// The sum for these bits. Reads every entry of the table.
fn comb_at(wanted: u32) -> Point {
    let mut point = Point { x: Field::ZERO, y: Field::ZERO, z: Field::ZERO };
    for ([x, y], entry) in COMB.iter().zip(1..) {
        let mask = mask_if_equal(wanted, entry);
        point.x.or_masked(x, mask);
        point.y.or_masked(y, mask);
    }
    let none = mask_if_equal(wanted, 0);
    point.y.or_masked(Field::ONE.montgomery(), none);
    point.z.or_masked(Field::ONE.montgomery(), !none);
    point
}

/// All ones if two numbers below 16 are equal.
pub(super) fn mask_if_equal(a: u32, b: u32) -> u32 {
    mask((a ^ b).wrapping_sub(1) >> 31)
}

/// Digits of 256 bits, where some are negative.
pub(super) const DIGITS: usize = 257;

/// Finds the digits of `v`, base 2: 0, or odd and -7 to 7, and then 0 for the next three. They are
/// 0 before.
pub(super) fn sign_digits(v: &Words, digits: &mut [i8; DIGITS]) {
    let bit = |i: usize| v.get(i / 32).map_or(0, |word| word >> (i % 32) & 1) as i8;
    let (mut carry, mut covered) = (0, 0);
    for (i, digit) in digits.iter_mut().enumerate() {
        if i < covered || bit(i) == carry {
            continue;
        }
        let window = bit(i) + 2 * bit(i + 1) + 4 * bit(i + 2) + 8 * bit(i + 3) + carry;
        carry = i8::from(window > 8);
        *digit = window - 16 * carry;
        covered = i + 4;
    }
}
