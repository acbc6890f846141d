//! The driver of the board's fuses and flash.

use crate::map;
use crate::random::{Hmac, Random};
use crate::register::{read_register, write_register};
use crate::start::{BLANK, HIDDEN};
use core::ops::Range;
use core::ptr;
use craton_rot::platform::{Platform, Row, SECTOR_SIZE, Sector, SlotFlash};
use craton_rot::{Capabilities, Error, Limit, Result, RotClass};
use zeroize::Zeroize as _;

/// The vector table after the exceptions: no program of ours takes an interrupt.
// SAFETY: cortex-m-rt's linker script wants a table of this name there, and reads it as one.
#[unsafe(link_section = ".vector_table.interrupts")]
// SAFETY: as above: no other symbol has this name.
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [u32; 1] = [0];

/// Fuses and flash in the PSRAM. NOR rules are kept here: bits only fall until a sector is erased,
/// and fuses only gain ones.
///
/// It does not promise what the PSRAM cannot: see [`Platform::capabilities`] of this value.
pub struct Chip {
    uds_locked: bool,
    random: Random,
}

impl Chip {
    /// As it is after a reset: its secret is readable, and it has no random numbers.
    pub(crate) const fn new() -> Self {
        Self { uds_locked: false, random: Random::NONE }
    }

    /// The ROM derived a layer: since then its secret is hidden (ROT-1).
    pub const fn hidden(&mut self) {
        self.uds_locked = true;
    }

    /// [`BLANK`], mixed with what speaks against this chip being blank. Without a branch, and by
    /// one word of the fuses where the engine reads bytes (ROT-18).
    #[must_use]
    pub fn blank_word(&self) -> u32 {
        let (offset, _) = Row::Lifecycle.place();
        let bytes = read_register(map::FUSES + offset).to_le_bytes();
        let burned = |byte: &u8| 4u32.wrapping_sub(byte.count_ones()) >> 3;
        BLANK ^ bytes.iter().fold(0, |all, byte| all | burned(byte))
    }

    /// [`HIDDEN`], mixed with what speaks against the device secret being hidden (ROT-18).
    #[must_use]
    pub fn hidden_word(&self) -> u32 {
        HIDDEN ^ regions::doubt_hidden()
    }

    /// Mixes somebody's random bytes into the random numbers.
    ///
    /// # Errors
    /// `RandomFailed` if nobody ever wrote a seed.
    pub fn stir(&mut self, bytes: &[u8]) -> Result<()> {
        self.random.stir(bytes)
    }

    /// Makes random numbers of the seed, which is replaced first: no later start has this one's.
    ///
    /// # Errors
    /// `RandomFailed` if nobody ever wrote a seed.
    pub fn seed(&mut self, hmac: Hmac) -> Result<()> {
        let mut seed = [0u8; map::SEED_SIZE];
        read(map::SEED, &mut seed);
        if seed == [0xff; map::SEED_SIZE] || seed == [0; map::SEED_SIZE] {
            return Err(Error::RandomFailed);
        }
        let next = hmac(&seed, &[b"craton/1/seed/next"]);
        change(map::SEED..map::SEED + next.len(), next.into_iter(), |_, new| new);
        self.random = Random::of(hmac(&seed, &[b"craton/1/seed/this"]), hmac);
        seed.zeroize();
        Ok(())
    }
}

/// Nothing outside the ROM can be executed from here on: a jump that a fault made is a fault
/// (ROT-18).
pub fn confine() {
    regions::confine();
}

/// A program can do what it needs, but for being executed. A real chip has a lock for its MPU; what
/// runs here can change it.
#[inline(always)] // in what never returns: whoever falls into it finds no return address (ROT-18)
pub fn open() {
    regions::open();
}

/// Lets this stage write one mark of a slot, by what is passed, and nothing else of the flash.
pub fn marking<T>(mark: impl FnOnce() -> T) -> T {
    regions::lock_flash(false);
    let done = mark();
    regions::lock_flash(true);
    done
}

/// Copies from the PSRAM. Volatile, because someone else may write there meanwhile.
pub(crate) fn read(from: usize, into: &mut [u8]) {
    for (address, byte) in (from..).zip(into) {
        // SAFETY: callers stay inside `FLASH_SIZE` bytes of the PSRAM.
        *byte = unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
    }
}

/// A byte of the fuses, by its place in them.
pub(crate) fn fuse(place: usize) -> u8 {
    let mut byte = [0];
    read(map::FUSES + place, &mut byte);
    let [byte] = byte;
    byte
}

/// Changes bytes of the PSRAM.
pub(crate) fn change(
    places: Range<usize>,
    bytes: impl Iterator<Item = u8>,
    by: impl Fn(u8, u8) -> u8,
) {
    for (address, byte) in places.zip(bytes) {
        let place = ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: as in `read`; no reference points into the PSRAM.
        unsafe { place.write_volatile(by(place.read_volatile(), byte)) };
    }
}

/// What the secure side may use of the address space, privileged or not, by its MPU; anything else
/// is a fault. The regions lie side by side, and none is moved while another is in use.
mod regions {
    use super::{map, read_register, write_register};
    use crate::start::{CODE_REGION as CODE, EXECUTABLE};
    use core::hint::black_box;

    const CONTROL: usize = 0xe000_ed94;
    const NUMBER: usize = CONTROL + 4;
    const BASE: usize = CONTROL + 8;
    const LIMIT: usize = CONTROL + 0xc;
    const ATTRIBUTES: usize = CONTROL + 0x2c;
    /// Also where a fault is handled: a vector table that a fault put elsewhere leads nowhere.
    const ENABLED: u32 = 0b11;
    const NEVER: u32 = EXECUTABLE | 1;
    const READ_ONLY: u32 = 0b11 << 1 | 1;
    /// What a mask of silicon would be: executed and read, and changed by nobody.
    const FIXED: u32 = 0b11 << 1;
    const ROM: u32 = 0;
    const FLASH: u32 = 2;
    const OTHERS: u32 = 3;
    /// Where RAM and devices begin.
    const RAM: usize = 0x2000_0000;

    /// Only the ROM can be executed, and the flash cannot be changed.
    ///
    /// Each write is beside one address, which no later instruction can lose: that of another place
    /// may be the ROM's, which nothing protects yet on a board that has it in RAM.
    pub fn confine() {
        let control = black_box(CONTROL);
        let at = |register: usize| control + (register - CONTROL);
        write_register(at(ATTRIBUTES), 0x44); // both memory that nothing caches
        for (number, first, end, access) in [
            (ROM, map::ROM, map::ROM + map::ROM_SIZE, FIXED),
            (CODE, map::CODE, map::CODE + map::CODE_SIZE, NEVER),
            (FLASH, map::FLASH, 0, READ_ONLY),
            (OTHERS, RAM, map::FLASH, NEVER),
        ] {
            write_register(at(NUMBER), number);
            write_register(at(BASE), first as u32 | access);
            write_register(at(LIMIT), end.wrapping_sub(0x20) as u32 | 1);
        }
        write_register(at(CONTROL), ENABLED);
        settle();
    }

    /// The other side's code can be read, and what can be read of the flash be changed.
    #[inline(always)]
    pub fn open() {
        change(ROM, 0, FIXED);
        write_register(NUMBER, FLASH);
        let flash = read_register(BASE);
        write_register(BASE, flash & !READ_ONLY | NEVER);
        settle();
    }

    /// What can be read of the flash can be changed, or not.
    pub fn lock_flash(locked: bool) {
        write_register(NUMBER, FLASH);
        let flash = read_register(BASE) & !READ_ONLY;
        write_register(BASE, flash | if locked { READ_ONLY } else { NEVER });
        settle();
    }

    /// The flash begins after the device secret.
    pub fn hide() {
        change(FLASH, map::FUSES + map::SECRET_SIZE, READ_ONLY);
    }

    /// What speaks against the device secret being hidden: 0 is nothing.
    #[inline(never)] // so that it is not concluded from what was written
    pub fn doubt_hidden() -> u32 {
        write_register(NUMBER, FLASH);
        let first = (map::FUSES + map::SECRET_SIZE) as u32;
        (read_register(BASE) & !0x1f ^ first) | (read_register(CONTROL) ^ ENABLED)
    }

    #[inline(always)]
    fn change(number: u32, first: usize, access: u32) {
        write_register(NUMBER, number);
        write_register(BASE, first as u32 | access);
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
        read(map::FUSES + offset, into);
        Ok(())
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        let (offset, length) = row.place();
        if bits.len() != length {
            return Err(Error::StorageFailed);
        }
        let first = map::FUSES + offset;
        change(first..first + length, bits.iter().copied(), |old, new| old | new);
        Ok(())
    }

    fn lock_uds(&mut self) {
        self.uds_locked = true;
        regions::hide();
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        read(places(sector, offset, into.len())?.start, into);
        Ok(())
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        change(places(sector, 0, SECTOR_SIZE)?, core::iter::repeat(0xff), |_, new| new);
        Ok(())
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        let places = places(sector, offset, bytes.len())?;
        change(places, bytes.iter().copied(), |old, new| old & new);
        Ok(())
    }

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
        self.random.fill(out, || Ok([]))
    }

    fn capabilities(&self) -> Capabilities {
        let limits = &[
            Limit::SecretReadableByHost,
            Limit::StorageCanBeRolledBack,
            Limit::NextLayerMeasuresItself,
            Limit::FusesAreErasable,
        ];
        Capabilities { class: RotClass::Firmware, limits }
    }
}
