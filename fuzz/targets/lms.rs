//! An LMS key, and a signature by it. Both implementations say the same.
#![no_main]

use craton_trust::compact::Compact;
use craton_trust::crypto::Crypto as _;
use craton_trust::key::LmsPublicKey;
use craton_trust::soft::Soft;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((id, rest)) = bytes.split_first_chunk() else { return };
    let Some((root, rest)) = rest.split_first_chunk() else { return };
    let key = LmsPublicKey { id: *id, root: *root };
    assert_eq!(LmsPublicKey::from_cose(&key.to_cose()), Ok(key));
    let _refusal = LmsPublicKey::from_hss(bytes);
    let _refusal = LmsPublicKey::from_cose(bytes);
    let Ok(signature) = rest.try_into() else { return };
    let said = Soft.lms_verify(&key, &[b"mess", b"age"], signature);
    assert_eq!(said, Compact.lms_verify(&key, &[b"message"], signature));
});
