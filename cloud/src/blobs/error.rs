//! Why a blob was not taken or given.

use std::io;
use std::path::PathBuf;

use craton_api::operator::Digest;

/// A refusal of the blob store.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The bytes have another digest.
    #[error(
        "E4051: the bytes do not have the SHA-256 of the address. Nothing was kept; upload the \
         file again."
    )]
    BlobHashMismatch,
    /// More bytes than allowed.
    #[error("E4052: a blob has at most {size_max} bytes here. Nothing was kept; make it smaller.")]
    BlobTooLarge {
        /// The bound.
        size_max: u64,
    },
    /// No room.
    #[error(
        "E4053: the disk that holds the data folder is full. Nothing was kept; free some space and \
         upload the file again."
    )]
    BlobDiskFull,
    /// The disk failed otherwise.
    #[error("E4054: the disk failed ({0}). Nothing was kept; look at its health.")]
    BlobDisk(#[source] io::Error),
    /// The bytes stopped coming.
    #[error("E4055: the upload ended early. Nothing was kept; upload the file again.")]
    UploadInterrupted,
    /// No such blob.
    #[error("E4056: there is no blob {0}. Upload it first.")]
    BlobMissing(Digest),
    /// The folder cannot be used.
    #[error(
        "E4057: the folder {} cannot be used ({source}). Give the service a folder that it may \
         write to.",
        .folder.display()
    )]
    BlobFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Too many transfers at once.
    #[error(
        "E4058: too many blobs are being transferred. Let some of them end, or ask again in a \
         minute."
    )]
    StreamsBusy,
}

impl BlobError {
    pub(super) fn from_disk(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::BlobDiskFull,
            _ => Self::BlobDisk(error),
        }
    }

    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BlobHashMismatch => 4051,
            Self::BlobTooLarge { .. } => 4052,
            Self::BlobDiskFull => 4053,
            Self::BlobDisk(_) => 4054,
            Self::UploadInterrupted => 4055,
            Self::BlobMissing(_) => 4056,
            Self::BlobFolder { .. } => 4057,
            Self::StreamsBusy => 4058,
        }
    }
}
