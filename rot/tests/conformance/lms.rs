//! A platform whose root and publisher are hybrid, and what they sign.

#[path = "../../../trust/tests/lms/signer.rs"]
mod signer;

use super::world::{PLATFORM_PUBLISHER, PLATFORM_ROOT, key, platform_section};
use craton_trust::Signed;
use craton_trust::cose::Kind;
use craton_trust::crypto::{By, LmsSigner, Signer as _};
use craton_trust::error::Result;
use craton_trust::key::LmsPublicKey;
use craton_trust::lms;
use craton_trust::signed::countersign_by;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, Section, SectionBuilder};
use craton_trust::suit;
use signer::{BELIEVED, Tree};
use std::sync::LazyLock;

/// A tree that signs by one leaf, again and again, which no keeper of a key may.
pub struct Leaf(pub Tree, pub u32);

static TREES: LazyLock<[Leaf; 3]> =
    LazyLock::new(|| [0x41, 0x42, 0x43].map(|seed| Leaf(Tree::new(BELIEVED, seed), 5)));

pub fn root() -> &'static Leaf {
    &TREES[0]
}

pub fn publisher() -> &'static Leaf {
    &TREES[1]
}

pub fn stranger() -> &'static Leaf {
    &TREES[2]
}

impl LmsSigner for Leaf {
    fn public_key(&self) -> LmsPublicKey {
        let hss = [&1u32.to_be_bytes()[..], &self.0.public()].concat();
        LmsPublicKey::from_hss(&hss).unwrap()
    }

    fn sign(&self, parts: &[&[u8]]) -> Result<lms::Signature> {
        let signature = self.0.sign(self.1, parts);
        Ok([&[0; 4], &signature[..]].concat().try_into().unwrap())
    }
}

/// A role of one key of each algorithm.
pub fn role(seed: u8, tree: &Leaf) -> RoleKeysBuilder {
    let mut role = RoleKeysBuilder::of(key(seed).public_key());
    role.push_lms(tree.public_key()).unwrap();
    role
}

/// Makes root and publisher of a section hybrid.
pub fn hybrid(section: &mut SectionBuilder) {
    section.set_role(Role::Root, role(PLATFORM_ROOT, root()));
    section.set_role(Role::Publisher, role(PLATFORM_PUBLISHER, publisher()));
}

/// The first platform section, hybrid.
pub fn hybrid_section() -> Vec<u8> {
    let first = platform_section(false);
    let first = Section::parse(Signed::parse(&first).unwrap().unchecked_payload()).unwrap();
    let mut section = SectionBuilder::from(&first);
    hybrid(&mut section);
    let es256 = super::world::signed_section(&section, PLATFORM_ROOT);
    by_lms(&es256, root())
}

/// A section that is signed by LMS, too.
pub fn by_lms(section: &[u8], tree: &Leaf) -> Vec<u8> {
    let mut room = [0; 2 * craton_rot::SECTION_MAX];
    let signed = countersign_by(&Soft, Kind::TrustStore, section, By::Lms(tree), &mut room);
    signed.unwrap().to_vec()
}

/// An envelope that is signed by LMS, too.
pub fn envelope_by_lms(envelope: &[u8], tree: &Leaf) -> Vec<u8> {
    let mut room = [0; suit::ENVELOPE_MAX];
    suit::countersign(&Soft, envelope, By::Lms(tree), &mut room).unwrap().to_vec()
}
