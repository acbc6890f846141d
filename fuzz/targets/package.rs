//! A package file, signed or not yet: footer, envelope or manifest, payload.
#![no_main]

use craton_image::package::{Package, Unsigned};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = Package::parse(bytes) {
        assert_eq!(package.to_bytes(), bytes);
    }
    if let Ok(unsigned) = Unsigned::parse(bytes) {
        assert_eq!(unsigned.to_bytes(), bytes);
    }
});
