//! A failure record, as devices send it unsigned.
#![no_main]

use craton_fuzz::{objects, same};
use craton_trust::failure::Failure;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(value) = Failure::parse(object) {
            same(object, value.encode(&mut [0u8; 16 * 1024]));
        }
    }
});
