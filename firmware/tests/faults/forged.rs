//! A state that somebody wrote into the flash with their own hands (ROT-24): it puts a platform
//! section in force that names a publisher of their own, whose program lies in the slot. What they
//! cannot make is the sum of it; no fault may take another one for the right one.

use super::board::{Psram, chip, package, package_of};
use super::lab::{Fault, Lab, Outcome};
use super::rom::Rom;
use super::sums::{HEADER_SIZE, SUMMED, guessed, of_secret};
use super::world::{PLATFORM_PUBLISHER, STRANGER, key, platform_section, successor};
use super::{campaign, entry, not_started};
use craton_firmware::map;
use craton_rot::platform::{SECTOR_SIZE, Sector};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder};

const fn place(sector: Sector) -> usize {
    map::STATE + sector as usize * SECTOR_SIZE
}

/// Puts their section in force, by both copies of the state, of which each has the sum that `sum`
/// makes of its number, the header before the sum, the body, and the sum that was there.
fn forge(psram: &Psram, sum: impl Fn(usize, &[u8], &[u8], &[u8]) -> Vec<u8>) {
    let first = platform_section(false);
    let theirs = successor(&first, STRANGER, |section| {
        section.set_role(Role::Publisher, RoleKeysBuilder::of(key(STRANGER).public_key()));
    });
    psram.write(place(Sector::PlatformA), &theirs);
    let [from, to] = [&first, &theirs].map(|bytes| Soft.sha256(&[bytes]).0);
    for (copy, sector) in [Sector::StateA, Sector::StateB].into_iter().enumerate() {
        let mut bytes = psram.read(place(sector), SECTOR_SIZE);
        let length = u32::from_be_bytes(bytes[16..SUMMED].try_into().unwrap()) as usize;
        let (header, rest) = bytes.split_at_mut(HEADER_SIZE);
        let body = &mut rest[..length];
        let at = body.windows(32).position(|part| part == from).unwrap();
        let new_length = u16::try_from(theirs.len()).unwrap().to_be_bytes();
        body[at - 4..at - 2].copy_from_slice(&new_length); // before the digest's own head
        body[at..at + 32].copy_from_slice(&to);
        let (summed, old) = header.split_at_mut(SUMMED);
        old.copy_from_slice(&sum(copy, summed, body, old));
        psram.write(place(sector), &bytes);
    }
}

/// A chip with their state, section and program.
fn forged(sum: impl Fn(usize, &[u8], &[u8], &[u8]) -> Vec<u8>) -> Psram {
    let psram = Psram::of(&chip(), &package_of(STRANGER, |_| ()));
    forge(&psram, sum);
    psram
}

/// Whose copies have these of the sums that can be guessed.
pub fn under(sums: [&str; 2]) -> Psram {
    forged(|copy, summed, body, old| {
        let mut guessed = guessed(summed, body, old).into_iter();
        guessed.find(|(name, _)| *name == sums[copy]).unwrap().1
    })
}

fn none_starts(name: &'static str, sums: [&str; 2]) {
    refused_under_each_fault(name, &under(sums));
}

fn refused_under_each_fault(name: &'static str, psram: &Psram) {
    let (rom, good) = (Rom::built(), Psram::of(&chip(), &package(|_| ())));
    let lab = Lab::new(psram, &rom, None).after_boot_of(&good, entry()).unwrap();
    let mut lab = lab.that_refuses("rom: slot A refused E3104");
    let line = campaign::run(name, &mut lab, |_, outcome| not_started(outcome));
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started their program", line.bad.len());
}

#[test]
fn their_program_starts_under_the_right_sum() {
    let secret = |psram: &Psram| psram.read(map::FUSES, map::SECRET_SIZE);
    let psram = Psram::of(&chip(), &package_of(STRANGER, |_| ()));
    forge(&psram, |_, summed, body, _| of_secret(&secret(&psram), summed, body));
    let rom = Rom::built();
    assert_eq!(Lab::new(&psram, &rom, Some(entry())).boot(None).unwrap(), Outcome::Started);
}

#[test]
fn rot_18_no_single_fault_believes_a_state_under_a_digest_or_no_key() {
    none_starts("forged state: a digest, no key", ["a digest", "under no key"]);
}

#[test]
fn rot_18_no_single_fault_believes_a_state_under_the_key_of_no_secret_or_no_sum() {
    none_starts("forged state: no secret, no sum", ["under the key of no secret", "none"]);
}

#[test]
fn rot_18_no_single_fault_believes_a_state_under_the_sum_of_the_one_before() {
    none_starts("forged state: the old sum", ["of the state before"; 2]);
}

/// The state is the chip's own; the section has their key in place of the publisher's, and was
/// ground until the first byte of its digest is that of the right one, or the last.
#[test]
fn rot_18_no_single_fault_believes_a_section_of_almost_the_right_digest() {
    for (name, byte) in [("section, first byte", 0), ("section, last byte", 31)] {
        refused_under_each_fault(name, &with_section_almost_right(byte));
    }
}

/// A chip with a section of theirs, whose digest has this byte of the right one.
pub fn with_section_almost_right(byte: usize) -> Psram {
    let first = platform_section(false);
    let right = Soft.sha256(&[&first]).0;
    let [publisher, own] = [PLATFORM_PUBLISHER, STRANGER].map(|seed| key(seed).public_key().0);
    let mut theirs = first.clone();
    for (from, to) in publisher.chunks(32).zip(own.chunks(32)) {
        let at = first.windows(32).position(|part| part == from).unwrap();
        theirs[at..at + 32].copy_from_slice(to);
    }
    // Nobody looks at its signature again: it ends the section.
    let signature = theirs.len() - 8;
    let ground = (0..u64::MAX).find_map(|number| {
        theirs[signature..].copy_from_slice(&number.to_be_bytes());
        (Soft.sha256(&[&theirs]).0[byte] == right[byte]).then(|| theirs.clone())
    });
    let psram = Psram::of(&chip(), &package_of(STRANGER, |_| ()));
    psram.write(place(Sector::PlatformA), &ground.unwrap());
    psram
}

/// What an attacker computes who knows which instruction is skipped: the sum that this ROM makes
/// then, if it is the same whatever the device secret is.
#[test]
fn rot_18_no_skipped_instruction_believes_a_sum_that_needs_no_secret() {
    let rom = Rom::built();
    let compare = rom.entries("6engine5doubt10difference").next().unwrap();
    let own = forged(|_, _, _, old| old.to_vec());
    let other = Psram::holding(&own.read(map::FLASH, map::FLASH_SIZE));
    let secret: Vec<u8> = own.read(map::FUSES, map::SECRET_SIZE).iter().map(|byte| !byte).collect();
    other.write(map::FUSES, &secret);
    let mut labs = [&own, &other].map(|psram| {
        let mut lab = Lab::new(psram, &rom, Some(compare));
        lab.learn().unwrap();
        lab
    });
    for (lab, psram) in labs.iter_mut().zip([&own, &other]) {
        let bytes = psram.read(place(Sector::StateA), SECTOR_SIZE);
        let length = u32::from_be_bytes(bytes[16..SUMMED].try_into().unwrap()) as usize;
        let body = &bytes[HEADER_SIZE..][..length];
        let secret = psram.read(map::FUSES, map::SECRET_SIZE);
        assert_eq!(sum(lab, None), Some(of_secret(&secret, &bytes[..SUMMED], body)));
    }
    let mut predicted = Vec::new();
    for at in campaign::sample(&labs[0].trace, &rom) {
        let [first, second] = [0, 1].map(|which: usize| sum(&mut labs[which], Some(at)));
        if let (Some(first), Some(second)) = (first, second)
            && first == second
        {
            predicted.push((at, first));
        }
    }
    // Where the second look is not deceived, too, such a sum is no way in.
    let bad: Vec<String> = predicted
        .iter()
        .filter(|(at, sum)| {
            let psram = Psram::holding(&own.read(map::FLASH, map::FLASH_SIZE));
            psram.write(place(Sector::StateA) + SUMMED, sum);
            let mut lab = Lab::new(&psram, &rom, None);
            lab.learn().unwrap();
            matches!(lab.boot_whole(Some(Fault::Gone(*at))).unwrap(), Outcome::Started)
        })
        .map(|(at, _)| format!("{at:x} in {}", rom.function(*at)))
        .collect();
    println!("{} sums need no secret, {} of them start: {bad:?}", predicted.len(), bad.len());
    assert!(bad.is_empty());
}

/// The sum that the ROM makes for the first copy, and compares.
fn sum(lab: &mut Lab<'_>, gone: Option<u32>) -> Option<Vec<u8>> {
    const RIGHT: usize = 2;
    let outcome = lab.boot(gone.map(Fault::Gone)).ok()?;
    if outcome != Outcome::Started {
        return None;
    }
    let at = lab.register(RIGHT).unwrap();
    lab.memory(at, HEADER_SIZE - SUMMED).ok()
}
