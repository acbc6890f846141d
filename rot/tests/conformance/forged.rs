//! What somebody gains who writes a chip's flash with their own hands, and does not know its device
//! secret (ROT-24).

use super::rom::{PROGRAM, confirmed, envelope_of, package_around};
use super::sums::{HEADER_SIZE, SUMMED, guessed};
use super::world::*;
use craton_rot::engine::rom;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform as _, SECTOR_SIZE, Sector};
use craton_rot::{Engine, Error, Start};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder};
use craton_trust::suit::ImageType;

/// Changes both copies of the state, and makes their headers as right as the number of a sum says;
/// returns what that sum is, `None` past the last.
fn forge(
    chip: &mut MemoryPlatform,
    number: usize,
    change: impl Fn(&mut [u8]),
) -> Option<&'static str> {
    let mut named = None;
    for sector in [Sector::StateA, Sector::StateB] {
        let mut bytes = [0; SECTOR_SIZE];
        chip.read(sector, 0, &mut bytes).unwrap();
        let length = u32::from_be_bytes(bytes[16..SUMMED].try_into().unwrap()) as usize;
        let (header, rest) = bytes.split_at_mut(HEADER_SIZE);
        let Some(body) = rest.get_mut(..length) else { continue };
        change(body);
        let (summed, old) = header.split_at_mut(SUMMED);
        let (name, sum) = guessed(summed, body, old).into_iter().nth(number)?;
        old.copy_from_slice(&sum);
        named = Some(name);
        chip.erase(sector).unwrap();
        chip.program(sector, 0, &bytes[..HEADER_SIZE + length]).unwrap();
    }
    named
}

#[test]
fn rot_24_a_section_that_only_the_flash_vouches_for_is_none() {
    let (_, chip) = confirmed();
    let own = successor(&platform_section(false), STRANGER, |section| {
        section.set_role(Role::Publisher, RoleKeysBuilder::of(key(STRANGER).public_key()));
    });
    let first = platform_section(false);
    let length = u16::try_from(own.len()).unwrap().to_be_bytes();
    let [from, to] = [&first, &own].map(|bytes| Soft.sha256(&[bytes]).0);
    let theirs = package_around(&envelope_of(STRANGER, |_| ()));
    assert!(theirs.starts_with(PROGRAM));
    for number in 0.. {
        let mut chip = chip.duplicate();
        chip.reset();
        let Some(name) = forge(&mut chip, number, |body| {
            let at = body.windows(32).position(|part| part == from).unwrap();
            body[at - 4..at - 2].copy_from_slice(&length); // before the digest's own head
            body[at..at + 32].copy_from_slice(&to);
        }) else {
            assert_eq!(number, 5, "each sum was tried");
            break;
        };
        chip.erase(Sector::PlatformA).unwrap();
        chip.program(Sector::PlatformA, 0, &own).unwrap();
        let refused = rom::select(&chip, &Soft, ImageType::RootOfTrust, &theirs).err();
        assert_eq!(refused, Some(Error::StorageDamaged), "{name}");
        let refused = Engine::reset(chip, Soft, Start::Normal).err();
        assert_eq!(refused, Some(Error::StorageDamaged), "{name}");
    }
}

#[test]
fn rot_24_a_state_with_any_bit_changed_is_none() {
    let (_, chip) = confirmed();
    let whole = read_state(&chip);
    let lengths = whole.each_ref().map(|(_, bytes)| bytes[16..SUMMED].try_into().unwrap());
    let length = lengths.map(u32::from_be_bytes).into_iter().min().unwrap() as usize;
    for at in 0..HEADER_SIZE + length {
        let mut chip = chip.duplicate();
        chip.reset();
        for (sector, bytes) in &whole {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            chip.erase(*sector).unwrap();
            chip.program(*sector, 0, &bytes).unwrap();
        }
        let refused = Engine::reset(chip, Soft, Start::Normal).err();
        assert_eq!(refused, Some(Error::StorageDamaged), "byte {at}");
    }
}

fn read_state(chip: &MemoryPlatform) -> [(Sector, Vec<u8>); 2] {
    [Sector::StateA, Sector::StateB].map(|sector| {
        let mut bytes = vec![0; SECTOR_SIZE];
        chip.read(sector, 0, &mut bytes).unwrap();
        (sector, bytes)
    })
}

#[test]
fn rot_24_a_state_of_another_chip_is_none() {
    let [(_, own), (_, other)] = [confirmed(), confirmed()];
    let mut chip = own.duplicate();
    chip.reset();
    for (sector, bytes) in read_state(&other) {
        chip.erase(sector).unwrap();
        chip.program(sector, 0, &bytes).unwrap();
    }
    assert_eq!(Engine::reset(chip, Soft, Start::Normal).err(), Some(Error::StorageDamaged));
}
