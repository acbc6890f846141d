//! The two things asked of a disk that may fail, so that a test can make them fail.

use std::fs::File;
use std::io::{Result, Write as _};

/// Writes and syncs files.
pub trait Disk: Send + Sync {
    /// Appends bytes.
    ///
    /// # Errors
    /// The system's; `StorageFull` when there is no room.
    fn write(&self, file: &mut File, bytes: &[u8]) -> Result<()>;

    /// Returns once the file, or the folder's names, are on disk.
    ///
    /// # Errors
    /// The system's.
    fn sync(&self, file: &File) -> Result<()>;
}

/// The disk there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, file: &mut File, bytes: &[u8]) -> Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> Result<()> {
        file.sync_all()
    }
}
