//! Where things are on an RP2350: one address for both sides, by which the SAU tells them apart.
//!
//! Compile-only: never run on the part. Addresses: Raspberry Pi, pico-sdk, `addressmap.h`.

pub use crate::layout::*;
use craton_rot::platform::{SECTOR_SIZE, SECTORS};

/// The external flash, where it is read and executed.
pub const FLASH: usize = 0x1000_0000;
/// Bytes of it, at least.
pub const FLASH_SIZE: usize = SLOTS - FLASH + 2 * SLOT_SIZE;
/// The sectors of [`craton_rot::platform::Sector`].
pub const STATE: usize = FLASH + 0x2_0000;
/// The two slots.
pub const SLOTS: usize = FLASH + 0x4_0000;

/// The ROM: the first of the flash. It is one only if the chip's own boot ROM verifies it.
pub const ROM: usize = FLASH;
/// Bytes of it: its drivers are longer than those of the board, which fill 48 KiB.
pub const ROM_SIZE: usize = 52 * 1024;
/// The table of what the ROM gives to the program: the last bytes of the ROM.
pub const ROM_TABLE: usize = 0x1000_cfc0;
/// Code memory, for the one copy of a package that is verified and started: SRAM banks 0 to 3.
pub const CODE: usize = 0x2000_0000;
/// What the secure alias of an address adds to it: there is none.
pub const SECURE_ALIAS: usize = 0;

/// The secure RAM: the first of SRAM banks 4 to 7.
pub const RAM: usize = 0x2004_0000;
/// The memory of the non-secure side.
pub const NON_SECURE_RAM: usize = 0x2005_0000;
/// The end of all RAM.
pub const RAM_END: usize = 0x2008_2000;

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
