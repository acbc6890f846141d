//! Recovery over the wire: what a ROM says that found nothing to start, and what it takes.
//!
//! Rule ROT-22: a ROM that no slot starts takes a program of type recovery over the line of its
//! mailbox, and starts it in mode Recovery: it unseals nothing, confirms nothing and raises no
//! floor, but it can write a program into a slot. It is selected as what lies in a slot is, under
//! the same component and floor: a recovery program is no lasting fallback that a floor of its own
//! would have to keep alive, since who sends it can send the newest; and under such a floor each
//! old one with a known hole would start for ever. Every other frame gets its refusal, and the ROM
//! goes on waiting.
//!
//! The package is the payload of one frame (MBX-1: found after any garbage, and no longer than the
//! memory that it goes to); its reply is that of a mailbox. It is sent byte by byte, each made of
//! its place alone: of what the sender chose (number, CRC) no word is anywhere, and no address of
//! memory leads a byte onto the line (ROT-25).

use super::frame::{Decoder, Direction, FORMAT, FrameMemory, Halves, UNCHECKED, checked, step};
use crate::error::{Error, Result};

/// No package is as small; a frame below it asks something of a mailbox.
const PACKAGE_LEAST: usize = 128;

/// Waits in `memory` for a package that `start` takes, and gives what that made of it.
pub fn wait<T>(
    memory: impl FrameMemory,
    mut receive: impl FnMut() -> u8,
    mut send: impl FnMut(u8),
    mut start: impl FnMut(&[u8]) -> Result<T>,
) -> T {
    let mut decoder = Decoder::new(memory);
    loop {
        let Some(frame) = decoder.push(receive()) else { continue };
        if frame.direction != Direction::Request {
            continue;
        }
        let (number, length) = (frame.number, frame.payload.len());
        let done = match decoder.take_payload(length) {
            package if length >= PACKAGE_LEAST => start(package),
            _ => Err(Error::RecoveryAwaited),
        };
        reply(number, done.as_ref().map_or_else(|error| error.code(), |_| 0), &mut send);
        if let Ok(done) = done {
            return done;
        }
    }
}

/// Bytes of a reply's frame before its CRC, if it is a refusal.
const BEFORE_CHECK: usize = 13;

/// Sends `[1, code, [], b""]`, as [`super::Answer`] encodes it, in its frame.
#[inline(never)]
fn reply(number: Halves, code: u16, send: &mut impl FnMut(u8)) {
    // A refusal's code has two bytes more.
    let before = if code == 0 { BEFORE_CHECK - 2 } else { BEFORE_CHECK };
    let check = (0..before)
        .fold(UNCHECKED, |check, place| step(check, byte(place, number, code, UNCHECKED)));
    let byte = |place| byte(place, number, code, checked(check));
    let end = before + 4;
    send(0);
    let mut from = 0;
    while from <= end {
        let to = (from..end).find(|place| byte(*place) == 0).unwrap_or(end);
        send((to - from + 1) as u8);
        (from..to).for_each(|place| send(byte(place)));
        from = to + 1;
    }
    send(0);
}

/// The byte of a reply's frame at a place, before it is stuffed.
#[inline(never)] // for the CRC and for the line
fn byte(place: usize, number: Halves, code: u16, check: Halves) -> u8 {
    let place = if code == 0 && place > 8 { place + 2 } else { place };
    match place {
        0 => FORMAT,
        1 => Direction::Reply as u8,
        2..6 => number.byte(place - 2),
        6 => 0x84,
        7 => 1,
        8 => {
            if code == 0 {
                0
            } else {
                0x19
            }
        }
        9 => (code >> 8) as u8,
        10 => code as u8,
        11 => 0x80,
        12 => 0x40,
        _ => check.byte(place - BEFORE_CHECK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::call::{Answer, Reply};
    use crate::mailbox::frame::FrameWriter;
    use std::vec::Vec;

    fn framed(direction: Direction, number: u32, payload: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        let mut writer = FrameWriter::new(direction, number, |b: &[u8]| line.extend_from_slice(b));
        writer.put(payload);
        writer.end();
        line
    }

    /// The replies of a ROM that finds 7 good.
    fn said(line: &[u8], size: usize) -> Vec<(u32, Result<()>)> {
        let (mut line, mut sent) = (line.iter().copied(), Vec::new());
        let good = [7; 200];
        let start = |package: &[u8]| {
            if package == good { Ok(()) } else { Err(Error::RuntimeType) }
        };
        let mut memory = std::vec![0; size];
        wait(
            &mut memory[..],
            || line.next().expect("the ROM waits on"),
            |byte| sent.push(byte),
            start,
        );
        assert_eq!(memory[..200], good, "it lies where it starts");
        let (mut decoder, mut replies) = (Decoder::new(std::vec![0; 64]), Vec::new());
        for byte in sent {
            let Some(frame) = decoder.push(byte) else { continue };
            assert_eq!(frame.direction, Direction::Reply);
            replies.push((frame.number.get(), Reply::parse(frame.payload).map(|_| ())));
        }
        replies
    }

    #[test]
    fn rot_22_a_refused_package_gets_its_number_and_the_rom_waits_on() {
        let request = |number, payload: &[u8]| framed(Direction::Request, number, payload);
        let good = request(9, &[7; 200]);
        let line = [
            &b"any garbage\0\0"[..],
            &request(1, b"hello"),
            &framed(Direction::Reply, 2, &[7; 200]),
            &request(3, &[7; 199]),
            &request(4, &[7; 5000]),
            &request(5, &[7; 200])[..90],
            &good,
        ];
        let refused = Err(Error::RuntimeType);
        let replies = [(1, Err(Error::RecoveryAwaited)), (3, refused), (9, Ok(()))];
        assert_eq!(said(&line.concat(), 300), replies);
        assert_eq!(said(&good, 210), [(9, Ok(()))], "as large as the memory");
    }

    #[test]
    fn rot_22_its_replies_are_those_of_a_mailbox() {
        let refused = [Error::RecoveryAwaited, Error::Trust(craton_trust::Error::FooterInvalid)];
        // Numbers with zeros at each place, and so many that each byte of the CRC is zero in some.
        let numbers = [0, 5, 0x0100_0000, 0x0001_0000, 0x0000_0100, !0].into_iter().chain(1..2000);
        for number in numbers {
            for error in refused {
                let mut theirs = Vec::new();
                let answer = Answer::refusal(error);
                answer.encode(&[], |bytes| theirs.extend_from_slice(bytes)).unwrap();
                assert_eq!(
                    replied(number, error.code()),
                    framed(Direction::Reply, number, &theirs)
                );
            }
            let good = [0x84, 1, 0, 0x80, 0x40];
            assert_eq!(replied(number, 0), framed(Direction::Reply, number, &good));
        }
    }

    fn replied(number: u32, code: u16) -> Vec<u8> {
        let mut line = Vec::new();
        reply(Halves::of(number.to_be_bytes()), code, &mut |byte| line.push(byte));
        line
    }
}
