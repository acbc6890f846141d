//! A layer's certificate by a verifier that believes every signature.
#![no_main]

use craton_fuzz::{Believing, KEY};
use craton_trust::dice;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _refusal = dice::verify(&Believing, &KEY, bytes);
});
