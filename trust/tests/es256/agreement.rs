//! Compact against Soft: the same keys, the same signatures byte for byte, the same refusals.

use super::*;

/// The group's order.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const KEYS: u32 = 400;

/// A number, big-endian, plus another, modulo 2²⁵⁶.
fn plus(number: &[u8; 32], other: i32) -> [u8; 32] {
    let mut carry = other;
    let mut sum = *number;
    for byte in sum.iter_mut().rev() {
        carry += i32::from(*byte);
        *byte = carry as u8;
        carry >>= 8;
    }
    sum
}

/// Secrets with long runs of ones and zeros, and those next to zero and to the order.
fn extreme_secrets() -> Vec<[u8; 32]> {
    let order = from_hex(ORDER);
    let mut secrets: Vec<[u8; 32]> = (1..=8).map(|i| plus(&[0; 32], i)).collect();
    secrets.extend((1..=8).map(|i| plus(&order, -i)));
    for place in 0..32 {
        for byte in [0x01, 0x80, 0xff] {
            let mut secret = [0; 32];
            secret[place] = byte;
            secrets.push(secret);
            let ones: [u8; 32] = core::array::from_fn(|i| if i > place { 0xff } else { 0 });
            secrets.extend([plus(&ones, 1), ones]);
        }
    }
    secrets.extend([[0x55; 32], [0xaa; 32], [0x0f; 32], [0xf0; 32], [0x7f; 32], [0x80; 32]]);
    secrets.retain(|secret| *secret < order && *secret != [0; 32]);
    secrets
}

fn agree(secret: &[u8; 32], message: &[u8]) {
    let (compact, soft) = keys(secret);
    let public = compact.public_key();
    assert_eq!(public, soft.public_key(), "{secret:02x?}");
    let signature = compact.sign(&[message]).unwrap();
    assert_eq!(Ok(signature), soft.sign(&[message]), "{secret:02x?} {message:02x?}");
    assert_eq!(verify(&public, message, &signature), Ok(()));
    let mut other = signature;
    other[usize::from(message[0]) % 64] ^= 1 << (message[1] % 8);
    assert_eq!(verify(&public, message, &other), Err(Error::SignatureInvalid));
    assert_eq!(verify(&public, &message[1..], &signature), Err(Error::SignatureInvalid));
    let nobody = PublicKey(core::array::from_fn(|i| public.0[i] ^ u8::from(i == 63)));
    assert_eq!(verify(&nobody, message, &signature), Err(Error::KeyInvalid));
}

#[test]
fn both_make_the_same_keys_and_signatures_of_random_secrets() {
    (0..KEYS).for_each(|i| agree(&random("secret", i), &random("message", i)));
}

#[test]
fn both_make_the_same_keys_and_signatures_of_extreme_secrets() {
    let secrets = extreme_secrets();
    assert!(secrets.len() > 200);
    for (i, secret) in (0..).zip(&secrets) {
        agree(secret, &random("extreme", i));
    }
}

#[test]
fn zero_and_numbers_from_the_order_on_are_no_secrets() {
    let order: [u8; 32] = from_hex(ORDER);
    for secret in [[0; 32], order, plus(&order, 1), plus(&order, 256), [0xff; 32]] {
        assert_eq!(Compact.key(&secret).err(), Some(Error::KeyInvalid));
        assert_eq!(Soft.key(&secret).err(), Some(Error::KeyInvalid));
    }
}

#[test]
fn r_and_s_of_zero_and_from_the_order_on_are_no_signatures() {
    let (key, _) = keys(&random("range", 0));
    let (public, good) = (key.public_key(), key.sign(&[b"message"]).unwrap());
    let order: [u8; 32] = from_hex(ORDER);
    let halves = [[0; 32], order, plus(&order, 1), plus(&order, -1), [0xff; 32], plus(&[0; 32], 1)];
    for half in halves {
        for at in [0, 32] {
            let mut signature = good;
            signature[at..at + 32].copy_from_slice(&half);
            assert_eq!(verify(&public, b"message", &signature), Err(Error::SignatureInvalid));
        }
        for other in halves {
            let signature = [half, other].concat().try_into().unwrap();
            assert_eq!(verify(&public, b"message", &signature), Err(Error::SignatureInvalid));
        }
    }
}

#[test]
fn what_is_no_point_of_the_curve_is_no_key() {
    let (key, _) = keys(&random("point", 0));
    let (public, signature) = (key.public_key(), key.sign(&[b"message"]).unwrap());
    let prime = from_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let numbers =
        [[0; 32], prime, plus(&prime, -1), plus(&prime, 1), [0xff; 32], plus(&[0; 32], 1)];
    for number in numbers {
        for at in [0, 32] {
            let mut point = public;
            point.0[at..at + 32].copy_from_slice(&number);
            assert_eq!(verify(&point, b"message", &signature), Err(Error::KeyInvalid));
        }
        for other in numbers {
            let point = PublicKey([number, other].concat().try_into().unwrap());
            assert_eq!(verify(&point, b"message", &signature), Err(Error::KeyInvalid));
        }
    }
}

#[test]
fn a_coordinate_from_the_prime_on_is_no_key_even_if_less_the_prime_it_is_one() {
    // y² = b has a root: the point (0, y).
    let y = from_hex("66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4");
    let prime = from_hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let point = |x: [u8; 32]| PublicKey([x, y].concat().try_into().unwrap());
    let signature = [1; 64];
    let said = |x| verify(&point(x), b"message", &signature);
    assert_eq!(said([0; 32]), Err(Error::SignatureInvalid));
    assert_eq!(said(prime), Err(Error::KeyInvalid));
}

#[test]
fn parts_are_signed_and_verified_as_their_concatenation() {
    let (key, _) = keys(&random("parts", 0));
    let signature = key.sign(&[b"ab", b"", b"c"]).unwrap();
    assert_eq!(key.sign(&[b"abc"]), Ok(signature));
    assert_eq!(Compact.es256_verify(&key.public_key(), &[b"a", b"bc"], &signature), Ok(()));
    let other = Compact.es256_verify(&key.public_key(), &[b"a", b"bd"], &signature);
    assert_eq!(other, Err(Error::SignatureInvalid));
}
