//! A package file: footer, envelope, payload.
#![no_main]

use craton_image::package::Package;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = Package::parse(bytes) {
        assert_eq!(package.to_bytes(), bytes);
    }
});
