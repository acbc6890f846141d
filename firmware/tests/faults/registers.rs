//! The registers of the processor's core, and what a fault does to them.

use std::ops::RangeInclusive;

/// The numbers that they have among all.
const PC: usize = 15;
const STATUS: usize = 16;
/// Those that a function gives back to its caller as they were.
const KEPT: RangeInclusive<usize> = 4..=11;
/// The part of the status that says where in an IT block the core is.
const IT: u32 = 3 << 25 | 0xfc << 8;

/// As a debugger has them: eight digits for each.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers(pub String);

impl Registers {
    pub fn get(&self, number: usize) -> u32 {
        let digits = self.0.get(number * 8..number * 8 + 8);
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0).swap_bytes()
    }

    pub fn set(&mut self, number: usize, value: u32) {
        let digits = format!("{:08x}", value.swap_bytes());
        self.0.replace_range(number * 8..number * 8 + 8, &digits);
    }

    /// Before the next instruction, which is left out, of so many bytes.
    pub fn skip(&mut self, length: u32) {
        self.set(PC, self.get(PC) + length);
        // One of an IT block takes its condition with it (ITAdvance of the Armv8-M manual).
        let status = self.get(STATUS);
        let block = (status >> 25 & 3) | (status >> 8 & 0xfc);
        let next = if block & 7 == 0 { 0 } else { (block & 0xe0) | (block << 1 & 0x1f) };
        self.set(STATUS, status & !IT | (next & 3) << 25 | (next & 0xfc) << 8);
    }

    /// Before another instruction, which is in no IT block. `cleared` says that those of the caller
    /// are zeros.
    pub fn jump(&mut self, to: u32, cleared: bool) {
        self.set(PC, to);
        self.set(STATUS, self.get(STATUS) & !IT);
        if cleared {
            KEPT.for_each(|number| self.set(number, 0));
        }
    }
}
