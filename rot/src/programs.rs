//! How a root of trust's own program stands, where it has two slots for it.

use crate::RootOfTrust;
use crate::error::Result;
use crate::slots::{Slot, Standing};

/// Bytes of a package that are written at once: with what goes with them they fit a message.
const PIECE_SIZE: usize = 8 * 1024;

/// The root of trust's own program, and its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The slot of the program that runs; `None` if it came from nowhere that stays.
    pub running: Option<Slot>,
    /// How slot A and slot B stand.
    pub standings: [Standing; 2],
    /// The security version of the program that runs.
    pub security_version: u64,
    /// The least one that the ROM starts.
    pub floor: u64,
}

impl Programs {
    /// Whether the program that runs was never confirmed.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        let [a, b] = self.standings;
        self.running.is_some_and(|slot| if slot == Slot::A { a } else { b } != Standing::Confirmed)
    }
}

/// Writes a package beside the program that runs, and arms it: the next reset starts it on trial.
///
/// # Errors
/// Those of [`RootOfTrust::begin_program`], `write_program` and `arm_program`.
pub fn install(rot: &mut dyn RootOfTrust, package: &[u8], set: Option<&[u8]>) -> Result<()> {
    rot.begin_program(package.len())?;
    for (place, piece) in package.chunks(PIECE_SIZE).enumerate() {
        rot.write_program(place * PIECE_SIZE, piece)?;
    }
    rot.arm_program(set)
}
