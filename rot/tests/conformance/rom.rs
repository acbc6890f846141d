//! What a ROM starts, and each reason why it does not (ROT-15).

use super::bench::{Bench as _, InMemory, manufacture, unowned};
use super::owners::with_runtime;
use super::world::*;
use craton_rot::engine::rom;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform as _, Sector};
use craton_rot::{Error, Start};
use craton_trust::Error as Refusal;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeys};
use craton_trust::suit::{self, Footer, Image, ImageType};
use craton_trust::{ClassId, ComponentId};

const PROGRAM: &[u8] = b"a program that a chip would run";

fn package_of(by: u8, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    let mut about = image(RUNTIME, 3);
    (about.payload, about.payload_size) = (Soft.sha256(&[PROGRAM]), PROGRAM.len() as u64);
    change(&mut about);
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = about.encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::sign(&Soft, &manifest, &[&key(by)], &mut room).unwrap();
    let footer =
        Footer { payload_size: PROGRAM.len() as u64, envelope_size: envelope.len() as u64 };
    [PROGRAM, envelope, &footer.encode()].concat()
}

fn package(change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_of(PLATFORM_PUBLISHER, change)
}

/// A chip whose runtime was confirmed at security version 3.
fn chip() -> MemoryPlatform {
    let mut bench = InMemory::default();
    with_runtime(&mut bench);
    bench.0
}

fn refusal(chip: &MemoryPlatform, package: &[u8]) -> Option<Error> {
    rom::select(chip, &Soft, package).err()
}

#[test]
fn rot_15_starts_the_signed_program_and_says_what_it_is() {
    let package = package(|_| ());
    let chip = chip();
    let runtime = rom::select(&chip, &Soft, &package).unwrap();
    assert_eq!(runtime.program(), PROGRAM);
    assert_eq!(runtime.digest(), Soft.sha256(&[PROGRAM]));
    assert_eq!((runtime.component(), runtime.security_version()), (RUNTIME, 3));
}

#[test]
fn rot_15_refuses_every_flipped_bit_of_a_package() {
    let (chip, package) = (chip(), package(|_| ()));
    for bit in 0..package.len() * 8 {
        let mut broken = package.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(refusal(&chip, &broken).is_some(), "bit {bit}");
    }
}

#[test]
fn rot_15_refuses_every_shortened_package() {
    let (chip, package) = (chip(), package(|_| ()));
    for length in 0..package.len() {
        let invalid = Some(Error::Trust(Refusal::FooterInvalid));
        assert_eq!(refusal(&chip, &package[..length]), invalid, "{length}");
    }
}

#[test]
fn rot_15_refuses_another_program_under_the_same_manifest() {
    let mut package = package(|_| ());
    package[0] ^= 1;
    assert_eq!(refusal(&chip(), &package), Some(Error::Trust(Refusal::PayloadMismatch)));
}

#[test]
fn rot_15_refuses_another_signer_and_the_owners_publisher() {
    for by in [STRANGER, PUBLISHER, PLATFORM_ROOT] {
        let package = package_of(by, |_| ());
        assert_eq!(refusal(&chip(), &package), Some(Error::Trust(Refusal::SignerUnknown)));
    }
}

#[test]
fn rot_15_refuses_what_is_not_for_here() {
    let chip = chip();
    let class = package(|image| image.class = ClassId([8; 16]));
    assert_eq!(refusal(&chip, &class), Some(Error::Trust(Refusal::ClassMismatch)));
    let application = package(|image| image.image_type = ImageType::Application);
    assert_eq!(refusal(&chip, &application), Some(Error::Trust(Refusal::SectionKind)));
}

#[test]
fn rot_15_refuses_another_component_as_runtime_foreign() {
    let other = package(|image| image.component = ComponentId([0xab; 16]));
    assert_eq!(refusal(&chip(), &other), Some(Error::RuntimeForeign));
    let mut bench = InMemory::default();
    unowned(&mut bench);
    assert_eq!(refusal(&bench.0, &other), None, "before one was confirmed");
}

#[test]
fn rot_15_refuses_an_older_security_version_and_one_above_the_ceiling() {
    let chip = chip();
    let older = package(|image| image.security_version = 2);
    assert_eq!(refusal(&chip, &older), Some(Error::Trust(Refusal::RolledBack)));
    let above = package(|image| image.security_version = CEILING + 1);
    assert_eq!(refusal(&chip, &above), Some(Error::Trust(Refusal::AboveCeiling)));
}

#[test]
fn rot_15_believes_the_platform_section_in_force_only() {
    let mut bench = InMemory::default();
    let (rot, with) = with_runtime(&mut bench);
    let mut rot = bench.restart(rot, Start::Normal);
    let next = successor(&platform_section(false), PLATFORM_ROOT, |section| {
        section.set_role(Role::Publisher, RoleKeys::of(key(STRANGER).public_key()));
    });
    let runtime = suit_signed_again();
    rot.replace(&next, &[&with], &[&envelope(APP, 1), &runtime]).unwrap();
    let old = package(|_| ());
    assert_eq!(refusal(&bench.0, &old), Some(Error::Trust(Refusal::SignerUnknown)));
    assert_eq!(refusal(&bench.0, &package_of(STRANGER, |_| ())), None);
}

/// The confirmed runtime's envelope, signed again by the publisher of the next section.
fn suit_signed_again() -> Vec<u8> {
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = image(RUNTIME, 3).encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    suit::sign(&Soft, &manifest, &[&key(STRANGER)], &mut room).unwrap().to_vec()
}

#[test]
fn rot_15_starts_nothing_on_a_chip_that_is_not_manufactured_or_damaged() {
    let package = package(|_| ());
    assert_eq!(refusal(&MemoryPlatform::new(), &package), Some(Error::NotManufactured));
    let mut bench = InMemory::default();
    drop(bench.make(&manufacture(&platform_section(false))));
    assert_eq!(refusal(&bench.0, &package), None);
    bench.0.erase(Sector::PlatformA).unwrap();
    assert_eq!(refusal(&bench.0, &package), Some(Error::StorageDamaged), "no section");
    bench.0.erase(Sector::StateA).unwrap();
    bench.0.erase(Sector::StateB).unwrap();
    assert_eq!(refusal(&bench.0, &package), Some(Error::StorageDamaged), "no state");
}
