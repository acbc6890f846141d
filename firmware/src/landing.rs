//! Where bytes lie that nobody believes yet: a landing for those of the state and the trust store,
//! and code memory for a package, from a slot or from the line.
//!
//! Rule ROT-25: what an attacker may have written comes to no other place of the ROM's memory, also
//! if an instruction is skipped. On a stack it would lie beside return addresses, and one wrong
//! register would put it onto them. So the address of every store is made of the place alone, and
//! then forced into its region by more instructions than one that is missing can undo; lengths are
//! constants, or do not matter. What reads it leaves it where it is.
//!
//! What algorithms make of it is in `craton_trust::compact::Blinded`'s hands.

use crate::board::{self, Chip};
use crate::map;
use crate::register::write_register;
use core::hint::black_box;
use core::ptr;
use craton_rot::mailbox::frame::FrameMemory;
use craton_rot::platform::{Platform as _, Row, SECTOR_SIZE, Sector, Source};
use craton_rot::slots::{Marks, Slot};
use craton_rot::{Error, Result};

core::arch::global_asm!(
    ".section .text.landing, \"ax\", %progbits", // of its own: the ROM has it alone
    ".thumb",
    "udf #0", // whoever missed the end of what lies before
    // (from, length), in words.
    ".macro copy name, size, base, bank",
    ".global \\name",
    ".type \\name, %function",
    ".thumb_func",
    "\\name:",
    "movs r2, #0",
    "0:",
    "cmp r2, r1",
    "bhs 1f",
    "ldr r3, [r0, r2]",
    "force r2, \\size, \\base, \\bank",
    "str r3, [r12]",
    "adds r2, #4",
    "b 0b",
    "1:",
    "movs r3, #0", // it had what nobody believes
    "bx lr",
    "udf #0", // whoever missed the return
    ".size \\name, . - \\name",
    ".endm",
    // r12 becomes the address of a place: of whatever, for it is forced, by each step twice.
    ".macro force place, size, base, bank",
    "mov r12, \\place",
    "ubfx r12, r12, #0, #\\size",
    "ubfx r12, r12, #0, #\\size",
    "orr r12, r12, #\\base",
    "orr r12, r12, #\\base",
    "orr r12, r12, #\\bank",
    "orr r12, r12, #\\bank",
    ".endm",
    "copy rom_land, {landing_bits}, {landing_base}, {landing_bank}",
    "copy rom_fill, {code_bits}, {code_base}, {code_bank}",
    // (byte, place)
    ".global rom_put",
    ".type rom_put, %function",
    ".thumb_func",
    "rom_put:",
    "force r1, {code_bits}, {code_base}, {code_bank}",
    "strb r0, [r12]",
    "bx lr",
    "udf #0",
    ".size rom_put, . - rom_put",
    // (length, complement): zeros behind so many bytes, from the next whole word on, if both say
    // the same. A place behind the region's end is not in it again.
    ".global rom_clear",
    ".type rom_clear, %function",
    ".thumb_func",
    "rom_clear:",
    "mvns r2, r1",
    "eors r2, r0",
    "rsbs r3, r2, #0",
    "orrs r2, r3",
    "asrs r2, r2, #31",
    "adds r1, r0, #3",
    "bic r1, r1, #3",
    "orrs r1, r2",
    "movs r3, #0",
    "0:",
    "cmp r1, #{code_size}",
    "bhs 1f",
    "force r1, {code_bits} + 1, {code_base}, {code_bank}",
    "str r3, [r12]",
    "adds r1, #4",
    "b 0b",
    "1:",
    "bx lr",
    "udf #0",
    ".size rom_clear, . - rom_clear",
    // The byte of the ROM at an address.
    ".global rom_letter",
    ".type rom_letter, %function",
    ".thumb_func",
    "rom_letter:",
    "force r0, {rom_bits}, 0, {rom}",
    "ldrb r0, [r12]",
    "bx lr",
    "udf #0",
    ".size rom_letter, . - rom_letter",
    ".purgem copy",
    ".purgem force",
    landing_bits = const SIZE.ilog2(),
    landing_base = const base(map::LANDING),
    landing_bank = const bank(map::LANDING),
    code_size = const map::CODE_SIZE,
    code_bits = const map::CODE_SIZE.ilog2(),
    code_base = const base(map::CODE),
    code_bank = const bank(map::CODE),
    rom_bits = const ROM_BITS,
    rom = const map::ROM,
);

/// Bytes of the landing.
const SIZE: usize = SECTOR_SIZE;
/// Bits of a place in the ROM.
const ROM_BITS: u32 = 16;
/// The memory that an address is in.
const BANK: usize = 0xf000_0000;

const fn bank(address: usize) -> usize {
    address & BANK
}

const fn base(address: usize) -> usize {
    address & !BANK
}

// An address of the region is its beginning with the place's bits set.
const _: () = assert!(SIZE.is_power_of_two() && map::LANDING.is_multiple_of(SIZE));
const _: () = assert!(map::CODE_SIZE.is_power_of_two() && map::CODE.is_multiple_of(map::CODE_SIZE));

const _: () = assert!(map::ROM == bank(map::ROM) && map::ROM_SIZE <= 1 << ROM_BITS);

// SAFETY: each writes to its region alone, whatever it is given; the source must be memory. The
// last one reads the ROM, or faults.
unsafe extern "C" {
    fn rom_land(from: usize, length: usize);
    fn rom_fill(from: usize, length: usize);
    safe fn rom_put(byte: u32, place: usize);
    safe fn rom_clear(length: usize, complement: usize);
    safe fn rom_letter(address: usize) -> u8;
}

/// The byte at an address of the ROM: whatever it is given, of the ROM, for what a ROM says must
/// not be what lies in its memory.
pub(crate) fn letter(address: usize) -> u8 {
    rom_letter(address)
}

/// A chip of which the ROM may read, and believes nothing.
pub struct Landing<'c>(pub &'c Chip);

impl Source for Landing<'_> {
    /// Read twice, by different instructions: what one that is skipped reads in the place of the
    /// device secret may be known to others (ROT-18).
    fn row(&self, row: Row, into: &mut [u8]) -> Result<()> {
        self.0.fuses(row, into)?;
        let (from, _) = black_box(row).place();
        let same = (from..).zip(into).all(|(place, byte)| board::fuse(black_box(place)) == *byte);
        if same { Ok(()) } else { Err(Error::StorageFailed) }
    }

    fn look<const N: usize, T>(
        &self,
        sector: Sector,
        judge: impl FnOnce(&[u8; N]) -> T,
    ) -> Result<T> {
        const { assert!(N <= SIZE) };
        let landed = ptr::with_exposed_provenance::<[u8; N]>(map::LANDING);
        // SAFETY: a sector is memory, and so is the landing, which is in no linker script's RAM.
        // Nothing writes there while the reference lives: `judge` has no other one.
        let judged = unsafe {
            rom_land(map::STATE + sector as usize * SECTOR_SIZE, N);
            judge(&*landed)
        };
        (0..N).step_by(4).for_each(|place| write_register(map::LANDING + place, 0)); // ROT-23
        Ok(judged)
    }
}

/// Code memory, for the one copy of a package that is verified and started. There is one of these.
pub struct CodeMemory(());

impl CodeMemory {
    /// To `main`, which asks once.
    #[must_use]
    pub const fn of_the_rom() -> Self {
        Self(())
    }

    /// Copies the package in a slot here. Nothing of it is believed: a length beyond this memory
    /// gives an empty package, which no footer ends.
    pub fn package(&mut self, slot: Slot, marks: &Marks) -> &[u8] {
        let length = marks.length() as usize;
        let length = if length > map::CODE_SIZE { 0 } else { length };
        // SAFETY: a slot's room is memory of this size.
        unsafe { rom_fill(map::slot(slot) + map::SLOT_HEADER_SIZE, length) };
        Self::bytes(self).get(..length).unwrap_or(&[])
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let code = ptr::with_exposed_provenance(map::CODE);
        // SAFETY: the region is memory, no linker script of the ROM has it, and it is borrowed with
        // this, of which there is one.
        unsafe { core::slice::from_raw_parts(code, map::CODE_SIZE) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let code = ptr::with_exposed_provenance_mut(map::CODE);
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts_mut(code, map::CODE_SIZE) }
    }

    /// Wipes what is behind so many bytes, of which `complement` is the complement, but for what is
    /// left of their last word.
    pub fn wipe_behind(&mut self, length: usize, complement: usize) {
        rom_clear(length, complement);
    }
}

impl FrameMemory for &mut CodeMemory {
    fn bytes(&self) -> &[u8] {
        CodeMemory::bytes(self)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        CodeMemory::bytes_mut(self)
    }

    fn put(&mut self, place: usize, byte: u8) {
        rom_put(byte.into(), place);
    }

    fn move_to_front(&mut self, from: usize, length: usize) {
        if from <= map::CODE_SIZE && length <= map::CODE_SIZE - from {
            // SAFETY: it reads within this memory.
            unsafe { rom_fill(map::CODE + from, length) };
        }
    }
}
