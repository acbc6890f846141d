//! Why an image set was not installed, or is not started.

use std::path::PathBuf;

/// Why a set on the disk, or on its way there, was refused.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// A signature, a digest, a class or a version is not right.
    #[error("{0}")]
    Trust(#[from] craton_trust::Error),
    /// The set is not the one that was assigned.
    #[error("E5301: the service gave another image set than it assigned. The device tries again")]
    SetOther,
    /// A file of the set is missing.
    #[error("E5302: {0} is missing: the set was never staged whole. It is fetched again")]
    SetIncomplete(PathBuf),
    /// A file of the set is longer than it may be.
    #[error("E5303: {0} is not what was installed. The set is fetched again")]
    SetDamaged(PathBuf),
    /// An app's payload or its unpacked files are not what was signed.
    #[error("E5304: an app's files are not what was signed. The set is fetched again")]
    AppDamaged,
    /// The payload's file system is not canonical.
    #[error("{0}")]
    AppFiles(craton_image::erofs::ErofsError),
    /// The app has no manifest.
    #[error("E5305: the app has no app_manifest.json. Pack the folder again with its manifest")]
    AppManifestMissing,
    /// The app's manifest is refused.
    #[error("{0}")]
    AppManifest(craton_image::app_manifest::ManifestError),
    /// The disk refused.
    #[error(
        "E5306: {0}: {1}. Check that the disk has room and that the folder is the device's own"
    )]
    DeviceIo(PathBuf, std::io::Error),
}

impl InstalledError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Trust(error) => error.code(),
            Self::SetOther => 5301,
            Self::SetIncomplete(_) => 5302,
            Self::SetDamaged(_) => 5303,
            Self::AppDamaged => 5304,
            Self::AppFiles(error) => error.code(),
            Self::AppManifestMissing => 5305,
            Self::AppManifest(error) => error.code(),
            Self::DeviceIo(..) => 5306,
        }
    }
}
