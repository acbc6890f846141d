//! Where a mailbox is: `unix:/path/of/a/socket`, `tcp:127.0.0.1:port`, or `tty:/dev/a-serial-line`.
//!
//! TCP is for this host only: what goes over a line is not encrypted, and whoever reads along has
//! what was unsealed, and the right to check in.

extern crate std;

use super::serial::Serial;
use super::transport::Transport;
use crate::error::{Error, Result};
use std::boxed::Box;
use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port of this host.
    Tcp(SocketAddr),
    /// A serial line.
    Tty(PathBuf),
}

impl Address {
    /// Opens a stream to it.
    ///
    /// # Errors
    /// `MailboxUnreachable`; `StorageLocked` for a serial line that another process has.
    pub fn connect(&self) -> Result<Box<dyn Transport + Send>> {
        let unreachable = |_| Error::MailboxUnreachable;
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).map_err(unreachable)?),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).map_err(unreachable)?),
            Self::Tty(path) => {
                Box::new(Serial::open(path).map_err(|error| match error.kind() {
                    ErrorKind::WouldBlock => Error::StorageLocked,
                    _ => Error::MailboxUnreachable,
                })?)
            }
        })
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let address = match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Some(Self::Unix(path.into())),
            Some(("tty", path)) if path.starts_with('/') => Some(Self::Tty(path.into())),
            Some(("tcp", address)) => address.parse().ok().map(Self::Tcp),
            _ => None,
        };
        let here = |address: &Self| match address {
            Self::Unix(_) | Self::Tty(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        };
        address.filter(here).ok_or(Error::MailboxAddress)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Tty(path) => write!(f, "tty:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    #[test]
    fn an_address_is_a_socket_or_a_port_of_this_host_or_mailbox_address() {
        for good in
            ["unix:/run/board/rot", "tcp:127.0.0.1:4444", "tcp:[::1]:4444", "tty:/dev/ttyS9"]
        {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        let bad = ["", "unix:", "unix:rot", "/run/rot", "tcp:host:1", "tcp:127.0.0.1", "tcp:1:2"];
        for bad in bad.into_iter().chain(["tcp:192.0.2.1:4444", "udp:127.0.0.1:4444"]) {
            assert_eq!(bad.parse::<Address>(), Err(Error::MailboxAddress), "{bad}");
        }
        for nowhere in ["unix:/nowhere/at/all", "tty:/dev/null"] {
            let nowhere = nowhere.parse::<Address>().unwrap().connect();
            assert_eq!(nowhere.err(), Some(Error::MailboxUnreachable));
        }
    }
}
