//! A hostile non-secure side: at its first instruction it loads, stores or jumps wherever it likes,
//! and calls the gate with whatever block it likes. The secure side's memory is then what it was,
//! and nothing of it was read.
//!
//! One access a boot: each that is refused resets the chip. The debugger looks at the chip where
//! its handler of faults begins.

use super::board::{PROGRAM_RUNTIME, Psram};
use super::failures::{PROGRAM_MAILBOX, whole};
use super::probe::{Probe, entry, place};
use craton_firmware::gate::{BLOCK_SIZE, Block, Place};
use craton_firmware::map;
use craton_rot::Error;
use craton_rot::mailbox::Operation;

/// `ldr r1, [r0]; b .`, `str r1, [r0]; b .`, `bx r0`.
const ACCESSES: [(&str, [u8; 4]); 3] = [
    ("load", [0x01, 0x68, 0xfe, 0xe7]),
    ("store", [0x01, 0x60, 0xfe, 0xe7]),
    ("jump", [0x00, 0x47, 0xfe, 0xe7]),
];
/// What the register holds that a load would change, and a store would write.
const MARK: u32 = 0x5afe_5afe;

/// Every range of the secure side that the board has, first and last word.
const RANGES: [(&str, usize, usize); 16] = [
    ("ROM", map::ROM, map::ROM + map::ROM_SIZE - 4),
    ("ROM, other alias", map::ROM - map::SECURE_ALIAS, map::ROM_SIZE - 4),
    ("secure code", map::CODE, map::GATE - 4),
    ("secure code, other alias", map::CODE - map::SECURE_ALIAS, map::GATE - map::SECURE_ALIAS - 4),
    ("gate, past its first instruction", map::GATE + 4, map::GATE + map::GATE_SIZE - 4),
    ("other side's code, secure alias", map::CODE + map::NON_SECURE_OFFSET, map::CODE + 0x3_fffc),
    ("secure RAM", map::RAM, map::RAM + map::RAM_SIZE - 4),
    ("secure RAM, other alias", 0x2000_0000, 0x2000_7ffc),
    ("other side's RAM, secure alias", 0x3820_0000, 0x3820_5ffc),
    ("RAM that nobody has", 0x2820_6000, 0x2820_7ffc),
    ("fuses and flash", map::FLASH, map::FLASH + map::FLASH_SIZE - 4),
    ("security control", 0x5008_0000, 0x5008_00fc),
    ("memory protection controllers", 0x5800_7000, 0x5800_9ffc),
    ("watchdogs", 0x5002_e000, 0x5008_1ffc),
    ("first UART", map::UART, map::UART + 16),
    ("first UART, other alias", map::UART - map::SECURE_ALIAS, map::UART - map::SECURE_ALIAS + 16),
];

const STATUS: u32 = Operation::Status as u32;

/// All of the secure RAM.
fn secrets(probe: &mut Probe) -> Vec<u8> {
    probe.read(map::RAM, map::RAM_SIZE)
}

/// A chip about to execute the other side's first instruction.
fn arrive(psram: &Psram) -> (Probe, Vec<u8>) {
    let mut probe = Probe::power_on(psram);
    probe.come(place(PROGRAM_RUNTIME, "leave_end"));
    let before = secrets(&mut probe);
    probe.come(entry(PROGRAM_MAILBOX));
    (probe, before)
}

/// One access; says why it was not refused.
fn attack(psram: &Psram, code: [u8; 4], at: usize) -> Result<(), String> {
    let (mut probe, before) = arrive(psram);
    let fault = place(PROGRAM_RUNTIME, "HardFault");
    probe.debugger.write(entry(PROGRAM_MAILBOX), &code).unwrap();
    probe.debugger.set_register(0, at as u32).unwrap();
    probe.debugger.set_register(1, MARK).unwrap();
    probe.come(fault);
    if probe.debugger.register(1).unwrap() != MARK {
        return Err("something was read".to_owned());
    }
    let after = secrets(&mut probe);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    if changed > 0 {
        return Err(format!("{changed} bytes of the secure RAM changed"));
    }
    let there = |probe: &mut Probe| probe.debugger.read(at as u32, 4).unwrap_or_default();
    if there(&mut probe) == MARK.to_le_bytes() {
        return Err("it was written".to_owned());
    }
    probe.until_reset();
    if probe.is_wiped() { Ok(()) } else { Err("not wiped".to_owned()) }
}

#[test]
fn fail_3_a_hostile_other_side_reaches_nothing_of_the_secure_one() {
    let psram = whole();
    let mut bad = Vec::new();
    println!("| range | load | store | jump |\n|---|---|---|---|");
    for (range, first, last) in RANGES {
        let told = ACCESSES.map(|(access, code)| {
            let tried: Vec<_> = [first, last].map(|at| (at, attack(&psram, code, at))).into();
            for (at, outcome) in &tried {
                if let Err(why) = outcome {
                    bad.push(format!("{access} at {at:#010x}: {why}"));
                }
            }
            let refused = tried.iter().filter(|(_, outcome)| outcome.is_ok()).count();
            format!("{refused} of {} refused", tried.len())
        });
        println!("| {range} | {} |", told.join(" | "));
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The bytes of a block.
fn bytes_of(block: &Block) -> Vec<u8> {
    let mut words = vec![block.operation, block.number_count];
    words.extend(block.numbers.iter().flat_map(|n| [*n as u32, (*n >> 32) as u32]));
    words.push(block.byte_count);
    words.extend(block.bytes.iter().flat_map(|place| [place.at, place.length]));
    words.extend([block.out.at, block.out.length, block.code, block.answer_count]);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(BLOCK_SIZE, 0);
    bytes
}

/// Blocks that a gate must refuse: what they name is the secure side's, or overlaps.
fn bad_blocks(room: u32) -> Vec<(String, Block)> {
    let out = Place { at: room, length: 32 };
    let good = || Block { operation: STATUS, out, ..Block::EMPTY };
    let at = |at: usize, length: u32| Place { at: at as u32, length };
    let mut blocks = Vec::new();
    for (range, first, last) in RANGES {
        for place in [at(first, 32), at(last, 4), at(first, u32::MAX), at(last, u32::MAX)] {
            let (mut out, mut named) = (good(), good());
            out.out = place;
            (named.byte_count, named.bytes[0]) = (1, place);
            blocks.push((format!("{range}: writes to {:x}", place.at), out));
            blocks.push((format!("{range}: reads {:x}", place.at), named));
        }
    }
    for count in [13, 49, u32::MAX] {
        let (mut numbers, mut bytes) = (good(), good());
        (numbers.number_count, bytes.byte_count) = (count, count);
        blocks.extend([(format!("{count} numbers"), numbers), (format!("{count} strings"), bytes)]);
    }
    blocks.retain(|(_, block)| block.byte_count != 13);
    blocks
}

#[test]
fn mbx_5_the_gate_of_the_running_chip_refuses_every_bad_block() {
    let (mut probe, _) = arrive(&whole());
    let (code, block) = (entry(PROGRAM_MAILBOX), map::NON_SECURE_RAM as u32 + 64);
    let enter = |probe: &mut Probe, at: u32| {
        // `blx r1; b .`: back at the second, r0 says what the gate said.
        probe.debugger.write(code, &[0x88, 0x47, 0xfe, 0xe7]).unwrap();
        probe.debugger.set_register(0, at).unwrap();
        probe.debugger.set_register(1, map::GATE as u32 | 1).unwrap();
        probe.jump(code);
        probe.come(code + 2);
        probe.debugger.register(0).unwrap()
    };
    let mut places: Vec<usize> = RANGES.iter().flat_map(|range| [range.1, range.2]).collect();
    places.extend([block as usize + 4, map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE - 8]);
    for at in places.into_iter().filter(|at| *at != 0) {
        assert_eq!(enter(&mut probe, at as u32), 1, "a block at {at:x}");
    }
    for (why, bad) in bad_blocks(block + 0x1000) {
        probe.debugger.write(block, &bytes_of(&bad)).unwrap();
        assert_eq!(enter(&mut probe, block), 0);
        let answered = probe.read(block as usize, BLOCK_SIZE);
        let at = std::mem::offset_of!(Block, code);
        let said = u32::from_le_bytes(answered[at..at + 4].try_into().unwrap()) as u16;
        let refused = [Error::GateRefused.code(), Error::CallShape.code()].contains(&said);
        assert!(refused, "{why}: {said}");
    }
}
