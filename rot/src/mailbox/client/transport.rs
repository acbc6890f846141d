//! Byte streams with a time limit.

extern crate std;

use std::boxed::Box;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A byte stream to a board.
pub trait Transport {
    /// Sends all of `bytes`, or fails within `limit`.
    ///
    /// # Errors
    /// The stream's; `WouldBlock` or `TimedOut` if the other side takes no bytes.
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()>;

    /// Waits up to `limit` for bytes, and says how many came; 0 if none.
    ///
    /// # Errors
    /// The stream's; `UnexpectedEof` if it is closed.
    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        (**self).send(bytes, limit)
    }

    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
        (**self).receive(into, limit)
    }
}

macro_rules! socket {
    ($($stream:ty),*) => {
        $(impl Transport for $stream {
            fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(limit))?;
                self.write_all(bytes)
            }

            fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
                self.set_read_timeout(Some(limit))?;
                received(self.read(into))
            }
        })*
    };
}

socket!(UnixStream, TcpStream);

fn received(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if is_time(&error) => Ok(0),
        other => other,
    }
}

/// Whether it was only the time that ran out.
pub(super) fn is_time(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
