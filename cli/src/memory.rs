//! A file by which this machine remembers what a service showed, for one process at a time.
//!
//! To fetch, to compare with what is remembered, and to remember it in its place is one step: were
//! two processes in it, the slower one would take the other's newer memory for a service that went
//! back, or put its own older one in the place of it.

use crate::believed::BelievedError;
use crate::error::CliError;
use crate::home::{make_folder, read_if_there, replace_secret};
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process may have it: no service that answers takes that long.
const LOCK_WITHIN: Duration = Duration::from_secs(30);

/// One such file; no other process changes it while the value lives.
pub struct Memory {
    path: PathBuf,
    _lock: File,
}

impl Memory {
    /// Waits until no other process has it.
    ///
    /// # Errors
    /// `MemoryBusy`; `FolderRefused`, `FileNotWritten`.
    pub async fn of(path: &Path) -> Result<Self, CliError> {
        path.parent().map_or(Ok(()), make_folder)?;
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let mut options = File::options();
        let opened = options.create(true).append(true).mode(0o600).open(&lock);
        let file = opened.map_err(|error| CliError::FileNotWritten(lock.clone(), error))?;
        let until = Instant::now() + LOCK_WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let seconds = LOCK_WITHIN.as_secs();
                    return Err(BelievedError::MemoryBusy { lock, seconds }.into());
                }
                Err(TryLockError::Error(error)) => {
                    return Err(CliError::FileNotWritten(lock, error));
                }
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered; `None` if nothing ever was.
    ///
    /// # Errors
    /// `FileUnreadable`.
    pub fn read(&self) -> Result<Option<Vec<u8>>, CliError> {
        read_if_there(&self.path)
    }

    /// Remembers it in place of what is there, all or nothing, also after a power cut: half of it
    /// is refused. What is the same is not written again.
    ///
    /// # Errors
    /// `FileUnreadable`, `FileNotWritten`.
    pub fn remember(&self, bytes: &[u8]) -> Result<(), CliError> {
        match self.read()? {
            Some(known) if known == bytes => Ok(()),
            _ => replace_secret(&self.path, bytes),
        }
    }

    /// Remembers it if nothing is remembered yet.
    ///
    /// # Errors
    /// As [`Memory::remember`].
    pub fn remember_first(&self, bytes: &[u8]) -> Result<(), CliError> {
        if self.read()?.is_some() { Ok(()) } else { replace_secret(&self.path, bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_first_stays_and_what_is_the_same_is_not_written() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog/checkpoint");
        let runtime = crate::args::runtime().unwrap();
        let memory = runtime.block_on(Memory::of(&path)).unwrap();
        assert_eq!(memory.read().unwrap(), None);
        memory.remember_first(b"one").unwrap();
        memory.remember_first(b"two").unwrap();
        let written = || std::fs::metadata(&path).unwrap().ino();
        let before = written();
        memory.remember(b"one").unwrap();
        assert_eq!((memory.read().unwrap(), written()), (Some(b"one".to_vec()), before));
        memory.remember(b"two").unwrap();
        assert_eq!(memory.read().unwrap(), Some(b"two".to_vec()));
        let names = std::fs::read_dir(folder.path().join("catalog")).unwrap().count();
        assert_eq!(names, 2, "itself and its lock");
    }
}
