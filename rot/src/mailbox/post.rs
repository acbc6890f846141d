//! The server's end of a line: which request is new, and what is sent for one that came before.
//!
//! Rule MBX-2. Each request of a connection bears the next number. One with the number and bytes of
//! the last is that request again, whose reply was lost: it gets the kept reply and is not done
//! again. One with an older number is a late copy and gets nothing. A number far off belongs to
//! another connection, which must begin with `Hello`; anything else there means that this chip was
//! reset since (`MailboxReset`).
//!
//! Frames and the kept reply are in one buffer, the reply at its end. Only the next request may
//! take its place: who sends that has the reply, or gave it up.

use super::PROTOCOL;
use super::call::{Answer, Call, Operation};
use super::frame::{Decoder, Direction, Frame, FrameWriter, OVERHEAD};
use crate::error::Error;

/// How far behind the last number one is late, and how far ahead it is the next: a client skips
/// one for each command on which it gave up.
pub const WINDOW: u32 = 0xffff;
/// The bytes that a kept reply always leaves to frames: those of a `Hello`.
const GREETING_MAX: usize = 64;

/// The last request, and its reply beside the bytes.
#[derive(Clone, Copy)]
struct Last {
    number: u32,
    check: u32,
    /// None once a frame took its place.
    answer: Option<Answer>,
}

/// The server's end of a line.
pub struct Post<B> {
    decoder: Decoder<B>,
    last: Option<Last>,
}

/// What a number says of a request.
enum Seen {
    New,
    Again(Answer),
    Late,
    Foreign,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Post<B> {
    /// After a reset. In `buffer` a request and its reply have room side by side.
    pub const fn new(buffer: B) -> Self {
        Self { decoder: Decoder::new(buffer), last: None }
    }

    /// Takes the next byte of the line. At the end of a request it lets `serve` do what that asks
    /// if it is new, and sends the reply. Returns whether a frame ended here.
    pub fn take(
        &mut self,
        byte: u8,
        serve: impl FnOnce(&Call<'_>, &mut [u8]) -> Answer,
        send: impl FnMut(&[u8]),
    ) -> bool {
        self.give_way();
        let Some((frame, room)) = self.decoder.push_beside(byte) else { return false };
        if frame.direction != Direction::Request {
            return true;
        }
        let number = frame.number.get();
        let seen = match seen(self.last.as_ref(), &frame) {
            Seen::Foreign if greets(frame.payload) => Seen::New,
            seen => seen,
        };
        let answer = match seen {
            Seen::New => {
                let answer = answer(&frame, room, serve);
                self.last = Some(Last { number, check: frame.check.get(), answer: Some(answer) });
                self.decoder.keep(answer.length);
                answer
            }
            Seen::Again(answer) => answer,
            Seen::Late => return true,
            Seen::Foreign => Answer::refusal(Error::MailboxReset),
        };
        reply(number, &answer, self.decoder.kept(), send);
        true
    }

    /// Gives the kept reply up if it is in the way of the next request. A late copy of another one
    /// is as long, and does not get its place.
    fn give_way(&mut self) {
        let (Some(number), Some(last)) = (self.decoder.blocked(), &mut self.last) else { return };
        if (1..=WINDOW).contains(&number.wrapping_sub(last.number)) {
            last.answer = None;
            self.decoder.keep(0);
        }
    }
}

fn seen(last: Option<&Last>, frame: &Frame<'_>) -> Seen {
    let Some(last) = last else { return Seen::Foreign };
    let number = frame.number.get();
    let (ahead, behind) = (number.wrapping_sub(last.number), last.number.wrapping_sub(number));
    match (ahead, behind, last.answer) {
        (0, _, Some(answer)) if frame.check.get() == last.check => Seen::Again(answer),
        (1..=WINDOW, ..) => Seen::New,
        (_, 0..=WINDOW, _) => Seen::Late,
        _ => Seen::Foreign,
    }
}

/// Whether a message begins as a `Hello`; there is one way to write that.
fn greets(message: &[u8]) -> bool {
    message.starts_with(&[0x84, PROTOCOL as u8, Operation::Hello as u8])
}

/// Does what a frame asks; what it wrote stands at the end of `room`.
#[inline(never)] // a call is on a chip's stack only while it is read or done
fn answer(
    frame: &Frame<'_>,
    room: &mut [u8],
    serve: impl FnOnce(&Call<'_>, &mut [u8]) -> Answer,
) -> Answer {
    room.fill(0); // what was asked or answered before may have been unsealed (ROT-23)
    let spared = GREETING_MAX.saturating_sub(frame.payload.len() + OVERHEAD);
    let room = room.get_mut(spared..).unwrap_or(&mut []);
    let mut call = Call::EMPTY;
    let answer = match call.read(frame.payload) {
        Ok(()) => serve(&call, room),
        Err(error) => Answer::refusal(error),
    };
    if let Some(end) = room.len().checked_sub(answer.length) {
        room.copy_within(..answer.length, end);
        // Moved, not copied: it may have been unsealed (ROT-23).
        room.iter_mut().take(end.min(answer.length)).for_each(|byte| *byte = 0);
    }
    answer
}

#[inline(never)] // its block is not on a chip's stack while a call is done
fn reply(number: u32, answer: &Answer, kept: &[u8], mut send: impl FnMut(&[u8])) {
    let mut writer = FrameWriter::new(Direction::Reply, number, &mut send);
    // It has room for every reply; a frame cut short here would be dropped by the other side.
    let _ = answer.encode(kept, |bytes| writer.put(bytes));
    writer.end();
}
