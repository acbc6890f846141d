//! Why a key of LMS is refused, or does not sign.

use std::path::PathBuf;

/// A refusal; each has its number in `spec/errors.toml`.
#[derive(Debug, thiserror::Error)]
pub enum LmsError {
    /// Its leaves are used up.
    #[error(
        "E6116: every leaf of {0} has signed, and none signs twice. Make another key (craton key \
         create --algorithm lms), and give it the role in place of this one: craton trust-store \
         propose"
    )]
    LeavesSpent(PathBuf),
    /// The file is older than what is known of its key.
    #[error(
        "E6117: {path} is an older copy: it says that leaf {next} is next, and {known} have \
         signed. Take the newest file; if this one is all there is: craton key adopt {path} \
         --next LEAF, past every leaf that ever signed"
    )]
    LeavesOlder {
        /// The file.
        path: PathBuf,
        /// Its next leaf.
        next: u32,
        /// The leaf that must be next at least.
        known: u32,
    },
    /// The file is from elsewhere.
    #[error(
        "E6118: this machine does not know which leaf of {0} is next. If the key signs on another \
         one, both use the same leaves: remove it there. Then here: craton key adopt {0} --next \
         LEAF, past every leaf that ever signed (`craton key show` says it there)"
    )]
    LeavesUnknown(PathBuf),
    /// The count would go back.
    #[error(
        "E6119: leaf {next} of {path} may have signed: {known} is the first that did not. Name \
         that one, or a later one"
    )]
    LeavesBack {
        /// The file.
        path: PathBuf,
        /// The leaf that was named.
        next: u32,
        /// The leaf that must be next at least.
        known: u32,
    },
    /// The file would stay behind under another name.
    #[error(
        "E6136: {0} has another name (a hard link), under which its count would stay as it is. \
         Remove that one: find / -samefile {0}"
    )]
    KeyTwice(PathBuf),
    /// It is a key of one algorithm where one of the other is wanted.
    #[error(
        "E6137: {0} is a key of the other algorithm than is wanted here: LMS keys sign sections \
         and images of a platform, beside ES256, and nothing else. Name another"
    )]
    KeyOtherAlgorithm(PathBuf),
    /// A hybrid role is without its second key.
    #[error(
        "E6138: the role {role} is hybrid, and its LMS key is not at {path}. Bring the file here, \
         and none other stays in use; or sign with --key FILE or --lms-key FILE"
    )]
    HybridKeyMissing {
        /// The role.
        role: &'static str,
        /// Where the key would be.
        path: PathBuf,
    },
}

impl LmsError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::LeavesSpent(_) => 6116,
            Self::LeavesOlder { .. } => 6117,
            Self::LeavesUnknown(_) => 6118,
            Self::LeavesBack { .. } => 6119,
            Self::KeyTwice(_) => 6136,
            Self::KeyOtherAlgorithm(_) => 6137,
            Self::HybridKeyMissing { .. } => 6138,
        }
    }
}
