//! An order to move a lifecycle or begin an epoch.
#![no_main]

use craton_fuzz::{objects, same};
use craton_rot::order::Order;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(value) = Order::parse(object) {
            same(object, value.encode(&mut [0u8; 4096]));
        }
    }
});
