//! The failure record: what a device says of a crash. It has no place for a byte of an app's
//! memory.
//!
//! Rules: FAIL-1 a record holds build ids, program counters and numbers, never contents; FAIL-2
//! records are numbered, so that a gap shows what was lost.

use crate::cbor::{Reader, Writer};
use crate::error::{Error, Result};
use crate::id::{ComponentId, Digest, ImageId};

/// The most frames of a trace.
pub const FRAMES_MAX: usize = 64;
/// The largest record, bytes.
pub const RECORD_MAX: usize = 4096;
/// The longest build id, bytes (a GNU build id is 20).
pub const BUILD_ID_MAX: usize = 32;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureKind {
    /// An app died by a signal that tells of a fault of its own.
    Crash = 1,
    /// An app ended by itself with an error.
    Exit = 2,
    /// An update's trial fell back.
    TrialFailed = 3,
    /// An update was refused; the code is the error's number.
    UpdateRefused = 4,
    /// A watchdog or the supervisor ended something that hung.
    Watchdog = 5,
    /// The spool overflowed; the code is how many records were lost.
    Gap = 6,
    /// An app was ended by a signal that tells of no fault; who sent it, the kernel does not say.
    Killed = 7,
    /// An app was killed at a time at which the kernel killed because memory ran out.
    OutOfMemory = 8,
    /// An app went over a limit; the signal says which.
    OverLimit = 9,
    /// The chip of the root of trust failed and reset itself; the code is a [`ChipCode`].
    ChipReset = 10,
}

impl FailureKind {
    /// From its number.
    ///
    /// # Errors
    /// `FieldInvalid`.
    pub const fn from_number(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::Crash),
            2 => Ok(Self::Exit),
            3 => Ok(Self::TrialFailed),
            4 => Ok(Self::UpdateRefused),
            5 => Ok(Self::Watchdog),
            6 => Ok(Self::Gap),
            7 => Ok(Self::Killed),
            8 => Ok(Self::OutOfMemory),
            9 => Ok(Self::OverLimit),
            10 => Ok(Self::ChipReset),
            _ => Err(Error::FieldInvalid),
        }
    }
}

/// What the code of a failure of a chip says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipCode {
    /// Which of its programs: 1 ROM, 2 runtime, 3 mailbox.
    pub stage: u8,
    /// How: 1 a fault, 2 a secure fault, 3 a panic, 4 it hung.
    pub how: u8,
    /// The fault status register (CFSR of an Arm M-profile processor).
    pub status: u32,
}

impl ChipCode {
    /// As a number.
    #[must_use]
    pub const fn number(self) -> i64 {
        let [a, b, c, d] = self.status.to_be_bytes();
        i64::from_be_bytes([0, 0, self.stage, self.how, a, b, c, d])
    }

    /// From a number.
    #[must_use]
    pub const fn of(number: i64) -> Self {
        let [_, _, stage, how, a, b, c, d] = number.to_be_bytes();
        Self { stage, how, status: u32::from_be_bytes([a, b, c, d]) }
    }
}

/// Where a faulting address pointed: its class, never the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FaultClass {
    /// No address, or none that matters.
    None = 0,
    /// The first page.
    Null = 1,
    /// Next to a stack.
    StackGuard = 2,
    /// Code.
    Text = 3,
    /// Writable memory.
    Data = 4,
    /// Nothing is mapped there.
    Unmapped = 5,
    /// No address of this machine.
    NonCanonical = 6,
}

impl FaultClass {
    /// From its number.
    ///
    /// # Errors
    /// `FieldInvalid`.
    pub const fn from_number(number: u8) -> Result<Self> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Null),
            2 => Ok(Self::StackGuard),
            3 => Ok(Self::Text),
            4 => Ok(Self::Data),
            5 => Ok(Self::Unmapped),
            6 => Ok(Self::NonCanonical),
            _ => Err(Error::FieldInvalid),
        }
    }
}

/// One frame: the module by build id, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// The GNU build id of the module; empty if it has none.
    pub build_id: &'b [u8],
    /// The program counter, relative to the module's first byte.
    pub pc: u64,
}

/// A failure record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<'b> {
    /// Its number on this device: 1, 2, 3 … (FAIL-2).
    pub number: u64,
    /// What happened.
    pub kind: FailureKind,
    /// To which component.
    pub component: ComponentId,
    /// Of which image.
    pub image: ImageId,
    /// In which image set.
    pub set: Digest,
    /// The signal, 0 for none.
    pub signal: u8,
    /// The signal's code, exit status, error number or count, after the kind.
    pub code: i64,
    /// What the fault pointed to.
    pub fault: FaultClass,
    /// The boot in which it happened.
    pub boot: u64,
    /// How long the app had run, milliseconds.
    pub uptime_ms: u64,
    frames: [Frame<'b>; FRAMES_MAX],
    count: usize,
}

impl<'b> Failure<'b> {
    /// A record without a trace.
    #[must_use]
    pub const fn new(
        kind: FailureKind,
        component: ComponentId,
        image: ImageId,
        set: Digest,
    ) -> Self {
        Self {
            number: 0,
            kind,
            component,
            image,
            set,
            signal: 0,
            code: 0,
            fault: FaultClass::None,
            boot: 0,
            uptime_ms: 0,
            frames: [Frame { build_id: &[], pc: 0 }; FRAMES_MAX],
            count: 0,
        }
    }

    /// Adds a frame, innermost first.
    ///
    /// # Errors
    /// `FieldTooLong`.
    pub fn push(&mut self, frame: Frame<'b>) -> Result<()> {
        if frame.build_id.len() > BUILD_ID_MAX {
            return Err(Error::FieldTooLong);
        }
        *self.frames.get_mut(self.count).ok_or(Error::FieldTooLong)? = frame;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The trace, innermost frame first.
    #[must_use]
    pub fn frames(&self) -> &[Frame<'b>] {
        self.frames.get(..self.count).unwrap_or(&[])
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        if bytes.len() > RECORD_MAX {
            return Err(Error::FieldTooLong);
        }
        let mut reader = Reader::new(bytes)?;
        reader.array(12)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let number = reader.u64()?;
        let kind = FailureKind::from_number(reader.u8()?)?;
        let component = ComponentId(reader.fixed()?);
        let mut record = Self::new(kind, component, ImageId(reader.fixed()?), reader.digest()?);
        record.number = number;
        record.signal = reader.u8()?;
        record.code = reader.i64()?;
        record.fault = FaultClass::from_number(reader.u8()?)?;
        record.boot = reader.u64()?;
        record.uptime_ms = reader.u64()?;
        for _ in 0..reader.list(FRAMES_MAX)? {
            reader.array(2)?;
            record.push(Frame { build_id: reader.bytes(BUILD_ID_MAX)?, pc: reader.u64()? })?;
        }
        reader.end()?;
        Ok(record)
    }

    /// Writes the record into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(12)?.u64(1)?.u64(self.number)?.u64(self.kind as u64)?;
        writer.bytes(&self.component.0)?.bytes(&self.image.0)?.bytes(&self.set.0)?;
        writer.u64(u64::from(self.signal))?.i64(self.code)?.u64(self.fault as u64)?;
        writer.u64(self.boot)?.u64(self.uptime_ms)?.array(self.count)?;
        for frame in self.frames() {
            writer.array(2)?.bytes(frame.build_id)?.u64(frame.pc)?;
        }
        writer.written()
    }
}
