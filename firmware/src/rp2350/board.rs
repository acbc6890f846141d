//! An RP2350: the driver of its OTP and flash.
//!
//! Compile-only: never run on the part. Registers are those of Raspberry Pi's pico-sdk
//! (`src/rp2350/hardware_regs`), calls of the boot ROM those of its `pico/bootrom.h`. Not known by
//! those alone, and so to be asked of the data sheet and of a board: whether the boot ROM's calls
//! need more of the address space than [`confine`] leaves; whether they return to code that is
//! executed from flash, as the ROM's is; what a power cut leaves of a row of OTP.

use crate::map;
use crate::random::{Hmac, Random};
use crate::register::{read_register, write_register};
use crate::start::{BLANK, HIDDEN};
use core::ops::Range;
use core::ptr;
use craton_rot::platform::{Platform, Row, SECTOR_SIZE, Sector, SlotFlash};
use craton_rot::{Capabilities, Error, Limit, Result, RotClass};

/// The vector table after the exceptions: no program of ours takes an interrupt.
// SAFETY: cortex-m-rt's linker script wants a table of this name there, and reads it as one.
#[unsafe(link_section = ".vector_table.interrupts")]
// SAFETY: as above: no other symbol has this name.
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [u32; 1] = [0];

/// What the boot ROM wants to find in the first 4 KiB of what it starts: begin, an executable for
/// this chip's Arm cores in secure state, last item of one word, no other block, end.
// SAFETY: the ROM's linker script puts it after the vector table; the other programs leave it out.
#[unsafe(link_section = ".start_block")]
#[used]
static START_BLOCK: [u32; 5] = [0xffff_ded3, 0x1021_0142, 0x0000_01ff, 0, 0xab12_3579];

/// OTP and external flash.
pub struct Chip {
    uds_locked: bool,
    random: Random,
}

impl Chip {
    /// As it is after a reset.
    pub(crate) const fn new() -> Self {
        Self { uds_locked: false, random: Random::NONE }
    }

    /// The ROM derived a layer: since then its secret is hidden (ROT-1).
    pub const fn hidden(&mut self) {
        self.uds_locked = true;
    }

    /// [`BLANK`], mixed with what speaks against this chip being blank, without a branch (ROT-18).
    #[must_use]
    pub fn blank_word(&self) -> u32 {
        let (offset, length) = Row::Lifecycle.place();
        let bytes = (offset..offset + length).map(otp::byte);
        let burned = |byte: u8| 4u32.wrapping_sub(byte.count_ones()) >> 3;
        BLANK ^ bytes.fold(0, |all, byte| all | burned(byte))
    }

    /// [`HIDDEN`], mixed with what speaks against the device secret being hidden (ROT-18).
    #[must_use]
    pub fn hidden_word(&self) -> u32 {
        HIDDEN ^ otp::doubt_hidden()
    }

    /// Mixes somebody's random bytes into the random numbers.
    ///
    /// # Errors
    /// `RandomFailed` before [`Chip::seed`].
    pub fn stir(&mut self, bytes: &[u8]) -> Result<()> {
        self.random.stir(bytes)
    }

    /// Starts the random numbers by the chip's source.
    ///
    /// # Errors
    /// `RandomFailed` if that says that it is broken.
    pub fn seed(&mut self, hmac: Hmac) -> Result<()> {
        let key = hmac(&trng::draw()?, &[b"craton/1/seed/this", &trng::draw()?]);
        self.random = Random::of(key, hmac);
        Ok(())
    }
}

/// Only the ROM and the chip's boot ROM can be executed from here on (ROT-18).
pub fn confine() {
    regions::confine();
}

/// A program can do what it needs, but for being executed: nothing is closed here.
pub const fn open() {}

/// Writes one mark of a slot. Here no store changes the flash, so that there is nothing to lock.
pub fn marking<T>(mark: impl FnOnce() -> T) -> T {
    mark()
}

/// Copies from flash, as it is mapped.
pub(crate) fn read(from: usize, into: &mut [u8]) {
    for (address, byte) in (from..).zip(into) {
        // SAFETY: callers stay inside `FLASH_SIZE` bytes of the flash.
        *byte = unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
    }
}

/// A byte of the fuses, by its place in them.
pub(crate) fn fuse(place: usize) -> u8 {
    otp::byte(place)
}

/// Changes flash: an erase, of whole sectors, if `by` can make a one of a zero; otherwise a
/// program, in pages whose other bytes are ones and stay what they are. What the boot ROM refuses
/// is not done, and the engine reads back what must be there.
pub(crate) fn change(
    places: Range<usize>,
    bytes: impl Iterator<Item = u8>,
    by: impl Fn(u8, u8) -> u8,
) {
    if by(0, 0xff) != 0 {
        return bootrom::flash_erase(places.start, places.len());
    }
    let mut page = [0xff; PAGE_SIZE];
    let mut at = places.start & !(PAGE_SIZE - 1);
    for (address, byte) in places.zip(bytes) {
        if address - at == PAGE_SIZE {
            bootrom::flash_program(at, &mut page);
            (page, at) = ([0xff; PAGE_SIZE], address);
        }
        if let Some(place) = page.get_mut(address - at) {
            *place = byte;
        }
    }
    bootrom::flash_program(at, &mut page);
}

/// Bytes that are programmed at once.
const PAGE_SIZE: usize = 256;

/// Calls of the chip's boot ROM.
mod bootrom {
    use super::PAGE_SIZE;
    use core::ptr;

    const TABLE_LOOKUP: usize = 0x16;
    const ARM_SECURE: u32 = 4;
    const FLASH_OP: u32 = u32::from_le_bytes(*b"FO\0\0");
    const OTP_ACCESS: u32 = u32::from_le_bytes(*b"OA\0\0");
    /// Storage addresses, at the secure level.
    const SECURE: u32 = 1 << 8;
    const PROGRAM: u32 = 1 << 16;
    const OTP_WRITE: u32 = 1 << 16;

    fn find(code: u32) -> *const () {
        // SAFETY: the boot ROM has there the address of a function of this type, below 64 KiB.
        unsafe {
            let place = ptr::with_exposed_provenance::<u16>(TABLE_LOOKUP).read_volatile();
            let lookup = ptr::with_exposed_provenance::<()>(usize::from(place));
            let lookup: extern "C" fn(u32, u32) -> *const () = core::mem::transmute(lookup);
            lookup(code, ARM_SECURE)
        }
    }

    fn flash(flags: u32, at: usize, length: usize, bytes: *mut u8) {
        let found = find(FLASH_OP);
        if found.is_null() {
            return;
        }
        // SAFETY: the table says that it is `flash_op`, which checks what it is given.
        unsafe {
            let flash_op: extern "C" fn(u32, usize, u32, *mut u8) -> i32 =
                core::mem::transmute(found);
            flash_op(flags | SECURE, at, length as u32, bytes);
        }
    }

    pub fn flash_erase(at: usize, length: usize) {
        flash(0, at, length, ptr::null_mut());
    }

    pub fn flash_program(at: usize, page: &mut [u8; PAGE_SIZE]) {
        flash(PROGRAM, at, PAGE_SIZE, page.as_mut_ptr());
    }

    /// Burns the ones of 24 bits into a row; whether the boot ROM says that it did.
    pub fn otp_burn(row: usize, bits: u32) -> bool {
        let (found, mut word) = (find(OTP_ACCESS), bits);
        if found.is_null() {
            return false;
        }
        // SAFETY: the table says that it is `otp_access`; the buffer is one word, as is said.
        unsafe {
            let otp_access: extern "C" fn(*mut u32, u32, u32) -> i32 = core::mem::transmute(found);
            otp_access(&raw mut word, 4, row as u32 | OTP_WRITE) == 0
        }
    }
}

/// Fuses: a byte is a row of OTP, three times, and most of its copies count.
mod otp {
    use super::{bootrom, map, read_register, write_register};
    use craton_rot::platform::Row;

    /// Secure and non-secure: no access until the next reset.
    const INACCESSIBLE: u32 = 0b1111;
    const LOCK: usize = map::OTP + 4 * map::SECRET_PAGE;

    /// The row of a byte of the fuses: those of the device secret come first.
    fn row(offset: usize) -> usize {
        let (_, secret) = Row::Uds.place();
        let page = if offset < secret { 0 } else { map::OTP_PAGE_ROWS - secret };
        map::SECRET_PAGE * map::OTP_PAGE_ROWS + page + offset
    }

    pub fn byte(offset: usize) -> u8 {
        let [one, two, three, _] = read_register(map::OTP_ROWS + 4 * row(offset)).to_le_bytes();
        (one & two) | (one & three) | (two & three)
    }

    pub fn burn(offset: usize, bits: u8) -> bool {
        let wanted = u32::from(byte(offset) | bits) * 0x01_0101;
        let found = read_register(map::OTP_ROWS + 4 * row(offset)) & 0xff_ffff;
        // No bit goes back, also of a copy that differs.
        found | wanted == found || bootrom::otp_burn(row(offset), found | wanted)
    }

    pub fn hide() {
        write_register(LOCK, INACCESSIBLE);
    }

    #[inline(never)] // so that it is not concluded from what was written
    pub fn doubt_hidden() -> u32 {
        read_register(LOCK) & INACCESSIBLE ^ INACCESSIBLE
    }
}

/// The chip's source of randomness: 192 bits at a time, with its own health tests.
mod trng {
    use super::{read_register, write_register};
    use craton_rot::{Error, Result};

    const TRNG: usize = 0x400f_0000;
    const STATE: usize = TRNG + 0x104;
    const CLEAR: usize = TRNG + 0x108;
    const DATA: usize = TRNG + 0x114;
    const ENABLE: usize = TRNG + 0x12c;
    const SAMPLE_COUNT: usize = TRNG + 0x130;
    const RESET: usize = TRNG + 0x140;
    const VALID: u32 = 1;
    const ERRORS: u32 = 0b1110;
    const SPINS_MAX: u32 = 1_000_000;
    /// Cycles between two samples: long rather than fast, until somebody measured the entropy.
    const SAMPLE_EVERY: u32 = 1000;

    pub fn draw() -> Result<[u8; 24]> {
        write_register(RESET, 1);
        write_register(SAMPLE_COUNT, SAMPLE_EVERY);
        write_register(CLEAR, VALID | ERRORS);
        write_register(ENABLE, 1);
        let ready = || read_register(STATE) & (VALID | ERRORS) != 0;
        let came = (0..SPINS_MAX).any(|_| ready());
        let good = came && read_register(STATE) & (VALID | ERRORS) == VALID;
        let mut drawn = [0; 24];
        for (place, word) in drawn.chunks_mut(4).enumerate() {
            word.copy_from_slice(&read_register(DATA + 4 * place).to_le_bytes());
        }
        write_register(ENABLE, 0);
        if good { Ok(drawn) } else { Err(Error::RandomFailed) }
    }
}

/// What the secure side may use of the address space, by its MPU.
mod regions {
    use super::{map, write_register};
    use crate::start::{CODE_REGION as CODE, EXECUTABLE};

    const CONTROL: usize = 0xe000_ed94;
    const NUMBER: usize = CONTROL + 4;
    const BASE: usize = CONTROL + 8;
    const LIMIT: usize = CONTROL + 0xc;
    const ATTRIBUTES: usize = CONTROL + 0x2c;
    /// Also where a fault is handled: a vector table that a fault put elsewhere leads nowhere.
    const ENABLED: u32 = 0b11;
    const NEVER: u32 = EXECUTABLE | 1;
    const READ_ONLY: u32 = 0b11 << 1 | 1;
    const FIXED: u32 = 0b11 << 1;
    const DEVICE: u32 = 1 << 1;

    /// Only the ROM and the boot ROM can be executed.
    pub fn confine() {
        // Memory that nothing caches, and devices.
        write_register(ATTRIBUTES, 0x0044);
        for (number, first, end, access, kind) in [
            (0, map::ROM, map::ROM + map::ROM_SIZE, FIXED, 0),
            (CODE, map::CODE, map::CODE + map::CODE_SIZE, NEVER, 0),
            (2, map::ROM + map::ROM_SIZE, map::FLASH + 0x400_0000, READ_ONLY, 0),
            (3, map::RAM, map::RAM_END, NEVER, 0),
            (4, 0x4000_0000, 0x6000_0000, NEVER, DEVICE),
            (5, 0, 0x8000, FIXED, 0),
            (6, 0xd000_0000, 0xd004_0000, NEVER, DEVICE),
        ] {
            write_register(NUMBER, number);
            write_register(BASE, first as u32 | access);
            write_register(LIMIT, (end - 0x20) as u32 | kind | 1);
        }
        write_register(CONTROL, ENABLED);
        settle();
    }

    fn settle() {
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
    }
}

/// The addresses of `length` bytes of a sector.
fn places(sector: Sector, offset: usize, length: usize) -> Result<Range<usize>> {
    let end = offset.checked_add(length).filter(|end| *end <= SECTOR_SIZE);
    let end = end.ok_or(Error::StorageFailed)?;
    let first = map::STATE + sector as usize * SECTOR_SIZE;
    Ok(first + offset..first + end)
}

impl Platform for Chip {
    fn reset(&mut self) {
        self.uds_locked = false;
    }

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        let (offset, length) = row.place();
        if row == Row::Uds && self.uds_locked {
            return Err(Error::UdsLocked);
        }
        if into.len() != length {
            return Err(Error::StorageFailed);
        }
        into.iter_mut().zip(offset..).for_each(|(byte, offset)| *byte = otp::byte(offset));
        Ok(())
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        let (offset, length) = row.place();
        let burned = bits.len() == length
            && (offset..).zip(bits).all(|(offset, bits)| otp::burn(offset, *bits));
        if burned { Ok(()) } else { Err(Error::StorageFailed) }
    }

    fn lock_uds(&mut self) {
        self.uds_locked = true;
        otp::hide();
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        read(places(sector, offset, into.len())?.start, into);
        Ok(())
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        let places = places(sector, 0, SECTOR_SIZE)?;
        bootrom::flash_erase(places.start, places.len());
        Ok(())
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        let places = places(sector, offset, bytes.len())?;
        change(places.clone(), bytes.iter().copied(), |old, new| old & new);
        let same = places.zip(bytes).all(|(address, byte)| {
            let mut found = [0];
            read(address, &mut found);
            found == [*byte]
        });
        if same { Ok(()) } else { Err(Error::StorageFailed) }
    }

    /// Each call of the boot ROM returns when the flash is done.
    fn sync(&mut self) -> Result<()> {
        cortex_m::asm::dsb();
        Ok(())
    }

    fn slots(&self) -> Option<&dyn SlotFlash> {
        Some(self)
    }

    fn slots_mut(&mut self) -> Option<&mut dyn SlotFlash> {
        Some(self)
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        self.random.fill(out, trng::draw)
    }

    /// The state is in a flash of its own, which somebody with tools copies and puts back.
    fn capabilities(&self) -> Capabilities {
        let limits = &[Limit::StorageCanBeRolledBack, Limit::NextLayerMeasuresItself];
        Capabilities { class: RotClass::Firmware, limits }
    }
}
