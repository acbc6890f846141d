//! Why a key could not be read or used.

use std::path::PathBuf;

/// Why the service cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key file could not be read or written.
    #[error("E4201: {0}: {1}. Check the path, its owner and that the disk has room")]
    KeyringIo(PathBuf, std::io::Error),
    /// The key file does not open under the master key.
    #[error("E4202: {0} does not open under its master key. Restore both files from one backup")]
    KeyringSealed(PathBuf),
    /// A file of secrets can be read by others.
    #[error("E4203: {0} can be read by others. Run: chmod 600 {0}")]
    KeyringExposed(PathBuf),
    /// A key was refused by the cryptography.
    #[error("E4204: a key of the service is damaged. Restore the key file from a backup")]
    KeyDamaged,
    /// A certificate could not be made.
    #[error("E4205: the certificate could not be issued: {0}")]
    IssueRefused(String),
    /// An assignment could not be made.
    #[error("E4206: the assignment could not be signed: {0}")]
    AssignRefused(craton_trust::Error),
}

impl AuthorityError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::KeyringIo(..) => 4201,
            Self::KeyringSealed(_) => 4202,
            Self::KeyringExposed(_) => 4203,
            Self::KeyDamaged => 4204,
            Self::IssueRefused(_) => 4205,
            Self::AssignRefused(_) => 4206,
        }
    }
}
