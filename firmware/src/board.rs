//! The driver of the board: the only file that knows addresses.

use crate::map;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use craton_rot::platform::{Platform, Row, SECTOR_SIZE, Sector};
use craton_rot::{Capabilities, Error, Limit, Result, RotClass};

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
        Some(Self { uart: Uart::start(), chip: Chip { uds_locked: false }, code })
    }
}

/// A transmitter (CMSDK APB UART).
pub struct Uart(());

impl Uart {
    const DATA: usize = map::UART;
    const STATE: usize = map::UART + 4;
    const CONTROL: usize = map::UART + 8;
    const DIVISOR: usize = map::UART + 16;
    /// A line that is never sent costs its bytes, not the boot.
    const SPINS_MAX: u32 = 100_000;

    fn start() -> Self {
        write_register(Self::DIVISOR, 16);
        write_register(Self::CONTROL, 1);
        Self(())
    }

    /// Sends the words and a line feed.
    pub fn line(&mut self, words: &[&str]) {
        let bytes = words.iter().flat_map(|word| word.bytes());
        bytes.chain([b'\n']).for_each(|byte| self.send(byte));
    }

    fn send(&mut self, byte: u8) {
        let full = || read_register(Self::STATE) & 1 == 1;
        if (0..Self::SPINS_MAX).any(|_| !full()) {
            write_register(Self::DATA, u32::from(byte));
        }
    }
}

fn read_register(address: usize) -> u32 {
    // SAFETY: every caller passes an aligned register of a device that is there.
    unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

fn write_register(address: usize, value: u32) {
    // SAFETY: as above; the UART's registers touch no memory.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}

/// Fuses and flash in the PSRAM. NOR rules are kept here: bits only fall until a sector is erased,
/// and fuses only gain ones.
///
/// It does not promise what the PSRAM cannot: see [`Platform::capabilities`] of this value.
pub struct Chip {
    uds_locked: bool,
}

impl Chip {
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

    fn random(&mut self, _: &mut [u8]) -> Result<()> {
        Err(Error::RandomFailed) // the board has no source of randomness
    }

    fn capabilities(&self) -> Capabilities {
        let limits =
            &[Limit::SecretReadableByHost, Limit::StorageCanBeRolledBack, Limit::FusesAreErasable];
        Capabilities { class: RotClass::Firmware, limits }
    }
}
