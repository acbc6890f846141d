//! LMS and HSS by the vectors of RFC 8554, and by a signer that only tests have.

mod signer;

use craton_trust::Error;
use craton_trust::compact::Compact;
use craton_trust::error::Result;
use craton_trust::lms;
use craton_trust::soft::Soft;
use serde::Deserialize;
use signer::{Chains, Tree};

#[derive(Deserialize)]
struct Case {
    key: String,
    message: String,
    signature: String,
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// Key, message and signature of RFC 8554's test cases: two levels each, with 8 and 8 bits to a
/// chain, and with 4 and 8.
fn cases() -> Vec<[Vec<u8>; 3]> {
    let cases: Cases = toml::from_str(include_str!("rfc-8554.toml")).unwrap();
    let bytes = |text: &String| -> Vec<u8> {
        let digits = text.as_bytes().chunks_exact(2).map(|two| str::from_utf8(two).unwrap());
        digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
    };
    cases.case.iter().map(|case| [&case.key, &case.message, &case.signature].map(bytes)).collect()
}

fn verify(key: &[u8], message: &[&[u8]], signature: &[u8]) -> Result<()> {
    let said = lms::verify(&Compact, key, message, signature);
    assert_eq!(said, lms::verify(&Soft, key, message, signature));
    said
}

/// A signature of one level over `message`, and its key.
fn signed(chains: Chains, leaf: u32, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let tree = Tree::new(chains, 7);
    let key = [&1u32.to_be_bytes()[..], &tree.public()].concat();
    (key, [&0u32.to_be_bytes()[..], &tree.sign(leaf, message)].concat())
}

#[test]
fn the_signatures_of_rfc_8554_verify() {
    for [key, message, signature] in cases() {
        assert_eq!(verify(&key, &[&message], &signature), Ok(()));
        let (first, rest) = message.split_at(50);
        assert_eq!(verify(&key, &[first, b"", rest], &signature), Ok(()));
    }
}

#[test]
fn every_flipped_byte_of_the_signatures_of_rfc_8554_is_refused() {
    for [key, message, signature] in cases() {
        for at in 0..signature.len() {
            let mut broken = signature.clone();
            broken[at] ^= 1 << (at % 8);
            let said = lms::verify(&Soft, &key, &[&message], &broken);
            assert_eq!(said, Err(Error::SignatureInvalid), "byte {at} of the signature");
        }
        for at in 0..message.len() {
            let mut broken = message.clone();
            broken[at] ^= 1 << (at % 8);
            let said = lms::verify(&Soft, &key, &[&broken], &signature);
            assert_eq!(said, Err(Error::SignatureInvalid), "byte {at} of the message");
        }
        for at in 0..key.len() {
            let mut broken = key.clone();
            broken[at] ^= 1 << (at % 8);
            let said = lms::verify(&Soft, &broken, &[&message], &signature);
            assert!(matches!(said, Err(Error::SignatureInvalid | Error::KeyInvalid)), "byte {at}");
        }
    }
}

#[test]
fn a_signature_cut_at_any_length_or_followed_by_a_byte_is_refused() {
    for [key, message, mut signature] in cases() {
        for length in 0..signature.len() {
            let said = verify(&key, &[&message], &signature[..length]);
            assert_eq!(said, Err(Error::SignatureInvalid), "{length} bytes");
        }
        signature.push(0);
        assert_eq!(verify(&key, &[&message], &signature), Err(Error::SignatureInvalid));
    }
}

#[test]
fn every_leaf_of_one_level_signs_with_both_kinds_of_chains() {
    for chains in [Chains::Bits4, Chains::Bits8] {
        for leaf in [0, 1, 2, 15, 16, 30, 31] {
            let (key, signature) = signed(chains, leaf, b"message");
            assert_eq!(verify(&key, &[b"mess", b"age"], &signature), Ok(()));
            let other = verify(&key, &[b"messages"], &signature);
            assert_eq!(other, Err(Error::SignatureInvalid));
        }
    }
}

#[test]
fn another_leaf_and_one_beyond_the_tree_are_refused() {
    let (key, signature) = signed(Chains::Bits4, 3, b"message");
    // A tree walks the same way from leaf 35 as from leaf 3, but for the bit above it.
    for leaf in [2u32, 4, 35, 3 | 1 << 31] {
        let mut other = signature.clone();
        other[4..8].copy_from_slice(&leaf.to_be_bytes());
        assert_eq!(verify(&key, &[b"message"], &other), Err(Error::SignatureInvalid), "{leaf}");
    }
}

#[test]
fn keys_of_other_sets_levels_and_sizes_are_key_invalid() {
    let (key, signature) = signed(Chains::Bits4, 0, b"message");
    let kinds = [(0, 0), (0, 3), (4, 4), (4, 9), (8, 0), (8, 1), (8, 2), (8, 5)];
    for (at, kind) in kinds {
        let mut other = key.clone();
        other[at..at + 4].copy_from_slice(&u32::to_be_bytes(kind));
        assert_eq!(verify(&other, &[b"message"], &signature), Err(Error::KeyInvalid));
    }
    assert_eq!(verify(&key[..59], &[b"message"], &signature), Err(Error::KeyInvalid));
    let longer = [&key[..], &[0]].concat();
    assert_eq!(verify(&longer, &[b"message"], &signature), Err(Error::KeyInvalid));
    assert_eq!(verify(&[], &[b"message"], &signature), Err(Error::KeyInvalid));
}

/// The trees of heights above five have too many leaves to make one here; their types are told
/// apart by the size of a signature.
#[test]
fn a_signature_of_one_set_is_none_of_another() {
    let (key, signature) = signed(Chains::Bits4, 0, b"message");
    for (at, kind) in [(7, 6), (7, 7), (7, 8), (11, 4)] {
        let mut other = key.clone();
        other[at] = kind;
        assert_eq!(verify(&other, &[b"message"], &signature), Err(Error::SignatureInvalid));
    }
}

#[test]
fn a_message_of_too_many_parts_is_field_too_long() {
    let (key, signature) = signed(Chains::Bits4, 0, b"mmmmmmmmmmmm");
    let mut parts: Vec<&[u8]> = vec![b"m"; lms::PARTS_MAX];
    assert_eq!(verify(&key, &parts, &signature), Ok(()));
    parts.push(b"");
    assert_eq!(verify(&key, &parts, &signature), Err(Error::FieldTooLong));
}

#[test]
fn levels_are_those_of_the_key() {
    let (tree, below) = (Tree::new(Chains::Bits4, 7), Tree::new(Chains::Bits8, 8));
    let number = |number: u32| number.to_be_bytes().to_vec();
    let two = [number(1), tree.sign(9, &below.public()), below.public(), below.sign(4, b"message")];
    let (one, two) = ([number(0), tree.sign(9, b"message")].concat(), two.concat());
    let key = |levels| [number(levels), tree.public()].concat();
    assert_eq!(verify(&key(1), &[b"message"], &one), Ok(()));
    assert_eq!(verify(&key(2), &[b"message"], &two), Ok(()));
    assert_eq!(verify(&key(2), &[b"message"], &one), Err(Error::SignatureInvalid));
    assert_eq!(verify(&key(1), &[b"message"], &two), Err(Error::SignatureInvalid));
    let mut many = one;
    many[..4].copy_from_slice(&[0xff; 4]);
    assert_eq!(verify(&key(1), &[b"message"], &many), Err(Error::SignatureInvalid));
}
