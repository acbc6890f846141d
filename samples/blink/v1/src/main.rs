//! Blink, version 1: once a second it switches its lamp and says so.

#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

fn main() {
    let mut lit = false;
    loop {
        lit = !lit;
        println!("lamp {}", if lit { "on" } else { "off" });
        sleep(PERIOD);
    }
}
