//! What a ROM says, byte by byte.
//!
//! Nothing but the ROM's own words and digits is sent, also if an instruction is skipped or a
//! length is wrong: what lies beside a number on its stack are keys (ROT-25).

use crate::landing;

/// Sends words of the ROM.
pub(crate) fn say(words: &[&'static str], send: impl Fn(u8)) {
    for word in words {
        let from = word.as_ptr().addr();
        (from..from + word.len()).for_each(|address| send(landing::letter(address)));
    }
}

/// Sends a number in decimal digits, and a line feed.
pub(crate) fn number(number: u16, send: impl Fn(u8)) {
    let mut begun = false;
    for power in [10_000, 1000, 100, 10, 1] {
        let digit = number.checked_div(power).unwrap_or(0) % 10;
        begun |= digit != 0 || power == 1;
        if begun {
            send(b'0' + digit as u8);
        }
    }
    send(b'\n');
}
