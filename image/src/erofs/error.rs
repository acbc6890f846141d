/// Why a tree cannot become an image, or an image is refused.
///
/// Paths and names in messages have passed the name rules, so they are printable text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErofsError {
    #[error("E2200: the file system image ends early. Fetch it again.")]
    ImageTruncated,
    #[error("E2201: bytes follow the end of the file system image. Fetch it again.")]
    ImageTrailingBytes,
    #[error("E2202: the file system image is larger than 288 MiB. Split the application.")]
    ImageTooLarge,
    #[error("E2203: this is not an EROFS image (wrong magic). Pack the folder with `craton`.")]
    SuperblockMagicWrong,
    #[error("E2204: the superblock's checksum is wrong. Fetch the image again.")]
    SuperblockChecksumWrong,
    #[error("E2205: the block size is not 4096 bytes. Pack the folder with `craton`.")]
    BlockSizeWrong,
    #[error("E2206: the image uses EROFS features {0:#x} that Craton refuses. Pack with `craton`.")]
    FeatureUnknown(u32),
    #[error("E2210: a path has an empty name in it. Use relative paths without double slashes.")]
    NameEmpty,
    #[error("E2211: a name is `.` or `..`. Use paths that stay inside the image.")]
    NameDots,
    #[error("E2212: a name contains a slash. Rename the file.")]
    NameHasSlash,
    #[error("E2213: a name contains a zero byte. Rename the file.")]
    NameHasNul,
    #[error("E2214: a name is longer than 255 bytes. Shorten it.")]
    NameTooLong,
    #[error("E2215: a name has control characters or is not UTF-8. Rename the file.")]
    NameNotText,
    #[error("E2216: `{0}` lies more than 16 levels deep. Flatten the folders.")]
    DepthTooGreat(String),
    #[error("E2217: there are more than 4096 files and folders. Bundle small files.")]
    EntriesTooMany,
    #[error("E2218: `{0}` is larger than 128 MiB. Make it smaller.")]
    FileTooLarge(String),
    #[error("E2219: all files together are larger than 256 MiB. Split the application.")]
    DataTooLarge,
    #[error("E2220: `{0}` is already there, or lies below a file. Give each path once.")]
    PathTaken(String),
    #[error("E2221: folder `{0}` has a malformed block. Fetch the image again.")]
    DirectoryMalformed(String),
    #[error("E2222: names of folder `{0}` repeat or are not in order. Pack with `craton`.")]
    DirectoryUnsorted(String),
    #[error("E2223: `.` or `..` of folder `{0}` is missing or leads astray. Pack with `craton`.")]
    DotEntryWrong(String),
    #[error("E2224: folder `{0}` is reached twice: the folders form a loop. Pack with `craton`.")]
    DirectoryLoop(String),
    #[error("E2225: `{0}` is a hard link. Store a copy of the file instead.")]
    HardLink(String),
    #[error("E2226: `{0}` is a symbolic link. Store the file it names instead.")]
    SymbolicLink(String),
    #[error("E2227: `{0}` is a device, pipe or socket. Leave it out.")]
    SpecialFile(String),
    #[error("E2228: `{0}` has a setuid, setgid or sticky bit. Clear it.")]
    ModeSetId(String),
    #[error("E2229: `{0}` has a mode other than 0755 or 0644. Pack with `craton`.")]
    ModeUnusual(String),
    #[error("E2230: `{0}` is not owned by uid 0 and gid 0. Pack with `craton`.")]
    OwnerNotRoot(String),
    #[error("E2231: `{0}` is stored extended, inline or compressed. Pack with `craton`.")]
    InodeLayoutUnknown(String),
    #[error("E2232: `{0}` has extended attributes. Pack with `craton`.")]
    ExtendedAttributes(String),
    #[error("E2233: the contents of `{0}` lie outside the image. Fetch the image again.")]
    ExtentOutOfRange(String),
    #[error("E2234: the contents of `{0}` overlap those of another. Pack with `craton`.")]
    ExtentOverlap(String),
    #[error("E2235: `{0}` is another kind of file than its folder says. Pack with `craton`.")]
    EntryKindWrong(String),
    #[error("E2236: `{0}` has no inode inside the image. Fetch the image again.")]
    InodeOutOfRange(String),
    #[error("E2237: the image is not in canonical form at byte {0}. Pack with `craton`.")]
    NotCanonical(u64),
}

impl ErofsError {
    /// The stable number in `spec/errors.toml`.
    pub fn code(&self) -> u16 {
        match self {
            Self::ImageTruncated => 2200,
            Self::ImageTrailingBytes => 2201,
            Self::ImageTooLarge => 2202,
            Self::SuperblockMagicWrong => 2203,
            Self::SuperblockChecksumWrong => 2204,
            Self::BlockSizeWrong => 2205,
            Self::FeatureUnknown(_) => 2206,
            Self::NameEmpty => 2210,
            Self::NameDots => 2211,
            Self::NameHasSlash => 2212,
            Self::NameHasNul => 2213,
            Self::NameTooLong => 2214,
            Self::NameNotText => 2215,
            Self::DepthTooGreat(_) => 2216,
            Self::EntriesTooMany => 2217,
            Self::FileTooLarge(_) => 2218,
            Self::DataTooLarge => 2219,
            Self::PathTaken(_) => 2220,
            Self::DirectoryMalformed(_) => 2221,
            Self::DirectoryUnsorted(_) => 2222,
            Self::DotEntryWrong(_) => 2223,
            Self::DirectoryLoop(_) => 2224,
            Self::HardLink(_) => 2225,
            Self::SymbolicLink(_) => 2226,
            Self::SpecialFile(_) => 2227,
            Self::ModeSetId(_) => 2228,
            Self::ModeUnusual(_) => 2229,
            Self::OwnerNotRoot(_) => 2230,
            Self::InodeLayoutUnknown(_) => 2231,
            Self::ExtendedAttributes(_) => 2232,
            Self::ExtentOutOfRange(_) => 2233,
            Self::ExtentOverlap(_) => 2234,
            Self::EntryKindWrong(_) => 2235,
            Self::InodeOutOfRange(_) => 2236,
            Self::NotCanonical(_) => 2237,
        }
    }
}
