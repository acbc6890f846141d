//! Blink, version 2: as version 1, and it counts.

#![forbid(unsafe_code)]

use std::thread::sleep;
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(1);

fn main() {
    for count in 1u64.. {
        let lit = count % 2 == 1;
        println!("lamp {}, blink {}", if lit { "on" } else { "off" }, count.div_ceil(2));
        sleep(PERIOD);
    }
}
