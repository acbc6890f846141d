//! Where things are on the board; addresses are those of the secure side.

use craton_rot::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS};

/// The PSRAM, which stands for fuses and flash. It outlives the emulator if a file is behind it.
/// Anyone with that file, and a non-secure program, may change it: what is believed is copied out
/// of it first.
pub const FLASH: usize = 0x8000_0000;
/// Bytes of it that have a meaning.
pub const FLASH_SIZE: usize = SLOT - FLASH + SLOT_SIZE;
/// The fuses, alone in the first sector.
pub const FUSES: usize = FLASH;
/// The sectors of [`craton_rot::platform::Sector`].
pub const STATE: usize = FLASH + SECTOR_SIZE;
/// The place of the runtime's package: its length (u32, little-endian), then the package.
pub const SLOT: usize = FLASH + 0x1_0000;
/// Bytes of that place.
pub const SLOT_SIZE: usize = CODE_SIZE + SLOT_HEADER_SIZE;
/// Bytes before the package.
pub const SLOT_HEADER_SIZE: usize = 4;
/// Code memory on the secure side, for the one copy of a package that is verified and started.
pub const CODE: usize = 0x1008_0000;
/// Bytes of it.
pub const CODE_SIZE: usize = 256 * 1024;
/// The first UART.
pub const UART: usize = 0x5020_0000;

const _: () = assert!(FUSES_SIZE <= SECTOR_SIZE && STATE + SECTORS * SECTOR_SIZE <= SLOT);
