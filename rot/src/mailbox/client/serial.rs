//! A serial line of this host: raw, eight bits, no parity, [`BAUD`].

extern crate std;

use super::transport::Transport;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bits a second: the largest message takes one second, half of what a client waits at first.
pub const BAUD: u32 = 115_200;

/// A serial line.
pub struct Serial(File);

impl Serial {
    /// Opens a terminal device, for this process alone among those that ask (`flock`), and makes it
    /// a raw line.
    ///
    /// # Errors
    /// The system's; `NotATerminal` as it says that; `WouldBlock` if another has it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(flags.bits().cast_signed());
        let file = options.open(path)?;
        file.try_lock()?;
        let mut how = tcgetattr(&file)?;
        how.make_raw();
        how.set_speed(BAUD)?;
        tcsetattr(&file, OptionalActions::Flush, &how)?;
        Ok(Self(file))
    }

    /// Whether it is ready for `what` before `until`.
    fn wait(&self, what: PollFlags, until: Instant) -> io::Result<bool> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
            match poll(&mut [PollFd::new(&self.0, what)], Some(&left)) {
                Err(Errno::INTR) => {} // a signal is no answer
                ready => return Ok(ready? > 0),
            }
        }
    }
}

impl Transport for Serial {
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let (until, mut rest) = (Instant::now() + limit, bytes);
        while !rest.is_empty() {
            if !self.wait(PollFlags::OUT, until)? {
                return Err(ErrorKind::TimedOut.into());
            }
            let written = self.0.write(rest)?;
            rest = rest.get(written..).unwrap_or(&[]);
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
        if !self.wait(PollFlags::IN, Instant::now() + limit)? {
            return Ok(0);
        }
        match self.0.read(into) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::mailbox::client::Address;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::vec;
    use std::vec::Vec;

    /// A terminal's other end, and its name.
    fn terminal() -> (File, std::string::String) {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap();
        (File::from(end), name.into_string().unwrap())
    }

    /// A terminal's other end, and a line opened on it.
    fn pair() -> (File, Serial) {
        let (end, name) = terminal();
        (end, Serial::open(Path::new(&name)).unwrap())
    }

    #[test]
    fn a_serial_line_is_one_clients_at_a_time_storage_locked() {
        let (_end, name) = terminal();
        let address: Address = std::format!("tty:{name}").parse().unwrap();
        let first = address.connect().unwrap();
        assert_eq!(address.connect().err(), Some(Error::StorageLocked));
        drop(first);
        assert!(address.connect().is_ok());
    }

    #[test]
    fn a_serial_line_carries_every_byte_as_it_is_and_no_echo() {
        let (mut end, mut line) = pair();
        let all: Vec<u8> = (0..=255).collect();
        let limit = Duration::from_secs(5);
        line.send(&all, limit).unwrap();
        let mut there = vec![0; 256];
        end.read_exact(&mut there).unwrap();
        assert_eq!(there, all);
        end.write_all(&all).unwrap();
        let mut here = Vec::new();
        while here.len() < all.len() {
            let mut room = [0; 100];
            let length = line.receive(&mut room, limit).unwrap();
            here.extend_from_slice(&room[..length]);
        }
        assert_eq!(here, all);
        let mut room = [0; 8];
        assert_eq!(line.receive(&mut room, Duration::from_millis(5)).unwrap(), 0);
    }

    #[test]
    fn a_line_that_nobody_reads_is_full_in_time_and_a_file_is_no_line() {
        let (end, mut line) = pair();
        let much = vec![7; 1 << 20];
        let full = line.send(&much, Duration::from_millis(50)).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::TimedOut);
        drop(end);
        assert!(line.receive(&mut [0; 8], Duration::from_millis(5)).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Serial::open(file.path()).is_err());
    }
}
