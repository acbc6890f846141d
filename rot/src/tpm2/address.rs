//! Where a TPM is: `device:/dev/tpmrm0`, or an emulator's `unix:/path/of/the/socket` or
//! `tcp:127.0.0.1:port`.
//!
//! The device is the resource manager's. `/dev/tpm0` has no one who cleans up behind a process that
//! was killed.

use super::transport::Transport;
use crate::error::{Error, Result};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a TPM is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The device of a resource manager.
    Device(PathBuf),
    /// An emulator's socket in the file system.
    Unix(PathBuf),
    /// An emulator's port of this host.
    Tcp(SocketAddr),
}

impl Address {
    /// Opens a way to it.
    ///
    /// # Errors
    /// `TpmUnreachable`.
    pub fn connect(&self) -> Result<Transport> {
        match self {
            Self::Device(path) => Transport::device(path),
            Self::Unix(path) => Transport::unix(path),
            Self::Tcp(address) => Transport::tcp(*address),
        }
    }
}

impl Default for Address {
    /// The TPM that Linux found first.
    fn default() -> Self {
        Self::Device("/dev/tpmrm0".into())
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let address = match text.split_once(':') {
            Some(("device", path)) if path.starts_with('/') => Some(Self::Device(path.into())),
            Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
            Some(("tcp", address)) => address.parse().ok().map(Self::Tcp),
            _ => None,
        };
        let here = |address: &Self| match address {
            Self::Device(_) | Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        };
        address.filter(here).ok_or(Error::TpmAddress)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn an_address_is_a_device_or_an_emulator_of_this_host_or_tpm_address() {
        for good in ["device:/dev/tpmrm1", "unix:/run/swtpm", "tcp:127.0.0.1:2321"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        assert_eq!(Address::default().to_string(), "device:/dev/tpmrm0");
        let bad = ["", "/dev/tpmrm0", "device:", "device:tpmrm0", "unix:tpm", "tcp:host:1"];
        for bad in bad.into_iter().chain(["tcp:192.0.2.1:2321", "swtpm:/run/swtpm"]) {
            assert_eq!(bad.parse::<Address>(), Err(Error::TpmAddress), "{bad}");
        }
        for nowhere in ["device:/nowhere/at/all", "unix:/nowhere/at/all"] {
            let nowhere = nowhere.parse::<Address>().unwrap().connect();
            assert_eq!(nowhere.err(), Some(Error::TpmUnreachable));
        }
    }
}
