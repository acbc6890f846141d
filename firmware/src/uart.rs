//! A UART (CMSDK APB UART, Arm DDI 0479): what the ROM says, and the line of the mailbox.

use crate::map;
use crate::register::{read_register, write_register};

const DATA: usize = 0;
const STATE: usize = 4;
const CONTROL: usize = 8;
const INTERRUPTS: usize = 12;
const DIVISOR: usize = 16;
const SEND_FULL: u32 = 1;
const RECEIVE_FULL: u32 = 2;
const SEND: u32 = 1;
const RECEIVE: u32 = 2;
const RECEIVE_INTERRUPT: u32 = 8;

/// A byte that is never sent costs itself, not the boot.
const SPINS_MAX: u32 = 100_000;

fn send(uart: usize, byte: u8) {
    let full = || read_register(uart + STATE) & SEND_FULL != 0;
    if (0..SPINS_MAX).any(|_| !full()) {
        write_register(uart + DATA, u32::from(byte));
    }
}

/// A transmitter of lines for people.
pub struct Uart(());

impl Uart {
    pub(crate) fn start() -> Self {
        write_register(map::UART + DIVISOR, 16);
        write_register(map::UART + CONTROL, SEND);
        Self(())
    }

    /// Sends the words and a line feed.
    pub fn line(&mut self, words: &[&str]) {
        let bytes = words.iter().flat_map(|word| word.bytes());
        bytes.chain([b'\n']).for_each(|byte| send(map::UART, byte));
    }
}

/// The mailbox's line, both ways.
pub struct Line(());

/// Of the non-secure side: set enable, clear pending; the word of interrupts 32 to 63.
const ENABLE: usize = 0xe000_e104;
const CLEAR: usize = 0xe000_e284;
const LINE_INTERRUPTS: u32 = 0b1100;

impl Line {
    /// Starts it. Its interrupt is never taken: it ends a wait.
    #[must_use]
    pub fn start() -> Self {
        write_register(map::LINE + DIVISOR, 16);
        write_register(map::LINE + CONTROL, SEND | RECEIVE | RECEIVE_INTERRUPT);
        write_register(ENABLE, LINE_INTERRUPTS);
        Self(())
    }

    /// The next byte, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        let full = read_register(map::LINE + STATE) & RECEIVE_FULL != 0;
        full.then(|| read_register(map::LINE + DATA).to_le_bytes()[0])
    }

    /// Waits until a byte may have come.
    pub fn wait(&mut self) {
        write_register(map::LINE + INTERRUPTS, 0b1111);
        write_register(CLEAR, LINE_INTERRUPTS);
        // A byte between the last look and here has set the interrupt that was just cleared.
        if read_register(map::LINE + STATE) & RECEIVE_FULL == 0 {
            cortex_m::asm::wfi();
        }
    }

    /// Sends a byte.
    pub fn send(&mut self, byte: u8) {
        send(map::LINE, byte);
    }
}
