//! Blink, version 3: it dims its lamp step by step, and has a mistake. After a second the steps
//! run out, and it divides by their number.

#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(250);
const STEPS: u32 = 4;

fn main() {
    let mut lamp = Lamp { steps_left: STEPS };
    loop {
        tick(&mut lamp);
        sleep(PERIOD);
    }
}

struct Lamp {
    steps_left: u32,
}

#[inline(never)]
fn tick(lamp: &mut Lamp) {
    println!("lamp at {} %", brightness(lamp));
    lamp.steps_left -= 1;
}

/// Brightness in percent: the mistake is here.
#[inline(never)]
fn brightness(lamp: &Lamp) -> u32 {
    100 / lamp.steps_left
}
