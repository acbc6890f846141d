//! What is left of a fault: a record in RAM that a reset keeps, and the handlers that write it.
//!
//! What is true of it: a fault, a panic or a watchdog that runs out ends in [`resets_on_failure`]'s
//! code, which needs no stack and wipes all RAM of both sides but the record (FAIL-3). The record
//! says who failed, of which program, and where in it, never what was in memory: an address outside
//! the program is left out, and of the ROM any. What RAM holds after power came is no record.

use crate::map;
use core::ops::Range;
use craton_rot::failure::{ChipFailure, ChipFailureKind, Stage};

/// Words of a record: magic, who and how, pc, lr, CFSR, SFSR, resets, and the sum of all.
pub const WORDS: usize = 8;
/// What the first word is.
pub const MAGIC: u32 = 0xfa17_c0de;
/// The stage in the second word, beside how it failed.
pub const ROM: u32 = 0x10;
/// As above.
pub const RUNTIME: u32 = 0x20;
/// What the other side of a program adds to its stage.
pub const OTHER_SIDE: u32 = 0x10;
/// How it failed.
pub const FAULT: u32 = 1;
/// As above.
pub const PANIC: u32 = 2;
/// As above.
pub const WATCHDOG: u32 = 3;
/// From so many resets in a row on, which nobody asked about, the chip starts in mode Recovery: it
/// unseals nothing.
pub const RECOVERY_FROM: u32 = 3;
/// After so many it waits for power, or for the watchdog where one runs.
pub const RESETS_MAX: u32 = 16;

/// The failure that a record is, if it is one.
#[must_use]
pub fn of_record(words: &[u32; WORDS]) -> Option<ChipFailure> {
    let [magic, what, where_ @ .., resets, _] = *words;
    if magic != MAGIC || words.iter().fold(0, |sum, word| sum ^ word) != 0 {
        return None;
    }
    let (stage, program) = match what & !0xf {
        ROM => (Stage::Rom, map::ROM..map::ROM + map::ROM_SIZE),
        RUNTIME => (Stage::Runtime, map::CODE..map::CODE + map::NON_SECURE_OFFSET),
        _ => (Stage::Mailbox, OTHER_CODE),
    };
    // Where a fault led a ROM, and how it ended there, tells what its memory is mixed with
    // (ROT-25).
    let [pc, lr, status, secure_status] = if stage == Stage::Rom { [0; 4] } else { where_ };
    let kind = match what & 0xf {
        PANIC => ChipFailureKind::Panic,
        WATCHDOG => ChipFailureKind::Watchdog,
        _ if secure_status != 0 => ChipFailureKind::SecureFault,
        _ => ChipFailureKind::Fault,
    };
    let (pc, lr) = (within(&program, pc), within(&program, lr & !1));
    let (component, program) = (None, None);
    Some(ChipFailure { stage, kind, resets, pc, lr, status, secure_status, component, program })
}

const OTHER_CODE: Range<usize> =
    map::NON_SECURE_CODE..map::NON_SECURE_CODE + map::NON_SECURE_CODE_SIZE;

fn within(program: &Range<usize>, address: u32) -> Option<u32> {
    let inside = program.contains(&(address as usize));
    inside.then(|| address.wrapping_sub(program.start as u32))
}

#[cfg(target_os = "none")]
mod kept {
    use super::{WORDS, of_record};
    use crate::map;
    use crate::register::{read_register, write_register};
    use core::hint::black_box;
    use craton_rot::failure::{ChipFailure, PROGRAM_ID_SIZE, Stage};
    use craton_trust::{ComponentId, Digest};

    /// Says whose a failure will be from here on: a program's by its digest.
    pub fn runs(program: &Digest) {
        let places = (map::RUNNING..map::RUNNING + PROGRAM_ID_SIZE).step_by(4);
        for (place, bytes) in places.zip(program.0.as_chunks().0) {
            write_register(place, u32::from_le_bytes(*bytes));
        }
    }

    /// By what that is another program than this: 0 is nothing.
    #[must_use]
    pub fn doubt_runs(program: &Digest) -> u32 {
        let places = (map::RUNNING..map::RUNNING + PROGRAM_ID_SIZE).step_by(4);
        let pairs = places.zip(black_box(program).0.as_chunks().0);
        pairs.fold(0, |all, (place, bytes)| {
            all | (read_register(place) ^ u32::from_le_bytes(*bytes))
        })
    }

    /// Takes the record, if there is one: it is gone then, and the count of resets begins anew.
    #[must_use]
    pub fn take(component: Option<ComponentId>) -> Option<ChipFailure> {
        let mut words = [0; WORDS];
        for (word, place) in words.iter_mut().zip((map::FAILURE..).step_by(4)) {
            *word = read_register(place);
            write_register(place, 0);
        }
        let mut failure = of_record(&words)?;
        if failure.stage != Stage::Rom && component.is_some() {
            let mut program = [0; PROGRAM_ID_SIZE];
            for (bytes, place) in
                program.as_chunks_mut().0.iter_mut().zip((map::FAILED..).step_by(4))
            {
                *bytes = read_register(place).to_le_bytes();
            }
            (failure.component, failure.program) = (component, Some(program));
        }
        Some(failure)
    }
}

#[cfg(target_os = "none")]
pub use kept::{doubt_runs, runs, take};

/// The handlers of a program in secure state: `NonMaskableInt` (the watchdog), `HardFault` (all
/// faults of both sides), `panicked`, and `refused`, which wipes and waits for power. What
/// waits has zeros in its registers.
///
/// Registers alone: the stack may be what failed. A frame is read only where one can be.
#[macro_export]
macro_rules! resets_on_failure {
    ($who:expr) => {
        core::arch::global_asm!(
            ".section .text.failure, \"ax\", %progbits",
            ".thumb",
            ".global panicked",
            ".type panicked, %function",
            ".thumb_func",
            "panicked:",
            "cpsid i",
            "movs r4, #{panic}",
            "mov r6, lr",
            "movs r7, #0",
            "mov r8, r7",
            "mov r9, r7",
            "b 2f",
            ".global refused",
            ".type refused, %function",
            ".thumb_func",
            "refused:",
            "cpsid i",
            "movs r4, #0",
            "b 3f",
            ".global NonMaskableInt",
            ".type NonMaskableInt, %function",
            ".thumb_func",
            "NonMaskableInt:",
            "movs r4, #{watchdog}",
            "b 0f",
            ".global HardFault",
            ".type HardFault, %function",
            ".thumb_func",
            "HardFault:",
            "movs r4, #{fault}",
            "0:",
            // CFSR of the side that failed, SFSR, and its frame.
            "ldr r0, =0xe000ed28",
            "ldr r9, [r0, #0xbc]",
            "mrs r1, msp",
            "ldr r2, ={ram}",
            "movw r5, #{ram_frames}",
            "tst lr, #0x40",
            "bne 1f",
            "adds r4, #{other_side}",
            "add r0, r0, #0x20000",
            "mrs r1, msp_ns",
            "tst lr, #4",
            "it ne",
            "mrsne r1, psp_ns",
            "ldr r2, ={other_ram}",
            "movw r5, #{other_ram_frames}",
            "1:",
            "ldr r8, [r0]",
            "movs r6, #0",
            "mov r7, r6",
            // No frame: STKOF, STKERR or MSTKERR.
            "ldr r3, =0x00101010",
            "tst r8, r3",
            "bne 2f",
            "subs r3, r1, r2",
            "cmp r3, r5",
            "bhi 2f",
            "tst r1, #3",
            "bne 2f",
            "ldrd r7, r6, [r1, #20]",
            "2:",
            // How many in a row: a record that nobody took.
            "ldr r0, ={record}",
            "ldmia r0, {{r1, r2, r3, r5, r10, r11, r12, lr}}",
            "eors r2, r3",
            "eors r2, r5",
            "eor r2, r2, r10",
            "eor r2, r2, r11",
            "eor r2, r2, r12",
            "eor r2, r2, lr",
            "eors r2, r1",
            "ldr r3, ={magic}",
            "subs r1, r1, r3",
            "orrs r2, r1",
            "it ne",
            "movne r12, #0",
            "add r10, r12, #1",
            "eor r11, r3, r4",
            "eor r11, r11, r6",
            "eor r11, r11, r7",
            "eor r11, r11, r8",
            "eor r11, r11, r9",
            "eor r11, r11, r10",
            "stmia r0, {{r3, r4, r6, r7, r8, r9, r10, r11}}",
            // Of which program: what ran.
            "adds r0, #{running}",
            "ldmia r0!, {{r1, r2, r3, r5}}",
            "stmia r0!, {{r1, r2, r3, r5}}",
            "3:",
            // What registers hold of a key goes, too: a reset may keep them. The processor's
            // floating point is off in both states, so that its registers are nobody's.
            "movs r2, #0",
            "mov r3, r2",
            "mov r5, r2",
            "mov r6, r2",
            "mov r7, r2",
            "mov r8, r2",
            "mov r9, r2",
            "mov r11, r2",
            "mov r12, r2",
            "mov lr, r2",
            "ldr r0, ={first}",
            "ldr r1, ={end}",
            "4:",
            "str r2, [r0], #4",
            "cmp r0, r1",
            "blo 4b",
            "ldr r0, ={other_ram}",
            "ldr r1, ={other_ram_end}",
            "5:",
            "str r2, [r0], #4",
            "cmp r0, r1",
            "blo 5b",
            "cbz r4, 7f",
            "cmp r10, #{resets_max}",
            "bhs 7f",
            "ldr r0, ={request}",
            "ldr r1, ={recovery}",
            "cmp r10, #{recovery_from}",
            "it hs",
            "strhs r1, [r0]",
            "ldr r0, =0xe000ed0c",
            "ldr r1, =0x05fa000c",
            "dsb",
            ".global asks_for_reset",
            "asks_for_reset:",
            "str r1, [r0]",
            "dsb",
            "6:",
            "b 6b",
            "7:",
            "mov r0, r2",
            "mov r1, r2",
            "mov r4, r2",
            "mov r10, r2",
            ".global waits_for_power",
            "waits_for_power:",
            "wfi",
            "b 7b",
            ".ltorg",
            panic = const $who | $crate::failure::PANIC,
            fault = const $who | $crate::failure::FAULT,
            watchdog = const $who | $crate::failure::WATCHDOG,
            other_side = const $crate::failure::OTHER_SIDE,
            magic = const $crate::failure::MAGIC,
            resets_max = const $crate::failure::RESETS_MAX,
            recovery_from = const $crate::failure::RECOVERY_FROM,
            ram = const $crate::map::RAM,
            ram_frames = const $crate::map::RAM_SIZE - 32,
            other_ram = const $crate::map::NON_SECURE_RAM,
            other_ram_end = const $crate::map::NON_SECURE_RAM + $crate::map::NON_SECURE_RAM_SIZE,
            other_ram_frames = const $crate::map::NON_SECURE_RAM_SIZE - 32,
            record = const $crate::map::FAILURE,
            running = const $crate::map::RUNNING - $crate::map::FAILURE,
            first = const $crate::map::RAM_FIRST,
            end = const $crate::map::RAM + $crate::map::RAM_SIZE,
            request = const $crate::map::RETAINED,
            recovery = const $crate::map::RECOVERY,
        );

        /// Wipes all of the RAM, leaves a record, and resets.
        fn failed() -> ! {
            // SAFETY: the code above has this symbol, uses no stack, and never returns.
            unsafe extern "C" {
                fn panicked() -> !;
            }
            // SAFETY: nothing of this program is used again.
            unsafe { panicked() }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(what: u32, pc: u32, secure_status: u32) -> [u32; WORDS] {
        let mut words = [MAGIC, what, pc, 0x1008_0101, 0x2, secure_status, 4, 0];
        words[WORDS - 1] = words.iter().fold(0, |sum, word| sum ^ word);
        words
    }

    #[test]
    fn fail_3_a_record_names_a_place_in_its_program_and_no_other_address() {
        let failure = of_record(&words(RUNTIME | FAULT, 0x1008_1234, 0)).unwrap();
        let (pc, lr) = (Some(0x1234), Some(0x100));
        assert_eq!((failure.stage, failure.kind), (Stage::Runtime, ChipFailureKind::Fault));
        assert_eq!((failure.resets, failure.pc, failure.lr), (4, pc, lr));
        for elsewhere in [0x3000_0040, 0x100a_0000, 0x1007_ffff, 0xdead_beef, 0] {
            let failure = of_record(&words(RUNTIME | FAULT, elsewhere, 0)).unwrap();
            assert_eq!(failure.pc, None, "{elsewhere:x}");
        }
        let other = of_record(&words((RUNTIME + OTHER_SIDE) | FAULT, 0x000a_0010, 8)).unwrap();
        assert_eq!((other.stage, other.kind), (Stage::Mailbox, ChipFailureKind::SecureFault));
        assert_eq!((other.pc, other.lr), (Some(0x10), None));
    }

    #[test]
    fn fail_3_a_record_of_a_rom_says_that_it_failed_and_nothing_else() {
        let failure = of_record(&words(ROM | FAULT, 0x1000_1234, 8)).unwrap();
        assert_eq!((failure.stage, failure.kind), (Stage::Rom, ChipFailureKind::Fault));
        assert_eq!((failure.pc, failure.lr, failure.resets), (None, None, 4));
        assert_eq!((failure.status, failure.secure_status), (0, 0));
    }

    #[test]
    fn fail_3_what_ram_holds_after_power_came_is_no_record() {
        let good = words(ROM | PANIC, 0x1000_0000, 0);
        assert!(of_record(&good).is_some());
        for place in 0..WORDS {
            for bit in 0..32 {
                let mut broken = good;
                broken[place] ^= 1 << bit;
                assert_eq!(of_record(&broken), None, "bit {bit} of word {place}");
            }
        }
        for fill in [0, u32::MAX, 0xa5a5_a5a5] {
            assert_eq!(of_record(&[fill; WORDS]), None);
        }
    }
}
