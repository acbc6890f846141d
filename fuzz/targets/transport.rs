//! A compressed payload, which may be a bomb: never more comes out than was signed.
#![no_main]

use craton_image::package::{compress, decompress};

const PAYLOAD_BYTES: u64 = 256 * 1024;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut payload = Vec::new();
    let refusal = decompress(bytes, PAYLOAD_BYTES, &mut payload);
    assert!(payload.len() as u64 <= PAYLOAD_BYTES);
    assert_eq!(refusal.is_ok(), payload.len() as u64 == PAYLOAD_BYTES && refusal.is_ok());
    let transport = compress(bytes).expect("memory");
    let mut again = Vec::new();
    decompress(&transport[..], bytes.len() as u64, &mut again).expect("what we compressed");
    assert_eq!(again, bytes);
});
