//! An image set, before and after its signatures are read.
#![no_main]

use craton_fuzz::{objects, same};
use craton_trust::set::{ImageSet, ImageSetBuilder};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for object in objects(bytes) {
        if let Ok(value) = ImageSet::parse(object) {
            let again = ImageSetBuilder::try_from(&value).expect("it was read");
            same(object, again.encode(&mut [0u8; 64 * 1024]));
        }
    }
});
