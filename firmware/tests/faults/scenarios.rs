//! What no fault may start: each way of being bad once, and what the ROM says to it.

use super::board::{hello, package, package_of};
use super::world::STRANGER;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::suit::{FOOTER_SIZE, Footer, Image, ImageType};
use craton_trust::{ClassId, ComponentId};

/// A package that the ROM refuses, and what it says then.
pub struct Scenario {
    pub name: &'static str,
    pub package: Vec<u8>,
    pub says: &'static str,
}

/// Of somebody who has no key of the device's: a blank chip would start it (ROT-17).
pub fn unsigned() -> Scenario {
    let package = package_of(STRANGER, |_| ());
    Scenario { name: "unsigned program", package, says: "rom: slot A refused E1103" }
}

pub fn wrong_signature() -> Scenario {
    let mut package = package(|_| ());
    // The signature is the last byte string of 64 bytes.
    let two = |two: &[u8]| two == [0x58, 0x40];
    let signature = package.windows(2).rposition(two).unwrap() + 2;
    assert!(signature > hello().len() && signature < package.len() - FOOTER_SIZE);
    package[signature + 63] ^= 1;
    Scenario { name: "wrong signature", package, says: "rom: slot A refused E1104" }
}

/// A good signature over another manifest than the one that is there, which is of what is there.
pub fn changed_manifest() -> Scenario {
    let mut package = changed_program().package;
    let (old, new) = (Soft.sha256(&[&hello()]), Soft.sha256(&[&package[..hello().len()]]));
    let at = package.windows(32).position(|window| window == old.0).unwrap();
    package[at..at + 32].copy_from_slice(&new.0);
    Scenario { name: "changed manifest", package, says: "rom: slot A refused E1302" }
}

/// Changed in its last bit: what runs of it is what it was.
pub fn changed_program() -> Scenario {
    let mut package = package(|_| ());
    let footer = package.last_chunk::<FOOTER_SIZE>().unwrap();
    let footer = Footer::parse(footer, package.len() as u64).unwrap();
    package[footer.payload_size as usize - 1] ^= 1;
    Scenario { name: "changed program", package, says: "rom: slot A refused E1303" }
}

pub fn older_version() -> Scenario {
    good_but("older version", "rom: slot A refused E1305", |image| image.security_version = 2)
}

pub fn another_class() -> Scenario {
    good_but("another class", "rom: slot A refused E1304", |image| image.class = ClassId([8; 16]))
}

pub fn another_type() -> Scenario {
    let change = |image: &mut Image<'_>| image.image_type = ImageType::Runtime;
    good_but("another type", "rom: slot A refused E3509", change)
}

pub fn another_component() -> Scenario {
    let change = |image: &mut Image<'_>| image.component = ComponentId([0xab; 16]);
    good_but("another component", "rom: slot A refused E3507", change)
}

fn good_but(
    name: &'static str,
    says: &'static str,
    change: impl FnOnce(&mut Image<'_>),
) -> Scenario {
    Scenario { name, package: package(change), says }
}
