//! Directory contents: blocks of sorted entries, each block's names after its records.

use super::layout::{DIRENT_BYTES, u16_at, u64_at};
use super::{BLOCK_BYTES, ErofsError};

/// One entry: `name` as the image has it, not yet checked when it was read.
#[derive(Clone, Copy)]
pub(super) struct Dirent<'a> {
    pub name: &'a [u8],
    pub nid: u64,
    pub kind: u8,
}

/// Packs sorted entries greedily: every block but the last is filled up with zeros.
pub(super) fn encode(entries: &[Dirent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        let (block, after) = rest.split_at(entries_in_block(rest));
        encode_block(block, &mut bytes);
        rest = after;
    }
    bytes
}

fn entries_in_block(entries: &[Dirent]) -> usize {
    let mut filled = 0;
    let fits = |entry: &&Dirent| {
        filled += DIRENT_BYTES + entry.name.len();
        filled <= BLOCK_BYTES
    };
    entries.iter().take_while(fits).count()
}

fn encode_block(entries: &[Dirent], out: &mut Vec<u8>) {
    let mut name_at = entries.len() * DIRENT_BYTES;
    for entry in entries {
        out.extend_from_slice(&entry.nid.to_le_bytes());
        out.extend_from_slice(&(name_at as u16).to_le_bytes());
        out.extend_from_slice(&[entry.kind, 0]);
        name_at += entry.name.len();
    }
    entries.iter().for_each(|entry| out.extend_from_slice(entry.name));
}

/// The entries of one block (shorter than 4096 bytes only if it is the last), or `None` if its
/// records do not describe names inside it.
pub(super) fn decode_block(block: &[u8]) -> Option<Vec<Dirent<'_>>> {
    let names_at = usize::from(u16_at(block, 8)?);
    if names_at == 0 || !names_at.is_multiple_of(DIRENT_BYTES) {
        return None;
    }
    let records = block.get(..names_at)?;
    let count = names_at / DIRENT_BYTES;
    (0..count).map(|index| decode_record(block, records, index, index + 1 == count)).collect()
}

fn decode_record<'a>(
    block: &'a [u8],
    records: &[u8],
    index: usize,
    last: bool,
) -> Option<Dirent<'a>> {
    let at = index * DIRENT_BYTES;
    let name_at = usize::from(u16_at(records, at + 8)?);
    let name = if last {
        // The kernel ends the last name at the first zero byte or the block's end.
        let tail = block.get(name_at..)?;
        tail.split(|byte| *byte == 0).next()?
    } else {
        block.get(name_at..usize::from(u16_at(records, at + DIRENT_BYTES + 8)?))?
    };
    if name_at < records.len() {
        return None;
    }
    Some(Dirent { name, nid: u64_at(records, at)?, kind: *records.get(at + 10)? })
}

/// Strictly rising names across all blocks of a directory: sorted, and none twice.
pub(super) fn check_sorted(entries: &[Dirent], path: &str) -> Result<(), ErofsError> {
    if entries.is_sorted_by(|before, after| before.name < after.name) {
        Ok(())
    } else {
        Err(ErofsError::DirectoryUnsorted(path.into()))
    }
}
