//! Finds the programs in two payloads and tells how their addresses moved.

use super::address::{AREAS_MAX, AddressMap, Area, Kind, SHIFTS_MAX, Shift};
use super::matching::Run;
use crate::erofs::BLOCK_BYTES;
use object::LittleEndian as Le;
use object::elf::{EM_X86_64, FileHeader64, SHF_EXECINSTR, SHT_NOBITS, SectionHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use std::collections::BinaryHeap;
use std::ops::Range;

/// Addresses of one program stay below this; each program's are raised to a range of their own.
const ADDRESSES: u64 = 1 << 32;

/// How addresses moved between the programs of `old` and of `new`, as far as `runs` tell. Empty
/// where there are no x86-64 programs, or too many: the delta is then larger, and as right.
pub(super) fn address_map(old: &[u8], new: &[u8], runs: &[Run]) -> AddressMap {
    let (old, new) = (programs(old), programs(new));
    let mut areas: Vec<Area> = old.iter().flat_map(Program::areas).collect();
    areas.sort_by_key(|area| area.old.start);
    areas.dedup_by(|after, before| after.old.start < before.old.end);
    areas.truncate(AREAS_MAX);
    let shifts = old.iter().flat_map(|program| {
        // The program's start never moves: words that count from it are absolute.
        let base = Shift { address: program.base, by: 0 };
        std::iter::once(base).chain(shifts(&program.moves(&new, runs)))
    });
    let mut shifts: Vec<Shift> = shifts.collect();
    shifts.dedup_by_key(|shift| shift.by);
    shifts.truncate(SHIFTS_MAX);
    AddressMap::new(areas, shifts).unwrap_or_default()
}

/// A section that is loaded.
struct Section {
    name: Vec<u8>,
    /// Bytes of the payload; empty if the section has none there.
    stored: Range<usize>,
    addresses: Range<u64>,
    executable: bool,
}

struct Program {
    base: u64,
    sections: Vec<Section>,
}

/// Files start at a block, so programs do.
fn programs(payload: &[u8]) -> Vec<Program> {
    let starts = (0..payload.len()).step_by(BLOCK_BYTES);
    let starts = starts.filter(|start| payload[*start..].starts_with(b"\x7fELF"));
    let bases = (1..).map(|index: u64| index * ADDRESSES);
    starts.zip(bases).filter_map(|(start, base)| program(payload, start, base)).collect()
}

fn program(payload: &[u8], start: usize, base: u64) -> Option<Program> {
    let data = &payload[start..];
    let header = FileHeader64::<Le>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let table = header.sections(endian, data).ok()?;
    let sections = table.iter().filter_map(|section| {
        let name = table.section_name(endian, section).ok()?;
        loaded(endian, section, name, start, payload.len(), base)
    });
    let known = header.e_machine(endian) == EM_X86_64;
    known.then(|| Program { base, sections: sections.collect() })
}

fn loaded(
    endian: Le,
    section: &SectionHeader64<Le>,
    name: &[u8],
    start: usize,
    payload_bytes: usize,
    base: u64,
) -> Option<Section> {
    let (address, size) = (section.sh_addr(endian), section.sh_size(endian));
    if address == 0 || address.checked_add(size)? > ADDRESSES {
        return None;
    }
    let offset = start.checked_add(usize::try_from(section.sh_offset(endian)).ok()?)?;
    let stored = if section.sh_type(endian) == SHT_NOBITS { 0 } else { size as usize };
    let stored = offset..offset.checked_add(stored).filter(|end| *end <= payload_bytes)?;
    Some(Section {
        name: name.to_vec(),
        stored,
        addresses: base + address..base + address + size,
        executable: section.sh_flags(endian).contains(SHF_EXECINSTR),
    })
}

impl Program {
    fn areas(&self) -> Vec<Area> {
        let end = |sections: &mut dyn Iterator<Item = &Section>| {
            sections.map(|section| section.addresses.end).max().unwrap_or(self.base)
        };
        let all = self.base..end(&mut self.sections.iter());
        let code = || self.sections.iter().filter(|section| section.executable);
        let code_start = code().map(|section| section.addresses.start).min();
        let code = code_start.unwrap_or(self.base)..end(&mut code());
        let area = |section: &Section| {
            let (kind, origin, targets) = match section.name.as_slice() {
                _ if section.executable => (Kind::Code, 0, &all),
                b".eh_frame_hdr" => (Kind::Origin32, section.addresses.start, &all),
                b".eh_frame" | b".rodata" | b".gcc_except_table" => (Kind::Own, 0, &code),
                b".rela.dyn" | b".dynamic" => (Kind::Origin64, self.base, &all),
                _ => return None,
            };
            let old = section.stored.start as u64..section.stored.end as u64;
            let address = section.addresses.start;
            Some(Area { kind, old, address, origin, targets: targets.clone() })
        };
        self.sections.iter().filter_map(area).filter(|area| !area.old.is_empty()).collect()
    }

    /// Each run inside a stored section says how far it moved, at its start.
    fn moves(&self, new: &[Program], runs: &[Run]) -> Vec<Move> {
        let sections = self.sections.iter().flat_map(|section| {
            runs.iter().filter_map(move |run| {
                let start = run.old.max(section.stored.start);
                let end = section.stored.end.min(run.old + run.length);
                let length = end.checked_sub(start).filter(|length| *length > 0)? as u64;
                let address = section.addresses.start + (start - section.stored.start) as u64;
                let to = address_in(new, run.new + (start - run.old))?;
                Some(Move { addresses: address..address + length, by: self.by(address, to) })
            })
        });
        let mut moves: Vec<Move> = sections.collect();
        moves.sort_by_key(|moved| moved.addresses.start);
        moves
    }

    /// How far `old` moved to `new = (base, address)`, both relative to their own programs.
    fn by(&self, old: u64, (base, new): (u64, u64)) -> i64 {
        (new - base) as i64 - (old - self.base) as i64
    }
}

/// The address of payload byte `at`, with its program's base.
fn address_in(programs: &[Program], at: usize) -> Option<(u64, u64)> {
    programs.iter().find_map(|program| {
        let section = program.sections.iter().find(|section| section.stored.contains(&at))?;
        let inside = (at - section.stored.start) as u64;
        Some((program.base, section.addresses.start + inside))
    })
}

/// Old addresses that moved together.
struct Move {
    addresses: Range<u64>,
    by: i64,
}

/// What `moves`, sorted by start, say of each address. Where they differ the longest is believed:
/// short ones are often copies of something that merely looks alike.
fn shifts(moves: &[Move]) -> Vec<Shift> {
    let starts = moves.iter().map(|moved| moved.addresses.start);
    let mut places: Vec<u64> =
        starts.chain(moves.iter().map(|moved| moved.addresses.end)).collect();
    places.sort_unstable();
    places.dedup();
    let mut rest = moves.iter().peekable();
    let mut open = BinaryHeap::new();
    let mut shifts = Vec::new();
    for address in places {
        while let Some(moved) = rest.next_if(|moved| moved.addresses.start == address) {
            let length = moved.addresses.end - moved.addresses.start;
            open.push((length, moved.addresses.end, moved.by));
        }
        while open.peek().is_some_and(|(_, end, _)| *end <= address) {
            open.pop();
        }
        shifts.extend(open.peek().map(|(.., by)| Shift { address, by: *by }));
    }
    shifts
}
