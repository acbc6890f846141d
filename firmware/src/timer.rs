//! The system timer of the side that runs (SysTick): it counts down, and its exception is never
//! taken, so that it ends a wait.

use crate::register::{read_register, write_register};

const CONTROL: usize = 0xe000_e010;
const RELOAD: usize = 0xe000_e014;
const VALUE: usize = 0xe000_e018;
/// By the processor's clock, with its exception.
const RUNS: u32 = 0b111;
/// All that it counts: less than a second at 20 MHz.
const ROUND: u32 = 0x00ff_ffff;
const PENDING: usize = 0xe000_ed04;
const PENDS: u32 = 1 << 26;
const CLEAR: u32 = 1 << 25;
/// What is waited for, of a round.
const PATIENCE: u32 = ROUND / 4 * 3;
/// As often is looked where the timer does not run.
const LOOKS_MAX: u32 = 100_000;

/// Starts it.
pub fn start() {
    write_register(RELOAD, ROUND);
    write_register(CONTROL, RUNS);
}

/// Whether a round is over since this was true last.
pub fn is_time() -> bool {
    let pends = read_register(PENDING) & PENDS != 0;
    if pends {
        write_register(PENDING, CLEAR);
    }
    pends
}

/// Waits for something, and not for ever; whether it came.
pub fn comes(done: impl Fn() -> bool) -> bool {
    let (first, mut looks) = (read_register(VALUE), 0u32);
    while !done() {
        let passed = first.wrapping_sub(read_register(VALUE)) & ROUND;
        looks = looks.wrapping_add(1);
        if passed > PATIENCE || passed == 0 && looks > LOOKS_MAX {
            return false;
        }
    }
    true
}
