//! What no fault may start: each way of being bad once, and what the ROM says to it.

use super::board::{self, Psram, chip_of, hello, package, package_of, package_of_size};
use super::board::{package_with, with_envelope};
use super::known::seeded;
use super::lms::{Leaf, envelope_by_lms, hybrid_section, publisher};
use super::world::{
    CLASS, CODE, MANUFACTURER, PLATFORM_PUBLISHER, PLATFORM_ROOT, PUBLISHER, STRANGER, key,
};
use super::world::{platform_section, signed_section};
use craton_firmware::map;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{SECTOR_SIZE, Sector};
use craton_rot::slots::Slot;
use craton_rot::{Engine, Manufacture};
use craton_trust::crypto::{By, Crypto as _, Signer as _};
use craton_trust::id::from_hex;
use craton_trust::lms::SIGNATURE_SIZE;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, Section, SectionBuilder};
use craton_trust::suit::{self, FOOTER_SIZE, Footer, Image, ImageType};
use craton_trust::{ClassId, ComponentId, Signed};

/// A package that the ROM refuses, and what it says then.
pub struct Scenario {
    pub name: &'static str,
    pub package: Vec<u8>,
    pub says: &'static str,
    /// What an earlier package left in code memory.
    pub left: Vec<u8>,
    life: Life,
    /// What lies in the flash behind the section in force, and how far from its beginning.
    behind: Vec<(usize, Vec<u8>)>,
}

/// What a chip has behind it.
#[derive(PartialEq, Eq)]
enum Life {
    /// It has an owner, and confirmed its program, which a programmer put into its slot.
    Owned,
    /// The same, of a platform that asks for LMS beside ES256.
    Hybrid,
    /// The same, of a platform that asks for two publishers.
    Two,
    /// It was just manufactured: it has no owner, and started nothing since then. What is in its
    /// slot was armed before, and never confirmed.
    Fresh,
}

impl Scenario {
    fn of(name: &'static str, package: Vec<u8>, says: &'static str) -> Self {
        let (left, behind) = (Vec::new(), Vec::new());
        Self { name, package, says, left, life: Life::Owned, behind }
    }

    /// The chip, and a program that it starts.
    pub fn chip(&self) -> (MemoryPlatform, Vec<u8>) {
        let good = package(|_| ());
        match self.life {
            Life::Owned => (board::chip(), good),
            Life::Hybrid => {
                let good = with_envelope(&good, by_lms);
                (chip_of(&hybrid_section(), &good), good)
            }
            Life::Two => {
                let good = with_envelope(&good, |envelope| signed_too(envelope, PUBLISHER));
                (chip_of(&section_of_two(), &good), good)
            }
            Life::Fresh => (fresh(), good),
        }
    }

    /// Its fuses and flash, with the package in its slot, and a seed that is looked for.
    pub fn psram(&self, chip: &MemoryPlatform) -> Psram {
        if self.life != Life::Fresh {
            let psram = seeded(Psram::of(chip, &self.package));
            self.put_behind(&psram);
            return psram;
        }
        let psram = seeded(Psram::of(chip, &[]));
        psram.arm_in(Slot::A, &self.package);
        psram
    }

    fn put_behind(&self, psram: &Psram) {
        let section = platform_section(false);
        let sectors = [Sector::PlatformA, Sector::PlatformB];
        let places = sectors.map(|sector| map::STATE + sector as usize * SECTOR_SIZE);
        let is_there = |place: &usize| psram.read(*place, section.len()) == section;
        for (offset, bytes) in &self.behind {
            assert!((section.len()..=SECTOR_SIZE - bytes.len()).contains(offset));
            let place = places.into_iter().find(is_there).expect("no section");
            psram.write(place + offset, bytes);
        }
    }
}

/// A chip that was just manufactured.
fn fresh() -> MemoryPlatform {
    let chip = MemoryPlatform::new();
    let (section, claim_code) = (platform_section(false), Soft.sha256(&[CODE]));
    let with = Manufacture { platform_section: &section, claim_code, class: CLASS };
    Engine::manufacture(chip.clone(), Soft, &with).unwrap();
    chip
}

/// The first platform section, whose publisher's role asks for both of its two keys.
fn section_of_two() -> Vec<u8> {
    let first = platform_section(false);
    let first = Section::parse(Signed::parse(&first).unwrap().unchecked_payload()).unwrap();
    let mut section = SectionBuilder::from(&first);
    let mut role = RoleKeysBuilder::new(2);
    for seed in [PLATFORM_PUBLISHER, PUBLISHER] {
        role.push(key(seed).public_key()).unwrap();
    }
    section.set_role(Role::Publisher, role);
    signed_section(&section, PLATFORM_ROOT)
}

fn signed_too(envelope: &[u8], by: u8) -> Vec<u8> {
    let mut room = [0; suit::ENVELOPE_MAX];
    suit::countersign(&Soft, envelope, By::Es256(&key(by)), &mut room).unwrap().to_vec()
}

/// A blank chip started it, whoever it is from (ROT-17); manufactured, it must not.
pub fn armed_on_a_blank_chip() -> Scenario {
    let of = Scenario { name: "armed on a blank chip", ..unsigned() };
    Scenario { life: Life::Fresh, ..of }
}

/// Of somebody who has no key of the device's: a blank chip would start it (ROT-17).
pub fn unsigned() -> Scenario {
    let package = package_of(STRANGER, |_| ());
    Scenario::of("unsigned program", package, "rom: slot A refused E1103")
}

/// By the first key that the section in force lists, which is no publisher's.
pub fn root_signed() -> Scenario {
    let package = package_of(PLATFORM_ROOT, |_| ());
    Scenario::of("signed by the root's key", package, "rom: slot A refused E1103")
}

/// By a key that the section in force lists for another role.
pub fn manufacturer_signed() -> Scenario {
    let package = package_of(MANUFACTURER, |_| ());
    Scenario::of("signed by the manufacturer's key", package, "rom: slot A refused E1103")
}

pub fn wrong_signature() -> Scenario {
    let mut package = package(|_| ());
    let at = signature(&package);
    package[at + 63] ^= 1;
    Scenario::of("wrong signature", package, "rom: slot A refused E1104")
}

/// Where the signature is: the last byte string of 64 bytes.
fn signature(package: &[u8]) -> usize {
    let at = package.windows(2).rposition(|two| two == [0x58, 0x40]).unwrap() + 2;
    assert!(at > hello().len() && at < package.len() - FOOTER_SIZE);
    at
}

/// Signatures that need no key where a fault loses the key's part of the point, or the digest's:
/// of the generator's x and the digest, and of the key's x twice.
pub fn signed_without_a_key() -> [Scenario; 2] {
    const GENERATOR_X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    let package = package(|_| ());
    let at = signature(&package);
    let protected = &package[at - 4 - 13..at - 4];
    let digest = [0x82, 0x2f, 0x58, 0x20];
    let payload = package[..at].windows(4).rposition(|head| head == digest).unwrap();
    let payload = &package[payload..payload + 36];
    let signed = [b"\x84\x6aSignature1\x4d", protected, b"\x4ecraton/1/image\x58\x24", payload];
    let digest = Soft.sha256(&signed).0;
    let generator: [u8; 32] = from_hex(GENERATOR_X).unwrap();
    let publisher = key(PLATFORM_PUBLISHER).public_key();
    let [own, _] = publisher.0.as_chunks::<32>().0 else { unreachable!("two coordinates") };
    let good = package[at..at + 64].try_into().unwrap();
    assert_eq!(Soft.es256_verify(&publisher, &signed, &good), Ok(()), "what is signed is this");
    [("signed without the key's part", generator, digest), ("without the digest's", *own, *own)]
        .map(|(name, r, s)| {
            let mut package = package.clone();
            package[at..at + 64].copy_from_slice(&[r, s].concat());
            Scenario::of(name, package, "rom: slot A refused E1104")
        })
}

/// A good signature over another manifest than the one that is there, which is of what is there.
pub fn changed_manifest() -> Scenario {
    let package = with_other_manifest(package(|_| ()));
    Scenario::of("changed manifest", package, "rom: slot A refused E1302")
}

pub fn with_other_manifest(package: Vec<u8>) -> Vec<u8> {
    let old = Soft.sha256(&[&hello()]);
    let mut package = changed(package);
    let new = Soft.sha256(&[&package[..hello().len()]]);
    let at = package.windows(32).position(|window| window == old.0).unwrap();
    package[at..at + 32].copy_from_slice(&new.0);
    package
}

/// Of a program that nobody signed, with its own manifest and that one's digest, under a genuine
/// signature. The digest that was signed lies in the program, wherever a flipped bit of the other
/// one's address leads.
pub fn signed_digest_elsewhere() -> Scenario {
    const SIZE: usize = 0x1fc0; // so that many bits of that address lead into the program
    const SIGNED: usize = 4 + 32;
    let mut package = package_of_size(SIZE);
    let payload = Soft.sha256(&[&package[..SIZE]]);
    let head = [0x82, 0x2f, 0x58, 0x20];
    let at = package.windows(4).position(|four| four == head).unwrap();
    let signed = package[at..at + SIGNED].to_vec();
    let elsewhere = (0..16).map(|bit| ((map::CODE + at) ^ 1 << bit).wrapping_sub(map::CODE));
    let within = |place: &usize| *place >= hello().len() && place + SIGNED <= SIZE;
    let elsewhere: Vec<usize> = elsewhere.filter(within).collect();
    assert!(elsewhere.len() >= 6, "{elsewhere:x?}");
    elsewhere.iter().for_each(|place| package[*place..place + SIGNED].copy_from_slice(&signed));
    let changed = Soft.sha256(&[&package[..SIZE]]);
    let manifest = package.windows(32).rposition(|part| part == payload.0).unwrap();
    package[manifest..manifest + 32].copy_from_slice(&changed.0);
    let package = with_envelope(&package, |envelope| {
        let (digest, _) = suit::unchecked_manifest(&Soft, envelope).unwrap();
        let mut envelope = envelope.to_vec();
        let own = envelope.windows(4).position(|four| four == head).unwrap();
        envelope[own + 4..own + SIGNED].copy_from_slice(&digest.to_bytes());
        envelope
    });
    Scenario::of("signed digest elsewhere", package, "rom: slot A refused E1104")
}

/// A changed program; the one that was signed lies in code memory, wherever a flipped bit of the
/// other one's address leads.
pub fn program_elsewhere() -> Scenario {
    let good = package(|_| ());
    let mut left = Vec::new();
    for place in (11..14).map(|bit| 1 << bit) {
        assert!(left.len() <= place && good.len() <= place);
        left.resize(place, 0);
        left.extend(program_of(&good));
    }
    Scenario { name: "program elsewhere", left, ..changed_program() }
}

/// An unsigned program; behind the section lie copies of it, wherever a flipped bit of its address
/// leads, in which who signed the program is the publisher.
pub fn keys_behind_the_section() -> Scenario {
    let mut other = platform_section(false);
    let [publisher, stranger] = [PLATFORM_PUBLISHER, STRANGER].map(|seed| key(seed).public_key().0);
    for (own, theirs) in publisher.chunks(32).zip(stranger.chunks(32)) {
        let at = other.windows(32).position(|part| part == own).unwrap();
        other[at..at + 32].copy_from_slice(theirs);
    }
    let places = (0..16).map(|bit| 1usize << bit);
    let places = places.filter(|at| (other.len()..=SECTOR_SIZE - other.len()).contains(at));
    let behind: Vec<_> = places.map(|at| (at, other.clone())).collect();
    assert!(behind.len() >= 2);
    Scenario { name: "keys behind the section", behind, ..unsigned() }
}

pub fn changed_program() -> Scenario {
    Scenario::of("changed program", changed(package(|_| ())), "rom: slot A refused E1303")
}

/// A slot that is as long as a package, and holds none.
pub fn no_package() -> Scenario {
    let mut package = package(|_| ());
    let footer = package.len() - FOOTER_SIZE;
    package[footer..].fill(0x77);
    Scenario::of("no package", package, "rom: slot A refused E1307")
}

/// The program of a package. What lies behind it is not there any more when it is started.
pub fn program_of(package: &[u8]) -> &[u8] {
    let footer = package.last_chunk::<FOOTER_SIZE>().unwrap();
    let footer = Footer::parse(footer, package.len() as u64).unwrap();
    &package[..footer.payload_size as usize]
}

/// A newer program than the good one, which does the same and is another one.
pub fn newer() -> Vec<u8> {
    let mut program = hello();
    *program.last_mut().unwrap() ^= 2;
    package_with(PLATFORM_PUBLISHER, &program, |image| image.security_version = 4)
}

/// Changed in its program's last bit: what runs of it is what it was.
pub fn changed(mut package: Vec<u8>) -> Vec<u8> {
    let last = program_of(&package).len() - 1;
    package[last] ^= 1;
    package
}

/// What a ROM that waits takes over the wire.
pub fn recovery() -> Vec<u8> {
    package(|image| image.image_type = ImageType::Recovery)
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

/// By ES256 alone, under a platform that asks for both.
pub fn es256_alone() -> Scenario {
    let of = Scenario::of("ES256 alone", package(|_| ()), "rom: slot A refused E1109");
    Scenario { life: Life::Hybrid, ..of }
}

/// By the publisher alone that a platform lists first, of the two that it asks for.
pub fn signed_by_the_first_of_two() -> Scenario {
    by_one_of_two("by the first of two", PLATFORM_PUBLISHER)
}

/// By the other one alone.
pub fn signed_by_the_second_of_two() -> Scenario {
    by_one_of_two("by the second of two", PUBLISHER)
}

fn by_one_of_two(name: &'static str, by: u8) -> Scenario {
    let of = Scenario::of(name, package_of(by, |_| ()), "rom: slot A refused E1105");
    Scenario { life: Life::Two, ..of }
}

/// By one of two, whose signature is there twice.
pub fn signed_twice_by_one() -> Scenario {
    let change = |first: &[u8], second: &mut [u8]| second.copy_from_slice(first); // as long
    bad_second("by one of two, twice", "rom: slot A refused E1106", change)
}

/// By both of two, of which the second is wrong in its last bit.
pub fn second_of_two_is_wrong() -> Scenario {
    let change = |_: &[u8], second: &mut [u8]| *second.last_mut().unwrap() ^= 1;
    bad_second("the second of two is wrong", "rom: slot A refused E1104", change)
}

fn bad_second(
    name: &'static str,
    says: &'static str,
    change: impl FnOnce(&[u8], &mut [u8]),
) -> Scenario {
    let package = with_envelope(&package(|_| ()), |envelope| {
        let last = |envelope: &[u8]| {
            let (_, signatures) = suit::unchecked_signatures(envelope).unwrap();
            signatures.last().unwrap().to_vec()
        };
        let mut both = signed_too(envelope, PUBLISHER);
        let (first, second) = (last(envelope), last(&both));
        let at = both.windows(second.len()).rposition(|part| part == second).unwrap();
        change(&first, &mut both[at..at + second.len()]);
        both
    });
    Scenario { life: Life::Two, ..Scenario::of(name, package, says) }
}

/// By both, of which LMS is wrong in its last bit.
pub fn wrong_lms_signature() -> Scenario {
    bad_lms("wrong LMS signature", |signature| signature[SIGNATURE_SIZE - 1] ^= 1)
}

/// By both, of which LMS has the ends of its chains: those of any old signature, and right for
/// every message, if no chain is walked.
pub fn ends_of_chains() -> Scenario {
    // Behind levels, leaf, type and randomizer.
    let change = |signature: &mut [u8]| {
        let Leaf(tree, leaf) = publisher();
        let ends = tree.ends(*leaf);
        signature[36..36 + ends.len()].copy_from_slice(&ends);
    };
    bad_lms("ends of chains", change)
}

fn bad_lms(name: &'static str, change: impl FnOnce(&mut [u8])) -> Scenario {
    let mut package = with_envelope(&package(|_| ()), by_lms);
    let [high, low] = (SIGNATURE_SIZE as u16).to_be_bytes();
    let head = |three: &[u8]| three == [0x59, high, low];
    let signature = package.windows(3).rposition(head).unwrap() + 3;
    assert!(signature + SIGNATURE_SIZE < package.len() - FOOTER_SIZE);
    change(&mut package[signature..signature + SIGNATURE_SIZE]);
    let of = Scenario::of(name, package, "rom: slot A refused E1104");
    Scenario { life: Life::Hybrid, ..of }
}

fn by_lms(envelope: &[u8]) -> Vec<u8> {
    envelope_by_lms(envelope, publisher())
}

fn good_but(
    name: &'static str,
    says: &'static str,
    change: impl FnOnce(&mut Image<'_>),
) -> Scenario {
    Scenario::of(name, package(change), says)
}
