//! The server's end of a line: which request is new, and what is sent for one that came before.
//!
//! Rule MBX-2. Each request of a connection bears the next number. One with the number and bytes of
//! the last is that request again, whose reply was lost: it gets the kept reply and is not done
//! again. One with an older number is a late copy and gets nothing. A number far off belongs to
//! another connection, which must begin with `Hello`; anything else there means that this chip was
//! reset since (`MailboxReset`).

use super::call::{Answer, Call, Operation};
use super::frame::{Direction, Frame, FrameWriter};
use crate::error::Error;

/// How far behind the last number one is late, and how far ahead it is the next: a client skips
/// one for each command on which it gave up.
pub const WINDOW: u32 = 0xffff;

/// The last request, and its reply beside the bytes.
#[derive(Clone, Copy)]
struct Last {
    number: u32,
    check: u32,
    answer: Answer,
}

/// The server's end of a line.
pub struct Post<O> {
    out: O,
    last: Option<Last>,
}

/// What a number says of a request.
enum Seen {
    New,
    Again(Answer),
    Late,
    Foreign,
}

impl<O: AsRef<[u8]> + AsMut<[u8]>> Post<O> {
    /// After a reset; `out` is where calls write, and keeps the last reply.
    pub const fn new(out: O) -> Self {
        Self { out, last: None }
    }

    /// Takes a frame of the line, lets `serve` do what it asks if that is new, and sends the reply.
    pub fn take(
        &mut self,
        frame: &Frame<'_>,
        serve: impl FnOnce(&Call<'_>, &mut [u8]) -> Answer,
        mut send: impl FnMut(&[u8]),
    ) {
        if frame.direction != Direction::Request {
            return;
        }
        let call = Call::parse(frame.payload);
        let greets = call.as_ref().is_ok_and(|call| call.operation == Operation::Hello);
        let answer = match self.seen(frame, greets) {
            Seen::New => {
                let answer = match &call {
                    Ok(call) => serve(call, self.out.as_mut()),
                    Err(error) => Answer::refusal(*error),
                };
                self.last = Some(Last { number: frame.number, check: frame.check, answer });
                answer
            }
            Seen::Again(answer) => answer,
            Seen::Late => return,
            Seen::Foreign => Answer::refusal(Error::MailboxReset),
        };
        let mut writer = FrameWriter::new(Direction::Reply, frame.number, &mut send);
        // It has room for every reply; a frame cut short here would be dropped by the other side.
        let _ = answer.encode(self.out.as_ref(), |bytes| writer.put(bytes));
        writer.end();
    }

    fn seen(&self, frame: &Frame<'_>, greets: bool) -> Seen {
        let Some(last) = &self.last else {
            return if greets { Seen::New } else { Seen::Foreign };
        };
        let ahead = frame.number.wrapping_sub(last.number);
        let behind = last.number.wrapping_sub(frame.number);
        match (ahead, behind) {
            (0, _) if frame.check == last.check => Seen::Again(last.answer),
            (1..=WINDOW, _) => Seen::New,
            (_, 0..=WINDOW) => Seen::Late,
            _ if greets => Seen::New,
            _ => Seen::Foreign,
        }
    }
}
