//! A blob on its way in: its bytes are gathered, and each piece is written by a short task that may
//! block. No thread waits for a peer.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::Bytes;
use craton_api::operator::{Blob, Digest};

use super::{BlobError, Blobs};

/// Bytes gathered before they are written.
const PIECE_SIZE: usize = 256 * 1024;

/// Blobs that are arriving or have arrived and are not noted in the database yet: their files must
/// not be collected.
#[derive(Clone, Default)]
pub(super) struct Holds(Arc<Mutex<HashMap<Digest, u32>>>);

impl Holds {
    fn hold(&self, sha256: Digest) -> Hold {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held.entry(sha256).or_default() += 1;
        Hold { holds: self.clone(), sha256 }
    }
}

struct Hold {
    holds: Holds,
    sha256: Digest,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.holds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.sha256) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.sha256);
            }
        }
    }
}

/// A blob that is on the disk under its address. While this value lives the file is not collected:
/// drop it after the commit that notes the blob.
pub struct Kept {
    blob: Blob,
    _hold: Hold,
}

impl Deref for Kept {
    type Target = Blob;
    fn deref(&self) -> &Blob {
        &self.blob
    }
}

/// A file in `incoming/`; it goes when this is dropped, unless it was renamed away.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What is on the disk so far.
struct Written {
    partial: Partial,
    file: File,
    hash: Context,
}

/// A blob on its way in. Dropped before `finish`, it leaves nothing behind.
pub struct Upload {
    blobs: Blobs,
    hold: Hold,
    size: u64,
    gathered: Vec<u8>,
    written: Option<Written>,
    failed: Option<BlobError>,
}

impl Upload {
    pub(super) fn new(blobs: &Blobs, expected: Digest) -> Self {
        let (hold, gathered) = (blobs.holds.hold(expected), Vec::new());
        Self { blobs: blobs.clone(), hold, size: 0, gathered, written: None, failed: None }
    }

    /// Takes the next bytes; whether more are wanted. If not, `finish` says why.
    pub async fn chunk(&mut self, bytes: Bytes) -> bool {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > self.blobs.size_max {
            self.failed = Some(BlobError::BlobTooLarge { size_max: self.blobs.size_max });
        }
        if self.failed.is_some() {
            return false;
        }
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= PIECE_SIZE {
            self.write().await;
        }
        self.failed.is_none()
    }

    /// Ends the upload; returns when the blob is on disk under its address.
    ///
    /// # Errors
    /// `BlobHashMismatch`, `BlobTooLarge`, `BlobDiskFull`, `BlobDisk`.
    pub async fn finish(mut self) -> Result<Kept, BlobError> {
        if self.failed.is_none() {
            self.write().await;
        }
        let Upload { blobs, hold, size, written, failed, .. } = self;
        if let Some(reason) = failed {
            return Err(reason);
        }
        let written = written.ok_or(BlobError::UploadInterrupted)?;
        let sha256 = hold.sha256;
        let keeping = tokio::task::spawn_blocking(move || {
            let Written { partial, file, hash } = written;
            if hash.finish().as_ref() != sha256.0 {
                return Err(BlobError::BlobHashMismatch);
            }
            blobs.keep(&partial.0, &file, sha256).map_err(BlobError::from_disk)
        });
        keeping.await.unwrap_or(Err(BlobError::UploadInterrupted))?;
        Ok(Kept { blob: Blob { sha256, size }, _hold: hold })
    }

    /// Ends it without the rest of its bytes, and says why it had to.
    #[must_use]
    pub fn abandon(self) -> BlobError {
        self.failed.unwrap_or(BlobError::UploadInterrupted)
    }

    async fn write(&mut self) {
        let (blobs, written) = (self.blobs.clone(), self.written.take());
        let bytes = std::mem::take(&mut self.gathered);
        let writing = tokio::task::spawn_blocking(move || blobs.write_piece(written, &bytes));
        match writing.await.unwrap_or(Err(BlobError::UploadInterrupted)) {
            Ok(written) => self.written = Some(written),
            Err(reason) => self.failed = Some(reason),
        }
    }
}

impl Blobs {
    fn write_piece(&self, written: Option<Written>, bytes: &[u8]) -> Result<Written, BlobError> {
        let mut written = match written {
            Some(written) => written,
            None => self.new_file().map_err(BlobError::from_disk)?,
        };
        written.hash.update(bytes);
        self.disk.write(&mut written.file, bytes).map_err(BlobError::from_disk)?;
        Ok(written)
    }

    fn new_file(&self) -> std::io::Result<Written> {
        let token: [u8; 16] = crate::crypto::random_bytes();
        let name: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        let partial = Partial(self.folder.join("incoming").join(name));
        let file = File::create_new(&partial.0)?;
        Ok(Written { partial, file, hash: Context::new(&SHA256) })
    }

    /// Removes the file of a blob, if it is not arriving just now and `unnoted` says that nothing
    /// notes it; whether it is gone.
    ///
    /// # Errors
    /// `BlobDisk`, and those of `unnoted`.
    pub fn collect<E: From<BlobError>>(
        &self,
        sha256: Digest,
        unnoted: impl FnOnce() -> Result<bool, E>,
    ) -> Result<bool, E> {
        // Held while the file goes. Who has noted the blob is seen by `unnoted`; who is about to
        // has a hold; who begins after this writes the file anew.
        let held = self.holds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&sha256) || !unnoted()? {
            return Ok(false);
        }
        match std::fs::remove_file(self.path_of(sha256)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(BlobError::BlobDisk(error).into())
            }
            _ => Ok(true),
        }
    }
}
