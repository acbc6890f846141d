//! The root of trust's own program in two slots: what is written and armed (ROT-20), what a
//! confirm does (ROT-21), and a power cut at each write of all that.

use super::bench::{
    Bench as _, InMemory, authentic, boot, boot_bare, manufacture, owned, report, runtime, unowned,
};
use super::world::*;
use craton_rot::engine::rom;
use craton_rot::platform::memory::{Cut, MemoryPlatform};
use craton_rot::platform::{Platform as _, SlotFlash as _};
use craton_rot::slots::{MARKS_SIZE, STARTS, Slot, Standing};
use craton_rot::{Engine, Error, NextLayer, Programs, RootOfTrust as _, Start};
use craton_trust::Error as Refusal;
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::evidence::{Claims, Measured};
use craton_trust::soft::Soft;
use craton_trust::suit::{self, Footer, Image, ImageType};
use craton_trust::{ClassId, ComponentId, Digest};

const FIRMWARE: ComponentId = ComponentId([0xbb; 16]);
const CUTS: [Cut; 6] =
    [Cut::Whole, Cut::Torn, Cut::Partial, Cut::Unsynced, Cut::LaterFirst, Cut::LastFirst];

/// A program of this security version, changed by `change` and signed by `by`.
fn package_of(by: u8, version: u64, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    let program = format!("program {version}").into_bytes();
    let mut about = image(FIRMWARE, version);
    about.image_type = ImageType::RootOfTrust;
    (about.payload, about.payload_size) = (Soft.sha256(&[&program]), program.len() as u64);
    change(&mut about);
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = about.encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::sign(&Soft, &manifest, &[&key(by)], &mut room).unwrap();
    let payload_size = program.len() as u64;
    let footer = Footer { payload_size, envelope_size: envelope.len() as u64 };
    [&program[..], envelope, &footer.encode()].concat()
}

fn package(version: u64) -> Vec<u8> {
    package_of(PLATFORM_PUBLISHER, version, |_| ())
}

/// What a ROM does: tries the slots, counts the start, hands over; and the runtime takes over.
fn start_as(chip: &MemoryPlatform, how: Start) -> craton_rot::Result<Engine<MemoryPlatform>> {
    let mut chip = chip.clone();
    chip.reset();
    let marks = [chip.slot_marks(Slot::A)?, chip.slot_marks(Slot::B)?];
    let layer = rom::first_good(&marks, |slot, marks| {
        let mut package = vec![0; marks.length() as usize];
        chip.slot_read(slot, 0, &mut package)?;
        marks.start().map_or(Ok(()), |write| chip.slot_mark(slot, write))?;
        let runtime = rom::select(&chip, &Soft, ImageType::RootOfTrust, &package)?;
        runtime.layer(&mut chip, &Soft, how, Some(slot))
    })?;
    Engine::resume(chip, Soft, layer)
}

fn start(chip: &MemoryPlatform) -> Engine<MemoryPlatform> {
    start_as(chip, Start::Normal).unwrap()
}

/// An owned chip that confirmed version 3 of its program, out of slot A.
fn chip() -> MemoryPlatform {
    let mut bench = InMemory::default();
    owned(&mut bench);
    bench.0.install_program(Slot::A, &package(3));
    let mut rot = start(&bench.0);
    boot(&mut rot, &[(APP, 1)]);
    rot.confirm().unwrap();
    bench.0
}

fn write(rot: &mut Engine<MemoryPlatform>, package: &[u8]) -> craton_rot::Result<()> {
    rot.begin_program(package.len())?;
    for (place, piece) in package.chunks(100).enumerate() {
        rot.write_program(place * 100, piece)?;
    }
    Ok(())
}

fn install(rot: &mut Engine<MemoryPlatform>, package: &[u8]) -> craton_rot::Result<()> {
    write(rot, package)?;
    rot.arm_program(Some(&approved(package)))
}

fn confirm(rot: &mut Engine<MemoryPlatform>) -> craton_rot::Result<()> {
    boot(rot, &[(APP, 1)]);
    rot.confirm()
}

fn room(chip: &MemoryPlatform, slot: Slot) -> Vec<u8> {
    let mut room = vec![0; chip.slot_room()];
    chip.slot_read(slot, 0, &mut room).unwrap();
    room
}

#[test]
fn rot_19_an_update_is_on_trial_until_it_is_confirmed() {
    let chip = chip();
    let mut rot = start(&chip);
    install(&mut rot, &package(4)).unwrap();
    let standings = [Standing::Confirmed, Standing::Trial];
    let running = Some(Slot::A);
    let now = Programs { running, standings, security_version: 3, floor: 3 };
    assert_eq!(rot.programs(), Ok(now));
    let mut rot = start(&chip);
    let now = Programs { running: Some(Slot::B), security_version: 4, ..now };
    assert_eq!(rot.programs(), Ok(now), "a start raises no floor");
    confirm(&mut rot).unwrap();
    let standings = [Standing::Empty, Standing::Confirmed];
    let now = Programs { standings, floor: 4, ..now };
    assert_eq!((rot.programs(), start(&chip).programs()), (Ok(now), Ok(now)));
}

#[test]
fn rot_19_a_trial_that_nobody_confirms_ends_at_the_old_program() {
    let chip = chip();
    install(&mut start(&chip), &package(4)).unwrap();
    let versions = (0..STARTS + 2).map(|_| start(&chip).programs().unwrap().security_version);
    assert_eq!(versions.collect::<Vec<_>>(), [4, 4, 4, 3, 3]);
    let mut rot = start(&chip);
    install(&mut rot, &package(5)).unwrap();
    assert_eq!(start(&chip).programs().unwrap().security_version, 5, "and another may be tried");
}

#[test]
fn rot_19_without_an_armed_slot_there_is_slots_empty() {
    let mut bench = InMemory::default();
    owned(&mut bench);
    bench.0.give_slots();
    assert_eq!(start_as(&bench.0, Start::Normal).err(), Some(Error::SlotsEmpty));
}

#[test]
fn rot_20_arming_refuses_what_the_rom_would_refuse() {
    let chip = chip();
    let mut rot = start(&chip);
    let with = |change: fn(&mut Image<'_>)| package_of(PLATFORM_PUBLISHER, 4, change);
    let refused = [
        (package_of(STRANGER, 4, |_| ()), Error::Trust(Refusal::SignerUnknown)),
        (package_of(PUBLISHER, 4, |_| ()), Error::Trust(Refusal::SignerUnknown)),
        (with(|image| image.class = ClassId([8; 16])), Error::Trust(Refusal::ClassMismatch)),
        (with(|image| image.image_type = ImageType::Runtime), Error::RuntimeType),
        (with(|image| image.component = ComponentId([0xab; 16])), Error::RuntimeForeign),
        (package(2), Error::Trust(Refusal::RolledBack)),
        (package(CEILING + 1), Error::Trust(Refusal::AboveCeiling)),
        (with(|image| image.payload_size += 1), Error::Trust(Refusal::PayloadMismatch)),
        (with(|image| image.payload.0[9] ^= 1), Error::Trust(Refusal::PayloadMismatch)),
    ];
    for (package, error) in refused {
        assert_eq!(install(&mut rot, &package), Err(error));
        assert_eq!(rot.programs().unwrap().standings[1], Standing::Empty, "{error}");
        assert_eq!(start(&chip).programs().unwrap().security_version, 3);
    }
    write(&mut rot, &[7; 400]).unwrap();
    assert_eq!(rot.arm_program(None), Err(Error::Trust(Refusal::FooterInvalid)));
}

#[test]
fn rot_20_arming_looks_at_the_flash_and_not_at_what_was_sent() {
    let chip = chip();
    let (mut rot, package) = (start(&chip), package(4));
    write(&mut rot, &package).unwrap();
    chip.clone().slot_program(Slot::B, 0, &[0]).unwrap();
    let mismatch = Err(Error::Trust(Refusal::PayloadMismatch));
    assert_eq!(rot.arm_program(Some(&approved(&package))), mismatch);
    write(&mut rot, &package).unwrap();
    chip.clone().slot_mark(Slot::B, craton_rot::slots::Marks::give_up()).unwrap();
    assert_eq!(rot.arm_program(Some(&approved(&package))), Err(Error::StorageFailed));
}

#[test]
fn rot_20_an_owned_chip_takes_no_program_by_the_platforms_publisher_alone() {
    let chip = chip();
    let (mut rot, package) = (start(&chip), package(4));
    write(&mut rot, &package).unwrap();
    assert_eq!(rot.arm_program(None), Err(Error::ProgramNotInSet));
    assert_eq!(rot.arm_program(Some(&set(&[(APP, 1)]))), Err(Error::ProgramNotInSet));
    let other = package_of(PLATFORM_PUBLISHER, 4, |image| image.sequence = 9);
    assert_eq!(rot.arm_program(Some(&approved(&other))), Err(Error::ProgramNotInSet));
    for by in [&[PUBLISHER][..], &[CATALOG], &[PUBLISHER, STRANGER], &[PLATFORM_PUBLISHER]] {
        let refused = rot.arm_program(Some(&set_with(&package, by)));
        assert!(matches!(refused, Err(Error::Trust(_))), "{by:?}");
    }
    assert_eq!(rot.programs().unwrap().standings[1], Standing::Empty);
    rot.arm_program(Some(&approved(&package))).unwrap();
}

#[test]
fn rot_20_an_unowned_chip_takes_and_confirms_a_program_of_its_publisher() {
    let mut bench = InMemory::default();
    drop(unowned(&mut bench));
    bench.0.install_program(Slot::A, &package(3));
    let (mut rot, package) = (start(&bench.0), package(4));
    write(&mut rot, &package).unwrap();
    assert_eq!(rot.arm_program(Some(&approved(&package))), Err(Error::Unowned));
    rot.arm_program(None).unwrap();
    let mut rot = start(&bench.0);
    assert_eq!(rot.confirm(), Err(Error::NotBooted));
    boot_bare(&mut rot).unwrap();
    rot.confirm().unwrap();
    let programs = start(&bench.0).programs().unwrap();
    assert_eq!((programs.running, programs.floor), (Some(Slot::B), 4));
}

#[test]
fn rot_20_what_was_armed_before_an_owner_came_does_not_run_on_his_chip() {
    let mut bench = InMemory::default();
    drop(unowned(&mut bench));
    bench.0.install_program(Slot::A, &package(3));
    let (mut rot, other) = (start(&bench.0), package(4));
    write(&mut rot, &other).unwrap();
    rot.arm_program(None).unwrap();
    let mut trial = start(&bench.0);
    assert_eq!(trial.claim(CODE, &owner_section(false)), Err(Error::ProgramOnTrial));
    assert!(trial.status().unwrap().owner.is_none(), "a refusal changes nothing");
    (0..STARTS).for_each(|_| drop(start(&bench.0)));
    let mut rot = start(&bench.0);
    write(&mut rot, &other).unwrap();
    rot.arm_program(None).unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    assert_eq!(rot.arm_program(None), Err(Error::ResetNeeded));
    let programs = start(&bench.0).programs().unwrap();
    assert_eq!((programs.running, programs.security_version), (Some(Slot::A), 3));
}

#[test]
fn rot_20_what_a_recovery_program_armed_is_confirmed_before_an_owner_comes() {
    let mut bench = InMemory::default();
    drop(unowned(&mut bench));
    bench.0.install_program(Slot::A, &package(3));
    drop(start(&bench.0));
    Slot::BOTH.iter().for_each(|slot| bench.0.clone().slot_erase_marks(*slot).unwrap());
    let mut rot = recover(&bench.0, &recovery(5)).unwrap();
    write(&mut rot, &package(4)).unwrap();
    rot.arm_program(None).unwrap();
    assert_eq!(rot.claim(CODE, &owner_section(false)), Err(Error::ProgramOnTrial));
    let mut rot = start(&bench.0);
    boot_bare(&mut rot).unwrap();
    rot.confirm().unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    assert_eq!(start(&bench.0).programs().unwrap().security_version, 4);
}

#[test]
fn rot_20_pieces_come_in_order_and_the_whole_package_before_it_is_armed() {
    let chip = chip();
    let (mut rot, package) = (start(&chip), package(4));
    let set = approved(&package);
    assert_eq!(rot.write_program(0, &package), Err(Error::ProgramNotBegun));
    assert_eq!(rot.arm_program(Some(&set)), Err(Error::ProgramNotBegun));
    assert_eq!(rot.begin_program(chip.slot_room() + 1), Err(Error::ProgramTooLarge));
    assert_eq!(rot.begin_program(3), Err(Error::ProgramTooLarge));
    rot.begin_program(package.len()).unwrap();
    let (first, rest) = package.split_at(50);
    assert_eq!(rot.write_program(50, rest), Err(Error::ProgramPiece));
    rot.write_program(0, first).unwrap();
    assert_eq!(rot.write_program(0, first), Err(Error::ProgramPiece));
    assert_eq!(rot.arm_program(Some(&set)), Err(Error::ProgramNotBegun), "not whole");
    assert_eq!(rot.write_program(50, &[rest, &[0]].concat()), Err(Error::ProgramPiece));
    assert_eq!(rot.write_program(usize::MAX, rest), Err(Error::ProgramPiece));
    rot.write_program(50, rest).unwrap();
    rot.arm_program(Some(&set)).unwrap();
    assert_eq!(rot.arm_program(Some(&set)), Err(Error::ProgramNotBegun), "it is armed");
    rot.begin_program(package.len()).unwrap();
    assert_eq!(rot.programs().unwrap().standings[1], Standing::Empty, "begun anew");
}

#[test]
fn rot_20_neither_the_running_slot_nor_the_fallback_of_a_trial_is_written() {
    let chip = chip();
    let before = room(&chip, Slot::A);
    install(&mut start(&chip), &package(4)).unwrap();
    for start_number in 1..=STARTS {
        let mut rot = start(&chip);
        assert_eq!(rot.programs().unwrap().running, Some(Slot::B));
        assert_eq!(rot.begin_program(400), Err(Error::ProgramOnTrial), "start {start_number}");
    }
    assert_eq!(room(&chip, Slot::A), before);
    let mut rot = start(&chip);
    assert_eq!(rot.programs().unwrap().running, Some(Slot::A));
    install(&mut rot, &package(5)).unwrap();
    assert_eq!(room(&chip, Slot::A), before);
    confirm(&mut start(&chip)).unwrap();
    let kept = room(&chip, Slot::B);
    install(&mut start(&chip), &package(6)).unwrap();
    assert_eq!(room(&chip, Slot::B), kept);
    assert_ne!(room(&chip, Slot::A), before);
}

#[test]
fn rot_20_after_a_change_of_owner_nothing_is_begun_before_the_reset() {
    let mut bench = InMemory::default();
    drop(bench.make(&manufacture(&platform_section(false))));
    bench.0.install_program(Slot::A, &package(3));
    let mut rot = start(&bench.0);
    rot.claim(CODE, &owner_section(false)).unwrap();
    assert_eq!(rot.begin_program(400), Err(Error::ResetNeeded));
}

#[test]
fn rot_21_a_slot_at_the_floor_stays_as_a_fallback_and_one_below_is_given_up() {
    let chip = chip();
    let again = package_of(PLATFORM_PUBLISHER, 3, |image| image.sequence = 9);
    install(&mut start(&chip), &again).unwrap();
    confirm(&mut start(&chip)).unwrap();
    let standings = start(&chip).programs().unwrap().standings;
    assert_eq!(standings, [Standing::Confirmed; 2]);
    chip.install_program(Slot::B, &[0; 64]);
    chip.clone().slot_erase_room(Slot::B).unwrap();
    let programs = start(&chip).programs().unwrap();
    assert_eq!(programs.running, Some(Slot::A), "the newest is damaged, the other starts");
}

#[test]
fn rot_21_mode_recovery_confirms_nothing() {
    let chip = chip();
    install(&mut start(&chip), &package(4)).unwrap();
    let mut rot = start_as(&chip, Start::Recovery).unwrap();
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(rot.confirm(), Err(Error::NothingToConfirm));
    let programs = rot.programs().unwrap();
    assert_eq!((programs.standings[1], programs.floor), (Standing::Trial, 3));
}

/// Cuts the power at every write of `act`, in every way, and again at every write of the start that
/// follows; what is left must start, and `check` it.
fn cut_everywhere(
    before: &MemoryPlatform,
    act: impl Fn(&MemoryPlatform),
    check: impl Fn(&MemoryPlatform, Engine<MemoryPlatform>),
) -> u32 {
    let mut tried = 0;
    for how in CUTS {
        for at in 0.. {
            let cut = before.duplicate();
            cut.cut_at(at, how);
            act(&cut);
            if !cut.is_dead() {
                break;
            }
            cut.power_on();
            for again in 0.. {
                let twice = cut.duplicate();
                twice.cut_at(again, how);
                let _ = start_as(&twice, Start::Normal);
                let second = twice.is_dead();
                twice.power_on();
                check(&twice, start(&twice));
                tried += 1;
                if !second {
                    break;
                }
            }
        }
    }
    tried
}

#[test]
fn rot_20_a_cut_at_any_write_of_an_update_leaves_the_old_or_the_new_program() {
    let (before, new) = (chip(), package(4));
    let act = |chip: &MemoryPlatform| {
        if let Ok(mut rot) = start_as(chip, Start::Normal) {
            let _ = install(&mut rot, &new);
        }
    };
    let tried = cut_everywhere(&before, act, |chip, rot| {
        assert!([3, 4].contains(&rot.programs().unwrap().security_version));
        drop(rot);
        (0..STARTS).for_each(|_| drop(start(chip)));
        let mut rot = start(chip);
        assert_eq!(rot.programs().unwrap().security_version, 3, "nobody confirmed");
        install(&mut rot, &new).unwrap();
        assert_eq!(start(chip).programs().unwrap().security_version, 4, "it can be done again");
    });
    assert!(tried > 100, "{tried}");
}

#[test]
fn rot_21_a_cut_at_any_write_of_a_confirm_leaves_what_the_next_confirm_finishes() {
    let before = chip();
    install(&mut start(&before), &package(4)).unwrap();
    let act = |chip: &MemoryPlatform| {
        let Ok(mut rot) = start_as(chip, Start::Normal) else { return };
        let booted = super::bench::boot_set(&mut rot, &set(&[(APP, 1)]), &[(APP, 1)]);
        let _ = booted.and_then(|_| rot.confirm());
    };
    let tried = cut_everywhere(&before, act, |chip, mut rot| {
        assert_eq!(rot.programs().unwrap().security_version, 4, "within its three starts");
        confirm(&mut rot).unwrap();
        for _ in 0..=STARTS {
            let programs = start(chip).programs().unwrap();
            let standings = [Standing::Empty, Standing::Confirmed];
            let now = Programs { running: Some(Slot::B), standings, security_version: 4, floor: 4 };
            assert_eq!(programs, now);
        }
    });
    assert!(tried > 100, "{tried}");
}

#[test]
fn rot_19_marks_of_any_bits_start_nothing_below_the_floor() {
    let chip = chip();
    chip.install_program(Slot::B, &package(2));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..500 {
        let mut forged = chip.duplicate();
        for slot in Slot::BOTH {
            let mut marks = [0xff; MARKS_SIZE];
            forged.slot_erase_marks(slot).unwrap();
            for byte in &mut marks {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 24) as u8;
            }
            let real = craton_rot::slots::Marks::first(package(3).len() as u32);
            for (offset, bytes) in marks.chunks(4).enumerate() {
                let keep = state >> (offset + 8) & 3 != 0;
                let value: [u8; 4] =
                    if keep { real[offset * 4..][..4].try_into() } else { bytes.try_into() }
                        .unwrap();
                let write = craton_rot::slots::Write {
                    offset: offset * 4,
                    value: u32::from_le_bytes(value),
                };
                forged.slot_mark(slot, write).unwrap();
            }
        }
        if let Ok(rot) = start_as(&forged, Start::Normal) {
            assert!(rot.programs().unwrap().security_version >= 3);
        }
    }
}

/// What a ROM does with a package from the wire.
fn recover(chip: &MemoryPlatform, package: &[u8]) -> craton_rot::Result<Engine<MemoryPlatform>> {
    let mut chip = chip.clone();
    chip.reset();
    let runtime = rom::select(&chip, &Soft, ImageType::Recovery, package)?;
    let layer = runtime.layer(&mut chip, &Soft, Start::Normal, None)?;
    assert_eq!(runtime.doubt_layer(&chip, &layer, 1), Ok(0));
    Engine::resume(chip, Soft, layer)
}

fn recovery_of(by: u8, version: u64, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_of(by, version, |image| {
        image.image_type = ImageType::Recovery;
        change(image);
    })
}

fn recovery(version: u64) -> Vec<u8> {
    recovery_of(PLATFORM_PUBLISHER, version, |_| ())
}

#[test]
fn rot_22_a_recovery_program_unseals_and_confirms_nothing_and_installs_a_good_one() {
    let chip = chip();
    let mut rot = start(&chip);
    boot(&mut rot, &[(APP, 1)]);
    let sealed = super::bench::seal(&mut rot, APP).unwrap();
    drop(rot);
    Slot::BOTH.iter().for_each(|slot| chip.clone().slot_erase_marks(*slot).unwrap());
    assert_eq!(start_as(&chip, Start::Normal).err(), Some(Error::SlotsEmpty));
    let mut rot = recover(&chip, &recovery(5)).unwrap();
    let programs = rot.programs().unwrap();
    assert_eq!((programs.running, programs.floor), (None, 3));
    assert_eq!(rot.status().unwrap().mode, craton_trust::dice::Mode::Recovery);
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(super::bench::unseal(&rot, APP, &sealed), Err(Error::SealInRecovery));
    assert_eq!(rot.confirm(), Err(Error::NothingToConfirm));
    assert_eq!(rot.programs().unwrap().floor, 3, "it is version 5");
    write(&mut rot, &package(4)).unwrap();
    assert_eq!(rot.arm_program(None), Err(Error::ProgramNotInSet), "the owner's word counts");
    rot.arm_program(Some(&approved(&package(4)))).unwrap();
    let mut rot = start(&chip);
    assert_eq!(rot.programs().unwrap().security_version, 4);
    confirm(&mut rot).unwrap();
    assert_eq!(super::bench::unseal(&rot, APP, &sealed).unwrap(), b"secret");
}

#[test]
fn rot_22_the_wire_takes_a_recovery_program_of_this_device_and_no_other() {
    let chip = chip();
    let mut changed = recovery(4);
    changed[0] ^= 1;
    let refused = [
        (package(4), Error::RuntimeType),
        (recovery_of(STRANGER, 4, |_| ()), Error::Trust(Refusal::SignerUnknown)),
        (recovery_of(PUBLISHER, 4, |_| ()), Error::Trust(Refusal::SignerUnknown)),
        (recovery(2), Error::Trust(Refusal::RolledBack)),
        (
            recovery_of(PLATFORM_PUBLISHER, 4, |image| image.class = ClassId([8; 16])),
            Error::Trust(Refusal::ClassMismatch),
        ),
        (recovery_of(PLATFORM_PUBLISHER, 4, |image| image.component = APP), Error::RuntimeForeign),
        (changed, Error::Trust(Refusal::PayloadMismatch)),
    ];
    for (package, error) in refused {
        assert_eq!(recover(&chip, &package).err(), Some(error));
    }
    assert!(recover(&chip, &recovery(3)).is_ok());
    let blank = recover(&MemoryPlatform::new(), &recovery(3));
    assert_eq!(blank.err(), Some(Error::NotManufactured));
}

#[test]
fn rot_22_a_recovery_program_starts_from_no_slot() {
    let chip = chip();
    let mut rot = start(&chip);
    assert_eq!(install(&mut rot, &recovery(4)), Err(Error::RuntimeType));
    chip.install_program(Slot::A, &recovery(4));
    assert_eq!(start_as(&chip, Start::Normal).err(), Some(Error::RuntimeType));
}

#[test]
fn rot_20_a_recovery_program_writes_the_slot_that_would_start_last() {
    let chip = chip();
    let mut rot = recover(&chip, &recovery(3)).unwrap();
    let before = room(&chip, Slot::A);
    install(&mut rot, &package(4)).unwrap();
    assert_eq!(room(&chip, Slot::A), before, "what is confirmed stays");
    install(&mut recover(&chip, &recovery(3)).unwrap(), &package(5)).unwrap();
    assert_eq!(start(&chip).programs().unwrap().security_version, 5);
}

/// Boots a set whose one member is this program, and measures it as the set has it.
fn boot_with(rot: &mut Engine<MemoryPlatform>, version: u64) -> craton_rot::Result<Mode> {
    let images = [Measured { component: FIRMWARE, digest: program_digest(version) }];
    let set = approved(&package(version));
    rot.boot(&NextLayer { runtime: runtime(), set: Some(&set), images: &images })
}

fn program_digest(version: u64) -> Digest {
    Soft.sha256(&[format!("program {version}").as_bytes()])
}

fn shown(rot: &mut Engine<MemoryPlatform>) -> Claims {
    let evidence = report(rot).unwrap();
    authentic(rot, &evidence).claims.clone()
}

#[test]
fn rot_12_the_own_program_is_measured_as_the_one_that_runs() {
    let chip = chip();
    for (version, floor) in [(4, 0), (3, 3)] {
        let mut rot = start(&chip);
        boot_with(&mut rot, version).unwrap();
        let claims = shown(&mut rot);
        assert_eq!(claims.implementation, program_digest(3));
        assert_eq!(claims.measured.of(FIRMWARE), Some(program_digest(3)), "not {version}");
        rot.confirm().unwrap();
        assert_eq!(rot.status().unwrap().floors.of(FIRMWARE), floor, "ROT-4");
    }
}

#[test]
fn rot_12_nobody_else_measures_the_own_program_component_reserved() {
    let mut rot = start(&chip());
    let named = Measured { component: FIRMWARE, digest: program_digest(3) };
    let refused = rot.boot(&NextLayer { runtime: named, set: None, images: &[] });
    assert_eq!(refused, Err(Error::ComponentReserved));
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(rot.extend(FIRMWARE, program_digest(3)), Err(Error::ComponentReserved));
    assert_eq!(shown(&mut rot).measured.of(FIRMWARE), None);
}
