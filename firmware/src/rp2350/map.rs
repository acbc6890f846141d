//! Where things are on an RP2350: one address for both sides, by which the SAU tells them apart.
//!
//! Compile-only: never run on the part. Addresses: Raspberry Pi, pico-sdk, `addressmap.h`.

use craton_rot::platform::{SECTOR_SIZE, SECTORS};
use craton_rot::slots::Slot;

/// The external flash, where it is read and executed.
pub const FLASH: usize = 0x1000_0000;
/// Bytes of it, at least.
pub const FLASH_SIZE: usize = SLOTS - FLASH + 2 * SLOT_SIZE;
/// The sectors of [`craton_rot::platform::Sector`].
pub const STATE: usize = FLASH + 0x2_0000;
/// The two slots.
pub const SLOTS: usize = FLASH + 0x4_0000;
/// Bytes of a slot.
pub const SLOT_SIZE: usize = SLOT_HEADER_SIZE + CODE_SIZE;
/// Bytes before the package.
pub const SLOT_HEADER_SIZE: usize = SECTOR_SIZE;

/// Where a slot begins.
#[must_use]
pub const fn slot(slot: Slot) -> usize {
    SLOTS + slot as usize * SLOT_SIZE
}

/// The ROM: the first of the flash. It is one only if the chip's own boot ROM verifies it.
pub const ROM: usize = FLASH;
/// Bytes of it.
pub const ROM_SIZE: usize = 48 * 1024;
/// The table of what the ROM gives to the program: the last bytes of the ROM.
pub const ROM_TABLE: usize = 0x1000_bfc0;
/// Code memory, for the one copy of a package that is verified and started: SRAM banks 0 to 3.
pub const CODE: usize = 0x2000_0000;
/// Bytes of it.
pub const CODE_SIZE: usize = 256 * 1024;
/// Where a program's gate is: its one entry from the non-secure side.
pub const GATE: usize = CODE + NON_SECURE_OFFSET - GATE_SIZE;
/// Bytes of the gate.
pub const GATE_SIZE: usize = 32;
/// Where in a program its non-secure part begins.
pub const NON_SECURE_OFFSET: usize = 128 * 1024;
/// The same place as the non-secure side sees it.
pub const NON_SECURE_CODE: usize = CODE + NON_SECURE_OFFSET;
/// Bytes of the non-secure part.
pub const NON_SECURE_CODE_SIZE: usize = CODE_SIZE - NON_SECURE_OFFSET;
/// What the secure alias of an address adds to it: there is none.
pub const SECURE_ALIAS: usize = 0;

/// The secure RAM: the first of SRAM banks 4 to 7.
pub const RAM: usize = 0x2004_0000;
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
pub const HANDOVER: usize = RAM + 0x7c00;
/// The memory of the non-secure side.
pub const NON_SECURE_RAM: usize = 0x2005_0000;
/// Bytes of it.
pub const NON_SECURE_RAM_SIZE: usize = 0x6000;
/// The end of all RAM.
pub const RAM_END: usize = 0x2008_2000;
/// The largest answer that the mailbox gives, bytes: a section of the trust store, or evidence.
pub const ANSWER_MAX: usize = 8 * 1024;

/// The first UART: what the ROM says, for people.
pub const UART: usize = 0x4007_0000;
/// The second UART, given to the non-secure side: the mailbox.
pub const LINE: usize = 0x4007_8000;

/// OTP: its control, and its rows as 24 raw bits in words.
pub const OTP: usize = 0x4012_0000;
/// As above.
pub const OTP_ROWS: usize = 0x4013_4000;
/// Rows of a page, which is what a lock hides.
pub const OTP_PAGE_ROWS: usize = 64;
/// The page of the device secret, alone in it; the other fuses are in the next two. These pages
/// are nobody's yet on a new chip.
pub const SECRET_PAGE: usize = 48;

const _: () = assert!(ROM + ROM_SIZE <= STATE && STATE + SECTORS * SECTOR_SIZE <= SLOTS);
const _: () = assert!(NON_SECURE_RAM + NON_SECURE_RAM_SIZE <= RAM_END);
