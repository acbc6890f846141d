//! The host's end of a recovery over the wire (ROT-22).

extern crate std;

use super::transport::Transport;
use crate::error::{Error, Result};
use crate::mailbox::call::{REPLY_HEAD_MAX, Reply};
use crate::mailbox::frame::{Decoder, Direction, FrameWriter};
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

/// How long all of a package may take: a serial line needs a quarter of a minute for the largest.
pub const SENT_WITHIN: Duration = Duration::from_secs(120);
/// How long its ROM may take to verify it.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);

/// Sends a recovery program to a ROM that waits for one. When this returns, the program starts.
///
/// # Errors
/// The ROM's refusal; `MailboxUnreachable`, `MailboxSilent`; `AnswerMalformed`, `RefusalUnknown`.
pub fn recover(transport: &mut impl Transport, package: &[u8]) -> Result<()> {
    let mut number = [0u8; 4];
    getrandom::fill(&mut number).map_err(|_| Error::RandomFailed)?;
    let number = u32::from_be_bytes(number);
    let mut frame = Vec::with_capacity(package.len() + package.len() / 128 + 64);
    let mut writer = FrameWriter::new(Direction::Request, number, |b: &[u8]| {
        frame.extend_from_slice(b);
    });
    writer.put(package);
    writer.end();
    transport.send(&frame, SENT_WITHIN).map_err(|_| Error::MailboxUnreachable)?;
    let until = Instant::now() + DECIDED_WITHIN;
    let mut decoder = Decoder::new(vec![0; REPLY_HEAD_MAX]);
    let mut chunk = [0u8; 256];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::MailboxSilent);
        }
        let length = transport.receive(&mut chunk, left);
        let length = length.map_err(|_| Error::MailboxUnreachable)?;
        for byte in chunk.get(..length).unwrap_or(&[]) {
            let Some(frame) = decoder.push(*byte) else { continue };
            if frame.direction == Direction::Reply && frame.number.get() == number {
                return Reply::parse(frame.payload).map(|_| ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::recovery::wait;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn rot_22_a_host_gets_the_roms_refusal_and_sends_another() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let rom = std::thread::spawn(move || {
            let receive = || {
                let mut byte = [0];
                (&theirs).read_exact(&mut byte).unwrap();
                byte[0]
            };
            let send = |byte: u8| (&theirs).write_all(&[byte]).unwrap();
            let start = |package: &[u8]| {
                if package == [7; 9000] { Ok(7) } else { Err(Error::RuntimeForeign) }
            };
            wait(&mut [0; 10_000], receive, send, start)
        });
        assert_eq!(recover(&mut ours, &[1; 3]), Err(Error::RecoveryAwaited));
        assert_eq!(recover(&mut ours, &[6; 9000]), Err(Error::RuntimeForeign));
        assert_eq!(recover(&mut ours, &[7; 9000]), Ok(()));
        assert_eq!(rom.join().unwrap(), 7);
        assert_eq!(recover(&mut ours, &[7; 9000]), Err(Error::MailboxUnreachable));
    }
}
