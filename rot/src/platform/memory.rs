//! A chip in memory, whose power a test can cut at any write.
//!
//! A value is a probe on the chip: clones see the same chip, so that it outlives the engine that a
//! power cut stopped.

extern crate std;

use super::{FUSES_SIZE, Platform, Row, SECTOR_SIZE, SECTORS, Sector};
use crate::capabilities::{Capabilities, SOFTWARE};
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

/// What a cut leaves of the write under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of it: the power goes just after.
    Whole,
    /// Its first half.
    Torn,
    /// Every second byte of it: an erase that did not finish, bits that did not take.
    Partial,
}

struct Chip {
    fuses: [u8; FUSES_SIZE],
    flash: Vec<u8>,
    uds_locked: bool,
    writes: u64,
    cut: Option<(u64, Cut)>,
    dead: bool,
    random_fails: bool,
}

/// A chip in memory.
#[derive(Clone)]
pub struct MemoryPlatform(Arc<Mutex<Chip>>);

impl Default for MemoryPlatform {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Chip {
            fuses: [0; FUSES_SIZE],
            flash: std::vec![0xff; SECTORS * SECTOR_SIZE],
            uds_locked: false,
            writes: 0,
            cut: None,
            dead: false,
            random_fails: false,
        })))
    }
}

impl MemoryPlatform {
    /// A blank chip.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another chip with the same contents.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let chip = self.chip();
        let copy = Self::new();
        {
            let mut other = copy.chip();
            (other.fuses, other.flash) = (chip.fuses, chip.flash.clone());
        }
        copy
    }

    /// How many writes it has done: erases, programs and burns.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.chip().writes
    }

    /// Cuts the power at the write with this number, counted from now: 0 is the next one.
    pub fn cut_at(&self, write: u64, how: Cut) {
        let mut chip = self.chip();
        chip.cut = Some((chip.writes + write, how));
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.chip().dead
    }

    /// Gives power again.
    pub fn power_on(&self) {
        let mut chip = self.chip();
        (chip.dead, chip.cut) = (false, None);
    }

    /// Lets the source of randomness fail, or work again.
    pub fn fail_random(&self, fails: bool) {
        self.chip().random_fails = fails;
    }

    /// Flips bits of one byte of flash, as wear or radiation does.
    pub fn damage(&self, sector: Sector, offset: usize) {
        let at = sector as usize * SECTOR_SIZE + offset;
        if let Some(byte) = self.chip().flash.get_mut(at) {
            *byte ^= 0x55;
        }
    }

    fn chip(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chip {
    /// Writes `bytes` at `at` by `put`, or what a cut leaves of it.
    fn write(&mut self, flash: bool, at: usize, bytes: &[u8], put: fn(u8, u8) -> u8) -> Result<()> {
        if self.dead {
            return Err(Error::StorageFailed);
        }
        let cut = self.cut.filter(|(write, _)| *write == self.writes).map(|(_, how)| how);
        self.writes += 1;
        let memory = if flash { &mut self.flash[..] } else { &mut self.fuses[..] };
        let place = memory.get_mut(at..at + bytes.len()).ok_or(Error::StorageFailed)?;
        let half = bytes.len() / 2;
        for (i, (old, new)) in place.iter_mut().zip(bytes).enumerate() {
            let reached = match cut {
                None | Some(Cut::Whole) => true,
                Some(Cut::Torn) => i < half,
                Some(Cut::Partial) => i % 2 == 1,
            };
            if reached {
                *old = put(*old, *new);
            }
        }
        self.dead = cut.is_some();
        if self.dead { Err(Error::StorageFailed) } else { Ok(()) }
    }
}

impl Platform for MemoryPlatform {
    fn reset(&mut self) {
        self.chip().uds_locked = false;
    }

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        let chip = self.chip();
        if chip.dead {
            return Err(Error::StorageFailed);
        }
        if row == Row::Uds && chip.uds_locked {
            return Err(Error::UdsLocked);
        }
        let (at, length) = row.place();
        let bits = chip.fuses.get(at..at + length).filter(|bits| bits.len() == into.len());
        into.copy_from_slice(bits.ok_or(Error::StorageFailed)?);
        Ok(())
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        let (at, length) = row.place();
        let bits = bits.get(..length).ok_or(Error::StorageFailed)?;
        self.chip().write(false, at, bits, |old, new| old | new)
    }

    fn lock_uds(&mut self) {
        self.chip().uds_locked = true;
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        let chip = self.chip();
        if chip.dead {
            return Err(Error::StorageFailed);
        }
        let at = sector as usize * SECTOR_SIZE + offset;
        let from = chip.flash.get(at..at + into.len()).ok_or(Error::StorageFailed)?;
        into.copy_from_slice(from);
        Ok(())
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        let at = sector as usize * SECTOR_SIZE;
        self.chip().write(true, at, &[0xff; SECTOR_SIZE], |_, new| new)
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        if offset + bytes.len() > SECTOR_SIZE {
            return Err(Error::StorageFull);
        }
        let at = sector as usize * SECTOR_SIZE + offset;
        self.chip().write(true, at, bytes, |old, new| old & new)
    }

    fn sync(&mut self) -> Result<()> {
        if self.is_dead() { Err(Error::StorageFailed) } else { Ok(()) }
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        if self.chip().random_fails {
            return Err(Error::RandomFailed);
        }
        getrandom::fill(out).map_err(|_| Error::RandomFailed)
    }

    fn capabilities(&self) -> Capabilities {
        SOFTWARE
    }
}
