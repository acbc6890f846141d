//! A delta, which is never believed: it gives the stated payload or a refusal, within its bound.
#![no_main]

use craton_image::delta;

const OLD: &[u8] = include_bytes!("delta.rs");
const PAYLOAD_BYTES_MAX: u64 = 4 * 1024 * 1024;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _refusal = delta::apply(OLD, bytes, PAYLOAD_BYTES_MAX);
    // The same bytes as a new payload: what we make, we apply.
    let made = delta::make(OLD, bytes).expect("a small payload");
    assert_eq!(delta::apply(OLD, &made, PAYLOAD_BYTES_MAX).expect("our own delta"), bytes);
});
