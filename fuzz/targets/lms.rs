//! An HSS key, and a signature by it.
#![no_main]

use craton_trust::lms;
use craton_trust::soft::Soft;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (key, signature) = bytes.split_at(lms::KEY_SIZE.min(bytes.len()));
    let _refusal = lms::verify(&Soft, key, &[b"message"], signature);
});
