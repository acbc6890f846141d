//! All of a board, once.

use crate::board::Chip;
use crate::uart::Uart;
use core::sync::atomic::{AtomicBool, Ordering};

/// All of the board. There is one.
pub struct Board {
    /// Where a line goes.
    pub uart: Uart,
    /// Fuses and flash.
    pub chip: Chip,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Board {
    /// The board, to the first who asks.
    #[must_use]
    pub fn take() -> Option<Self> {
        let first = !TAKEN.swap(true, Ordering::AcqRel);
        first.then(|| Self { uart: Uart::start(), chip: Chip::new() })
    }
}
