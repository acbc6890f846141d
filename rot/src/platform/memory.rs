//! A chip in memory, whose power a test can cut at any write, and whose cache only a sync empties.
//!
//! A value is a probe on the chip: clones see the same chip, so that it outlives the engine that a
//! power cut stopped.

extern crate std;

use super::{FUSES_SIZE, Platform, Row, SECTOR_SIZE, SECTORS, Sector, SlotFlash};
use crate::capabilities::{Capabilities, SOFTWARE, SOFTWARE_WITH_SLOTS};
use crate::error::{Error, Result};
use crate::slots::{self, MARKS_SIZE, Marks, Slot};
use craton_trust::Digest;
use craton_trust::crypto::Crypto;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

/// What a cut, or a failure, leaves of the writes that no sync made durable yet. Storage may keep
/// them in a cache, and write that back in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All: the power goes just after the write.
    Whole,
    /// All, and the first half of the one under way.
    Torn,
    /// All, and every second byte of the one under way: an erase that did not finish, bits that
    /// did not take.
    Partial,
    /// None.
    Unsynced,
    /// The later half of them.
    LaterFirst,
    /// The one under way alone.
    LastFirst,
}

struct Chip {
    fuses: [u8; FUSES_SIZE],
    /// As a reader finds it: cache and medium.
    flash: Vec<u8>,
    /// What a cut leaves.
    medium: Vec<u8>,
    /// What the cache holds since the last sync: each write's place, and the bytes after it.
    cache: Vec<(usize, Vec<u8>)>,
    uds_locked: bool,
    writes: u64,
    cut: Option<(u64, Cut)>,
    fault: Option<(u64, Cut)>,
    unsynced: &'static [Sector],
    dead: bool,
    random_fails: bool,
    random_stuck: Option<u8>,
    fuse_stuck: Option<usize>,
    has_slots: bool,
}

/// A chip in memory.
#[derive(Clone)]
pub struct MemoryPlatform(Arc<Mutex<Chip>>);

impl Default for MemoryPlatform {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Chip {
            fuses: [0; FUSES_SIZE],
            flash: std::vec![0xff; FLASH_SIZE],
            medium: std::vec![0xff; FLASH_SIZE],
            cache: Vec::new(),
            uds_locked: false,
            writes: 0,
            cut: None,
            fault: None,
            unsynced: &[],
            dead: false,
            random_fails: false,
            random_stuck: None,
            fuse_stuck: None,
            has_slots: false,
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
            (other.medium, other.cache) = (chip.medium.clone(), chip.cache.clone());
            other.unsynced = chip.unsynced;
            other.has_slots = chip.has_slots;
        }
        copy
    }

    /// Makes it a chip with a ROM, which starts its program from two slots.
    pub fn give_slots(&self) {
        self.chip().has_slots = true;
    }

    /// Puts a package into a slot, as a programmer does.
    pub fn install_program(&self, slot: Slot, package: &[u8]) {
        self.give_slots();
        let mut chip = self.chip();
        let marks = Marks::first(u32::try_from(package.len()).unwrap_or(u32::MAX));
        let Chip { flash, medium, .. } = &mut *chip;
        for memory in [flash, medium] {
            let room = memory.get_mut(slot_place(slot)..).unwrap_or(&mut []);
            let (head, room) = room.split_at_mut(SECTOR_SIZE.min(room.len()));
            head.iter_mut().zip(marks).for_each(|(place, byte)| *place = byte);
            room.iter_mut().zip(package).for_each(|(place, byte)| *place = *byte);
        }
    }

    /// How many writes it has done: erases, programs, burns and syncs.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.chip().writes
    }

    /// Cuts the power at the write with this number, counted from now: 0 is the next one.
    pub fn cut_at(&self, write: u64, how: Cut) {
        let mut chip = self.chip();
        chip.cut = Some((chip.writes + write, how));
    }

    /// Lets the write with this number, counted from now, report a failure and leave `how` much of
    /// itself behind; the power stays.
    pub fn fail_at(&self, write: u64, how: Cut) {
        let mut chip = self.chip();
        chip.fault = Some((chip.writes + write, how));
    }

    /// Ignores each sync whose last write went to one of these sectors: a program that forgot it.
    pub fn forget_sync_after(&self, sectors: &'static [Sector]) {
        self.chip().unsynced = sectors;
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.chip().dead
    }

    /// Gives power again.
    pub fn power_on(&self) {
        let mut chip = self.chip();
        (chip.dead, chip.cut, chip.fault) = (false, None, None);
    }

    /// Lets the source of randomness fail, or work again.
    pub fn fail_random(&self, fails: bool) {
        self.chip().random_fails = fails;
    }

    /// Lets the source of randomness give nothing but this byte.
    pub fn stick_random(&self, byte: u8) {
        self.chip().random_stuck = Some(byte);
    }

    /// Lets a byte of the fuses keep its zeros, whatever is burned.
    pub fn stick_fuse(&self, row: Row, byte: usize) {
        self.chip().fuse_stuck = Some(row.place().0 + byte);
    }

    /// Flips bits of one byte of flash, as wear or radiation does.
    pub fn damage(&self, sector: Sector, offset: usize) {
        let at = sector as usize * SECTOR_SIZE + offset;
        let mut chip = self.chip();
        let Chip { flash, medium, .. } = &mut *chip;
        for byte in [flash, medium].into_iter().filter_map(|memory| memory.get_mut(at)) {
            *byte ^= 0x55;
        }
    }

    fn chip(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chip {
    /// What the write with the next number is to suffer: a cut, or a mere failure.
    fn next(&mut self) -> Result<(Option<Cut>, Option<Cut>)> {
        if self.dead {
            return Err(Error::StorageFailed);
        }
        let number = self.writes;
        self.writes += 1;
        let of = |planned: Option<(u64, Cut)>| planned.filter(|(write, _)| *write == number);
        Ok((of(self.cut).map(|(_, how)| how), of(self.fault).map(|(_, how)| how)))
    }

    /// Writes `bytes` at `at` by `put`, or what a cut or failure leaves of it.
    fn write(&mut self, flash: bool, at: usize, bytes: &[u8], put: fn(u8, u8) -> u8) -> Result<()> {
        let (cut, fault) = self.next()?;
        let memory = if flash { &mut self.flash[..] } else { &mut self.fuses[..] };
        let place = memory.get_mut(at..at + bytes.len()).ok_or(Error::StorageFailed)?;
        let half = bytes.len() / 2;
        let stuck = self.fuse_stuck.filter(|_| !flash).and_then(|byte| byte.checked_sub(at));
        for (i, (old, new)) in place.iter_mut().zip(bytes).enumerate() {
            let reached = stuck != Some(i)
                && match cut.or(fault) {
                    None | Some(Cut::Whole | Cut::LaterFirst | Cut::LastFirst) => true,
                    Some(Cut::Torn) => i < half,
                    Some(Cut::Partial) => i % 2 == 1,
                    Some(Cut::Unsynced) => false,
                };
            if reached {
                *old = put(*old, *new);
            }
        }
        if flash {
            let after = place.to_vec();
            self.cache.push((at, after));
        }
        self.end(cut, fault)
    }

    fn sync(&mut self) -> Result<()> {
        let (cut, fault) = self.next()?;
        let last = self.cache.last().map(|(at, _)| at / SECTOR_SIZE);
        let forgotten = self.unsynced.iter().any(|sector| Some(*sector as usize) == last);
        if cut.is_none() && fault.is_none() && !forgotten {
            self.write_back(Cut::Whole);
        }
        self.end(cut, fault)
    }

    fn end(&mut self, cut: Option<Cut>, fault: Option<Cut>) -> Result<()> {
        if let Some(how) = cut {
            self.write_back(how);
            self.flash.clone_from(&self.medium);
            self.dead = true;
        }
        if cut.or(fault).is_some() { Err(Error::StorageFailed) } else { Ok(()) }
    }

    /// Moves of the cache to the medium what `how` leaves.
    fn write_back(&mut self, how: Cut) {
        let lost = match how {
            Cut::Whole | Cut::Torn | Cut::Partial => 0,
            Cut::Unsynced => self.cache.len(),
            Cut::LaterFirst => self.cache.len() / 2,
            Cut::LastFirst => self.cache.len().saturating_sub(1),
        };
        for (at, bytes) in self.cache.drain(..).skip(lost) {
            if let Some(place) = self.medium.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(&bytes);
            }
        }
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
        self.chip().sync()
    }

    fn slots(&self) -> Option<&dyn SlotFlash> {
        self.chip().has_slots.then_some(self as &dyn SlotFlash)
    }

    fn slots_mut(&mut self) -> Option<&mut dyn SlotFlash> {
        let has_slots = self.chip().has_slots;
        has_slots.then_some(self as &mut dyn SlotFlash)
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        if self.chip().random_fails {
            return Err(Error::RandomFailed);
        }
        if let Some(byte) = self.chip().random_stuck {
            out.fill(byte);
            return Ok(());
        }
        getrandom::fill(out).map_err(|_| Error::RandomFailed)
    }

    fn capabilities(&self) -> Capabilities {
        if self.chip().has_slots { SOFTWARE_WITH_SLOTS } else { SOFTWARE }
    }
}

impl MemoryPlatform {
    fn slot_bytes(&self, at: usize, into: &mut [u8]) -> Result<()> {
        let chip = self.chip();
        let from = chip.flash.get(at..at + into.len()).filter(|_| !chip.dead);
        into.copy_from_slice(from.ok_or(Error::StorageFailed)?);
        Ok(())
    }

    /// One write, and its sync.
    fn slot_write(&self, at: usize, bytes: &[u8], put: fn(u8, u8) -> u8) -> Result<()> {
        let mut chip = self.chip();
        chip.write(true, at, bytes, put)?;
        chip.sync()
    }
}

impl SlotFlash for MemoryPlatform {
    fn slot_room(&self) -> usize {
        SECTOR_SIZE
    }

    fn slot_marks(&self, slot: Slot) -> Result<Marks> {
        let mut bytes = [0; MARKS_SIZE];
        self.slot_bytes(slot_place(slot), &mut bytes)?;
        Ok(Marks::of_bytes(&bytes))
    }

    fn slot_mark(&mut self, slot: Slot, write: slots::Write) -> Result<()> {
        let at = slot_place(slot) + write.offset;
        self.slot_write(at, &write.bytes(), |old, new| old & new)
    }

    fn slot_erase_marks(&mut self, slot: Slot) -> Result<()> {
        self.slot_write(slot_place(slot), &[0xff; SECTOR_SIZE], |_, new| new)
    }

    fn slot_erase_room(&mut self, slot: Slot) -> Result<()> {
        self.slot_write(slot_place(slot) + SECTOR_SIZE, &[0xff; SECTOR_SIZE], |_, new| new)
    }

    fn slot_read(&self, slot: Slot, offset: usize, into: &mut [u8]) -> Result<()> {
        self.slot_bytes(slot_place(slot) + SECTOR_SIZE + offset, into)
    }

    fn slot_program(&mut self, slot: Slot, offset: usize, bytes: &[u8]) -> Result<()> {
        let at = slot_place(slot) + SECTOR_SIZE + offset;
        self.slot_write(at, bytes, |old, new| old & new)
    }

    fn slot_sha256(&self, crypto: &dyn Crypto, slot: Slot, length: usize) -> Result<Digest> {
        let mut bytes = std::vec![0; length];
        self.slot_read(slot, 0, &mut bytes)?;
        Ok(crypto.sha256(&[&bytes]))
    }
}

/// The slots stand behind the sectors: a sector of marks, and one that is the room.
const FLASH_SIZE: usize = slot_place(Slot::B) + 2 * SECTOR_SIZE;

const fn slot_place(slot: Slot) -> usize {
    (SECTORS + 2 * slot as usize) * SECTOR_SIZE
}
