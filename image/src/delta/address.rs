//! Corrects addresses in old machine code before it is compared with new code.
//!
//! When a function grows, everything after it moves, and every call, table and relocation that
//! names a moved address changes. The bytes that change are many but say little: each is the old
//! address plus the shift of what it names. A delta therefore brings a short map of which
//! addresses moved and how far, and of where the old payload holds addresses; both sides correct
//! the old bytes by it, and the diff stream holds only what that got wrong.
//!
//! The map is as untrusted as the rest: it can make a correction wrong, never out of bounds.
//!
//! Source of the idea: S. Adams, "Software updates: Courgette", The Chromium Projects, 2009.

use super::DeltaError;
use super::varint::{put_varint, take_varint, unzigzag, zigzag};
use std::ops::Range;

/// How an area of the old payload holds addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// x86-64 instructions with 32-bit operands that count from the operand's end.
    Code,
    /// 32-bit words that count from their own address: unwind tables, jump tables.
    Own,
    /// 32-bit words that count from the area's origin.
    Origin32,
    /// 64-bit words that count from the area's origin.
    Origin64,
}

/// A part of the old payload that holds addresses of one kind.
///
/// Addresses are those of the old programs, each program moved to a range of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub kind: Kind,
    /// Bytes of the old payload.
    pub old: Range<u64>,
    /// The address of the area's first byte.
    pub address: u64,
    pub origin: u64,
    /// A word that names anything else is no address.
    pub targets: Range<u64>,
}

/// From `address` on, up to the next shift, addresses moved by `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift {
    pub address: u64,
    pub by: i64,
}

/// Areas in rising order, none overlapping; shifts in rising order of address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AddressMap {
    areas: Vec<Area>,
    shifts: Vec<Shift>,
}

/// Areas of a map, at most.
pub(super) const AREAS_MAX: usize = 4096;
/// Shifts of a map, at most: 1 MiB in memory.
pub(super) const SHIFTS_MAX: usize = 65_536;
/// Bytes of an encoded map, at most: seven varints for an area and two for a shift.
pub(super) const MAP_BYTES_MAX: usize = 2 << 20;

impl AddressMap {
    /// `None` if the parts are out of order or too many, or an area is empty.
    pub fn new(areas: Vec<Area>, shifts: Vec<Shift>) -> Option<AddressMap> {
        let bounded = areas.len() <= AREAS_MAX && shifts.len() <= SHIFTS_MAX;
        let areas_rise = areas.is_sorted_by(|before, after| before.old.end <= after.old.start);
        let shifts_rise = shifts.is_sorted_by(|before, after| before.address < after.address);
        // Each area takes at least a byte of the old payload, so that the work over all of them is
        // bounded by it; thousands of empty ones at one place would cost and correct nothing.
        let filled = areas.iter().all(|area| !area.old.is_empty());
        (bounded && filled && areas_rise && shifts_rise).then_some(AddressMap { areas, shifts })
    }

    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.areas.len() as u64);
        for area in &self.areas {
            out.push(area.kind as u8);
            let lengths = [area.old.end - area.old.start, area.targets.end - area.targets.start];
            for value in [area.old.start, area.address, area.origin, area.targets.start] {
                put_varint(&mut out, value);
            }
            lengths.iter().for_each(|length| put_varint(&mut out, *length));
        }
        put_varint(&mut out, self.shifts.len() as u64);
        let mut last = Shift { address: 0, by: 0 };
        for shift in &self.shifts {
            put_varint(&mut out, shift.address - last.address);
            put_varint(&mut out, zigzag(shift.by.wrapping_sub(last.by)));
            last = *shift;
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<AddressMap, DeltaError> {
        let mut rest = bytes;
        let map = Self::take(&mut rest).filter(|_| rest.is_empty());
        map.ok_or(DeltaError::DeltaMapMalformed)
    }

    fn take(rest: &mut &[u8]) -> Option<AddressMap> {
        let areas = take_varint(rest)?.min(AREAS_MAX as u64 + 1);
        let areas = (0..areas).map(|_| Area::take(rest)).collect::<Option<_>>()?;
        let shifts = take_varint(rest)?.min(SHIFTS_MAX as u64 + 1);
        let mut last = Shift { address: 0, by: 0 };
        let mut next = || {
            last.address = last.address.checked_add(take_varint(rest)?)?;
            last.by = last.by.wrapping_add(unzigzag(take_varint(rest)?));
            Some(last)
        };
        let shifts = (0..shifts).map(|_| next()).collect::<Option<_>>()?;
        AddressMap::new(areas, shifts)
    }

    /// Corrects the addresses in `copied`, the bytes of the old payload from `old_at` on. Words
    /// that reach beyond it stay as they are.
    pub fn correct(&self, old_at: u64, copied: &mut [u8]) {
        let old_end = old_at.saturating_add(copied.len() as u64);
        let first = self.areas.partition_point(|area| area.old.end <= old_at);
        let areas = self.areas.get(first..).unwrap_or_default();
        for area in areas.iter().take_while(|area| area.old.start < old_end) {
            let from = area.old.start.max(old_at);
            let to = area.old.end.min(old_end);
            let range = (from - old_at) as usize..(to - old_at) as usize;
            if let Some(bytes) = copied.get_mut(range) {
                self.correct_area(area, from - area.old.start, bytes);
            }
        }
    }

    /// `bytes` are those of the area from its byte `skipped` on.
    fn correct_area(&self, area: &Area, skipped: u64, bytes: &mut [u8]) {
        let address = area.address.wrapping_add(skipped);
        let unaligned = |word: u64| (skipped.next_multiple_of(word) - skipped) as usize;
        match area.kind {
            Kind::Code => self.correct_code(area, address, bytes),
            Kind::Own => {
                self.correct_words::<4>(area, unaligned(4), bytes, |at| address.wrapping_add(at))
            }
            Kind::Origin32 => {
                self.correct_words::<4>(area, unaligned(4), bytes, |_| area.origin);
            }
            Kind::Origin64 => {
                self.correct_words::<8>(area, unaligned(8), bytes, |_| area.origin);
            }
        }
    }

    fn correct_code(&self, area: &Area, address: u64, bytes: &mut [u8]) {
        let mut at = 1;
        while at + 4 <= bytes.len() {
            let (before, operand) = bytes.split_at_mut(at);
            let counted_from = address.wrapping_add(at as u64 + 4);
            let corrected = names_address(before)
                && operand
                    .first_chunk_mut::<4>()
                    .is_some_and(|word| self.correct_word(area, counted_from, word));
            at += if corrected { 4 } else { 1 };
        }
    }

    fn correct_words<const N: usize>(
        &self,
        area: &Area,
        unaligned: usize,
        bytes: &mut [u8],
        counted_from: impl Fn(u64) -> u64,
    ) {
        let aligned = bytes.get_mut(unaligned..).unwrap_or_default();
        for (word, index) in aligned.as_chunks_mut::<N>().0.iter_mut().zip(0..) {
            let at = (unaligned + index * N) as u64;
            self.correct_word(area, counted_from(at), word);
        }
    }

    /// Whether `word`, counted from `origin`, names an address; if so it is corrected.
    fn correct_word<const N: usize>(&self, area: &Area, origin: u64, word: &mut [u8; N]) -> bool {
        let value = signed(word);
        let target = origin.wrapping_add_signed(value);
        if !area.targets.contains(&target) {
            return false;
        }
        let by = self.shift(target).wrapping_sub(self.shift(origin));
        word.copy_from_slice(&value.wrapping_add(by).to_le_bytes()[..N]);
        true
    }

    fn shift(&self, address: u64) -> i64 {
        let after = self.shifts.partition_point(|shift| shift.address <= address);
        let last = after.checked_sub(1).and_then(|index| self.shifts.get(index));
        last.map_or(0, |shift| shift.by)
    }
}

impl Area {
    fn take(rest: &mut &[u8]) -> Option<Area> {
        let kinds = [Kind::Code, Kind::Own, Kind::Origin32, Kind::Origin64];
        let kind = *kinds.get(usize::from(*rest.split_off_first()?))?;
        let (old, address) = (take_varint(rest)?, take_varint(rest)?);
        let (origin, target) = (take_varint(rest)?, take_varint(rest)?);
        let old = old..old.checked_add(take_varint(rest)?)?;
        let targets = target..target.checked_add(take_varint(rest)?)?;
        Some(Area { kind, old, address, origin, targets })
    }
}

/// Whether an instruction that starts with these bytes goes on with a relative 32-bit operand:
/// a call or jump, or a ModRM byte for an address relative to the instruction pointer.
fn names_address(before: &[u8]) -> bool {
    match before {
        [.., 0xe8 | 0xe9] | [.., 0x0f, 0x80..=0x8f] => true,
        [.., modrm] => modrm & 0xc7 == 0x05,
        [] => false,
    }
}

/// A little-endian word of four or eight bytes, with its sign.
fn signed<const N: usize>(word: &[u8; N]) -> i64 {
    let value = word.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let unused = 64 - 8 * N as u32;
    (value << unused) as i64 >> unused
}
