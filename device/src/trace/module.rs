//! The programs and libraries mapped in a process, as far as unwinding needs them: where each
//! was linked, its build id and its unwind tables. All of it is read from the process's own
//! memory, so that it does not matter which file system the process sees.

use gimli::{BaseAddresses, EhFrameHdr, LittleEndian};

use super::memory::{Backing, Mapping, Peek};
use super::record::BuildId;

/// Bounds on what a module may ask us to read. Measured: a static Rust program of 500 KiB has
/// 40 KiB of unwind tables; a browser's largest library 9 MiB.
const PROGRAM_HEADERS_MAX: u16 = 64;
const NOTE_BYTES_MAX: u64 = 4096;
const INDEX_BYTES_MAX: u64 = 2 << 20;
const TABLE_BYTES_MAX: u64 = 16 << 20;

const HEADER_LEN: usize = 64;
const PROGRAM_HEADER_LEN: usize = 56;
const PAGE_MASK: u64 = 0xfff;

/// Section names and numbers: System V ABI (gABI), and LSB core §11 for the GNU ones.
const MAGIC_ELF64: [u8; 5] = [0x7f, b'E', b'L', b'F', 2];
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const NT_GNU_BUILD_ID: u32 = 3;

/// A stretch of memory copied out of the process.
#[derive(Debug)]
pub struct Copied {
    pub address: u64,
    pub bytes: Vec<u8>,
}

/// `.eh_frame_hdr` and what follows it in its segment, `.eh_frame` included.
#[derive(Debug)]
pub struct UnwindTables {
    pub index: Copied,
    pub table: Copied,
}

#[derive(Debug)]
pub struct Module {
    /// Where its first byte is mapped: what identifies it among the process's modules.
    pub base: u64,
    /// Loaded address minus linked address.
    bias: u64,
    pub build_id: BuildId,
    pub unwind: Option<UnwindTables>,
}

impl Module {
    /// Reads the module that begins at `base`.
    pub fn read(base: u64, memory: &dyn Peek) -> Option<Module> {
        let segments = Segment::read_all(base, memory)?;
        let first = segments.iter().find(|s| s.kind == PT_LOAD && s.offset & !PAGE_MASK == 0)?;
        let bias = base.wrapping_sub(first.address & !PAGE_MASK);
        let build_id = segments
            .iter()
            .filter(|segment| segment.kind == PT_NOTE)
            .find_map(|segment| {
                let length = segment.length.min(NOTE_BYTES_MAX);
                let place = bias.wrapping_add(segment.address);
                build_id(&memory.bytes(place, length, NOTE_BYTES_MAX)?)
            })
            .unwrap_or_default();
        let unwind = UnwindTables::read(bias, &segments, memory);
        Some(Module { base, bias, build_id, unwind })
    }

    /// The address that the linker gave to what is loaded at `address`.
    pub fn linked(&self, address: u64) -> u64 {
        address.wrapping_sub(self.bias)
    }
}

/// Where the module that has code at `address` begins; `None` if no module has.
pub fn base_of(address: u64, mappings: &[Mapping]) -> Option<u64> {
    let at = mappings.iter().position(|mapping| mapping.contains(address))?;
    let code = mappings.get(at).filter(|mapping| mapping.executable)?;
    if !matches!(code.backing, Backing::File { .. } | Backing::Kernel) {
        return None;
    }
    let below = mappings.get(..=at)?.iter().rev();
    below
        .filter(|mapping| mapping.backing == code.backing)
        .find(|mapping| mapping.offset == 0)
        .map(|mapping| mapping.start)
}

impl UnwindTables {
    fn read(bias: u64, segments: &[Segment], memory: &dyn Peek) -> Option<UnwindTables> {
        let index = segments.iter().find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
        let index = Copied {
            address: bias.wrapping_add(index.address),
            bytes: memory.bytes(bias.wrapping_add(index.address), index.length, INDEX_BYTES_MAX)?,
        };
        let address = table_address(&index)?;
        let linked = address.wrapping_sub(bias);
        // The table's length is stated nowhere that is mapped; it ends with its segment at
        // the latest, and has a terminator of its own.
        let length = segments
            .iter()
            .filter(|segment| segment.kind == PT_LOAD)
            .find_map(|segment| segment.length_from(linked))?
            .min(TABLE_BYTES_MAX);
        let bytes = memory.bytes(address, length, TABLE_BYTES_MAX)?;
        Some(UnwindTables { index, table: Copied { address, bytes } })
    }
}

/// Where `.eh_frame` is loaded, as its index says.
fn table_address(index: &Copied) -> Option<u64> {
    let bases = BaseAddresses::default().set_eh_frame_hdr(index.address);
    let header = EhFrameHdr::new(&index.bytes, LittleEndian);
    header.parse(&bases, 8).ok()?.eh_frame_ptr().direct().ok()
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    /// Bytes of it that come from the file.
    length: u64,
}

impl Segment {
    /// Bytes from `address` to the segment's end; `None` if it is not in the segment.
    fn length_from(&self, address: u64) -> Option<u64> {
        let inside = address.checked_sub(self.address)?;
        self.length.checked_sub(inside).filter(|length| *length > 0)
    }

    fn read_all(base: u64, memory: &dyn Peek) -> Option<Vec<Segment>> {
        let header = memory.bytes(base, HEADER_LEN as u64, HEADER_LEN as u64)?;
        if !header.starts_with(&MAGIC_ELF64) {
            return None;
        }
        let place = u64_at(&header, 32)?;
        let each = u16_at(&header, 54)?;
        let count = u16_at(&header, 56)?;
        if usize::from(each) != PROGRAM_HEADER_LEN || count > PROGRAM_HEADERS_MAX {
            return None;
        }
        let length = u64::from(count) * u64::from(each);
        let table = memory.bytes(base.wrapping_add(place), length, length)?;
        table.chunks_exact(PROGRAM_HEADER_LEN).map(Segment::parse).collect()
    }

    fn parse(bytes: &[u8]) -> Option<Segment> {
        Some(Segment {
            kind: u32_at(bytes, 0)?,
            offset: u64_at(bytes, 8)?,
            address: u64_at(bytes, 16)?,
            length: u64_at(bytes, 32)?,
        })
    }
}

/// The build id among ELF notes: each is three words (lengths of name and contents, kind),
/// name and contents padded to four bytes.
fn build_id(mut notes: &[u8]) -> Option<BuildId> {
    loop {
        let name_length = u32_at(notes, 0)? as usize;
        let length = u32_at(notes, 4)? as usize;
        let kind = u32_at(notes, 8)?;
        let name_end = name_length.checked_next_multiple_of(4)?.checked_add(12)?;
        let end = name_end.checked_add(length)?;
        let contents = notes.get(name_end..end)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..16)? == b"GNU\0" {
            return Some(BuildId::new(contents));
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
