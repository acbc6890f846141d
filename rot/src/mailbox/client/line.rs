//! The client's end of a line: one request at a time, asked again until its own reply comes.

extern crate std;

use super::transport::{Transport, is_time};
use crate::engine::{Manufacture, Start};
use crate::error::{Error, Result};
use crate::mailbox::call::{Call, Numbers, Operation, REPLY_HEAD_MAX, Reply};
use crate::mailbox::chip::Runs;
use crate::mailbox::frame::{Decoder, Direction, FrameWriter, OVERHEAD};
use crate::mailbox::{ENTROPY_SIZE, FRAME_MAX, PROTOCOL};
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;
use zeroize::Zeroize as _;

/// The smallest frame that a mailbox may be limited to: an order and its signatures fit.
const FRAME_LEAST: u64 = 512;
/// Bytes that are read from the stream at once.
const CHUNK: usize = 4096;

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first reply; each further try waits twice as long as the one before.
    pub first: Duration,
    /// How often it asks.
    pub tries: u32,
}

impl Default for Patience {
    /// Half a minute in all.
    fn default() -> Self {
        Self { first: Duration::from_secs(2), tries: 4 }
    }
}

/// What a board says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Which program answers.
    pub runs: Runs,
    /// What every operation of a root of trust gets now: `NotManufactured` from a blank chip.
    pub refused: Option<Error>,
    /// The largest frame of a request, bytes.
    pub frame_max: usize,
}

/// A line that was greeted.
pub struct Line<T> {
    transport: T,
    patience: Patience,
    decoder: Decoder<Vec<u8>>,
    /// Of the last request.
    number: u32,
    about: About,
}

impl<T: Transport> Line<T> {
    /// Greets what is at the other end, and gives it randomness.
    ///
    /// # Errors
    /// `MailboxUnreachable`, `MailboxSilent`, `ProtocolUnknown`, `AnswerMalformed`, `RandomFailed`.
    pub fn open(transport: T, patience: Patience) -> Result<Self> {
        let about =
            About { runs: Runs::Rom, refused: Some(Error::MailboxReset), frame_max: FRAME_MAX };
        let decoder = Decoder::new(vec![0; FRAME_MAX + REPLY_HEAD_MAX]);
        let mut line = Self { transport, patience, decoder, number: 0, about };
        line.greet()?;
        Ok(line)
    }

    /// What the board said of itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Gives a blank chip its identity.
    ///
    /// # Errors
    /// As [`crate::Engine::manufacture`]; those of [`Line::ask`].
    pub fn manufacture(&mut self, with: &Manufacture<'_>) -> Result<()> {
        let mut entropy = entropy()?;
        let fields = [with.platform_section, &with.claim_code.0, &with.class.0, &entropy];
        let made = self.ask(Operation::Manufacture, &[], &fields);
        entropy.zeroize();
        match made {
            Ok(_) => self.greet(),
            // The reply was lost, and the chip that would repeat it has begun anew: with an
            // identity, if it did what was asked. It refuses a second one, so it is this one.
            Err(Error::MailboxReset) => {
                self.greet()?;
                self.about.refused.map_or(Ok(()), Err)
            }
            Err(error) => Err(error),
        }
    }

    /// Resets the chip, and greets it again.
    ///
    /// # Errors
    /// As [`crate::Engine::reset`]; those of [`Line::ask`].
    pub fn restart(&mut self, start: Start) -> Result<()> {
        match self.ask(Operation::Restart, &[start as u64], &[]) {
            // The reply was lost, and the chip that would repeat it has begun anew.
            Ok(_) | Err(Error::MailboxReset) => self.greet(),
            Err(error) => Err(error),
        }
    }

    /// Begins a connection. A number that the board takes for a late copy gets no reply, so that
    /// after some silence another one is tried.
    fn greet(&mut self) -> Result<()> {
        let all = self.patience;
        self.patience.tries = all.tries.div_ceil(2);
        let mut said = Err(Error::MailboxSilent);
        for _ in 0..2 {
            let mut number = [0u8; 4];
            getrandom::fill(&mut number).map_err(|_| Error::RandomFailed)?;
            self.number = u32::from_be_bytes(number);
            said = self.ask(Operation::Hello, &[PROTOCOL], &[]);
            if said != Err(Error::MailboxSilent) {
                break;
            }
        }
        self.patience = all;
        let (numbers, _) = said?;
        let [PROTOCOL, runs, code, frame_max] = numbers.as_slice() else {
            return Err(Error::AnswerMalformed);
        };
        if *frame_max < FRAME_LEAST {
            return Err(Error::AnswerMalformed);
        }
        let known = |code: u64| u16::try_from(code).ok().and_then(Error::from_code);
        let refused = (*code != 0).then(|| known(*code).unwrap_or(Error::RefusalUnknown));
        let frame_max = usize::try_from(*frame_max).unwrap_or(FRAME_MAX).min(FRAME_MAX);
        self.about = About { runs: Runs::from_number(*runs)?, refused, frame_max };
        let mut entropy = entropy()?;
        let stirred = self.ask(Operation::Entropy, &[], &[&entropy]);
        entropy.zeroize();
        stirred.map(|_| ())
    }

    /// Asks, and asks again (MBX-2) until the reply to this request comes.
    ///
    /// # Errors
    /// The refusal; `MessageTooLarge` before anything was sent; `MailboxUnreachable` and
    /// `MailboxSilent`, after which it is not known whether the command was done; `MailboxReset`,
    /// `AnswerMalformed`, `RefusalUnknown`, `ProtocolUnknown`.
    pub fn ask(
        &mut self,
        operation: Operation,
        numbers: &[u64],
        bytes: &[&[u8]],
    ) -> Result<(Numbers, Vec<u8>)> {
        let call = Call::new(operation as u64, numbers, bytes);
        let call = call.map_err(|_| Error::MessageTooLarge)?;
        let mut length = OVERHEAD;
        call.encode(|bytes| length += bytes.len())?;
        if length > self.about.frame_max {
            return Err(Error::MessageTooLarge);
        }
        self.number = self.number.wrapping_add(1);
        let mut frame = Vec::with_capacity(length + length / 128 + 8);
        let put = |bytes: &[u8]| frame.extend_from_slice(bytes);
        let mut writer = FrameWriter::new(Direction::Request, self.number, put);
        call.encode(|bytes| writer.put(bytes))?;
        writer.end();
        let reply = self.exchange(&frame);
        frame.zeroize();
        reply
    }

    fn exchange(&mut self, frame: &[u8]) -> Result<(Numbers, Vec<u8>)> {
        let mut wait = self.patience.first;
        for _ in 0..self.patience.tries {
            match self.transport.send(frame, wait) {
                Err(error) if !is_time(&error) => return Err(Error::MailboxUnreachable),
                _ => {}
            }
            if let Some(reply) = self.listen(wait) {
                return reply;
            }
            wait = wait.saturating_mul(2);
        }
        Err(Error::MailboxSilent)
    }

    /// Reads until the reply to the last request; `None` if it does not come in time.
    fn listen(&mut self, wait: Duration) -> Option<Result<(Numbers, Vec<u8>)>> {
        let until = Instant::now() + wait;
        let mut chunk = [0u8; CHUNK];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let Ok(length) = self.transport.receive(&mut chunk, left) else {
                return Some(Err(Error::MailboxUnreachable));
            };
            for byte in chunk.get(..length).unwrap_or(&[]) {
                let frame = self.decoder.push(*byte);
                let own = frame.filter(|frame| frame.direction == Direction::Reply);
                let Some(own) = own.filter(|frame| frame.number.get() == self.number) else {
                    continue;
                };
                let reply = Reply::parse(own.payload);
                return Some(reply.map(|reply| (reply.numbers, reply.bytes.to_vec())));
            }
        }
    }
}

fn entropy() -> Result<[u8; ENTROPY_SIZE]> {
    let mut entropy = [0u8; ENTROPY_SIZE];
    getrandom::fill(&mut entropy).map_err(|_| Error::RandomFailed)?;
    Ok(entropy)
}
