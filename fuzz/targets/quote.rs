//! A TPMS_ATTEST as a quote; and evidence of a TPM by a verifier that believes every signature.
#![no_main]

use craton_fuzz::{Believing, KEY};
use craton_trust::quote::Quote;
use craton_trust::quoted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _refusal = Quote::parse(bytes);
    let _refusal = quoted::verify(&Believing, &KEY, bytes);
});
