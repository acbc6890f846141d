//! Content-addressed files in the data folder.
//!
//! A blob appears under its address only when it is whole, on disk and has the right digest:
//! written to `incoming/`, hashed on the way, synced, renamed, and the folder synced. The rename is
//! the commit point; what a crash leaves in `incoming/` is removed at the next start.

mod disk;
mod error;
mod streams;
mod upload;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use craton_api::operator::Digest;

pub use disk::{Disk, RealDisk};
pub use error::BlobError;
pub use streams::{Place, StreamOwner, Streams};
pub use upload::{Kept, Upload};

use upload::Holds;

/// The blobs of this service.
#[derive(Clone)]
pub struct Blobs {
    folder: PathBuf,
    size_max: u64,
    disk: Arc<dyn Disk>,
    streams: Streams,
    holds: Holds,
}

impl Blobs {
    /// Opens the folder, making it if need be, and removes what a crash left half written.
    ///
    /// # Errors
    /// `BlobFolder`.
    pub fn open(folder: &Path, size_max: u64, disk: Arc<dyn Disk>) -> Result<Self, BlobError> {
        let incoming = folder.join("incoming");
        let prepare = || {
            fs::create_dir_all(&incoming)?;
            for left in fs::read_dir(&incoming)? {
                fs::remove_file(left?.path())?;
            }
            Ok(())
        };
        let refused = |source| BlobError::BlobFolder { folder: folder.to_owned(), source };
        prepare().map_err(refused)?;
        let (streams, holds) = (Streams::default(), Holds::default());
        Ok(Self { folder: folder.to_owned(), size_max, disk, streams, holds })
    }

    /// The largest blob taken, bytes.
    #[must_use]
    pub fn size_max(&self) -> u64 {
        self.size_max
    }

    /// A place for one transfer of a blob, in or out.
    ///
    /// # Errors
    /// `StreamsBusy`.
    pub fn place(&self, owner: StreamOwner) -> Result<Place, BlobError> {
        self.streams.place(owner)
    }

    /// Begins to receive a blob that must turn out to be `expected`.
    #[must_use]
    pub fn begin(&self, expected: Digest) -> Upload {
        Upload::new(self, expected)
    }

    /// Keeps a blob that is in memory.
    ///
    /// # Errors
    /// As `Upload::finish`.
    pub async fn put(&self, bytes: Bytes) -> Result<Kept, BlobError> {
        let mut upload = self.begin(crate::crypto::sha256(&bytes));
        upload.chunk(bytes).await;
        upload.finish().await
    }

    /// The file of a blob, and its length.
    ///
    /// # Errors
    /// `BlobMissing` if there is none.
    pub fn open_blob(&self, sha256: Digest) -> Result<(File, u64), BlobError> {
        let opened = File::open(self.path_of(sha256)).and_then(|file| {
            let size = file.metadata()?.len();
            Ok((file, size))
        });
        opened.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => BlobError::BlobMissing(sha256),
            _ => BlobError::BlobDisk(error),
        })
    }

    /// A whole blob, if it has at most `size_max` bytes.
    ///
    /// # Errors
    /// `BlobMissing`, `BlobTooLarge`.
    pub fn read(&self, sha256: Digest, size_max: u64) -> Result<Vec<u8>, BlobError> {
        let (mut file, size) = self.open_blob(sha256)?;
        if size > size_max {
            return Err(BlobError::BlobTooLarge { size_max });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(BlobError::BlobDisk)?;
        Ok(bytes)
    }

    fn path_of(&self, sha256: Digest) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    fn keep(&self, partial: &Path, file: &File, sha256: Digest) -> std::io::Result<()> {
        self.disk.sync(file)?;
        let path = self.path_of(sha256);
        let folder = self.folder.join(&sha256.to_string()[..2]);
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            self.disk.sync(&File::open(&self.folder)?)?;
        }
        fs::rename(partial, path)?;
        self.disk.sync(&File::open(folder)?)
    }
}

#[cfg(test)]
mod tests;
