//! A platform whose root and publisher have a key of each algorithm: nothing is believed by one.

use super::bench::*;
use super::lms::{by_lms, hybrid, hybrid_section, publisher, root, stranger};
use super::world::*;
use craton_rot::{Error, SECTION_MAX, Start};
use craton_trust::Error as Refusal;
use craton_trust::crypto::Signer as _;
use craton_trust::key::LmsPublicKey;
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind};

fn refused(refusal: Refusal) -> craton_rot::Result<()> {
    Err(Error::Trust(refusal))
}

#[test]
fn store_8_a_platform_becomes_hybrid_and_is_so_until_both_algorithms_let_it_go() {
    on_every_back_end(|bench| {
        let mut rot = owned(bench);
        let first = platform_section(false);
        let unproven = successor(&first, PLATFORM_ROOT, hybrid);
        assert_eq!(rot.replace(&unproven, &[], &[]), refused(Refusal::HybridUnmet));
        let other = by_lms(&unproven, stranger());
        assert_eq!(rot.replace(&other, &[], &[]), refused(Refusal::HybridUnmet));
        let second = by_lms(&unproven, root());
        rot.replace(&second, &[], &[]).unwrap();
        let mut rot = bench.restart(rot, Start::Normal);
        let mut room = [0; SECTION_MAX];
        assert_eq!(rot.section(SectionKind::Platform, &mut room).unwrap(), second);
        // The successor of a successor has the genesis of the first.
        let third = |change: &dyn Fn(&mut SectionBuilder)| {
            successor(&first, PLATFORM_ROOT, |section| {
                hybrid(section);
                section.version = 3;
                change(section);
            })
        };
        let dropped = third(&|section| {
            let es256 = RoleKeysBuilder::of(key(PLATFORM_ROOT).public_key());
            section.set_role(Role::Root, es256);
        });
        assert_eq!(rot.replace(&dropped, &[], &[]), refused(Refusal::HybridUnmet));
        let by_publisher = by_lms(&dropped, publisher());
        assert_eq!(rot.replace(&by_publisher, &[], &[]), refused(Refusal::HybridUnmet));
        rot.replace(&by_lms(&dropped, root()), &[], &[]).unwrap();
    });
}

#[test]
fn store_8_a_device_is_made_with_a_hybrid_platform() {
    on_every_back_end(|bench| {
        let section = hybrid_section();
        let rot = bench.make(&manufacture(&section));
        let rot = bench.restart(rot, Start::Normal);
        assert_eq!(rot.status().unwrap().sections.0, digest(&section));
    });
}

/// Two of three roots of each algorithm, of which one LMS key is changed: what the largest change
/// of keys takes.
#[test]
fn a_hybrid_section_that_changes_a_key_of_two_of_three_has_room() {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, false, CEILING);
    let mut root = RoleKeysBuilder::new(2);
    let mut publisher = RoleKeysBuilder::new(2);
    for (place, seed) in (1..=3).zip([root_key(1), root_key(2), root_key(3)]) {
        root.push(key(place).public_key()).unwrap();
        publisher.push(key(place + 10).public_key()).unwrap();
        root.push_lms(seed).unwrap();
        publisher.push_lms(seed).unwrap();
    }
    section.set_role(Role::Root, root);
    section.set_role(Role::Publisher, publisher);
    section.set_role(Role::Manufacturer, RoleKeysBuilder::of(key(MANUFACTURER).public_key()));
    let es256 = signed_section(&section, 1).len() + 85;
    let with_three = es256 + 3 * (craton_trust::cose::LMS_SIGN1_SIZE + 3);
    println!("{es256} bytes by ES256, {with_three} with three LMS signatures");
    assert!(with_three <= SECTION_MAX);
}

fn root_key(id: u8) -> LmsPublicKey {
    LmsPublicKey { id: [id; 16], root: [id; 24] }
}
