//! The way to a TPM: a device file, or the socket of an emulator. Both take a command and give a
//! response; its header says how long it is.

use crate::error::{Error, Result};
use std::boxed::Box;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use std::vec::Vec;

/// The largest command or response, bytes: what Linux passes on.
pub const MESSAGE_MAX: usize = 4096;
/// Tag, size, code.
pub const HEADER_SIZE: usize = 10;
/// No command of ours takes a TPM longer: keys of P-256, no RSA.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// What takes a command in one write and gives its response.
pub trait Channel: Read + Write + Send {}

impl<T: Read + Write + Send> Channel for T {}

/// An open way to a TPM.
pub struct Transport {
    channel: Box<dyn Channel>,
    /// Whether whoever opens it is alone: no resource manager cleans up behind him.
    pub alone: bool,
}

impl Transport {
    /// The device of a resource manager, such as `/dev/tpmrm0`.
    ///
    /// # Errors
    /// `TpmUnreachable`.
    pub fn device(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let channel = Box::new(opened.map_err(|_| Error::TpmUnreachable)?);
        Ok(Self { channel, alone: false })
    }

    /// The command socket of an emulator, in the file system.
    ///
    /// # Errors
    /// `TpmUnreachable`.
    pub fn unix(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).map_err(|_| Error::TpmUnreachable)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX)).map_err(|_| Error::TpmUnreachable)?;
        Ok(Self { channel: Box::new(stream), alone: true })
    }

    /// The command socket of an emulator on this machine.
    ///
    /// # Errors
    /// `TpmUnreachable`, for an address of another machine, too: nothing encrypts the way.
    pub fn tcp(address: SocketAddr) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Error::TpmUnreachable);
        }
        let stream = TcpStream::connect(address).map_err(|_| Error::TpmUnreachable)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX)).map_err(|_| Error::TpmUnreachable)?;
        Ok(Self { channel: Box::new(stream), alone: true })
    }

    /// A way that the caller opened; `alone` as the field.
    #[must_use]
    pub fn over(channel: impl Channel + 'static, alone: bool) -> Self {
        Self { channel: Box::new(channel), alone }
    }

    /// Sends a command and returns the whole response.
    ///
    /// # Errors
    /// `TpmUnreachable` if it does not answer, `TpmResponseBroken` for a size that cannot be.
    pub fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        // One write: a device file takes a command whole or not at all.
        self.channel.write_all(command).map_err(|_| Error::TpmUnreachable)?;
        let mut response = std::vec![0; MESSAGE_MAX];
        let mut length = 0;
        while length < expected(response.get(..length).unwrap_or(&[]))? {
            let room = response.get_mut(length..).unwrap_or(&mut []);
            match self.channel.read(room) {
                Ok(0) | Err(_) => return Err(Error::TpmUnreachable),
                Ok(more) => length += more,
            }
        }
        response.truncate(length);
        Ok(response)
    }
}

/// How many bytes a response has, as far as one can tell from its beginning.
fn expected(beginning: &[u8]) -> Result<usize> {
    let Some(size) = beginning.get(2..6).and_then(|size| size.try_into().ok()) else {
        return Ok(HEADER_SIZE);
    };
    let size = u32::from_be_bytes(size) as usize;
    let right = (HEADER_SIZE..=MESSAGE_MAX).contains(&size) && beginning.len() <= size;
    if right { Ok(size) } else { Err(Error::TpmResponseBroken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: &'static [u8]) -> Result<Vec<u8>> {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(bytes).unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        let mut transport = Transport { channel: Box::new(near), alone: true };
        transport.exchange(b"command")
    }

    #[test]
    fn a_response_has_the_size_that_its_header_says_tpm_response_broken() {
        let whole = b"\x80\x01\x00\x00\x00\x0c\x00\x00\x00\x00ab";
        assert_eq!(answered(whole), Ok(whole.to_vec()));
        assert_eq!(answered(&whole[..11]), Err(Error::TpmUnreachable));
        assert_eq!(answered(b""), Err(Error::TpmUnreachable));
        let broken: [&[u8]; 3] = [
            b"\x80\x01\x00\x00\x00\x0c\x00\x00\x00\x00abc",
            b"\x80\x01\x00\x00\x00\x09\x00\x00\x00\x00",
            b"\x80\x01\x00\x00\x10\x01\x00\x00\x00\x00",
        ];
        broken.iter().for_each(|b| assert_eq!(answered(b), Err(Error::TpmResponseBroken)));
    }

    #[test]
    fn a_response_may_come_in_pieces_and_over_tcp() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let emulator = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut command = [0; 7];
            stream.read_exact(&mut command).unwrap();
            for piece in [&b"\x80\x01\x00"[..], b"\x00\x00\x0c\x00\x00\x00\x00a", b"b"] {
                stream.write_all(piece).unwrap();
            }
            command
        });
        let response = Transport::tcp(address).unwrap().exchange(b"command");
        assert_eq!(response.unwrap(), b"\x80\x01\x00\x00\x00\x0c\x00\x00\x00\x00ab");
        assert_eq!(&emulator.join().unwrap(), b"command");
    }

    #[test]
    fn a_tpm_that_is_not_there_or_elsewhere_is_tpm_unreachable() {
        let unreachable = Some(Error::TpmUnreachable);
        assert_eq!(Transport::device(Path::new("/nonexistent/tpm")).err(), unreachable);
        assert_eq!(Transport::unix(Path::new("/nonexistent/tpm")).err(), unreachable);
        assert_eq!(Transport::tcp(([192, 0, 2, 1], 2321).into()).err(), unreachable);
    }
}
