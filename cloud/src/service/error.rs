//! Why the service did not come up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::blobs::BlobError;
use crate::store::StoreError;

/// A refusal to come up.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Another program listens there.
    #[error(
        "E4351: another program listens on {0} already. Stop it, or choose another port: --listen \
         is for devices and operators, --dashboard for its pages."
    )]
    PortTaken(SocketAddr),
    /// The address cannot be listened on.
    #[error("E4352: cannot listen on {address} ({source}). Choose an address of this machine.")]
    AddressRefused {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder cannot be made or written.
    #[error(
        "E4353: the data folder {} cannot be used ({source}). Give the service a folder that it \
         may write to.",
        .folder.display()
    )]
    DataFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another service has the folder.
    #[error(
        "E4354: another service uses the data folder {}. Stop it, or give this one a folder of \
         its own.", .0.display()
    )]
    DataFolderInUse(PathBuf),
    /// The TLS key or certificate is not usable.
    #[error("E4355: the TLS key cannot be used ({0}). Look at the service's key file.")]
    TlsKeyRefused(#[source] rustls::Error),
    /// The dashboard has no login, so that only this machine may see it.
    #[error(
        "E4356: the dashboard may listen only on a loopback address, not on {0}. Use 127.0.0.1, \
         and a tunnel from elsewhere."
    )]
    DashboardExposed(SocketAddr),
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blobs did not open.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl ServiceError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::PortTaken(_) => 4351,
            Self::AddressRefused { .. } => 4352,
            Self::DataFolder { .. } => 4353,
            Self::DataFolderInUse(_) => 4354,
            Self::TlsKeyRefused(_) => 4355,
            Self::DashboardExposed(_) => 4356,
            Self::Store(inner) => inner.code(),
            Self::Blob(inner) => inner.code(),
        }
    }
}
