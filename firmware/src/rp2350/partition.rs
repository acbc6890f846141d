//! How an RP2350 is divided: what the non-secure side gets. Everything else stays secure.
//!
//! Compile-only: never run on the part. Two things divide: the SAU, by address, and `ACCESSCTRL`,
//! for each bank of SRAM and each peripheral. Banks 0 to 7 are interleaved, so that the bus lets
//! core 0's both sides into them and the SAU alone tells them apart; core 1, the DMA and the
//! debugger are kept out by the bus.

use crate::map;
use crate::register::write_register;

const ACCESSCTRL: usize = 0x4006_0000;
/// In the upper half of every write.
const PASSWORD: u32 = 0xacce << 16;
const SRAM_FIRST: usize = ACCESSCTRL + 0x1c;
/// Interleaved, and used here.
const SRAM_BANKS: usize = 8;
const UART1: usize = ACCESSCTRL + 0xa4;
/// Core 0, secure and non-secure, each privileged or not.
const BOTH_SIDES: u32 = 0b0001_1111;
/// Nobody writes `ACCESSCTRL` any more, but core 0.
const LOCKED: u32 = 0b1110;
const SAU: usize = 0xe000_edd0;
/// Which interrupts are the non-secure side's: that of the second UART, 34.
const INTERRUPT_TARGETS: usize = 0xe000_e384;
const UART_INTERRUPTS: u32 = 1 << 2;
const AIRCR: usize = 0xe000_ed0c;
const AIRCR_KEY: u32 = 0x05fa << 16;
const RESET_SECURE_ONLY: u32 = 1 << 3;

/// Gives the non-secure side its part.
pub fn divide() {
    for bank in 0..SRAM_BANKS {
        write_register(SRAM_FIRST + 4 * bank, PASSWORD | BOTH_SIDES);
    }
    write_register(UART1, PASSWORD | BOTH_SIDES);
    write_register(ACCESSCTRL, PASSWORD | LOCKED);
    write_register(INTERRUPT_TARGETS, UART_INTERRUPTS);
    write_register(AIRCR, AIRCR_KEY | RESET_SECURE_ONLY);
    let code = map::NON_SECURE_CODE..map::NON_SECURE_CODE + map::NON_SECURE_CODE_SIZE;
    let ram = map::NON_SECURE_RAM..map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE;
    let line = map::LINE..map::LINE + 0x1000;
    let gate = map::GATE..map::GATE + map::GATE_SIZE;
    let regions = [(code, 0), (ram, 0), (line, 0), (gate, 0b10)];
    for (number, (places, callable)) in regions.into_iter().enumerate() {
        write_register(SAU + 8, number as u32);
        write_register(SAU + 0xc, places.start as u32);
        write_register(SAU + 0x10, (places.end as u32 - 0x20) | callable | 1);
    }
    write_register(SAU, 1);
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Resets the chip.
pub fn reset() -> ! {
    const RESET: u32 = 1 << 2;
    write_register(AIRCR, AIRCR_KEY | RESET_SECURE_ONLY | RESET);
    cortex_m::asm::dsb();
    loop {
        cortex_m::asm::nop();
    }
}
