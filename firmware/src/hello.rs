//! The least runtime: it says that it runs. The boot test starts it; no product ships it.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use cortex_m_rt::entry;
use craton_firmware::whole::Board;

#[entry]
fn main() -> ! {
    if let Some(mut board) = Board::take() {
        board.uart.line(&["hello: runs"]);
    }
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
