//! Why a device cannot run.

use crate::installed::InstalledError;
use crate::ipc::{Fault, RoleError};
use crate::transfer::TransferError;
use std::path::PathBuf;

/// Why the monitor gave up.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// A role refused, or could not be started.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// The root of trust refused.
    #[error("{0}")]
    Rot(#[from] craton_rot::Error),
    /// The slots or a set could not be read or written.
    #[error(transparent)]
    Installed(#[from] InstalledError),
    /// The runtime could not read itself.
    #[error("E5510: the program cannot read itself ({0}), so nothing could be measured")]
    RuntimeUnreadable(std::io::Error),
    /// Another monitor has the folder.
    #[error("E5511: {0} is in use: the device runs already. Stop it first")]
    DeviceRuns(PathBuf),
    /// The folder is no device.
    #[error("E5512: {0} is no device. Make one with: craton quickstart --keep")]
    DeviceMissing(PathBuf),
}

impl MonitorError {
    /// Who is at fault.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Role(error) => error.fault(),
            Self::Installed(InstalledError::DeviceIo(..)) => Fault::Host,
            _ => Fault::Judged,
        }
    }

    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Role(error) => error.code(),
            Self::Rot(error) => error.code(),
            Self::Installed(error) => error.code(),
            Self::RuntimeUnreadable(_) => 5510,
            Self::DeviceRuns(_) => 5511,
            Self::DeviceMissing(_) => 5512,
        }
    }
}

impl From<TransferError> for MonitorError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Rot(error) => Self::Rot(error),
            TransferError::Installed(error) => Self::Installed(error),
        }
    }
}

impl From<craton_trust::Error> for MonitorError {
    fn from(error: craton_trust::Error) -> Self {
        Self::Installed(error.into())
    }
}
