//! A UART (CMSDK APB UART, Arm DDI 0479): what the ROM says, and the line of the mailbox.

use crate::map;
use crate::register::{read_register, write_register};
use crate::timer;
use crate::words;
use core::cell::Cell;

const DATA: usize = 0;
const STATE: usize = 4;
const CONTROL: usize = 8;
const INTERRUPTS: usize = 12;
const DIVISOR: usize = 16;
/// Clocks of a bit.
const DIVISION: u32 = 16;
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
        write_register(map::UART + DIVISOR, DIVISION);
        write_register(map::UART + CONTROL, SEND);
        Self(())
    }

    /// Sends the words and a line feed.
    pub fn line(&mut self, words: &[&str]) {
        let bytes = words.iter().flat_map(|word| word.bytes());
        bytes.chain([b'\n']).for_each(|byte| send(map::UART, byte));
    }

    /// Sends words of the ROM.
    pub fn say(&mut self, words: &[&'static str]) {
        words::say(words, |byte| send(map::UART, byte));
    }

    /// Sends a number in decimal digits, and a line feed.
    pub fn number(&mut self, number: u16) {
        words::number(number, |byte| send(map::UART, byte));
    }
}

/// The mailbox's line, both ways, where this side of the chip sees it: an address that is in no
/// memory, so that nothing but the line is written to (ROT-25).
pub struct Line<const AT: usize> {
    /// The last byte was not taken.
    stands: Cell<bool>,
}

/// Of the non-secure side: set enable, clear pending; the word of interrupts 32 to 63.
const ENABLE: usize = 0xe000_e104;
const CLEAR: usize = 0xe000_e284;
const LINE_INTERRUPTS: u32 = 0b1100;
/// Clocks of a byte on the line, start and stop bits with it.
const BYTE_CLOCKS: u32 = 10 * DIVISION;

impl<const AT: usize> Line<AT> {
    /// Starts the line. Its interrupt is never taken: it ends a wait.
    #[must_use]
    pub fn start() -> Self {
        write_register(AT + DIVISOR, DIVISION);
        write_register(AT + CONTROL, SEND | RECEIVE | RECEIVE_INTERRUPT);
        write_register(ENABLE, LINE_INTERRUPTS);
        Self { stands: Cell::new(false) }
    }

    /// The next byte, if there is one.
    pub fn receive(&self) -> Option<u8> {
        let full = read_register(AT + STATE) & RECEIVE_FULL != 0;
        full.then(|| read_register(AT + DATA).to_le_bytes()[0])
    }

    /// Waits until the last byte left: first the place before the transmitter, which says so, then
    /// the transmitter, which does not.
    pub fn drain(&self) {
        timer::comes(Self::is_free);
        cortex_m::asm::delay(BYTE_CLOCKS);
    }

    /// Waits until a byte may have come, or some time passed.
    pub fn wait(&self) {
        write_register(AT + INTERRUPTS, 0b1111);
        write_register(CLEAR, LINE_INTERRUPTS);
        // A byte between the last look and here has set the interrupt that was just cleared.
        if read_register(AT + STATE) & RECEIVE_FULL == 0 {
            cortex_m::asm::wfi();
        }
    }

    /// Sends a byte. Whoever reads it may be late. One that nobody takes is lost, and its frame
    /// with it: the rest of that is not waited for.
    pub fn send(&self, byte: u8) {
        let sent = if self.stands.get() { Self::is_free() } else { timer::comes(Self::is_free) };
        self.stands.set(!sent);
        if sent {
            write_register(AT + DATA, u32::from(byte));
        }
    }

    /// Sends a byte, as a ROM does, which has no memory for it.
    pub fn answer(byte: u8) {
        if timer::comes(Self::is_free) {
            write_register(AT + DATA, u32::from(byte));
        }
    }

    fn is_free() -> bool {
        read_register(AT + STATE) & SEND_FULL == 0
    }
}
