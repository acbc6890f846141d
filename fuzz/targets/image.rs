//! A SUIT envelope and the manifest inside it.
#![no_main]

use craton_fuzz::{Believing, same};
use craton_trust::suit::{self, Image};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _refusal = suit::unchecked_parse(&Believing, bytes);
    if let Ok(image) = Image::parse(bytes) {
        same(bytes, image.encode(&mut [0u8; 64 * 1024]));
    }
});
