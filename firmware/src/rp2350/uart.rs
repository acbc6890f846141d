//! The UARTs of an RP2350 (Arm PrimeCell PL011): what the ROM says, and the line of the mailbox.
//!
//! Compile-only: never run on the part. A crystal of 12 MHz is expected; the first UART sends on
//! pin 0, the second has pins 4 and 5.

use crate::map;
use crate::register::{read_register, write_register};
use crate::words;

const DATA: usize = 0;
const STATE: usize = 0x18;
const DIVISOR: usize = 0x24;
const DIVISOR_64TH: usize = 0x28;
const SHAPE: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPTS: usize = 0x38;
const CLEAR_INTERRUPTS: usize = 0x44;
const SEND_FULL: u32 = 1 << 5;
const BUSY: u32 = 1 << 3;
const RECEIVE_EMPTY: u32 = 1 << 4;
/// Eight bits, no parity, one stop bit, no FIFO: each byte is an interrupt.
const EIGHT_BITS: u32 = 0b11 << 5;
const ENABLED: u32 = 1 | 1 << 8 | 1 << 9;
const RECEIVE_INTERRUPT: u32 = 1 << 4;
/// 115 200 baud of 12 MHz: 6 and 33/64.
const DIVISORS: (u32, u32) = (6, 33);

const RESETS_CLEAR: usize = 0x4002_0000 + 0x3000;
const RESETS_DONE: usize = 0x4002_0008;
/// Pins, their pads, the TRNG and both UARTs.
const NEEDED: u32 = 1 << 6 | 1 << 9 | 1 << 25 | 1 << 26 | 1 << 27;
const CRYSTAL: usize = 0x4004_8000;
const CRYSTAL_ON: u32 = 0xfab << 12 | 0xaa0;
const CRYSTAL_STABLE: u32 = 1 << 31;
const CLOCKS: usize = 0x4001_0000;
const REFERENCE_CLOCK: usize = CLOCKS + 0x30;
const OF_THE_CRYSTAL: u32 = 2;
const PERIPHERAL_CLOCK: usize = CLOCKS + 0x48;
const ON_AND_OF_THE_CRYSTAL: u32 = 1 << 11 | 4 << 5;
const PINS: usize = 0x4002_8000;
const PADS: usize = 0x4003_8000;
/// A pin is a UART's.
const OF_A_UART: u32 = 2;
/// A pad reads, drives 4 mA, and is no longer isolated.
const PAD: u32 = 1 << 6 | 1 << 4 | 1 << 1;

/// A clock or a byte that never comes costs itself, not the boot.
const SPINS_MAX: u32 = 100_000;

fn send(uart: usize, byte: u8) {
    let full = || read_register(uart + STATE) & SEND_FULL != 0;
    if (0..SPINS_MAX).any(|_| !full()) {
        write_register(uart + DATA, u32::from(byte));
    }
}

fn start(uart: usize, interrupts: u32) {
    write_register(uart + DIVISOR, DIVISORS.0);
    write_register(uart + DIVISOR_64TH, DIVISORS.1);
    write_register(uart + SHAPE, EIGHT_BITS);
    write_register(uart + INTERRUPTS, interrupts);
    write_register(uart + CONTROL, ENABLED);
}

/// A transmitter of lines for people.
pub struct Uart(());

impl Uart {
    /// Starts it, and all that both UARTs need of the chip: the other side may not.
    pub(crate) fn start() -> Self {
        write_register(RESETS_CLEAR, NEEDED);
        let _ = (0..SPINS_MAX).any(|_| read_register(RESETS_DONE) & NEEDED == NEEDED);
        write_register(CRYSTAL, CRYSTAL_ON);
        let _ = (0..SPINS_MAX).any(|_| read_register(CRYSTAL + 4) & CRYSTAL_STABLE != 0);
        write_register(REFERENCE_CLOCK, OF_THE_CRYSTAL);
        write_register(PERIPHERAL_CLOCK, ON_AND_OF_THE_CRYSTAL);
        for pin in [0, 4, 5] {
            write_register(PINS + 8 * pin + 4, OF_A_UART);
            write_register(PADS + 4 * pin + 4, PAD);
        }
        start(map::UART, 0);
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
pub struct Line<const AT: usize>(());

/// Of the non-secure side: set enable, clear pending; the word of interrupts 32 to 63.
const ENABLE: usize = 0xe000_e104;
const CLEAR: usize = 0xe000_e284;
const LINE_INTERRUPTS: u32 = 1 << 2;

impl<const AT: usize> Line<AT> {
    /// Starts the line. Its interrupt is never taken: it ends a wait.
    #[must_use]
    pub fn start() -> Self {
        start(AT, RECEIVE_INTERRUPT);
        write_register(ENABLE, LINE_INTERRUPTS);
        Self(())
    }

    /// The next byte, if there is one.
    pub fn receive(&self) -> Option<u8> {
        let empty = read_register(AT + STATE) & RECEIVE_EMPTY != 0;
        (!empty).then(|| read_register(AT + DATA).to_le_bytes()[0])
    }

    /// Waits until the last byte left.
    pub fn drain(&self) {
        let _ = (0..SPINS_MAX).any(|_| read_register(AT + STATE) & BUSY == 0);
    }

    /// Waits until a byte may have come, or some time passed.
    pub fn wait(&self) {
        write_register(AT + CLEAR_INTERRUPTS, RECEIVE_INTERRUPT);
        write_register(CLEAR, LINE_INTERRUPTS);
        // A byte between the last look and here has set the interrupt that was just cleared.
        if read_register(AT + STATE) & RECEIVE_EMPTY != 0 {
            cortex_m::asm::wfi();
        }
    }

    /// Sends a byte.
    pub fn send(&self, byte: u8) {
        send(AT, byte);
    }

    /// Sends a byte, as a ROM does, which has no memory for it.
    pub fn answer(byte: u8) {
        send(AT, byte);
    }
}
