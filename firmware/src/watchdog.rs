//! The watchdog (CMSDK APB watchdog, Arm DDI 0479; that of the always-on 32-kHz clock).
//!
//! What is true of it: from before a program's first instruction on, it runs out unless that
//! program's secure side feeds it; then its interrupt, which nothing masks, ends in the handlers of
//! [`crate::failure`], and a second time round it resets the chip by itself. It is on the secure
//! side: the other side can neither feed nor stop it.

use crate::register::write_register;

const WATCHDOG: usize = 0x5002_e000;
const LOAD: usize = 0;
const CONTROL: usize = 8;
const CLEAR: usize = 0xc;
const LOCK: usize = 0xc00;
const UNLOCKED: u32 = 0x1acc_e551;
const INTERRUPT_AND_RESET: u32 = 0b11;
const CLOCK_HZ: u32 = 32_768;
/// How long it waits: three times as long as the longest command that was measured takes the board.
const SECONDS: u32 = 20;

/// Starts it.
pub fn start() {
    write_register(WATCHDOG + LOCK, UNLOCKED);
    write_register(WATCHDOG + LOAD, SECONDS * CLOCK_HZ);
    write_register(WATCHDOG + CONTROL, INTERRUPT_AND_RESET);
    write_register(WATCHDOG + LOCK, 0);
}

/// It begins to wait anew.
pub fn feed() {
    write_register(WATCHDOG + LOCK, UNLOCKED);
    write_register(WATCHDOG + CLEAR, 1);
    write_register(WATCHDOG + LOCK, 0);
}
