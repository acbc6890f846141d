//! The refusals of this crate, each with its stable number (`spec/errors.toml` has the words).

use core::fmt;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why bytes were not believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Error {
            $($(#[$doc])* $name,)*
        }

        impl Error {
            /// The number in `spec/errors.toml`.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The refusal that has this number; `None` for a number of nobody.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name in `spec/errors.toml`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

refusals! {
    /// Not one well-formed CBOR item, or one that ends early.
    CborMalformed = 1001,
    /// Well-formed, but not the one deterministic encoding (RFC 8949 §4.2).
    CborNotCanonical = 1002,
    /// Nested deeper than eight levels.
    CborTooDeep = 1003,
    /// Bytes follow the item.
    CborTrailing = 1004,
    /// A field is missing, of another type, or out of its range.
    FieldInvalid = 1005,
    /// A list or text is longer than its bound.
    FieldTooLong = 1006,
    /// The object's format version is not one we know.
    VersionUnknown = 1007,
    /// The caller's buffer cannot hold the encoding.
    BufferTooSmall = 1008,
    /// The public key is not a point on its curve, or its COSE_Key is not the one form we accept.
    KeyInvalid = 1101,
    /// The algorithm on a signature or key is unknown, or is not the one of the key.
    AlgorithmMismatch = 1102,
    /// No signature names a key of the role that must sign.
    SignerUnknown = 1103,
    /// A signature names a key of the role, and does not verify.
    SignatureInvalid = 1104,
    /// Too few distinct keys of the role signed.
    ThresholdNotMet = 1105,
    /// One key signed twice.
    SignerRepeated = 1106,
    /// The COSE_Sign1 is not of the one shape we accept.
    CoseShape = 1107,
    /// The role has no keys in this section.
    RoleEmpty = 1108,
    /// The role is hybrid, and too few of its keys of one algorithm signed.
    HybridUnmet = 1109,
    /// The LMS key is of another parameter set than the one that is believed.
    LmsSetUnknown = 1110,
    /// The section is of the other kind (platform, owner).
    SectionKind = 1201,
    /// The successor's version is not the old one plus one.
    SuccessorVersion = 1202,
    /// The successor descends from another genesis.
    SuccessorGenesis = 1203,
    /// The successor would leave an installed image without a signer.
    SuccessorOrphans = 1204,
    /// A role's threshold is zero where it must not be, or above its number of keys.
    ThresholdImpossible = 1205,
    /// A key stands twice in a role, or in two algorithms.
    KeyRepeated = 1206,
    /// More successors than one chain may have.
    ChainTooLong = 1207,
    /// The successor turns a production root into a development one.
    SuccessorDev = 1208,
    /// The ceiling is above 4095, the highest security version that a root of trust can seal for.
    CeilingTooHigh = 1209,
    /// The section asks for check-ins by challenge, which nothing here can do.
    FreshnessUnbuilt = 1210,
    /// The manifest is not the one command sequence of its image type.
    ManifestTemplate = 1301,
    /// The manifest's digest is not the one that was signed.
    ManifestDigest = 1302,
    /// The payload is not the one of the manifest (digest or size).
    PayloadMismatch = 1303,
    /// The image is for another class of device.
    ClassMismatch = 1304,
    /// The security version is below the floor.
    RolledBack = 1305,
    /// The security version is above the ceiling of the trust store.
    AboveCeiling = 1306,
    /// The package's footer does not find an envelope and a payload.
    FooterInvalid = 1307,
    /// The set names a component twice, or not in order.
    SetOrder = 1401,
    /// An envelope is not the one the set names.
    SetEnvelopeMismatch = 1402,
    /// A component needs an ABI that nothing in the set provides.
    AbiUnmet = 1403,
    /// A development set on a device that believes only production ones.
    DevelopmentSet = 1404,
    /// The object is of another catalog.
    OtherCatalog = 1501,
    /// The object is for another device.
    OtherDevice = 1502,
    /// The object is of another ownership epoch.
    OtherEpoch = 1503,
    /// The object answers another request.
    OtherRequest = 1504,
    /// The capability answers another challenge, or a boot that is over.
    ChallengeMismatch = 1505,
    /// The lot names a device twice, or not in order.
    LotOrder = 1506,
    /// The set is not in the log under this checkpoint.
    NotLogged = 1601,
    /// The checkpoint is smaller than one already believed.
    CheckpointShrank = 1602,
    /// The two checkpoints are not of one log.
    LogForked = 1603,
    /// A DICE certificate does not certify the next layer.
    ChainBroken = 1701,
    /// The chain does not begin at the endorsed identity.
    IdentityMismatch = 1702,
    /// The token's profile is not ours.
    ProfileUnknown = 1703,
    /// The token answers another challenge.
    NonceMismatch = 1704,
    /// The token is for another purpose.
    PurposeMismatch = 1705,
    /// The token is for another audience.
    AudienceMismatch = 1706,
    /// A component is measured twice.
    MeasuredTwice = 1707,
    /// What a TPM signed is no quote of the one shape that we ask for.
    QuoteShape = 1708,
    /// The quote is over other claims, or other registers.
    QuoteOther = 1709,
    /// Bytes are no event log of the one form that we read.
    EventLogShape = 1710,
    /// The slot is not in the state that this step needs.
    SlotState = 1801,
    /// This set failed its trial here before.
    SetFailedBefore = 1802,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{}: {}", self.code(), self.name())
    }
}

impl core::error::Error for Error {}

/// What every fallible function of this crate returns.
pub type Result<T> = core::result::Result<T, Error>;
