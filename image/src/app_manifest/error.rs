//! Why an `app_manifest.json` is refused, and where.

/// A refusal, its number and its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("E{}: app_manifest.json, line {line}, column {column}: {refusal}", refusal.code())]
pub struct ManifestError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub refusal: Refusal,
}

impl ManifestError {
    /// The stable number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.refusal.code()
    }

    pub(super) fn new(text: &str, refused: Refused) -> ManifestError {
        let before = text.get(..refused.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ManifestError {
            line: 1 + before.matches('\n').count(),
            column: 1 + before.get(line_start..).unwrap_or("").chars().count(),
            refusal: refused.refusal,
        }
    }
}

/// A refusal at a byte offset.
#[derive(Debug)]
pub struct Refused {
    pub at: usize,
    pub refusal: Refusal,
}

impl Refused {
    pub fn err<T>(at: usize, refusal: Refusal) -> Result<T, Refused> {
        Err(Refused { at, refusal })
    }
}

/// Text of the manifest as a message may show it: short, and nothing that moves a cursor.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}

const SHOWN_CHARS_MAX: usize = 64;

/// What is true of the manifest, and what its author does about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("the file is larger than 64 KiB. Make it smaller.")]
    ManifestTooLarge,
    #[error("this is not JSON: {what}. Correct it.")]
    ManifestNotJson { what: &'static str },
    #[error("values are nested more than 16 deep. No field needs that: flatten them.")]
    ManifestTooDeep,
    #[error("the field `{name}` is unknown. Remove it or correct its spelling.")]
    ManifestFieldUnknown { name: String },
    #[error("the field `{name}` stands twice. Keep one.")]
    ManifestFieldDuplicate { name: String },
    #[error("the field `{name}` is missing here. Add it.")]
    ManifestFieldMissing { name: &'static str },
    #[error("{wanted} is wanted here. Correct the value.")]
    ManifestWrongType { wanted: &'static str },
    #[error("SchemaVersion is {found}. The only version is 1.")]
    ManifestSchemaVersionUnknown { found: i64 },
    #[error("Name is empty, longer than 255 bytes or has control characters. Correct it.")]
    ManifestNameInvalid,
    #[error("ComponentId is not a UUID like 5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21. Correct it.")]
    ManifestComponentIdInvalid,
    #[error("EntryPoint is not a plain absolute path in the package, like /bin/app. Correct it.")]
    ManifestEntryPointInvalid,
    #[error("CmdArgs has more than 64 or 4096 bytes of arguments, or a zero byte. Shorten it.")]
    ManifestCmdArgsInvalid,
    #[error("ApplicationType `{found}` is unknown. Craton runs `Default`.")]
    ManifestApplicationTypeUnknown { found: String },
    #[error("ApplicationType `{found}` is not supported yet. Craton runs `Default`.")]
    ManifestApplicationTypeNotSupported { found: String },
    #[error("MallocVersion is {found}. Use 1 or 2, or leave it out.")]
    ManifestMallocVersionUnknown { found: i64 },
    #[error("runtime version {found} is not one of 1 to {max}. Leave the field out.")]
    ManifestRuntimeVersionUnsupported { found: i64, max: u32 },
    #[error("the capability `{name}` is unknown. Remove it or correct its spelling.")]
    ManifestCapabilityUnknown { name: String },
    #[error("the capability `{name}` is not enforced yet, so it is not granted. Remove it.")]
    ManifestCapabilityNotEnforced { name: &'static str },
    #[error("`{found}` is neither a host name nor an IPv4 address. No ports, ranges or wildcards.")]
    ManifestConnectionInvalid { found: String },
    #[error("{found} is not a port. Use 1 to 65535.")]
    ManifestPortInvalid { found: i64 },
    #[error("port {port} is taken inside every sandbox, by its proxy. Serve another port.")]
    ManifestPortReserved { port: u16 },
    #[error("the list has more than {max} entries. Shorten it.")]
    ManifestListTooLong { max: usize },
    #[error("the list has this entry twice. Keep one.")]
    ManifestListDuplicate,
    #[error("`{found}` is not the name or number of a peripheral. Correct it.")]
    ManifestPeripheralInvalid { found: String },
    #[error("`{found}` is not a UUID. Correct it.")]
    ManifestUuidInvalid { found: String },
    #[error("SizeKB is {found}. Use 1 to {max}.")]
    ManifestStorageSizeInvalid { found: i64, max: u32 },
    #[error("PowerControls has no entry, or an unknown one. Name the controls it wants.")]
    ManifestPowerControlInvalid,
}

impl Refusal {
    /// The stable number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::ManifestTooLarge => 2100,
            Self::ManifestNotJson { .. } => 2101,
            Self::ManifestTooDeep => 2102,
            Self::ManifestFieldUnknown { .. } => 2103,
            Self::ManifestFieldDuplicate { .. } => 2104,
            Self::ManifestFieldMissing { .. } => 2105,
            Self::ManifestWrongType { .. } => 2106,
            Self::ManifestSchemaVersionUnknown { .. } => 2110,
            Self::ManifestNameInvalid => 2111,
            Self::ManifestComponentIdInvalid => 2112,
            Self::ManifestEntryPointInvalid => 2113,
            Self::ManifestCmdArgsInvalid => 2114,
            Self::ManifestApplicationTypeUnknown { .. } => 2115,
            Self::ManifestApplicationTypeNotSupported { .. } => 2116,
            Self::ManifestMallocVersionUnknown { .. } => 2117,
            Self::ManifestRuntimeVersionUnsupported { .. } => 2118,
            Self::ManifestCapabilityUnknown { .. } => 2120,
            Self::ManifestCapabilityNotEnforced { .. } => 2121,
            Self::ManifestConnectionInvalid { .. } => 2122,
            Self::ManifestPortInvalid { .. } => 2123,
            Self::ManifestListTooLong { .. } => 2124,
            Self::ManifestListDuplicate => 2125,
            Self::ManifestPeripheralInvalid { .. } => 2126,
            Self::ManifestUuidInvalid { .. } => 2127,
            Self::ManifestStorageSizeInvalid { .. } => 2128,
            Self::ManifestPowerControlInvalid => 2129,
            Self::ManifestPortReserved { .. } => 2130,
        }
    }
}
