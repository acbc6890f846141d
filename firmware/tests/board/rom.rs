//! The ROM stage on the emulated board: what it starts, and each reason why it does not.
//!
//! The chip is manufactured by the engine on this host; its fuses and flash become the board's
//! PSRAM.

use super::board::{boot, chip, hello, package, package_of};
use super::world::{PUBLISHER, STRANGER};
use craton_rot::platform::memory::MemoryPlatform;
use craton_trust::suit::ImageType;
use craton_trust::{ClassId, ComponentId};

const STARTED: &[&str] = &["rom: starts the runtime", "hello: runs"];

#[test]
fn rot_15_the_rom_starts_a_good_runtime() {
    assert_eq!(boot(&chip(), &package(|_| ())), STARTED);
}

#[test]
fn rot_15_the_rom_starts_a_newer_runtime_and_raises_no_floor() {
    let chip = chip();
    assert_eq!(boot(&chip, &package(|image| image.security_version = 4)), STARTED);
    assert_eq!(boot(&chip, &package(|_| ())), STARTED);
}

#[test]
fn rot_15_the_rom_refuses_a_flipped_bit_of_the_program() {
    let (chip, good) = (chip(), package(|_| ()));
    for at in [0, 4, hello().len() / 2, hello().len() - 1] {
        let mut broken = good.clone();
        broken[at] ^= 0x10;
        assert_eq!(boot(&chip, &broken), ["rom: slot A refused E1303"], "byte {at}");
    }
}

#[test]
fn rot_15_the_rom_refuses_a_flipped_bit_of_the_manifest_and_of_the_signature() {
    let (chip, good) = (chip(), package(|_| ()));
    let manifest = good.len() - craton_trust::suit::FOOTER_SIZE - 1;
    let mut broken = good.clone();
    broken[manifest] ^= 1;
    assert_eq!(boot(&chip, &broken), ["rom: slot A refused E1302"]);
    // The signature ends the wrapper, which stands before the manifest's head and bytes.
    let signature = good.windows(2).position(|two| two == [0x58, 0x40]).unwrap() + 2;
    assert!(signature > hello().len());
    let mut broken = good;
    broken[signature + 63] ^= 1;
    assert_eq!(boot(&chip, &broken), ["rom: slot A refused E1104"]);
}

#[test]
fn rot_15_the_rom_refuses_another_signer() {
    for by in [STRANGER, PUBLISHER] {
        assert_eq!(boot(&chip(), &package_of(by, |_| ())), ["rom: slot A refused E1103"]);
    }
}

#[test]
fn rot_15_the_rom_refuses_an_older_security_version() {
    let older = package(|image| image.security_version = 2);
    assert_eq!(boot(&chip(), &older), ["rom: slot A refused E1305"]);
}

#[test]
fn rot_15_the_rom_refuses_another_class_and_another_component() {
    let class = package(|image| image.class = ClassId([8; 16]));
    assert_eq!(boot(&chip(), &class), ["rom: slot A refused E1304"]);
    let component = package(|image| image.component = ComponentId([0xab; 16]));
    assert_eq!(boot(&chip(), &component), ["rom: slot A refused E3507"]);
}

#[test]
fn rot_15_the_rom_refuses_an_empty_slot_and_a_length_beyond_it() {
    assert_eq!(boot(&chip(), &[]), ["rom: refused E3510"]);
    let mut long = package(|_| ());
    long.resize(craton_firmware::map::CODE_SIZE + 1, 0);
    assert_eq!(boot(&chip(), &long), ["rom: slot A refused E1307"]);
}

#[test]
fn rot_15_the_rom_refuses_a_runtime_of_the_device() {
    let other = package(|image| image.image_type = ImageType::Runtime);
    assert_eq!(boot(&chip(), &other), ["rom: slot A refused E3509"]);
}

#[test]
fn rot_17_the_rom_of_a_blank_chip_starts_what_nobody_signed() {
    assert_eq!(boot(&MemoryPlatform::new(), &package_of(STRANGER, |_| ())), STARTED);
    assert_eq!(boot(&MemoryPlatform::new(), &[]), ["rom: refused E3510"]);
}
