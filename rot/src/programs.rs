//! How a root of trust's own program stands, where it has two slots for it.

use crate::slots::{Slot, Standing};

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
