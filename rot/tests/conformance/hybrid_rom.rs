//! What a ROM starts under a hybrid platform, and what it does not (ROT-15, SIG-5).

use super::lms::{
    Leaf, by_lms, envelope_by_lms, hybrid, hybrid_section, publisher, root, stranger,
};
use super::rom::{envelope_of, package_around, refusal};
use super::steps::manufacture;
use super::world::*;
use craton_rot::engine::rom;
use craton_rot::platform::Platform as _;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::slots::Slot;
use craton_rot::{Engine, Error, RootOfTrust as _};
use craton_trust::Error as Refusal;
use craton_trust::soft::Soft;
use craton_trust::suit::ImageType;

/// A chip that was manufactured with a hybrid platform.
fn chip() -> MemoryPlatform {
    let chip = MemoryPlatform::new();
    let section = hybrid_section();
    Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).unwrap();
    chip
}

fn es256() -> Vec<u8> {
    envelope_of(PLATFORM_PUBLISHER, |_| ())
}

fn package(by: &Leaf) -> Vec<u8> {
    package_around(&envelope_by_lms(&es256(), by))
}

#[test]
fn rot_15_starts_what_both_algorithms_signed() {
    let (mut chip, package) = (chip(), package(publisher()));
    chip.reset();
    let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, &package).unwrap();
    assert_eq!(runtime.token(), rom::GO);
}

#[test]
fn rot_15_refuses_what_one_algorithm_alone_signed() {
    let chip = chip();
    let unmet = Some(Error::Trust(Refusal::HybridUnmet));
    assert_eq!(refusal(&chip, &package_around(&es256())), unmet, "LMS stripped");
    assert_eq!(refusal(&chip, &package(stranger())), unmet, "another tree");
    assert_eq!(refusal(&chip, &package(root())), unmet, "the root is no publisher");
    let other = envelope_by_lms(&envelope_of(STRANGER, |_| ()), publisher());
    let unknown = Some(Error::Trust(Refusal::SignerUnknown));
    assert_eq!(refusal(&chip, &package_around(&other)), unknown, "ES256 stripped");
}

#[test]
fn rot_15_refuses_every_flipped_bit_of_a_hybrid_package() {
    let (chip, package) = (chip(), package(publisher()));
    for bit in (0..package.len() * 8).step_by(3) {
        let mut broken = package.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(refusal(&chip, &broken).is_some(), "bit {bit}");
    }
}

#[test]
fn rot_15_an_lms_signature_over_another_version_is_refused() {
    let newer = envelope_of(PLATFORM_PUBLISHER, |image| image.security_version = 9);
    let lms = envelope_by_lms(&es256(), publisher());
    // An array of four whose protected header says -46.
    let begins = |bytes: &[u8]| bytes == [0x84, 0x4e, 0xa2, 0x01, 0x38];
    let at = lms.windows(5).position(begins).unwrap();
    let mut moved = envelope_by_lms(&newer, publisher());
    let to = moved.windows(5).position(begins).unwrap();
    let size = craton_trust::cose::LMS_SIGN1_SIZE;
    moved[to..to + size].copy_from_slice(&lms[at..at + size]);
    let invalid = Some(Error::Trust(Refusal::SignatureInvalid));
    assert_eq!(refusal(&chip(), &package_around(&moved)), invalid);
}

/// Envelopes are signed again first: a platform does not become hybrid over a program that the ROM
/// could then not start (STORE-4).
#[test]
fn store_4_a_platform_becomes_hybrid_only_over_a_hybrid_program() {
    let (mut rot, chip) = super::rom::confirmed();
    let (set, app) = (set(&[(APP, 1)]), envelope(APP, 1));
    let next = by_lms(&successor(&platform_section(false), PLATFORM_ROOT, hybrid), root());
    let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
    assert_eq!(rot.replace(&next, &[&set], &[&app]), orphans);
    let package = package(publisher());
    assert_eq!(refusal(&chip, &package), None, "one signature more than is asked for");
    chip.install_program(Slot::A, &package);
    rot.replace(&next, &[&set], &[&app]).unwrap();
    assert_eq!(refusal(&chip, &package), None);
    let stripped = refusal(&chip, &package_around(&es256()));
    assert_eq!(stripped, Some(Error::Trust(Refusal::HybridUnmet)));
}
