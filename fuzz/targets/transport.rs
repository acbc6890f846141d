//! A compressed payload, which may be a bomb: never more comes out than was signed.
#![no_main]

use craton_image::package::decompress;

const PAYLOAD_BYTES: u64 = 256 * 1024;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut payload = Vec::new();
    let refusal = decompress(bytes, PAYLOAD_BYTES, &mut payload);
    assert!(payload.len() as u64 <= PAYLOAD_BYTES);
    assert!(refusal.is_err() || payload.len() as u64 == PAYLOAD_BYTES);
});
