//! Why a device was not believed.

use craton_trust::dice::Mode;
use craton_trust::{ComponentId, Digest};

/// Why evidence was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// The evidence is not authentic, or answers something else.
    #[error("{0}")]
    Evidence(#[from] craton_trust::Error),
    /// The pair (boot, check-in) is not above the last one.
    #[error(
        "E4102: the check-in was seen before, or a clone of the device checked in since. Restart \
         the device; if it happens again, look for the other one"
    )]
    CountersStale,
    /// Something measured is not a reference value.
    #[error(
        "E4103: component {0} runs {1}, which is not of the admitted set that the device booted, \
         and no runtime that this catalog published, by the keys of the device's trust store or of \
         the newest. Publish that image, or update the device"
    )]
    MeasurementUnknown(ComponentId, Digest),
    /// The epoch is not the device's.
    #[error("E4104: the device is in another ownership epoch. Claim it again")]
    EpochOther,
    /// The token names another client key than the request.
    #[error("E4105: the evidence is for another client key than the request. Check in again")]
    ClientKeyOther,
    /// The product demands a better root of trust.
    #[error(
        "E4106: the product demands a better root of trust. Move the device to another product"
    )]
    RotClassBelow,
    /// The lifecycle does not permit a certificate.
    #[error("E4107: the device is {0}. Finish its manufacture, or use a dev catalog")]
    LifecycleRefused(&'static str),
    /// The device runs in another mode.
    #[error("E4108: the device runs in debug or recovery mode. Restart it without the capability")]
    ModeNotNormal(Mode),
    /// The trust store was not measured.
    #[error(
        "E4111: the evidence does not say which trust store the device has. Update its runtime"
    )]
    MeasurementMissing,
    /// An image of the booted set was not measured.
    #[error(
        "E4112: the evidence does not measure component {0} of the image set it names. Update the \
         device's runtime"
    )]
    MemberUnmeasured(ComponentId),
    /// No runtime was measured.
    #[error("E4113: the evidence measures no runtime of this catalog. Update the device's runtime")]
    RuntimeUnmeasured,
    /// Something runs below the floor that the device itself claims.
    #[error(
        "E4114: component {0} runs a version below the floor that the device claims for it. Its \
         root of trust does not hold: take the device out of service"
    )]
    BelowOwnFloor(ComponentId),
    /// The root of trust is of another platform.
    #[error(
        "E4115: the device's root of trust was made for another platform than this catalog's. \
         Claim it in the catalog of its platform"
    )]
    PlatformForeign,
    /// Certificate and claims name another lifecycle.
    #[error(
        "E4116: the device's certificate and its claims name different lifecycles. Restart it; if \
         that does not help, take it out of service"
    )]
    LifecycleContradicts,
    /// Certificate and endorsement name another class.
    #[error(
        "E4117: the device's certificate names another class of devices than its endorsement. Ask \
         its manufacturer for the right endorsement"
    )]
    ClassOther,
    /// The trust store is older than the one that the device showed before.
    #[error(
        "E4128: the device shows version {shows} of the {section} section, and showed version \
         {showed} before. Have it take the successors (craton device trust-store apply) and check \
         in again; if it goes back once more, its root of trust does not hold: take it out of \
         service"
    )]
    SectionBelowShown {
        /// Which half.
        section: &'static str,
        /// The version that it shows now.
        shows: u64,
        /// The highest that it showed.
        showed: u64,
    },
    /// The connection shows no certificate.
    #[error("E4109: this needs the certificate of a check-in. Check in first")]
    CertificateMissing,
    /// The certificate is not the device's newest.
    #[error("E4110: the certificate was replaced by a later check-in. Use the newest one")]
    CertificateReplaced,
    /// A TPM's quote leaves out what its firmware measured.
    #[error(
        "E4119: the quote leaves out some of the registers 0 to 7, which say what the machine \
         booted. Update the device's runtime; if that does not help, take it out of service"
    )]
    RegistersMissing,
    /// What firmware says that it measured leads to other values than the TPM quoted.
    #[error(
        "E4120: the event log leads to none of the registers that the device's TPM quoted. Send \
         the log of this machine's last start; if it is that one, its firmware logs wrongly"
    )]
    BootLogElsewhere,
    /// Another check-in was answered on this connection.
    #[error("E4118: this connection has had its check-in. Connect anew for another one")]
    ConnectionUsed,
}

impl AttestError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Evidence(error) => error.code(),
            Self::CountersStale => 4102,
            Self::MeasurementUnknown(..) => 4103,
            Self::EpochOther => 4104,
            Self::ClientKeyOther => 4105,
            Self::RotClassBelow => 4106,
            Self::LifecycleRefused(_) => 4107,
            Self::ModeNotNormal(_) => 4108,
            Self::MeasurementMissing => 4111,
            Self::MemberUnmeasured(_) => 4112,
            Self::RuntimeUnmeasured => 4113,
            Self::BelowOwnFloor(_) => 4114,
            Self::PlatformForeign => 4115,
            Self::LifecycleContradicts => 4116,
            Self::ClassOther => 4117,
            Self::SectionBelowShown { .. } => 4128,
            Self::CertificateMissing => 4109,
            Self::CertificateReplaced => 4110,
            Self::ConnectionUsed => 4118,
            Self::RegistersMissing => 4119,
            Self::BootLogElsewhere => 4120,
        }
    }
}
