//! LMS and HSS by the vectors of RFC 8554, by an independent implementation, and by a signer that
//! only tests have.

mod signer;

use craton_trust::Error;
use craton_trust::compact::{Blinded, Compact};
use craton_trust::crypto::{Crypto, RunningSha256};
use craton_trust::error::Result;
use craton_trust::key::LmsPublicKey;
use craton_trust::lms::{self, Set};
use craton_trust::soft::Soft;
use serde::Deserialize;
use sha2::Digest as _;
use signer::{BELIEVED, Numbers, Tree};
use std::sync::LazyLock;

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

fn bytes(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2).map(|two| str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

/// Key, message and signature of each case.
fn cases(text: &str) -> Vec<[Vec<u8>; 3]> {
    let cases: Cases = toml::from_str(text).unwrap();
    let fields = |case: &Case| [&case.key, &case.message, &case.signature].map(|text| bytes(text));
    cases.case.iter().map(fields).collect()
}

/// Two levels each, with 8 and 8 bits to a chain, and with 4 and 8.
fn rfc_8554() -> Vec<[Vec<u8>; 3]> {
    cases(include_str!("rfc-8554.toml"))
}

macro_rules! sets {
    ($(
        $name:ident: $tree:literal $chain:literal $size:literal $height:literal $bits:literal;
    )*) => {
        $(struct $name;
        impl Set for $name {
            const TREE: u32 = $tree;
            const CHAIN: u32 = $chain;
            const HASH_SIZE: usize = $size;
            const HEIGHT: u32 = $height;
            const BITS: u32 = $bits;
        })*

        const SETS: &[Numbers] = &[
            $(Numbers { tree: $tree, chain: $chain, size: $size, height: $height, bits: $bits },)*
        ];

        /// The root that a tree's signature leads to, by the types in the tree's key.
        fn root(tree: &[u8], message: &[&[u8]], signature: &[u8]) -> Option<Vec<u8>> {
            let id = tree[8..24].try_into().unwrap();
            let (kinds, size) = (tree[..8].to_vec(), tree.len() - 24);
            let whole = match (kinds[3], kinds[7]) {
                $(($tree, $chain) => lms::tree_root::<$name, _>(&hashes(&id), message, signature),)*
                other => panic!("{other:?} is no set of these tests"),
            };
            whole.map(|whole| whole.to_bytes()[..size].to_vec())
        }
    };
}

sets! {
    M32H5W8: 5 4 32 5 8;
    M32H5W4: 5 3 32 5 4;
    M32H10W4: 6 3 32 10 4;
    M24H5W8: 10 8 24 5 8;
    M24H5W4: 10 7 24 5 4;
}

#[derive(Clone)]
struct Running(sha2::Sha256);

fn hashes(id: &[u8; lms::ID_SIZE]) -> lms::Hashes<'_, Running> {
    lms::Hashes { id, empty: Running::new() }
}

impl RunningSha256 for Running {
    fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

fn verifies(tree: &[u8], message: &[&[u8]], signature: &[u8]) -> bool {
    root(tree, message, signature).is_some_and(|root| root == tree[24..])
}

/// HSS of two levels (§6.3), which nothing but these tests believes.
fn verifies_both(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    assert_eq!((&key[..4], &signature[..4]), (&[0, 0, 0, 2][..], &[0, 0, 0, 1][..]));
    let (tree, rest) = (&key[4..], &signature[4..]);
    let chains = if key[11] == 4 { 34 } else { 67 };
    let height = if key[7] == 5 { 5 } else { 10 };
    let (own, rest) = rest.split_at(4 + 4 + 32 * (1 + chains) + 4 + 32 * height);
    let (below, rest) = rest.split_at(56);
    verifies(tree, &[below], own) && verifies(below, &[message], rest)
}

#[test]
fn the_signatures_of_rfc_8554_verify() {
    for [key, message, signature] in rfc_8554() {
        assert!(verifies_both(&key, &message, &signature));
        for at in 0..message.len() {
            let mut other = message.clone();
            other[at] ^= 1 << (at % 8);
            assert!(!verifies_both(&key, &other, &signature), "byte {at}");
        }
    }
}

#[test]
fn every_leaf_signs_by_every_set_of_the_tests() {
    for set in SETS {
        let tree = Tree::new(*set, 7);
        for leaf in [0, 1, 2, 15, 16, 30, 31] {
            let signature = tree.sign(leaf, &[b"message"]);
            assert!(verifies(&tree.public(), &[b"mess", b"", b"age"], &signature));
            assert!(!verifies(&tree.public(), &[b"messages"], &signature));
        }
    }
}

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::new(BELIEVED, 7));

fn key() -> LmsPublicKey {
    LmsPublicKey { id: TREE.id, root: TREE.root().try_into().unwrap() }
}

fn signed(leaf: u32, message: &[u8]) -> lms::Signature {
    [&[0; 4], &TREE.sign(leaf, &[message])[..]].concat().try_into().unwrap()
}

/// The verdict of both implementations here.
fn verify(key: &LmsPublicKey, message: &[&[u8]], signature: &lms::Signature) -> Result<()> {
    let said = Compact.lms_verify(key, message, signature);
    assert_eq!(said, Soft.lms_verify(key, message, signature));
    assert_eq!(said, Blinded::by(0x5ac3_96e1, [7; 32]).lms_verify(key, message, signature));
    said
}

const INVALID: Result<()> = Err(Error::SignatureInvalid);

#[test]
fn leaves_of_the_believed_set_sign() {
    for leaf in [0, 1, 511, 512, 1023] {
        let signature = signed(leaf, b"message");
        assert_eq!(verify(&key(), &[b"m", b"essage"], &signature), Ok(()));
        assert_eq!(verify(&key(), &[b"messagf"], &signature), INVALID);
    }
}

/// The seed, the leaf and the randomizer are ours; key and signature are what pyhsslms 2.0.0 made.
#[test]
fn what_another_implementation_signs_verifies() {
    let cases = cases(include_str!("pyhsslms.toml"));
    assert!(cases.len() >= 3);
    for [hss, message, signature] in cases {
        let key = LmsPublicKey::from_hss(&hss).unwrap();
        let signature = signature.try_into().unwrap();
        assert_eq!(verify(&key, &[&message], &signature), Ok(()));
        assert_eq!(verify(&key, &[&message, b"\n"], &signature), INVALID);
    }
}

#[test]
fn every_flipped_bit_of_signature_and_key_is_refused() {
    let signature = signed(5, b"message");
    for bit in 0..signature.len() * 8 {
        let mut other = signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Soft.lms_verify(&key(), &[b"message"], &other), INVALID, "bit {bit}");
    }
    for bit in 0..24 * 8 {
        let mut other = key();
        other.root[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Soft.lms_verify(&other, &[b"message"], &signature), INVALID, "bit {bit}");
        let mut other = key();
        other.id[bit / 8 % 16] ^= 1 << (bit % 8);
        assert_eq!(Soft.lms_verify(&other, &[b"message"], &signature), INVALID, "bit {bit}");
    }
}

/// A tree walks the same way from leaf 1027 as from leaf 3, but for the bit above it.
#[test]
fn another_leaf_and_one_beyond_the_tree_are_refused() {
    let signature = signed(3, b"message");
    for leaf in [2u32, 4, 1027, 3 | 1 << 31] {
        let mut other = signature;
        other[4..8].copy_from_slice(&leaf.to_be_bytes());
        assert_eq!(verify(&key(), &[b"message"], &other), INVALID, "{leaf}");
    }
}

#[test]
fn other_types_and_more_levels_are_refused() {
    let signature = signed(3, b"message");
    // Levels, chains, tree.
    for (at, values) in [(3, [1, 2, 255]), (11, [3, 6, 8]), (1263, [6, 10, 12])] {
        for value in values {
            let mut other = signature;
            assert_ne!(other[at], value);
            other[at] = value;
            assert_eq!(verify(&key(), &[b"message"], &other), INVALID, "{at}: {value}");
        }
    }
}

#[test]
fn a_cut_signature_is_none_of_any_tree() {
    let (tree, signature) = (TREE.public(), TREE.sign(9, &[b"message"]));
    let root = |signature: &[u8]| {
        let tree = hashes(&TREE.id);
        let root = lms::tree_root::<lms::M24H10W4, _>(&tree, &[b"message"], signature);
        root.map(|root| root.to_bytes())
    };
    assert_eq!(root(&signature).unwrap()[..24], tree[24..]);
    for length in 0..signature.len() {
        assert_eq!(root(&signature[..length]), None, "{length}");
    }
    assert_eq!(root(&[&signature[..], &[0]].concat()), None);
}
