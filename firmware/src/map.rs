//! Where things are on the board; addresses are those of the secure side unless they say otherwise.

pub use crate::layout::*;
use craton_rot::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS};

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

/// The ROM.
pub const ROM: usize = 0x1000_0000;
/// Bytes of it.
pub const ROM_SIZE: usize = 48 * 1024;
/// The table of what the ROM gives to the program: the last bytes of the ROM.
pub const ROM_TABLE: usize = 0x1000_bfc0;
/// Code memory on the secure side, for the one copy of a package that is verified and started.
pub const CODE: usize = 0x1008_0000;
/// What the secure alias of an address adds to it.
pub const SECURE_ALIAS: usize = 0x1000_0000;

/// The secure RAM.
pub const RAM: usize = 0x3000_0000;
/// The memory of the non-secure side, as that side sees it.
pub const NON_SECURE_RAM: usize = 0x2820_0000;

/// The first UART: what the ROM says, for people.
pub const UART: usize = 0x5020_0000;
/// The second UART, on the non-secure side: the mailbox.
pub const LINE: usize = 0x4020_1000;

const _: () = assert!(FUSES_SIZE <= SECTOR_SIZE && SEED + SEED_SIZE <= SLOTS);
