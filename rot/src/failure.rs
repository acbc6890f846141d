//! What a chip says of its last failure: who failed, how, and where in its program. It has no place
//! for a byte of memory (FAIL-1).

use crate::error::{Error, Result};
use craton_trust::ComponentId;

/// Bytes of a program's digest that a failure names it by.
pub const PROGRAM_ID_SIZE: usize = 16;
/// Numbers of a failure on a mailbox.
pub const NUMBERS: usize = 7;

/// Which program of the chip failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// The ROM stage.
    Rom = 1,
    /// The secure side.
    Runtime = 2,
    /// The non-secure side.
    Mailbox = 3,
}

/// How it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChipFailureKind {
    /// A fault of the processor.
    Fault = 1,
    /// The non-secure side touched what is the secure side's.
    SecureFault = 2,
    /// A panic.
    Panic = 3,
    /// It hung.
    Watchdog = 4,
}

/// A failure that ended in a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipFailure {
    /// Which program.
    pub stage: Stage,
    /// How.
    pub kind: ChipFailureKind,
    /// How many resets by failures there were since the last one was taken, with this one.
    pub resets: u32,
    /// Where it was, from the first byte of its program.
    pub pc: Option<u32>,
    /// Where it would have returned to.
    pub lr: Option<u32>,
    /// The configurable fault status (CFSR).
    pub status: u32,
    /// The secure fault status (SFSR).
    pub secure_status: u32,
    /// The component of the program; `None` for the ROM and on a blank chip.
    pub component: Option<ComponentId>,
    /// The first bytes of the SHA-256 of the program; `None` as above.
    pub program: Option<[u8; PROGRAM_ID_SIZE]>,
}

impl ChipFailure {
    /// Its numbers on a mailbox.
    #[must_use]
    pub fn numbers(&self) -> [u64; NUMBERS] {
        let place = |place: Option<u32>| place.map_or(0, |place| u64::from(place) + 1);
        let (stage, kind, resets) = (self.stage as u64, self.kind as u64, u64::from(self.resets));
        let (status, secure) = (u64::from(self.status), u64::from(self.secure_status));
        [stage, kind, resets, place(self.pc), place(self.lr), status, secure]
    }

    /// A failure from its numbers.
    ///
    /// # Errors
    /// `AnswerMalformed`.
    pub fn of_numbers(numbers: [u64; NUMBERS]) -> Result<Self> {
        let small = |number: u64| u32::try_from(number).map_err(|_| Error::AnswerMalformed);
        let place = |number: u64| number.checked_sub(1).map(small).transpose();
        let [stage, kind, resets, pc, lr, status, secure_status] = numbers;
        Ok(Self {
            stage: match stage {
                1 => Stage::Rom,
                2 => Stage::Runtime,
                3 => Stage::Mailbox,
                _ => return Err(Error::AnswerMalformed),
            },
            kind: match kind {
                1 => ChipFailureKind::Fault,
                2 => ChipFailureKind::SecureFault,
                3 => ChipFailureKind::Panic,
                4 => ChipFailureKind::Watchdog,
                _ => return Err(Error::AnswerMalformed),
            },
            resets: small(resets)?,
            pc: place(pc)?,
            lr: place(lr)?,
            status: small(status)?,
            secure_status: small(secure_status)?,
            component: None,
            program: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_as_numbers_and_others_are_answer_malformed() {
        let failure = ChipFailure {
            stage: Stage::Mailbox,
            kind: ChipFailureKind::Watchdog,
            resets: 3,
            pc: Some(0),
            lr: None,
            status: u32::MAX,
            secure_status: 8,
            component: None,
            program: None,
        };
        assert_eq!(ChipFailure::of_numbers(failure.numbers()), Ok(failure));
        for (place, number) in [(0, 0), (0, 4), (1, 0), (1, 5), (2, 1 << 32), (3, (1 << 32) + 1)] {
            let mut numbers = failure.numbers();
            numbers[place] = number;
            assert_eq!(ChipFailure::of_numbers(numbers), Err(Error::AnswerMalformed));
        }
    }
}
