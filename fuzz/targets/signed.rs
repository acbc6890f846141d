//! An object with its signatures, and one signature alone.
#![no_main]

use craton_fuzz::{Believing, KEY, LMS_KEY};
use craton_trust::cose::{Kind, Sign1};
use craton_trust::error::Error;
use craton_trust::signed::Signed;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = Signed::parse(bytes) {
        let _identity = signed.digest(&Believing);
    }
    if let Ok(signature) = Sign1::parse(bytes) {
        let _refusal = signature.verify_attached(&Believing, Kind::Evidence, &KEY);
        let es256 = signature.verify(&Believing, Kind::Image, &KEY, &[b"payload"]);
        let lms = signature.verify_lms(&Believing, Kind::Image, &LMS_KEY, &[b"payload"]);
        // A signature is of one algorithm (SIG-4): whatever it is, not both believe it.
        assert!(es256 != Ok(()) || lms == Err(Error::AlgorithmMismatch));
        assert!(lms != Ok(()) || es256 == Err(Error::AlgorithmMismatch));
    }
});
