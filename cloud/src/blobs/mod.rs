//! Content-addressed files in the data folder.
//!
//! A blob appears under its address only when it is whole, on disk and has the right digest:
//! written to `incoming/`, hashed on the way, synced, renamed, and the folder synced. The rename is
//! the commit point; what a crash leaves in `incoming/` is removed at the next start.

mod disk;
mod error;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use craton_api::operator::{Blob, Digest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use disk::{Disk, RealDisk};
pub use error::BlobError;

/// Chunks of one upload that may wait for the disk.
const CHUNKS_MAX: usize = 8;

/// The blobs of this service.
#[derive(Clone)]
pub struct Blobs {
    folder: PathBuf,
    size_max: u64,
    disk: Arc<dyn Disk>,
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
        Ok(Self { folder: folder.to_owned(), size_max, disk })
    }

    /// The largest blob taken, bytes.
    #[must_use]
    pub fn size_max(&self) -> u64 {
        self.size_max
    }

    /// Begins to receive a blob that must turn out to be `expected`.
    ///
    /// # Errors
    /// None yet; they come from `Upload`.
    #[must_use]
    pub fn begin(&self, expected: Digest) -> Upload {
        let (chunks, arriving) = mpsc::channel(CHUNKS_MAX);
        let blobs = self.clone();
        let worker = tokio::task::spawn_blocking(move || blobs.receive(expected, arriving));
        Upload { chunks: Some(chunks), worker }
    }

    /// Keeps a blob that is in memory.
    ///
    /// # Errors
    /// As `Upload::finish`.
    pub async fn put(&self, bytes: Bytes) -> Result<Blob, BlobError> {
        let digest = crate::crypto::sha256(&bytes);
        let mut upload = self.begin(digest);
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

    fn receive(
        &self,
        expected: Digest,
        mut arriving: mpsc::Receiver<Chunk>,
    ) -> Result<Blob, BlobError> {
        let token: [u8; 16] = crate::crypto::random_bytes();
        let partial = Partial(self.folder.join("incoming").join(hex_of(&token)));
        let mut file = File::create_new(&partial.0).map_err(BlobError::from_disk)?;
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut size = 0u64;
        loop {
            let bytes = match arriving.blocking_recv() {
                Some(Chunk::Bytes(bytes)) => bytes,
                Some(Chunk::End) => break,
                None => return Err(BlobError::UploadInterrupted),
            };
            size += bytes.len() as u64;
            if size > self.size_max {
                return Err(BlobError::BlobTooLarge { size_max: self.size_max });
            }
            hash.update(&bytes);
            self.disk.write(&mut file, &bytes).map_err(BlobError::from_disk)?;
        }
        if hash.finish().as_ref() != expected.0 {
            return Err(BlobError::BlobHashMismatch);
        }
        self.keep(&partial.0, &file, expected).map_err(BlobError::from_disk)?;
        Ok(Blob { sha256: expected, size })
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

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

enum Chunk {
    Bytes(Bytes),
    End,
}

/// A file in `incoming/`; it goes when this is dropped, unless it was renamed away.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob on its way in. Dropped before `finish`, it leaves nothing behind.
pub struct Upload {
    chunks: Option<mpsc::Sender<Chunk>>,
    worker: JoinHandle<Result<Blob, BlobError>>,
}

impl Upload {
    /// Takes the next bytes; whether more are wanted. If not, `finish` says why.
    pub async fn chunk(&mut self, bytes: Bytes) -> bool {
        match &self.chunks {
            Some(chunks) => chunks.send(Chunk::Bytes(bytes)).await.is_ok(),
            None => false,
        }
    }

    /// Ends the upload; returns when the blob is on disk under its address.
    ///
    /// # Errors
    /// `BlobHashMismatch`, `BlobTooLarge`, `BlobDiskFull`, `BlobDisk`.
    pub async fn finish(mut self) -> Result<Blob, BlobError> {
        if let Some(chunks) = self.chunks.take() {
            // A worker that gave up has its reason ready below.
            let _ = chunks.send(Chunk::End).await;
        }
        self.worker.await.unwrap_or(Err(BlobError::UploadInterrupted))
    }

    /// Ends it without the rest of its bytes, and says why it had to.
    pub async fn abandon(mut self) -> BlobError {
        drop(self.chunks.take());
        match self.worker.await {
            Ok(Err(reason)) => reason,
            _ => BlobError::UploadInterrupted,
        }
    }
}

#[cfg(test)]
mod tests;
