//! What ROM and programs agree on whatever the board is, from where its map says that its memories
//! begin.

use crate::map::{CODE, RAM, SECURE_ALIAS, SLOTS};
use craton_rot::platform::SECTOR_SIZE;
use craton_rot::slots::Slot;

/// Bytes of a slot: a sector of marks, then the room for a package.
pub const SLOT_SIZE: usize = SLOT_HEADER_SIZE + CODE_SIZE;
/// Bytes before the package.
pub const SLOT_HEADER_SIZE: usize = SECTOR_SIZE;

/// Where a slot begins.
#[must_use]
pub const fn slot(slot: Slot) -> usize {
    SLOTS + slot as usize * SLOT_SIZE
}

/// Bytes of the code memory.
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

/// Bytes of the secure RAM.
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
/// Where bytes of the flash land that the ROM does not believe yet ([`crate::landing`]): below all
/// else that it keeps in RAM.
pub const LANDING: usize = RAM + 0x2000;
/// Where the ROM hands over: above its own stack. It is wiped before it is the other side's.
pub const HANDOVER: usize = RAM + 0x7c00;
/// Bytes of the memory of the non-secure side.
pub const NON_SECURE_RAM_SIZE: usize = 0x4000;
/// The largest frame that the mailbox takes, and what a request and its reply need together, bytes.
pub const FRAME_MAX: usize = craton_rot::mailbox::FRAME_MAX;

const _: () = assert!(FAILED + 16 <= RAM_FIRST);
