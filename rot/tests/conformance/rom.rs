//! What a ROM starts, and each reason why it does not (ROT-15).

use super::bench::{
    Bench as _, InMemory, advance, authentic, boot, manufacture, owned, report, runtime, seal,
    unowned, unseal,
};
use super::world::*;
use craton_rot::engine::{HANDOVER_MAX, Layer0, Program, rom};
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform as _, Row, Sector};
use craton_rot::slots::Slot;
use craton_rot::{Engine, Error, NextLayer, RootOfTrust as _, Start};
use craton_trust::Error as Refusal;
use craton_trust::assignment::Address;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::dice::Mode;
use craton_trust::evidence::Lifecycle;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, RoleKeysBuilder};
use craton_trust::suit::{self, Footer, Image, ImageType};
use craton_trust::{ClassId, ComponentId};

const FIRMWARE: ComponentId = ComponentId([0xbb; 16]);
pub const PROGRAM: &[u8] = b"a program that a chip would run";

pub fn envelope_of(by: u8, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    let mut about = image(FIRMWARE, 3);
    about.image_type = ImageType::RootOfTrust;
    (about.payload, about.payload_size) = (Soft.sha256(&[PROGRAM]), PROGRAM.len() as u64);
    change(&mut about);
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = about.encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    suit::sign(&Soft, &manifest, &[&key(by)], &mut room).unwrap().to_vec()
}

fn package_of(by: u8, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_around(&envelope_of(by, change))
}

pub fn package_around(envelope: &[u8]) -> Vec<u8> {
    let footer =
        Footer { payload_size: PROGRAM.len() as u64, envelope_size: envelope.len() as u64 };
    [PROGRAM, envelope, &footer.encode()].concat()
}

pub fn package(change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_of(PLATFORM_PUBLISHER, change)
}

/// An owned chip that runs its program of security version 3, and confirmed it with a set.
pub fn confirmed() -> (Engine<MemoryPlatform>, MemoryPlatform) {
    let mut bench = InMemory::default();
    owned(&mut bench);
    let chip = bench.0;
    chip.install_program(Slot::A, &package(|_| ()));
    let mut rot = take_over(&chip, &handed_over(&chip, Start::Normal)).unwrap();
    boot(&mut rot, &[(APP, 1)]);
    rot.confirm().unwrap();
    (rot, chip)
}

fn chip() -> MemoryPlatform {
    confirmed().1
}

pub fn refusal(chip: &MemoryPlatform, package: &[u8]) -> Option<Error> {
    let mut chip = chip.duplicate();
    chip.reset();
    rom::select(&chip, &Soft, ImageType::RootOfTrust, package).err()
}

#[test]
fn rot_15_starts_the_signed_program_and_says_what_it_is() {
    let package = package(|_| ());
    let mut chip = chip();
    chip.reset();
    let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, &package).unwrap();
    assert_eq!(runtime.program(), PROGRAM);
    assert_eq!(runtime.digest(), Soft.sha256(&[PROGRAM]));
    assert_eq!(runtime.about(), Program { component: FIRMWARE, security_version: 3 });
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
}

#[test]
fn rot_15_refuses_another_component_as_runtime_foreign() {
    let other = package(|image| image.component = ComponentId([0xab; 16]));
    assert_eq!(refusal(&chip(), &other), Some(Error::RuntimeForeign));
    let mut bench = InMemory::default();
    unowned(&mut bench);
    assert_eq!(refusal(&bench.0, &other), None, "before one was started");
    take_over(&bench.0, &handed_over(&bench.0, Start::Normal)).unwrap();
    assert_eq!(refusal(&bench.0, &other), Some(Error::RuntimeForeign));
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
    let (mut rot, chip) = confirmed();
    let next = successor(&platform_section(false), PLATFORM_ROOT, |section| {
        section.set_role(Role::Publisher, RoleKeysBuilder::of(key(STRANGER).public_key()));
    });
    let (set, app) = (set(&[(APP, 1)]), envelope(APP, 1));
    let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
    assert_eq!(rot.replace(&next, &[&set], &[&app]), orphans, "the ROM could start nothing");
    chip.install_program(Slot::A, &package_of(STRANGER, |_| ()));
    rot.replace(&next, &[&set], &[&app]).unwrap();
    let old = package(|_| ());
    assert_eq!(refusal(&chip, &old), Some(Error::Trust(Refusal::SignerUnknown)));
    assert_eq!(refusal(&chip, &package_of(STRANGER, |_| ())), None);
}

#[test]
fn store_4_a_platform_successor_keeps_the_program_that_the_rom_starts() {
    let (mut rot, chip) = confirmed();
    let (set, app) = (set(&[(APP, 1)]), envelope(APP, 1));
    let first = platform_section(false);
    let low = successor(&first, PLATFORM_ROOT, |section| section.ceiling = 2);
    let orphans = Err(Error::Trust(Refusal::SuccessorOrphans));
    assert_eq!(rot.replace(&low, &[&set], &[&app]), orphans, "its floor is above");
    chip.install_program(Slot::A, b"no package at all");
    let good = successor(&first, PLATFORM_ROOT, |section| section.ceiling = 3);
    let omitted = Err(Error::InstalledOmitted);
    assert_eq!(rot.replace(&good, &[&set], &[&app]), omitted, "no envelope in any slot");
    chip.install_program(Slot::A, &package(|_| ()));
    chip.install_program(Slot::B, &package_of(STRANGER, |_| ()));
    assert_eq!(rot.replace(&good, &[&set], &[&app]), orphans, "what the ROM may start next");
    chip.install_program(Slot::B, &[]);
    chip.install_program(Slot::A, &package(|_| ()));
    rot.replace(&good, &[&set], &[&app]).unwrap();
    assert_eq!(refusal(&chip, &package(|_| ())), None);
}

#[test]
fn rot_15_refuses_a_runtime_of_the_device_and_an_application_by_their_type() {
    for other in [ImageType::Runtime, ImageType::Application] {
        let package = package(|image| image.image_type = other);
        assert_eq!(refusal(&chip(), &package), Some(Error::RuntimeType));
    }
}

#[test]
fn rot_15_a_chip_that_left_the_factory_has_a_program_whose_floor_counts() {
    let mut bench = InMemory::default();
    let mut rot = unowned(&mut bench);
    assert_eq!(refusal(&bench.0, &package(|_| ())), None, "the first program of a blank device");
    advance(&mut *rot, Lifecycle::Module1Complete).unwrap();
    assert_eq!(refusal(&bench.0, &package(|_| ())), Some(Error::StorageDamaged));
}

#[test]
fn rot_4_the_floor_of_the_own_program_rises_with_the_confirm_and_not_with_the_start() {
    let (rot, chip) = confirmed();
    drop(rot);
    let newer = package(|image| image.security_version = 5);
    let mut after = chip.clone();
    after.reset();
    let runtime = rom::select(&after, &Soft, ImageType::RootOfTrust, &newer).unwrap();
    let layer = runtime.layer(&mut after, &Soft, Start::Normal, Some(Slot::A)).unwrap();
    let mut rot = Engine::resume(after, Soft, layer).unwrap();
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(refusal(&chip, &package(|_| ())), None, "a trial can fall back");
    rot.confirm().unwrap();
    let old = refusal(&chip, &package(|_| ()));
    assert_eq!(old, Some(Error::Trust(Refusal::RolledBack)));
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

/// What a ROM hands over, and the chip after it.
pub fn handed_over(chip: &MemoryPlatform, start: Start) -> Vec<u8> {
    let mut chip = chip.clone();
    chip.reset();
    let package = package(|_| ());
    let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, &package).unwrap();
    let layer = runtime.layer(&mut chip, &Soft, start, Some(Slot::A)).unwrap();
    let mut room = [0; HANDOVER_MAX];
    let length = layer.hand_over(&mut room).unwrap();
    room[..length].to_vec()
}

pub fn take_over(
    chip: &MemoryPlatform,
    bytes: &[u8],
) -> craton_rot::Result<Engine<MemoryPlatform>> {
    Engine::resume(chip.clone(), Soft, Layer0::take_over(bytes)?)
}

#[test]
fn rot_1_the_device_secret_is_hidden_once_the_runtimes_layer_is_derived() {
    let chip = chip();
    handed_over(&chip, Start::Normal);
    assert_eq!(chip.fuses(Row::Uds, &mut [0; 32]), Err(Error::UdsLocked));
}

#[test]
fn rot_16_a_handover_holds_neither_the_device_secret_nor_the_identitys_key() {
    let mut chip = chip();
    chip.reset();
    let mut uds = [0; 32];
    chip.fuses(Row::Uds, &mut uds).unwrap();
    let first = craton_trust::dice::Layer::of_uds(&uds);
    let identity = first.private_key(&Soft, SoftKey::from_bytes).unwrap().to_bytes();
    let bytes = handed_over(&chip, Start::Normal);
    let secrets = [uds, first.key_seed(&Soft).0, identity];
    for secret in secrets {
        assert!(!bytes.windows(8).any(|part| secret.windows(8).any(|other| part == other)));
    }
}

#[test]
fn rot_16_the_runtime_goes_on_from_its_layer_and_attests_by_its_program() {
    let chip = chip();
    let mut rot = take_over(&chip, &handed_over(&chip, Start::Normal)).unwrap();
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    let next = NextLayer { runtime: runtime(), set: Some(&set), images: &images };
    assert_eq!(rot.boot(&next), Ok(Mode::Normal));
    let evidence = report(&mut rot).unwrap();
    let claims = authentic(&rot, &evidence);
    let program = Soft.sha256(&[PROGRAM]);
    assert_eq!(claims.claims.implementation, program);
    let layer = craton_trust::dice::verify(&Soft, &rot.identity(), rot.certificate(0).unwrap());
    assert_eq!(layer.unwrap().code, Soft.sha512(&[&program.0]));
    let mut whole = Engine::reset(chip.clone(), Soft, Start::Normal).unwrap();
    assert_eq!(
        whole.device(),
        rot.device(),
        "one chip has one identity, whichever stage derives it"
    );
    assert_eq!(whole.boot(&next), Ok(Mode::Normal));
    let sealed = seal(&mut whole, APP).unwrap();
    assert_eq!(unseal(&rot, APP, &sealed).unwrap(), b"secret", "sealing outlives the program");
}

#[test]
fn rot_16_a_recovery_runtime_gets_a_layer_in_mode_recovery() {
    let chip = chip();
    let rot = take_over(&chip, &handed_over(&chip, Start::Recovery)).unwrap();
    assert_eq!(rot.status().unwrap().mode, Mode::Recovery);
}

#[test]
fn rot_16_refuses_what_no_stage_handed_over() {
    let chip = chip();
    let good = handed_over(&chip, Start::Normal);
    for at in [0, 7, 8, 12, 13] {
        let mut broken = good.clone();
        broken[at] ^= 0x40;
        assert_eq!(take_over(&chip, &broken).err(), Some(Error::HandoverInvalid), "byte {at}");
    }
    for length in 0..good.len() {
        assert_eq!(take_over(&chip, &good[..length]).err(), Some(Error::HandoverInvalid));
    }
    let room = [&good[..], &[0; 9]].concat();
    assert!(take_over(&chip, &room).is_ok(), "a fixed place is longer than what it holds");
}

/// Where a handover has what its certificate answers for: identity, mode, implementation and the
/// key that attests; the certificate begins behind the two other secrets.
const CERTIFIED: [std::ops::Range<usize>; 4] = [16..80, 80..81, 83..115, 117..149];
const CERTIFICATE_AT: usize = 220;

#[test]
fn rot_16_refuses_a_layer_that_its_identity_did_not_certify() {
    let chip = chip();
    let good = handed_over(&chip, Start::Normal);
    let length = usize::from(u16::from_be_bytes([good[218], good[219]]));
    let certificate = CERTIFICATE_AT..CERTIFICATE_AT + length;
    let refused = |bytes: &[u8]| take_over(&chip, bytes).err() == Some(Error::HandoverInvalid);
    for place in CERTIFIED.into_iter().chain([certificate.clone()]) {
        for at in place {
            let mut other = good.clone();
            other[at] ^= 2;
            assert!(refused(&other), "byte {at}");
        }
    }
    // As if a fault had taken its own key, or that of the state, for what leaves the chip.
    for secret in [117..149, 185..217] {
        for at in [16, 83, CERTIFICATE_AT] {
            let mut leaked = good.clone();
            leaked.copy_within(secret.clone(), at);
            assert!(refused(&leaked), "{secret:?} at {at}");
        }
    }
}

#[test]
fn rot_18_a_handover_of_anything_else_is_a_doubt() {
    let mut chip = chip();
    chip.reset();
    let package = package(|_| ());
    let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, &package).unwrap();
    let layer = runtime.layer(&mut chip, &Soft, Start::Normal, Some(Slot::A)).unwrap();
    let mut room = [0; HANDOVER_MAX];
    let length = layer.hand_over(&mut room).unwrap();
    let doubt = |bytes: &[u8], slot| runtime.doubt_handed(bytes, &layer, slot);
    assert_eq!(doubt(&room, Some(Slot::A)), 0);
    assert_eq!(runtime.doubt_layer(&chip, &layer, 1), Ok(0));
    for slot in [None, Some(Slot::B)] {
        assert_ne!(doubt(&room, slot), 0, "{slot:?}");
    }
    for at in 0..length {
        let mut other = room;
        other[at] ^= 1;
        assert_ne!(doubt(&other, Some(Slot::A)), 0, "byte {at}");
    }
}

#[test]
fn rot_16_refuses_a_layer_in_another_mode_than_the_state_asks_for() {
    let chip = chip();
    let normal = handed_over(&chip, Start::Normal);
    let mut rot = take_over(&chip, &normal).unwrap();
    let challenge = rot.challenge().unwrap();
    let (device, epoch) = (rot.device(), rot.status().unwrap().epoch);
    let address = Address { catalog: catalog(false), device, epoch, request: challenge };
    rot.apply(&capability(address)).unwrap();
    drop(rot);
    // The same handover again, as if the debug boot had not to be measured.
    assert_eq!(take_over(&chip, &normal).err(), Some(Error::HandoverInvalid));
    let debug = handed_over(&chip, Start::Normal);
    assert_eq!(take_over(&chip, &debug).unwrap().status().unwrap().mode, Mode::Debug);
}
