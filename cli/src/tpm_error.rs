//! Refusals that have to do with what is in a TPM, or measured into it.

use std::path::PathBuf;

/// Why something of a TPM was refused.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// Events that lead to other values than the TPM has.
    #[error(
        "E6175: the log does not lead to what the TPM has in the registers {0}: something was \
         measured that is not in it, or it was changed. Do not approve a boot by this log"
    )]
    BootLogOther(String),
    /// A log of the service's that is not of the registers that it shows.
    #[error(
        "E6178: the log that the service gave does not lead to the registers that it shows; \
         nothing was written. Ask again, the device may have booted; if it stays so, do not \
         believe the service"
    )]
    BootLogNotProven,
    /// No register to look at.
    #[error("E6176: no register was chosen. Name some: --registers 0,2,4,7")]
    RegistersNone,
    /// A boot that was revoked is a boot like any other.
    #[error(
        "E6177: an approval of any boot is of no generation: it would open what was revoked, too. \
         Choose registers, or leave --generation out"
    )]
    GenerationOfAny,
    /// It would open nothing at the next start.
    #[error(
        "E6179: {file} is of generation {found}, and the device is in generation {device}: no \
         approval of an older one opens it. Nothing was kept. Have the publisher approve this \
         boot by `craton boot-approval sign --generation {device}`"
    )]
    GenerationOlder {
        /// The approval.
        file: PathBuf,
        /// That of the approval.
        found: u16,
        /// That of the device.
        device: u16,
    },
    /// A manufacture that goes on would stay where it began.
    #[error(
        "E6207: the manufacture in {folder} was begun in generation {begun}. Go on with \
         --generation {begun}; `craton boot-approval revoke` takes the device to a newer one later"
    )]
    GenerationBegun {
        /// The device's folder.
        folder: PathBuf,
        /// That of the device, or of the approvals that it is to be made by.
        begun: u16,
    },
    /// The TPM says nothing of its maker.
    #[error(
        "E6171: the TPM has no certificate for its endorsement key of P-256 or RSA 2048 (NV index \
         0x01c0000a or 0x01c00002). Take one that has, or endorse it without --tpm-maker, on your \
         own word"
    )]
    TpmCertificateMissing,
    /// The root of trust is elsewhere.
    #[error("E6205: no root of trust of {0} is in a TPM. For any other one remove the folder")]
    NotInTpm(PathBuf),
    /// Which TPM it is in nothing says.
    #[error(
        "E6206: {0} does not say in which TPM its root of trust is, because its manufacture was \
         cut; no TPM was touched. Do the manufacture again with the same --rot, it goes on, and \
         then discard it; or discard --erase-tpm ADDRESS, and remove the folder"
    )]
    TpmNotNamed(PathBuf),
}

impl TpmError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BootLogOther(_) => 6175,
            Self::BootLogNotProven => 6178,
            Self::RegistersNone => 6176,
            Self::GenerationOfAny => 6177,
            Self::GenerationOlder { .. } => 6179,
            Self::GenerationBegun { .. } => 6207,
            Self::TpmCertificateMissing => 6171,
            Self::NotInTpm(_) => 6205,
            Self::TpmNotNamed(_) => 6206,
        }
    }
}
