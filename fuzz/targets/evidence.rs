//! Evidence by a verifier that believes every signature, so that the claims behind are reached.
#![no_main]

use craton_fuzz::{Believing, KEY};
use craton_trust::evidence;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _refusal = evidence::verify(&Believing, &KEY, bytes);
});
