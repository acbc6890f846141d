//! Messages: a request and its reply, flat, and as canonical CBOR.
//!
//! A request is `[1, operation, [numbers…], [byte strings…]]`, a reply `[1, code, [numbers…], byte
//! string]`; code 0 is done, any other the number of a refusal (MBX-4). What a flat call means is
//! not decided here: [`super::serve`] looks at each field.

use super::PROTOCOL;
use crate::error::{Error, Result};
use craton_trust::cbor::{Reader, Writer};
use craton_trust::copy;

/// The most numbers of a message.
pub const NUMBERS_MAX: usize = 12;
/// The most byte strings of a request: a successor with its sets and envelopes.
pub const BYTES_MAX: usize = 48;
/// Bytes of everything before the first byte string: four heads, code and numbers.
const FIXED_MAX: usize = 4 * 9 + (1 + NUMBERS_MAX) * 9;
/// The most bytes of a reply's frame beside what its call wrote.
pub const REPLY_HEAD_MAX: usize = FIXED_MAX + 9 + super::frame::OVERHEAD;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What is asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Operation {
            $($(#[$doc])* $name = $number,)*
        }

        impl Operation {
            /// Every operation, with its name.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$name, stringify!($name)),)*];

            /// From its number.
            ///
            /// # Errors
            /// `OperationUnknown`.
            pub const fn from_number(number: u64) -> Result<Self> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err(Error::OperationUnknown),
                }
            }
        }
    };
}

operations! {
    /// Opens a connection. `[version]`, none → `[version, what runs, code, largest frame]`, none;
    /// the code is 0, or the refusal that every operation of the trait gets now.
    Hello = 1,
    /// Gives a blank chip its identity. None, `[platform section, claim code digest, class,
    /// entropy]` → nothing.
    Manufacture = 2,
    /// Resets the chip. `[0 normal, 1 recovery]`, none → nothing; what follows begins by `Hello`.
    Restart = 3,
    /// Mixes randomness in. None, `[entropy]` → nothing.
    Entropy = 4,
    /// What is kept of the chip's last failure, once. None → nothing, or
    /// [`ChipFailure`](crate::ChipFailure): its numbers, and component and program if it has them.
    TakeFailure = 5,
    /// None → identity and device.
    Identity = 16,
    /// `[place]` → the certificate, or nothing and `[0]` past the end.
    Certificate = 17,
    /// None → `[class, limits]`.
    Capabilities = 18,
    /// None → [`Status`](crate::Status), as `serve` packs it.
    Status = 19,
    /// `[kind, room]` → the section.
    Section = 20,
    /// None, `[order]` → nothing.
    AdvanceLifecycle = 21,
    /// None → the session.
    TakeAuthRole = 22,
    /// None, `[runtime, images, set if any]` → `[mode]`.
    Boot = 23,
    /// None, `[component, digest]` → nothing.
    Extend = 24,
    /// `[place]` → `[0]` past the end, `[1, boot, mode]`, or `[2]` and what was measured.
    Event = 25,
    /// `[room]`, `[audience, nonce, client key, session if for a check-in]` → evidence.
    Attest = 26,
    /// None → the key.
    ClientKey = 27,
    /// None → the key.
    RenewClientKey = 28,
    /// `[kind]` or none for a CertificateVerify, `[message]` → the signature.
    Sign = 29,
    /// `[room]`, `[component, plain]` → sealed.
    Seal = 30,
    /// `[room]`, `[component, sealed]` → plain.
    Unseal = 31,
    /// None → nothing.
    Confirm = 32,
    /// None, `[code, owner section]` → nothing.
    Claim = 33,
    /// `[sets]`, `[successor, sets…, envelopes…]` → nothing.
    Replace = 34,
    /// None, `[order, next owner if any]` → nothing.
    NewEpoch = 35,
    /// None → the challenge.
    Challenge = 36,
    /// None, `[capability]` → nothing.
    Apply = 37,
    /// None, `[reply, request]` → nothing.
    AcceptReply = 38,
    /// `[length]` → random bytes.
    Random = 39,
    /// None → `[slot that runs, or 2, standing of A, standing of B, security version, floor]`.
    Programs = 40,
    /// `[length]` → nothing.
    BeginProgram = 41,
    /// `[offset]`, `[piece]` → nothing.
    WriteProgram = 42,
    /// None, `[set if any]` → nothing.
    ArmProgram = 43,
}

/// A few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Numbers {
    values: [u64; NUMBERS_MAX],
    length: usize,
}

impl Numbers {
    /// These numbers.
    ///
    /// # Errors
    /// `CallShape` if they are too many.
    pub fn of(numbers: &[u64]) -> Result<Self> {
        let mut all = Self { values: [0; NUMBERS_MAX], length: numbers.len() };
        let room = all.values.get_mut(..numbers.len()).ok_or(Error::CallShape)?;
        copy(room, numbers);
        Ok(all)
    }

    /// The numbers.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        self.values.get(..self.length).unwrap_or(&[])
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.length = reader.list(NUMBERS_MAX).map_err(|_| Error::CallShape)?;
        for place in self.values.iter_mut().take(self.length) {
            *place = reader.u64()?;
        }
        Ok(())
    }
}

/// A request.
#[derive(Clone, Copy)]
pub struct Call<'b> {
    /// What is asked.
    pub operation: Operation,
    numbers: Numbers,
    bytes: [&'b [u8]; BYTES_MAX],
    count: usize,
}

impl<'b> Call<'b> {
    /// A request of these parts.
    ///
    /// # Errors
    /// `OperationUnknown`; `CallShape` if the numbers or byte strings are too many.
    pub fn new(operation: u64, numbers: &[u64], bytes: &[&'b [u8]]) -> Result<Self> {
        let mut call = Self::EMPTY;
        call.begin(operation, numbers)?;
        bytes.iter().try_for_each(|bytes| call.push(bytes))?;
        Ok(call)
    }

    /// A place for a request. It is half a KiB: a chip fills it where it stays.
    pub const EMPTY: Self = Self {
        operation: Operation::Hello,
        numbers: Numbers { values: [0; NUMBERS_MAX], length: 0 },
        bytes: [&[]; BYTES_MAX],
        count: 0,
    };

    /// Makes this a request without byte strings yet.
    ///
    /// # Errors
    /// `OperationUnknown`; `CallShape` if the numbers are too many.
    pub fn begin(&mut self, operation: u64, numbers: &[u64]) -> Result<()> {
        self.operation = Operation::from_number(operation)?;
        self.numbers = Numbers::of(numbers)?;
        self.count = 0;
        Ok(())
    }

    /// Adds a byte string.
    ///
    /// # Errors
    /// `CallShape` if there are too many.
    pub fn push(&mut self, bytes: &'b [u8]) -> Result<()> {
        *self.bytes.get_mut(self.count).ok_or(Error::CallShape)? = bytes;
        self.count += 1;
        Ok(())
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        self.numbers.as_slice()
    }

    /// The byte strings.
    #[must_use]
    pub fn bytes(&self) -> &[&'b [u8]] {
        self.bytes.get(..self.count).unwrap_or(&[])
    }

    /// Reads a request.
    ///
    /// # Errors
    /// `Trust` for the encoding; `ProtocolUnknown`, `OperationUnknown`, `CallShape`.
    pub fn parse(message: &'b [u8]) -> Result<Self> {
        let mut call = Self::EMPTY;
        call.read(message)?;
        Ok(call)
    }

    /// Makes this the request that a message is.
    ///
    /// # Errors
    /// As [`Call::parse`]; what is here then is no request.
    #[inline(never)] // what it needs of a chip's stack is free again while the call is done
    pub fn read(&mut self, message: &'b [u8]) -> Result<()> {
        let mut reader = Reader::new(message)?;
        reader.array(4)?;
        if reader.u64()? != PROTOCOL {
            return Err(Error::ProtocolUnknown);
        }
        self.operation = Operation::from_number(reader.u64()?)?;
        self.numbers.read(&mut reader)?;
        self.count = reader.list(BYTES_MAX).map_err(|_| Error::CallShape)?;
        for place in self.bytes.iter_mut().take(self.count) {
            *place = reader.bytes(message.len())?;
        }
        Ok(reader.end()?)
    }

    /// Writes the request, piece by piece.
    ///
    /// # Errors
    /// None: the pieces have room for every call.
    pub fn encode(&self, mut put: impl FnMut(&[u8])) -> Result<()> {
        fixed(self.operation as u64, self.numbers(), &mut put, |writer| {
            writer.array(self.count).map(|_| ())
        })?;
        self.bytes().iter().try_for_each(|bytes| byte_string(bytes, &mut put))
    }
}

/// What came of a call, beside the bytes that it wrote: it has no pointer, and crosses a gate by
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 0, or the number of the refusal.
    pub code: u16,
    /// The numbers.
    pub numbers: Numbers,
    /// How many bytes were written.
    pub length: usize,
}

impl Answer {
    /// Refused.
    #[must_use]
    pub fn refusal(error: Error) -> Self {
        Self { code: error.code(), numbers: Numbers::default(), length: 0 }
    }

    /// Done, with these numbers, and this many bytes written.
    ///
    /// # Errors
    /// `CallShape` if the numbers are too many.
    pub fn done(numbers: &[u64], length: usize) -> Result<Self> {
        Ok(Self { code: 0, numbers: Numbers::of(numbers)?, length })
    }

    /// Writes the reply, piece by piece; `room` is what the call was given to write into.
    ///
    /// # Errors
    /// None: the pieces have room for every reply.
    pub fn encode(&self, room: &[u8], mut put: impl FnMut(&[u8])) -> Result<()> {
        fixed(u64::from(self.code), self.numbers.as_slice(), &mut put, |_| Ok(()))?;
        byte_string(room.get(..self.length).unwrap_or(&[]), &mut put)
    }
}

/// A reply, as the host reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'b> {
    /// The numbers.
    pub numbers: Numbers,
    /// The bytes.
    pub bytes: &'b [u8],
}

impl<'b> Reply<'b> {
    /// Reads a reply; one that says that the call was refused is that refusal (MBX-4).
    ///
    /// # Errors
    /// The refusal; `RefusalUnknown`; `ProtocolUnknown`, `AnswerMalformed`.
    pub fn parse(message: &'b [u8]) -> Result<Self> {
        let malformed = |_| Error::AnswerMalformed;
        let mut reader = Reader::new(message).map_err(malformed)?;
        reader.array(4).map_err(malformed)?;
        if reader.u64().map_err(malformed)? != PROTOCOL {
            return Err(Error::ProtocolUnknown);
        }
        let code = reader.u64().map_err(malformed)?;
        let mut numbers = Numbers::default();
        numbers.read(&mut reader).map_err(|_| Error::AnswerMalformed)?;
        let bytes = reader.bytes(message.len()).map_err(malformed)?;
        reader.end().map_err(malformed)?;
        if code == 0 {
            return Ok(Self { numbers, bytes });
        }
        let error = u16::try_from(code).ok().and_then(Error::from_code);
        Err(error.unwrap_or(Error::RefusalUnknown))
    }
}

/// The head of a message, and whatever `more` adds to it.
fn fixed(
    code: u64,
    numbers: &[u64],
    put: &mut impl FnMut(&[u8]),
    more: impl FnOnce(&mut Writer<'_>) -> craton_trust::error::Result<()>,
) -> Result<()> {
    let mut room = [0u8; FIXED_MAX];
    let mut writer = Writer::new(&mut room);
    writer.array(4)?.u64(PROTOCOL)?.u64(code)?.array(numbers.len())?;
    for number in numbers {
        writer.u64(*number)?;
    }
    more(&mut writer)?;
    let length = writer.length();
    put(room.get(..length).unwrap_or(&[]));
    Ok(())
}

fn byte_string(bytes: &[u8], put: &mut impl FnMut(&[u8])) -> Result<()> {
    let mut room = [0u8; 9];
    let mut writer = Writer::new(&mut room);
    let length = writer.bytes_head(bytes.len())?.length();
    put(room.get(..length).unwrap_or(&[]));
    put(bytes);
    Ok(())
}
