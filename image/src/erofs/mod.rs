//! The canonical, uncompressed EROFS image that Craton signs as a payload.
//!
//! One tree has exactly one image: [`write`] is a pure function of a [`Tree`], and [`read`]
//! accepts an image only if writing what it found gives the same bytes again. So two images
//! with the same files are the same payload, and nothing can hide in padding or spare fields.
//!
//! Layout, in 4096-byte blocks: superblock · inode table (32-byte compact inodes, root first, then
//! sorted by path) · directories in that order · file contents in that order, each from its own
//! block. Files stay whole and in path order so that a delta of two versions finds them again.
//! Nothing is compressed, shared, inlined or time-stamped; every owner is 0.
//!
//! Format: the Linux kernel's `fs/erofs/erofs_fs.h`.

mod crc32c;
mod directory;
mod error;
mod layout;
mod read;
mod tree;
mod write;

pub use error::ErofsError;
pub use read::read;
pub use tree::{Node, Tree};
pub use write::{write, write_to};

/// Bytes of a block: of the file system, of a page, and of dm-verity.
pub const BLOCK_BYTES: usize = 4096;
/// Components of a path, at most.
pub const DEPTH_MAX: usize = 16;
/// Files and directories of one image, at most; the root is not counted.
pub const ENTRIES_MAX: usize = 4096;
/// Bytes of one name, at most (the kernel's own bound).
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of one file, at most.
pub const FILE_BYTES_MAX: u64 = 128 << 20;
/// Bytes of all files, each rounded up to blocks, at most.
pub const DATA_BYTES_MAX: u64 = 256 << 20;
/// Bytes of one image, at most. 32 MiB hold the superblock, 129 blocks of inodes, and directories:
/// at most 4097 last blocks, and full ones of at least 14 names each.
pub const IMAGE_BYTES_MAX: u64 = DATA_BYTES_MAX + (32 << 20);

// A verity tree adds less than 1 in 64: every image that is read fits into a payload with it.
const _: () = assert!(IMAGE_BYTES_MAX + IMAGE_BYTES_MAX / 64 <= crate::package::PAYLOAD_BYTES_MAX);
