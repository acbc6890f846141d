//! Where things are on the board; addresses are those of the secure side unless they say otherwise.

use craton_rot::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS};
use craton_rot::slots::Slot;

/// The PSRAM, which stands for fuses and flash. It outlives the emulator if a file is behind it.
/// Anyone with that file may change it: what is believed is copied out of it first.
pub const FLASH: usize = 0x8000_0000;
/// Bytes of the PSRAM.
pub const PSRAM_SIZE: usize = 16 * 1024 * 1024;
/// Bytes of it that have a meaning.
pub const FLASH_SIZE: usize = SLOTS - FLASH + 2 * SLOT_SIZE;
/// The fuses, alone in the first sector. The device secret comes first.
pub const FUSES: usize = FLASH;
/// Bytes from there on that only the ROM may read.
pub const SECRET_SIZE: usize = 32;
/// The sectors of [`craton_rot::platform::Sector`].
pub const STATE: usize = FLASH + SECTOR_SIZE;
/// The seed of the random numbers: the board has no source of its own, so whoever gives it power
/// writes fresh bytes here, and the firmware replaces them before it uses them.
pub const SEED: usize = STATE + SECTORS * SECTOR_SIZE;
/// Bytes of the seed.
pub const SEED_SIZE: usize = 64;
/// The two places of the program's package: in each a sector of marks, then a room.
pub const SLOTS: usize = FLASH + 0x1_0000;
/// Bytes of each.
pub const SLOT_SIZE: usize = SLOT_HEADER_SIZE + CODE_SIZE;
/// Bytes before the package.
pub const SLOT_HEADER_SIZE: usize = SECTOR_SIZE;

/// Where a slot begins.
#[must_use]
pub const fn slot(slot: Slot) -> usize {
    SLOTS + slot as usize * SLOT_SIZE
}

/// The ROM.
pub const ROM: usize = 0x1000_0000;
/// Bytes of it.
pub const ROM_SIZE: usize = 48 * 1024;
/// The table of what the ROM gives to the program: the last bytes of the ROM.
pub const ROM_TABLE: usize = 0x1000_bfc0;
/// Code memory on the secure side, for the one copy of a package that is verified and started.
pub const CODE: usize = 0x1008_0000;
/// Bytes of it.
pub const CODE_SIZE: usize = 256 * 1024;
/// Where a program's gate is: its one entry from the non-secure side.
pub const GATE: usize = CODE + NON_SECURE_OFFSET - GATE_SIZE;
/// Bytes of the gate.
pub const GATE_SIZE: usize = 32;
/// Where in a program its non-secure part begins.
pub const NON_SECURE_OFFSET: usize = 128 * 1024;
/// The same place as the non-secure side sees it.
pub const NON_SECURE_CODE: usize = CODE - SECURE_ALIAS + NON_SECURE_OFFSET;
/// Bytes of the non-secure part.
pub const NON_SECURE_CODE_SIZE: usize = CODE_SIZE - NON_SECURE_OFFSET;
/// What the secure alias of an address adds to it.
pub const SECURE_ALIAS: usize = 0x1000_0000;

/// The secure RAM.
pub const RAM: usize = 0x3000_0000;
/// Bytes of it.
pub const RAM_SIZE: usize = 32 * 1024;
/// A word that a reset keeps: how to start next. It is the first of the secure RAM.
pub const RETAINED: usize = RAM;
/// What it is to start in mode Recovery.
pub const RECOVERY: u32 = 0x7ec0_fe1d;
/// What a reset keeps, too: the record of a failure ([`crate::failure`]).
pub const FAILURE: usize = RETAINED + 8;
/// The first bytes of the digest of the program that runs.
pub const RUNNING: usize = FAILURE + 32;
/// Those of the program that failed.
pub const FAILED: usize = RUNNING + 16;
/// The RAM of programs begins here, after all that a reset keeps.
pub const RAM_FIRST: usize = RETAINED + 0x60;
/// Where the ROM hands over: above its own stack. It is wiped before it is the other side's.
pub const HANDOVER: usize = 0x3000_7c00;
/// The memory of the non-secure side, as that side sees it.
pub const NON_SECURE_RAM: usize = 0x2820_0000;
/// Bytes of it.
pub const NON_SECURE_RAM_SIZE: usize = 0x6000;
/// The largest answer that the mailbox gives, bytes: a section of the trust store, or evidence.
pub const ANSWER_MAX: usize = 8 * 1024;

/// The first UART: what the ROM says, for people.
pub const UART: usize = 0x5020_0000;
/// The second UART, on the non-secure side: the mailbox.
pub const LINE: usize = 0x4020_1000;

const _: () = assert!(FAILED + 16 <= RAM_FIRST);
const _: () = assert!(FUSES_SIZE <= SECTOR_SIZE && SEED + SEED_SIZE <= SLOTS);
