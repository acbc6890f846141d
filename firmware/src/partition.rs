//! How the board is divided: what the non-secure side gets. Everything else stays secure.
//!
//! What is true once [`divide`] returned: the non-secure side reads and executes its part of the
//! code memory, reads and writes its own RAM, and has one UART; it enters the secure side at the
//! gate's first instruction and nowhere else. An access to anything else is a secure fault.

use crate::map;
use crate::register::{read_register, write_register};
use core::ops::Range;

/// Memory protection controllers (Arm DDI 0571): of code, of the non-secure RAM.
const CODE_MPC: usize = 0x5800_7000;
const RAM_MPC: usize = 0x5800_9000;
/// Where their memories begin.
const CODE_MPC_BASE: usize = 0;
const RAM_MPC_BASE: usize = 0x2820_0000;
/// The security control (Arm IoT kit): which regions the gate may be in, and whose the UARTs are.
const NSC_CONFIGURATION: usize = 0x5008_0014;
const CODE_NSC: u32 = 1;
const UART_PPC: usize = 0x5008_0084;
/// The second UART of the second expansion port.
const UART_PPC_BIT: u32 = 1 << 6;
/// SAU of the secure side.
const SAU: usize = 0xe000_edd0;
/// Which interrupts are the non-secure side's: those of the UART.
const INTERRUPT_TARGETS: usize = 0xe000_e384;
const UART_INTERRUPTS: u32 = 0b1100;
/// Application interrupt and reset control.
const AIRCR: usize = 0xe000_ed0c;
const AIRCR_KEY: u32 = 0x05fa << 16;
/// A reset is the secure side's, and so are the faults.
const RESET_SECURE_ONLY: u32 = 1 << 3;

/// Gives the non-secure side its part.
pub fn divide() {
    let code = map::NON_SECURE_CODE..map::NON_SECURE_CODE + map::NON_SECURE_CODE_SIZE;
    let ram = map::NON_SECURE_RAM..map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE;
    give(CODE_MPC, CODE_MPC_BASE, &code);
    give(RAM_MPC, RAM_MPC_BASE, &ram);
    write_register(UART_PPC, UART_PPC_BIT);
    write_register(NSC_CONFIGURATION, CODE_NSC);
    write_register(INTERRUPT_TARGETS, UART_INTERRUPTS);
    write_register(AIRCR, AIRCR_KEY | RESET_SECURE_ONLY);
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

/// Makes these places non-secure in a memory protection controller.
fn give(controller: usize, base: usize, places: &Range<usize>) {
    const INDEX: usize = 0x18;
    const TABLE: usize = 0x1c;
    let block = 1usize << (read_register(controller + 0x14) + 5);
    let (first, end) = ((places.start - base) / block, (places.end - base).div_ceil(block));
    for number in first..end {
        write_register(controller + INDEX, (number / 32) as u32);
        let table = read_register(controller + TABLE);
        write_register(controller + INDEX, (number / 32) as u32);
        write_register(controller + TABLE, table | 1 << (number % 32));
    }
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
