//! The one reader of canonical CBOR, against every type it reads.
#![no_main]

use craton_trust::cbor::{self, Reader};
use craton_trust::key::PublicKey;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let canonical = cbor::canonical(bytes);
    assert_eq!(Reader::new(bytes).is_ok(), canonical.is_ok());
    if let Ok(mut reader) = Reader::new(bytes) {
        // Reading one whole item leaves nothing: `canonical` found exactly one.
        assert_eq!(reader.raw(), Ok(bytes));
        assert_eq!(reader.end(), Ok(()));
    }
    if let Ok(key) = PublicKey::from_cose(bytes) {
        assert_eq!(key.to_cose(), bytes);
    }
});
