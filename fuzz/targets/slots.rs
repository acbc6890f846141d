//! The slots of a device, as its flash holds them.
#![no_main]

use craton_fuzz::{objects, same};
use craton_trust::slots::Slots;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(value) = Slots::parse(object) {
            same(object, value.encode(&mut [0u8; 4096]));
        }
    }
});
