//! What this machine remembers of the keys that sign here: how many leaves of each were used.
//!
//! It stands apart from the key files, so that one that was restored from a copy is noticed. It is
//! no secret, and it vouches for this machine only.

use crate::error::CliError;
use crate::home::{make_folder, read_if_there, write_secret};
use crate::output::hex;
use craton_trust::key::LmsPublicKey;
use craton_trust::soft::Soft;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The record of one key.
pub struct Record(PathBuf);

impl Record {
    /// That of a key, in a folder of such records.
    #[must_use]
    pub fn of(key: &LmsPublicKey, folder: &Path) -> Self {
        Self(folder.join(format!("{}.leaves", hex(&key.key_id(&Soft)))))
    }

    /// Nobody else uses the key while this is held: files that are copies of each other have one
    /// record.
    ///
    /// # Errors
    /// `FolderRefused`, `FileNotWritten`.
    pub fn lock(&self) -> Result<File, CliError> {
        self.0.parent().map_or(Ok(()), make_folder)?;
        let path = self.0.with_extension("lock");
        let mut open = File::options();
        open.create(true).append(true).mode(0o600);
        let locked = open.open(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| CliError::FileNotWritten(path, error))
    }

    /// The leaf that was next when the key signed here last; `None` if it never did.
    ///
    /// # Errors
    /// `FileUnreadable`; `SigningKeyDamaged` for another content.
    pub fn next_leaf(&self) -> Result<Option<u32>, CliError> {
        let Some(text) = read_if_there(&self.0)? else { return Ok(None) };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        number.map(Some).ok_or_else(|| CliError::SigningKeyDamaged(self.0.clone()))
    }

    /// Remembers it, for good.
    ///
    /// # Errors
    /// `FolderRefused`, `FileNotWritten`.
    pub fn write(&self, next_leaf: u32) -> Result<(), CliError> {
        self.0.parent().map_or(Ok(()), make_folder)?;
        write_secret(&self.0, format!("{next_leaf}\n").as_bytes())
    }
}
