//! How many instructions the chip needs to make a key and to sign, for secrets of every kind. A
//! test runs it, and asks that the number be one; no product ships it. And whether the programs'
//! copies, fills and comparisons do what they should.
//!
//! Counted with the SysTick, so in QEMU with `-icount shift=7` (`INSTRUCTION_NS`): then one
//! instruction takes more than one tick, and the count is exact.
#![no_std]
#![no_main]

use core::cmp::Ordering::{Equal, Greater, Less};
use core::hint::black_box;
use core::panic::PanicInfo;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use craton_firmware::whole::Board;
use craton_trust::compact::Compact;
use craton_trust::crypto::{Crypto as _, KeyedCrypto as _, Signer as _};

/// Virtual time of an instruction at `-icount shift=7`.
const INSTRUCTION_NS: u32 = 1 << 7;
/// The board's clock has 20 MHz.
const TICK_NS: u32 = 50;
const TICKS_MAX: u32 = 0x00ff_ffff;
const RANDOM: u32 = 60;

/// Next to zero and to the group's order, few bits, long runs, and one value in every window.
const EXTREME: [[u8; 32]; 10] = [
    number(&[0x01], 31),
    number(&[0x02], 31),
    less_than_order(1),
    less_than_order(2),
    number(&[0x80], 0),
    number(&[0x80], 16),
    number(&[0xff; 31], 1),
    number(&[0xff; 16], 16),
    [0x11; 32],
    [0x55; 32],
];

/// `bytes` from a place on, and zeros.
const fn number(bytes: &[u8], from: usize) -> [u8; 32] {
    let mut number = [0; 32];
    let mut i = 0;
    while i < bytes.len() {
        number[from + i] = bytes[i];
        i += 1;
    }
    number
}

/// n - `by` (SP 800-186 §3.2.1.3).
const fn less_than_order(by: u8) -> [u8; 32] {
    let mut order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    order[31] -= by;
    order
}

#[entry]
fn main() -> ! {
    if let (Some(mut board), Some(mut core)) = (Board::take(), cortex_m::Peripherals::take()) {
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(TICKS_MAX);
        core.SYST.enable_counter();
        let random = (0..RANDOM).map(|i| Compact.sha256(&[b"secret", &i.to_be_bytes()]).0);
        for (i, secret) in (0..).zip(EXTREME.into_iter().chain(random)) {
            let message = Compact.sha256(&[b"message", &u32::to_be_bytes(i)]).0;
            let (making, key) = counted(&mut core.SYST, || Compact.key(black_box(&secret)));
            let Ok(key) = key else { break };
            let (signing, _) = counted(&mut core.SYST, || key.sign(&[black_box(&message)]));
            let (making, signing) = (hexadecimal(making), hexadecimal(signing));
            let text = |digits| core::str::from_utf8(digits).unwrap_or("");
            board.uart.line(&["steps: key ", text(&making), " sign ", text(&signing)]);
        }
        board.uart.line(&["steps: memory ", if memory_is_right() { "right" } else { "wrong" }]);
        board.uart.line(&["steps: end"]);
    }
    loop {
        cortex_m::asm::wfi();
    }
}

/// The instructions of `what`, and a few around it that are always the same.
fn counted<T>(clock: &mut SYST, what: impl FnOnce() -> T) -> (u32, T) {
    clock.clear_current();
    while SYST::get_current() == 0 {}
    let from = SYST::get_current();
    let done = black_box(what());
    let ticks = from.wrapping_sub(SYST::get_current()) & TICKS_MAX;
    let time = u64::from(ticks) * u64::from(TICK_NS) + u64::from(INSTRUCTION_NS / 2);
    ((time / u64::from(INSTRUCTION_NS)) as u32, done)
}

/// Copies, overlapping ones, fills and comparisons at every alignment, compared byte by byte.
fn memory_is_right() -> bool {
    let places = |from: usize| (0..4).flat_map(move |to| (0..24).map(move |size| (from, to, size)));
    (0..4).flat_map(places).all(|(from, to, size)| {
        let first: [u8; 32] = black_box(core::array::from_fn(|i| i as u8 + 1));
        let size = black_box(size);
        let inside = |place: usize| (to..to + size).contains(&place);
        let (mut copied, mut filled, mut moved) = ([0xa5; 32], first, first);
        copied[to..to + size].copy_from_slice(&first[from..from + size]);
        filled[to..to + size].fill(black_box(0x77));
        moved.copy_within(from..from + size, to);
        let mut cleared = first;
        cleared[to..to + size].fill(0);
        let compared = (0..size).all(|place| {
            let mut other = first;
            other[from + place] -= 1;
            let [one, other] = [&first, &other].map(|bytes| &black_box(bytes)[from..from + size]);
            let orders = [one.cmp(other), other.cmp(one), one.cmp(black_box(one))];
            one != other && orders == [Greater, Less, Equal]
        });
        let right = |(place, before): (usize, &u8)| {
            let source = (from + place).wrapping_sub(to) as u8 + 1;
            let [copy, fill, clear] =
                if inside(place) { [source, 0x77, 0] } else { [0xa5, *before, *before] };
            let moving = if inside(place) { source } else { *before };
            [copied[place], filled[place], cleared[place], moved[place]]
                == [copy, fill, clear, moving]
        };
        compared && black_box(&first).iter().enumerate().all(right)
    })
}

/// Eight hexadecimal digits.
fn hexadecimal(number: u32) -> [u8; 8] {
    core::array::from_fn(|i| {
        let digit = (number >> (28 - 4 * i)) as u8 & 0xf;
        if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
    })
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::wfi();
    }
}
