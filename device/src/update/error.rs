//! Why an update was not staged.

use crate::installed::InstalledError;
use crate::ipc::Fault;
use crate::link::LinkError;

/// Why a set could not be fetched and staged.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The service was not reached, or said no.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// The set, an envelope or a payload was refused, or the disk was.
    #[error("{0}")]
    Installed(#[from] InstalledError),
    /// What arrived is not what the set names.
    #[error(
        "E5310: a download is not what the set names, from the service and as a full image alike"
    )]
    DownloadOther,
    /// The set names no way for a payload to travel.
    #[error(
        "E5311: the set names no whole payload to fetch. Publish it again, with the whole \
         payload among its transports"
    )]
    TransportMissing,
}

impl UpdateError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Link(error) => error.code(),
            Self::Installed(error) => error.code(),
            Self::DownloadOther => 5310,
            Self::TransportMissing => 5311,
        }
    }

    /// Who is at fault.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Link(LinkError::DownloadStopped(_))
            | Self::Installed(InstalledError::DeviceIo(..)) => Fault::Host,
            Self::Link(_) => Fault::Service,
            Self::Installed(_) | Self::DownloadOther | Self::TransportMissing => Fault::Judged,
        }
    }
}

impl From<craton_trust::Error> for UpdateError {
    fn from(error: craton_trust::Error) -> Self {
        Self::Installed(error.into())
    }
}
