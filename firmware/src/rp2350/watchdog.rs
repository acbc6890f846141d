//! The watchdog of an RP2350: microseconds, of the crystal.
//!
//! Compile-only: never run on the part. It has no interrupt: when it runs out the chip resets at
//! once, and no handler wipes or leaves a record. Its counter has 24 bits, so that it waits for 16
//! seconds at most: whether the longest command takes less is to be shown on the part.

use crate::register::write_register;

const WATCHDOG: usize = 0x400d_8000;
const CONTROL: usize = WATCHDOG;
const LOAD: usize = WATCHDOG + 4;
const ENABLE: u32 = 1 << 30;
const TICK_CONTROL: usize = 0x4010_8030;
const TICK_CYCLES: usize = TICK_CONTROL + 4;
const CYCLES_OF_A_MICROSECOND: u32 = 12;
/// What it resets: all but the crystal and the clocks' first stages.
const RESETS_ALL: usize = 0x4001_8008;
const ALL: u32 = 0x01ff_ffff & !(0b11 << 2);
const MICROSECONDS: u32 = 0x00ff_ffff;

/// Starts it.
pub fn start() {
    write_register(TICK_CYCLES, CYCLES_OF_A_MICROSECOND);
    write_register(TICK_CONTROL, 1);
    write_register(RESETS_ALL, ALL);
    feed();
    write_register(CONTROL, ENABLE);
}

/// It begins to wait anew.
pub fn feed() {
    write_register(LOAD, MICROSECONDS);
}
