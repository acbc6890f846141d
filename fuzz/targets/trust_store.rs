//! A section of the trust store, before and after its signatures are read.
#![no_main]

use craton_fuzz::{objects, same};
use craton_trust::store::{Section, SectionBuilder};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(value) = Section::parse(object) {
            same(object, SectionBuilder::from(&value).encode(&mut [0u8; 64 * 1024]));
        }
    }
});
