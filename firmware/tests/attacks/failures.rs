//! A failure of each program, each way: the chip wipes its RAM, keeps a record, and starts again.

use super::board::root_of_trust;
use super::board::{FIRMWARE, PROGRAM_ROM, PROGRAM_RUNTIME, Psram, chip, package_with, patience};
use super::probe::{Probe, entry, place};
use super::world::PLATFORM_PUBLISHER;
use craton_firmware::failure::{RECOVERY_FROM, RESETS_MAX};
use craton_firmware::map;
use craton_rot::mailbox::client::Mailbox;
use craton_rot::{ChipFailure, ChipFailureKind as Kind, RootOfTrust as _, Stage};
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;

pub const PROGRAM_MAILBOX: &str = "mailbox";
/// `ldr r1, [r0]`.
const LOAD: [u8; 2] = [0x01, 0x68];

/// A manufactured chip with the root of trust.
pub fn whole() -> Psram {
    Psram::of(&chip(), &package_with(PLATFORM_PUBLISHER, &root_of_trust(), |_| ()))
}

/// What is left of a failure, once the chip stands at its first instruction again. It starts as
/// well as before, and no failure follows.
fn reset(probe: &mut Probe) -> ChipFailure {
    probe.until_reset();
    assert!(probe.is_wiped());
    let failure = probe.failure().unwrap();
    probe.come(entry(PROGRAM_MAILBOX));
    failure
}

fn left(failure: &ChipFailure) -> (Stage, Kind, u32) {
    (failure.stage, failure.kind, failure.resets)
}

#[test]
fn fail_3_a_fault_of_the_secure_side_wipes_it_and_starts_it_again() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let gate = place(PROGRAM_RUNTIME, "gate_body");
    probe.come(entry(PROGRAM_RUNTIME));
    assert!(!probe.is_wiped() && probe.failure().is_none());
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.break_at(gate);
    probe.jump(gate);
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Runtime, Kind::Fault, 1));
    assert_eq!(failure.pc, Some(gate - map::CODE as u32));
    assert_eq!(failure.status & 1 << 16, 1 << 16, "an undefined instruction");
}

#[test]
fn fail_3_a_panic_of_the_secure_side_wipes_it_and_starts_it_again() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.jump(place(PROGRAM_RUNTIME, "rust_begin_unwind"));
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Runtime, Kind::Panic, 1));
    assert!(failure.pc.is_some());
}

#[test]
fn fail_3_a_stack_that_ends_leaves_a_record_without_a_place() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.set_stack(place(PROGRAM_RUNTIME, "__sheap"));
    probe.jump(place(PROGRAM_RUNTIME, "gate_body"));
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Runtime, Kind::Fault, 1));
    assert_eq!((failure.pc, failure.status & 1 << 20), (None, 1 << 20));
}

#[test]
fn fail_3_a_fault_of_the_other_side_resets_the_chip() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let at = entry(PROGRAM_MAILBOX);
    probe.come(at);
    probe.break_at(at);
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Mailbox, Kind::Fault, 1));
    assert_eq!(failure.pc, Some(at - map::NON_SECURE_CODE as u32));
    assert_eq!(failure.status & 1 << 16, 1 << 16);
}

#[test]
fn fail_3_an_access_of_the_other_side_to_secure_memory_resets_the_chip() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let at = entry(PROGRAM_MAILBOX);
    probe.come(at);
    probe.debugger.write(at, &LOAD).unwrap();
    probe.debugger.set_register(0, map::RAM_FIRST as u32).unwrap();
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Mailbox, Kind::SecureFault, 1));
    assert_eq!(failure.pc, Some(at - map::NON_SECURE_CODE as u32));
}

#[test]
fn fail_3_a_fault_of_the_rom_starts_it_again() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let at = place(PROGRAM_ROM, "rom::select");
    probe.come(at);
    probe.break_at(at); // which the reset mends: a ROM is what it is
    let failure = reset(&mut probe);
    assert_eq!(left(&failure), (Stage::Rom, Kind::Fault, 1));
    assert_eq!((failure.pc, failure.status), (None, 0), "nothing of a ROM's memory");
}

#[test]
fn fail_3_failures_in_a_row_are_counted_start_recovery_and_end() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let at = entry(PROGRAM_ROM);
    for resets in 1..RESETS_MAX {
        probe.break_at(at + 2);
        probe.until_reset();
        assert_eq!(probe.failure().unwrap().resets, resets);
        let request = probe.read(map::RETAINED, 4);
        assert_eq!(request == map::RECOVERY.to_le_bytes(), resets >= RECOVERY_FROM);
    }
    probe.break_at(at + 2);
    probe.come(place(PROGRAM_ROM, "waits_for_power"));
    assert!(probe.is_wiped());
    assert_eq!(probe.failure().unwrap().resets, RESETS_MAX);
}

#[test]
fn fail_3_who_waits_for_power_keeps_nothing_in_registers() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_ROM, "rom::select"));
    probe.fill_registers();
    probe.jump(place(PROGRAM_ROM, "refused"));
    probe.come(place(PROGRAM_ROM, "waits_for_power"));
    assert_eq!(probe.registers(), [0; 14]);
    assert!(probe.is_wiped() && probe.failure().is_none());
}

/// ROT-16: but for the address of its own first instruction.
#[test]
fn rot_16_a_program_finds_nothing_of_the_rom_in_registers() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_ROM, "rom_wipe"));
    probe.fill_upper_registers();
    let first = entry(PROGRAM_RUNTIME);
    probe.come(first);
    let mut expected = [0; 14];
    expected[3] = first | 1;
    assert_eq!(probe.registers(), expected);
}

#[test]
fn fail_3_a_failure_is_told_once_and_names_the_program() {
    let at = entry(PROGRAM_MAILBOX);
    tells_once(Stage::Mailbox, at, at - map::NON_SECURE_CODE as u32);
}

/// Power left something in RAM that names no program: it is the ROM that says which one runs.
#[test]
fn fail_3_a_failure_at_the_first_instruction_names_the_program() {
    let at = entry(PROGRAM_RUNTIME);
    tells_once(Stage::Runtime, at, at - map::CODE as u32);
}

/// The chip fails at an instruction, twice, and tells of it.
fn tells_once(stage: Stage, at: u32, pc: u32) {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    for _ in 0..2 {
        probe.come(at);
        probe.break_at(at);
        probe.until_reset();
    }
    let left = probe.failure().unwrap();
    let mut rot = Mailbox::open(probe.release(), patience()).unwrap();
    let told = rot.take_failure().unwrap().unwrap();
    let digest = Soft.sha256(&[&root_of_trust()]);
    assert_eq!((told.component, &told.program.unwrap()[..]), (Some(FIRMWARE), &digest.0[..16]));
    assert_eq!((told.stage, told.resets, told.pc), (stage, 2, Some(pc)));
    assert_eq!(ChipFailure { component: None, program: None, ..told }, left);
    assert_eq!(rot.take_failure(), Ok(None));
}

/// An endless loop: `b .`.
const HANG: [u8; 2] = [0xfe, 0xe7];

fn hangs(at: u32, jumps: bool) -> ChipFailure {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.hurry(2);
    probe.debugger.write(at, &HANG).unwrap();
    if jumps {
        probe.jump(at);
    }
    reset(&mut probe)
}

#[test]
fn fail_4_a_hang_of_the_secure_side_resets_the_chip() {
    let at = place(PROGRAM_RUNTIME, "gate_body");
    let failure = hangs(at, true);
    assert_eq!(left(&failure), (Stage::Runtime, Kind::Watchdog, 1));
    assert_eq!(failure.pc, Some(at - map::CODE as u32));
}

#[test]
fn fail_4_a_hang_of_the_other_side_resets_the_chip() {
    let at = entry(PROGRAM_MAILBOX);
    let failure = hangs(at, false);
    assert_eq!(left(&failure), (Stage::Mailbox, Kind::Watchdog, 1));
    assert_eq!(failure.pc, Some(at - map::NON_SECURE_CODE as u32));
}

#[test]
fn fail_4_a_hang_of_the_handler_resets_the_chip_without_a_record() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    let at = entry(PROGRAM_MAILBOX);
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.hurry(2);
    probe.debugger.write(place(PROGRAM_RUNTIME, "NonMaskableInt"), &HANG).unwrap();
    probe.debugger.write(at, &HANG).unwrap();
    probe.until_reset();
    assert_eq!(probe.failure(), None);
    probe.come(at);
}

#[test]
fn fail_4_a_mailbox_that_nobody_asks_does_not_hang() {
    let psram = whole();
    let mut probe = Probe::power_on(&psram);
    probe.come(place(PROGRAM_RUNTIME, "leave"));
    probe.hurry(4);
    let mut rot = Mailbox::open(probe.release(), patience()).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(12));
    assert!(rot.status().is_ok(), "no reset since the greeting");
    assert_eq!(rot.take_failure(), Ok(None));
}
