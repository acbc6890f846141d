//! An object with its signatures, and one signature alone.
#![no_main]

use craton_fuzz::{Believing, KEY};
use craton_trust::cose::{Kind, Sign1};
use craton_trust::signed::Signed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = Signed::parse(bytes) {
        let _identity = signed.digest(&Believing);
    }
    if let Ok(signature) = Sign1::parse(bytes) {
        let _refusal = signature.verify_attached(&Believing, Kind::Evidence, &KEY);
    }
});
