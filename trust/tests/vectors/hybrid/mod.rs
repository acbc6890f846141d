//! A platform whose root and publisher are hybrid: its LMS keys, and what they sign.

mod rules;

use crate::signer::{BELIEVED, Tree};
use crate::value::{Array, Bytes, Value};
use crate::world::{self, PLATFORM_PUBLISHER, PLATFORM_ROOT, written};
use craton_trust::cose::{self, Kind};
use craton_trust::crypto::{By, LmsSigner};
use craton_trust::error::Result;
use craton_trust::key::LmsPublicKey;
use craton_trust::lms;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder};
use std::cell::Cell;
use std::sync::LazyLock;

/// The trees of the root, the publisher, and a stranger.
pub static TREES: LazyLock<[Tree; 3]> =
    LazyLock::new(|| [0x31, 0x32, 0x33].map(|seed| Tree::new(BELIEVED, seed)));
pub const ROOT: usize = 0;
pub const PUBLISHER: usize = 1;
pub const STRANGER: usize = 2;

pub fn key(tree: usize) -> LmsPublicKey {
    let hss = [&1u32.to_be_bytes()[..], &TREES[tree].public()].concat();
    LmsPublicKey::from_hss(&hss).expect("the believed set")
}

/// One leaf of a tree. The vectors use the first one again and again, which no keeper of a key may.
pub struct Leaf {
    tree: usize,
    next: Cell<u32>,
}

pub fn leaf(tree: usize, leaf: u32) -> Leaf {
    Leaf { tree, next: Cell::new(leaf) }
}

impl LmsSigner for Leaf {
    fn public_key(&self) -> LmsPublicKey {
        key(self.tree)
    }

    fn sign(&self, parts: &[&[u8]]) -> Result<lms::Signature> {
        let signature = TREES[self.tree].sign(self.next.get(), parts);
        self.next.set(self.next.get() + 1);
        Ok([&[0; 4], &signature[..]].concat().try_into().expect("as long as every one"))
    }
}

/// A role of one key of each algorithm.
pub fn role(seed: u8, tree: usize) -> RoleKeysBuilder {
    let mut role = world::role(1, &[seed]);
    role.push_lms(key(tree)).expect("room");
    role
}

pub fn publisher() -> RoleKeysBuilder {
    role(PLATFORM_PUBLISHER, PUBLISHER)
}

/// The platform's section with both roles hybrid.
pub fn platform() -> SectionBuilder {
    let mut section = world::platform();
    section.set_role(Role::Root, role(PLATFORM_ROOT, ROOT));
    section.set_role(Role::Publisher, publisher());
    section
}

/// One detached signature of the tree's first leaf.
pub fn sign1(kind: Kind, payload: &[u8], tree: usize) -> Vec<u8> {
    let leaf = leaf(tree, 0);
    written(|out| cose::sign_by(&Soft, By::Lms(&leaf), kind, &[payload], out))
}

/// A payload with the signatures of `seeds` by ES256, and of `trees` by LMS.
pub fn seal(kind: Kind, payload: &[u8], seeds: &[u8], trees: &[usize]) -> Vec<u8> {
    let es256 = seeds.iter().map(|seed| world::sign1(kind, payload, *seed));
    let lms = trees.iter().map(|tree| sign1(kind, payload, *tree));
    let all = es256.chain(lms).map(Bytes).collect();
    Array(vec![Value::bytes(payload), Array(all)]).encode()
}

/// A runtime's envelope with the wrapper's signatures as given.
pub fn envelope(signatures: impl FnOnce(&[u8]) -> Vec<Vec<u8>>) -> Vec<u8> {
    let manifest = written(|out| world::runtime().encode(out));
    let signed = Value::decode(&world::envelope_of(&manifest, &[PLATFORM_PUBLISHER]));
    let Value::Map(mut pairs) = signed else { panic!("an envelope is a map") };
    let digest = Value::decode(pairs[0].1.as_bytes()).item(0).as_bytes().to_vec();
    let all = signatures(&digest).into_iter().map(Bytes);
    let wrapper = std::iter::once(Bytes(digest.clone())).chain(all).collect();
    pairs[0].1 = Value::bytes(Array(wrapper).encode());
    Value::Map(pairs).encode()
}

/// Signed by the publisher in both algorithms.
pub fn both() -> Vec<u8> {
    envelope(|digest| vec![es256(digest), lms(digest)])
}

pub fn es256(digest: &[u8]) -> Vec<u8> {
    world::sign1(Kind::Image, digest, PLATFORM_PUBLISHER)
}

pub fn lms(digest: &[u8]) -> Vec<u8> {
    sign1(Kind::Image, digest, PUBLISHER)
}
