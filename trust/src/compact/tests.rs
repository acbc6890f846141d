//! The arithmetic against long multiplication, and the points against the p256 crate.

use super::*;
use crate::id::from_hex;
use crate::soft::SoftKey;
use point::Point;
use residue::{Field, Modulus, Order, Prime, Residue, Scalar, Words};
use std::vec::Vec;

/// a + b modulo m, for numbers below m.
fn slow_sum(a: &Words, b: &Words, m: &Words) -> Words {
    let wide = |words: &Words| words.iter().map(|word| i128::from(*word)).collect::<Vec<_>>();
    let below = |number: &[i128]| number.iter().rev().lt(wide(m).iter().rev());
    let mut number = carried(wide(a).iter().zip(&wide(b)).map(|(a, b)| a + b).collect());
    if number[8] > 0 || !below(&number[..8]) {
        number =
            carried(number.iter().zip(wide(m).iter().chain([&0])).map(|(a, b)| a - b).collect());
    }
    core::array::from_fn(|i| number[i] as u32)
}

/// Nine digits, base 2³².
fn carried(mut digits: Vec<i128>) -> Vec<i128> {
    digits.resize(9, 0);
    for i in 0..8 {
        digits[i + 1] += digits[i] >> 32;
        digits[i] &= 0xffff_ffff;
    }
    digits
}

/// a · b modulo m, bit by bit: b is below m, a any 256 bits.
fn slow_product(a: &Words, b: &Words, m: &Words) -> Words {
    let mut product = [0; 8];
    for i in (0..256).rev() {
        product = slow_sum(&product, &product, m);
        if a[i / 32] >> (i % 32) & 1 == 1 {
            product = slow_sum(&product, b, m);
        }
    }
    product
}

/// Numbers at which carries begin or end: any 256 bits, and with `below` only those below m.
fn edges(m: &Words, below: bool) -> Vec<Words> {
    let mut edges = Vec::from([[0; 8], [!0; 8], [0x5555_5555; 8]]);
    for i in 0..8 {
        for word in [1, 2, 3, 0x7fff_ffff, 0x8000_0000, !0] {
            let mut one = [0; 8];
            one[i] = word;
            let mut rest = [!0; 8];
            rest[i] = word;
            let run = core::array::from_fn(|j| if j < i { !0 } else { 0 });
            edges.extend([one, rest, run, run.map(|word: u32| !word)]);
        }
    }
    let less = |by: u32| core::array::from_fn(|i| if i == 0 { m[0] - by } else { m[i] });
    edges.extend((0..=4).map(less));
    let more = core::array::from_fn(|i| if i == 0 { m[0].saturating_add(1) } else { m[i] });
    edges.push(more);
    edges.extend((0..40u8).map(|i| random(i.into())));
    edges.retain(|edge| !below || edge.iter().rev().lt(m.iter().rev()));
    edges
}

fn random(seed: u32) -> Words {
    let digest = Compact.sha256(&[&seed.to_be_bytes()]).0;
    core::array::from_fn(|i| u32::from_be_bytes(digest[4 * i..][..4].try_into().unwrap()))
}

fn arithmetic_is_right<M: Modulus>() {
    let m = &M::WORDS;
    let below = edges(m, true);
    for a in &below {
        let montgomery = Residue::<M>::from_montgomery(*a);
        assert_eq!(slow_product(&montgomery.to_words(), &M::ONE, m), *a);
        for b in &below {
            let other = Residue::<M>::from_montgomery(*b);
            assert_eq!(*montgomery.plus(&other).montgomery(), slow_sum(a, b, m), "{a:x?} + {b:x?}");
            let difference = *montgomery.minus(&other).montgomery();
            assert_eq!(slow_sum(&difference, b, m), *a, "{a:x?} - {b:x?}");
            assert_eq!(montgomery.equals(&other), a == b);
        }
    }
    for (i, a) in edges(m, false).iter().enumerate() {
        // What a left factor may be above the modulus for: a number in no form yet.
        let any = Residue::<M>::from_montgomery(*a);
        for b in below.iter().skip(i % 7).step_by(7) {
            let product = any.times(&Residue::from_montgomery(*b));
            let (left, right) =
                (slow_product(product.montgomery(), &M::ONE, m), slow_product(a, b, m));
            assert_eq!(left, right, "{a:x?} · {b:x?}");
        }
    }
}

#[test]
fn sums_differences_and_products_of_edges_are_those_of_long_arithmetic() {
    arithmetic_is_right::<Prime>();
    arithmetic_is_right::<Order>();
}

fn inverses_are_right<M: Modulus>() {
    for number in edges(&M::WORDS, true).iter().step_by(3) {
        let number = Residue::<M>::from_montgomery(*number);
        let one = if number.is_zero() { Residue::ZERO } else { Residue::ONE };
        assert!(number.inverse().times(&number).equals(&one));
    }
}

#[test]
fn a_number_times_its_inverse_is_one_and_zero_has_the_inverse_zero() {
    inverses_are_right::<Prime>();
    inverses_are_right::<Order>();
}

fn bytes_are_right<M: Modulus>() {
    for number in edges(&M::WORDS, false) {
        let mut bytes = [0; 32];
        for (place, word) in bytes.rchunks_exact_mut(4).zip(number) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        let is_below = number.iter().rev().lt(M::WORDS.iter().rev());
        let read = Residue::<M>::from_bytes(&bytes);
        assert_eq!(read.map(Residue::to_bytes), is_below.then_some(bytes), "{number:x?}");
        assert_eq!(residue::below::<M>(&number), is_below);
        let modulo = slow_product(&number, &[1, 0, 0, 0, 0, 0, 0, 0], &M::WORDS);
        assert_eq!(Residue::<M>::from_bytes_modulo(&bytes).to_words(), modulo);
    }
}

#[test]
fn bytes_are_read_below_the_modulus_only_and_written_back() {
    bytes_are_right::<Prime>();
    bytes_are_right::<Order>();
}

fn constants_are_right<M: Modulus>() {
    let mut power = [1, 0, 0, 0, 0, 0, 0, 0];
    for exponent in 1..=512 {
        power = slow_sum(&power, &power, &M::WORDS);
        match exponent {
            256 => assert_eq!(power, M::ONE),
            512 => assert_eq!(power, M::SQUARE),
            _ => (),
        }
    }
}

#[test]
fn the_constants_are_those_of_the_standard() {
    constants_are_right::<Prime>();
    constants_are_right::<Order>();
    let b = from_hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");
    assert_eq!(Some(point::B.to_bytes()), b);
    for (below, modulus) in [
        ("ffffffff00000001000000000000000000000000fffffffffffffffffffffffe", Prime::WORDS),
        ("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", Order::WORDS),
    ] {
        let below: [u8; 32] = from_hex(below).unwrap();
        let words = below.rchunks_exact(4).zip(modulus).enumerate();
        for (i, (bytes, word)) in words {
            let bytes = u32::from_be_bytes(bytes.try_into().unwrap());
            assert_eq!(bytes, word - u32::from(i == 0));
        }
    }
}

/// Scalars at which a table, a window or an addition has something special to do.
fn special() -> Vec<Scalar> {
    let one = Scalar::ONE;
    let minus = |a: &Scalar| Scalar::ZERO.minus(a);
    let power = |bit: usize| {
        let words = core::array::from_fn(|i| u32::from(bit / 32 == i) << (bit % 32));
        residue::of_words(&words)
    };
    let mut all = Vec::from([Scalar::ZERO, one, one.plus(&one)]);
    all.extend((1..6u32).map(Scalar::of_word));
    all.extend([63, 64, 127, 128, 191, 192, 255].map(power));
    all.extend([64, 128, 192].map(|bit| power(bit).minus(&one)));
    all.push(residue::of_words(&[1, 0, 1, 0, 1, 0, 1, 0]));
    all.push(one.plus(&one).inverse());
    all.push(residue::of_words(&[0x7777_7777; 8]));
    all.push(residue::of_words(&[0x8888_8888; 8]));
    all.push(Scalar::from_bytes_modulo(&Compact.sha256(&[b"any"]).0));
    let negated: Vec<Scalar> = all.iter().map(minus).collect();
    all.extend(negated);
    all
}

fn times_generator(scalar: &Scalar) -> Point {
    Point::of_generator(&scalar.to_words())
}

#[test]
fn the_table_and_the_multiples_of_the_generator_are_those_of_p256() {
    for i in 1..16u32 {
        let words = core::array::from_fn(|word| i >> (word / 2) & u32::from(word % 2 == 0));
        let scalar = residue::of_words(&words);
        let [x, y] =
            table::COMB[i as usize - 1].map(|words| Field::from_montgomery(words).to_bytes());
        let other = SoftKey::from_bytes(&scalar.to_bytes()).unwrap().public_key();
        assert_eq!([x, y].concat(), other.0, "entry {i}");
    }
    for scalar in special() {
        let own = times_generator(&scalar).affine();
        let other = SoftKey::from_bytes(&scalar.to_bytes()).map(|key| key.public_key().0);
        assert_eq!(own, other.unwrap_or([0; 64]));
        assert_eq!(own[..32], times_generator(&scalar).x_bytes());
    }
}

#[test]
fn points_add_without_an_exception() {
    let scalars = special();
    let points: Vec<Point> = scalars.iter().map(times_generator).collect();
    for (a, p) in scalars.iter().zip(&points) {
        assert_eq!(p.doubled().affine(), p.plus(p).affine());
        assert_eq!(p.plus(&p.negated()).affine(), [0; 64]);
        for (b, q) in scalars.iter().zip(&points) {
            assert_eq!(p.plus(q).affine(), times_generator(&a.plus(b)).affine());
        }
    }
}

#[test]
fn combinations_of_two_multiples_go_through_infinity_and_doublings() {
    let scalars = special();
    for key in scalars.iter().filter(|key| !key.is_zero()).step_by(5) {
        let point = times_generator(key);
        for (i, u) in scalars.iter().enumerate() {
            for v in scalars.iter().skip(i % 3).step_by(3) {
                let whole = times_generator(&u.plus(&v.times(key)));
                let (mut used, numbers) = ([[0; 8]; 2], [u.to_words(), v.to_words()]);
                let combined = point.combination(&numbers[0], &numbers[1], &mut used);
                assert_eq!((combined.affine(), used), (whole.affine(), numbers));
            }
            // u·G - (u / key)·(key·G): nothing is left.
            let v = Scalar::ZERO.minus(&u.times(&key.inverse()));
            let nothing = point.combination(&u.to_words(), &v.to_words(), &mut [[0; 8]; 2]);
            assert_eq!(nothing.affine(), [0; 64]);
        }
    }
}

fn signed_digits(number: &Words) -> [i8; point::DIGITS] {
    let mut digits = [0; point::DIGITS];
    point::sign_digits(number, &mut digits);
    digits
}

#[test]
fn signed_digits_are_the_number_and_every_other_is_zero_or_odd() {
    for number in edges(&[!0; 8], false) {
        let digits = signed_digits(&number);
        let mut sum = Scalar::ZERO;
        for digit in digits.iter().rev() {
            sum = sum.plus(&sum);
            let size = Scalar::of_word(digit.unsigned_abs().into());
            sum = if *digit < 0 { sum.minus(&size) } else { sum.plus(&size) };
            assert!(*digit == 0 || digit % 2 != 0 && (-7..=7).contains(digit));
        }
        let modulo = slow_product(&number, &[1, 0, 0, 0, 0, 0, 0, 0], &Order::WORDS);
        assert_eq!(sum.to_words(), modulo);
        let busy = digits.windows(4).filter(|four| four.iter().filter(|d| **d != 0).count() > 1);
        assert_eq!(busy.count(), 0);
    }
}

#[test]
fn a_number_of_the_table_is_chosen_by_equality_alone() {
    for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
        assert_eq!(point::mask_if_equal(a, b), if a == b { !0 } else { 0 });
    }
}

#[test]
fn rot_18_digits_lead_back_to_their_number_and_a_few_to_the_known_point() {
    let recomposed = |words: &Words| {
        let digits = signed_digits(words);
        let mut number = [0; 8];
        digits.iter().rev().for_each(|digit| point::take_digit(&mut number, *digit));
        number
    };
    for words in (0..200).map(random).chain(edges(&Order::WORDS, false)) {
        assert_eq!(recomposed(&words), words);
    }
    assert!(Point::combines());
}
