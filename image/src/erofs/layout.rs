//! Numbers and on-disk records of EROFS that both the writer and the reader use.

use super::BLOCK_BYTES;

pub(super) const MAGIC: u32 = 0xe0f5_e1e2;
pub(super) const SUPERBLOCK_AT: usize = 1024;
pub(super) const BLOCK_BITS: u8 = 12;
/// The one compatible feature in use: the superblock has a checksum.
pub(super) const COMPAT_CHECKSUM: u32 = 1;
pub(super) const INODE_BYTES: usize = 32;
/// Inode numbers count 32-byte slots from the image's start; block 0 is the superblock's, so the
/// table starts at slot 128. (Slot 0 would be hidden by `readdir`, which drops inode 0.)
pub(super) const ROOT_NID: u64 = (BLOCK_BYTES / INODE_BYTES) as u64;
pub(super) const DIRENT_BYTES: usize = 12;

/// Offsets inside the superblock of the fields that are not always zero.
pub(super) mod superblock {
    pub const MAGIC: usize = 0;
    pub const CHECKSUM: usize = 4;
    pub const COMPAT: usize = 8;
    pub const BLOCK_BITS: usize = 12;
    pub const ROOT_NID: usize = 14;
    pub const INODES: usize = 16;
    pub const BLOCKS: usize = 36;
    pub const INCOMPAT: usize = 80;
}

pub(super) const TYPE_MASK: u16 = 0o170_000;
pub(super) const TYPE_DIRECTORY: u16 = 0o040_000;
pub(super) const TYPE_FILE: u16 = 0o100_000;
pub(super) const TYPE_SYMLINK: u16 = 0o120_000;
pub(super) const SET_ID_BITS: u16 = 0o7_000;
pub(super) const MODE_DIRECTORY: u16 = TYPE_DIRECTORY | 0o755;
pub(super) const MODE_FILE: u16 = TYPE_FILE | 0o644;
pub(super) const MODE_EXECUTABLE: u16 = TYPE_FILE | 0o755;

pub(super) const KIND_FILE: u8 = 1;
pub(super) const KIND_DIRECTORY: u8 = 2;

/// A compact inode whose contents are plain blocks (`EROFS_INODE_FLAT_PLAIN`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    /// Bit 0: extended record; bits 1..=3: data layout. Zero is compact and plain.
    pub format: u16,
    pub xattrs: u16,
    pub mode: u16,
    pub links: u16,
    pub bytes: u32,
    /// First block of the contents; 0 when there are none.
    pub block: u32,
    /// The number that `stat` shows.
    pub number: u32,
    pub uid: u16,
    pub gid: u16,
}

impl Inode {
    pub fn encode(&self) -> [u8; INODE_BYTES] {
        let mut record = [0; INODE_BYTES];
        record[0..2].copy_from_slice(&self.format.to_le_bytes());
        record[2..4].copy_from_slice(&self.xattrs.to_le_bytes());
        record[4..6].copy_from_slice(&self.mode.to_le_bytes());
        record[6..8].copy_from_slice(&self.links.to_le_bytes());
        record[8..12].copy_from_slice(&self.bytes.to_le_bytes());
        record[16..20].copy_from_slice(&self.block.to_le_bytes());
        record[20..24].copy_from_slice(&self.number.to_le_bytes());
        record[24..26].copy_from_slice(&self.uid.to_le_bytes());
        record[26..28].copy_from_slice(&self.gid.to_le_bytes());
        record
    }

    /// `None` when `image` has no whole record at slot `nid`.
    pub fn decode(image: &[u8], nid: u64) -> Option<Inode> {
        let at = usize::try_from(nid.checked_mul(INODE_BYTES as u64)?).ok()?;
        let record = image.get(at..at.checked_add(INODE_BYTES)?)?;
        Some(Inode {
            format: u16_at(record, 0)?,
            xattrs: u16_at(record, 2)?,
            mode: u16_at(record, 4)?,
            links: u16_at(record, 6)?,
            bytes: u32_at(record, 8)?,
            block: u32_at(record, 16)?,
            number: u32_at(record, 20)?,
            uid: u16_at(record, 24)?,
            gid: u16_at(record, 26)?,
        })
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
