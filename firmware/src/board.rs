//! The board: what there is one of, and the driver of its fuses and flash.

use crate::map;
use crate::register::write_register;
use crate::uart::Uart;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use craton_rot::platform::{Platform, Row, SECTOR_SIZE, Sector};
use craton_rot::{Capabilities, Error, Limit, Result, RotClass};
use craton_trust::suit::{FOOTER_SIZE, Footer};
use zeroize::Zeroize as _;

/// The vector table after the exceptions: no program of ours takes an interrupt.
// SAFETY: cortex-m-rt's linker script wants a table of this name there, and reads it as one.
#[unsafe(link_section = ".vector_table.interrupts")]
// SAFETY: as above: no other symbol has this name.
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [u32; 1] = [0];

/// All of the board. There is one.
pub struct Board {
    /// Where a line goes.
    pub uart: Uart,
    /// Fuses and flash.
    pub chip: Chip,
    /// Code memory for one package.
    pub code: &'static mut [u8],
}

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Board {
    /// The board, to the first who asks.
    #[must_use]
    pub fn take() -> Option<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        let code = ptr::with_exposed_provenance_mut(map::CODE);
        // SAFETY: the region is memory, no program's linker script of this stage has it (rom's ends
        // 464 KiB below), and `TAKEN` makes this the only reference.
        let code = unsafe { core::slice::from_raw_parts_mut(code, map::CODE_SIZE) };
        Some(Self { uart: Uart::start(), chip: Chip::new(), code })
    }
}

/// Fuses and flash in the PSRAM. NOR rules are kept here: bits only fall until a sector is erased,
/// and fuses only gain ones.
///
/// It does not promise what the PSRAM cannot: see [`Platform::capabilities`] of this value.
pub struct Chip {
    uds_locked: bool,
    random: Option<Random>,
}

/// HMAC-SHA-512 of a key that is replaced after each use.
struct Random {
    key: [u8; 64],
    hmac: Hmac,
}

/// HMAC-SHA-512 over parts.
pub type Hmac = fn(&[u8], &[&[u8]]) -> [u8; 64];

impl Chip {
    /// As it is after a reset: its secret is readable, and it has no random numbers.
    const fn new() -> Self {
        Self { uds_locked: false, random: None }
    }

    /// The ROM derived a layer: since then its secret is hidden (ROT-1).
    pub const fn hidden(&mut self) {
        self.uds_locked = true;
    }

    /// Mixes somebody's random bytes into the random numbers.
    ///
    /// # Errors
    /// `RandomFailed` if nobody ever wrote a seed.
    pub fn stir(&mut self, bytes: &[u8]) -> Result<()> {
        let Random { key, hmac } = self.random.as_mut().ok_or(Error::RandomFailed)?;
        *key = hmac(key, &[b"stir", bytes]);
        Ok(())
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
        self.random = Some(Random { key: hmac(&seed, &[b"craton/1/seed/this"]), hmac });
        seed.zeroize();
        Ok(())
    }

    /// Copies the package in the slot into `code`. Nothing of it is believed: a length beyond the
    /// slot or `code` gives an empty package, which no footer ends.
    pub fn package<'c>(&self, code: &'c mut [u8]) -> &'c [u8] {
        let mut header = [0u8; map::SLOT_HEADER_SIZE];
        read(map::SLOT, &mut header);
        let length = u32::from_le_bytes(header) as usize;
        let room = match code.get_mut(..length) {
            Some(room) if length <= map::CODE_SIZE => room,
            _ => return &[],
        };
        read(map::SLOT + map::SLOT_HEADER_SIZE, room);
        room
    }
}

/// Copies from the PSRAM. Volatile, because someone else may write there meanwhile.
fn read(from: usize, into: &mut [u8]) {
    for (address, byte) in (from..).zip(into) {
        // SAFETY: callers stay inside `FLASH_SIZE` bytes of the PSRAM.
        *byte = unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
    }
}

/// Changes bytes of the PSRAM.
fn change(places: Range<usize>, bytes: impl Iterator<Item = u8>, by: impl Fn(u8, u8) -> u8) {
    for (address, byte) in places.zip(bytes) {
        let place = ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: as in `read`; no reference points into the PSRAM.
        unsafe { place.write_volatile(by(place.read_volatile(), byte)) };
    }
}

/// Makes a read or a write of these addresses a fault until the next reset: the MPU of the secure
/// side maps everything else, privileged or not. It does not promise that the program that runs
/// next leaves the MPU alone; a real chip has a lock for it.
fn hide(places: Range<usize>) {
    const MPU: usize = 0xe000_ed90;
    const CONTROL: usize = MPU + 4;
    const NUMBER: usize = MPU + 8;
    const BASE: usize = MPU + 0xc;
    const LIMIT: usize = MPU + 0x10;
    const ATTRIBUTES: usize = MPU + 0x30;
    const READ_WRITE: u32 = 0b01 << 1;
    write_register(ATTRIBUTES, 0x44); // both memory that nothing caches
    let regions = [(0, places.start - 0x20), (places.end, 0xffff_ffe0)];
    for (number, (first, last)) in regions.into_iter().enumerate() {
        write_register(NUMBER, number as u32);
        write_register(BASE, first as u32 | READ_WRITE);
        write_register(LIMIT, last as u32 | 1);
    }
    write_register(CONTROL, 1);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
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
        hide(map::FUSES..map::FUSES + map::SECRET_SIZE);
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

    fn program_envelope<'o>(&self, room: &'o mut [u8]) -> Result<Option<&'o [u8]>> {
        let mut header = [0u8; map::SLOT_HEADER_SIZE];
        read(map::SLOT, &mut header);
        let length = u32::from_le_bytes(header) as usize;
        let footer_at = length.checked_sub(FOOTER_SIZE).filter(|_| length <= map::CODE_SIZE);
        let footer_at = footer_at.ok_or(Error::StorageDamaged)?;
        let package = map::SLOT + map::SLOT_HEADER_SIZE;
        let mut footer = [0u8; FOOTER_SIZE];
        read(package + footer_at, &mut footer);
        let footer = Footer::parse(&footer, length as u64)?;
        let room = room.get_mut(..footer.envelope_size as usize).ok_or(Error::RoomTooSmall)?;
        read(package + footer.payload_size as usize, room);
        Ok(Some(room))
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        let Random { key, hmac } = self.random.as_mut().ok_or(Error::RandomFailed)?;
        for chunk in out.chunks_mut(key.len()) {
            let block = hmac(key, &[b"out"]);
            chunk.iter_mut().zip(block).for_each(|(place, byte)| *place = byte);
            *key = hmac(key, &[b"next"]);
        }
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        let limits =
            &[Limit::SecretReadableByHost, Limit::StorageCanBeRolledBack, Limit::FusesAreErasable];
        Capabilities { class: RotClass::Firmware, limits }
    }
}
