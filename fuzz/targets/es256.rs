//! Signatures and keys of strangers, by both implementations of ES256: they say the same.
#![no_main]

use craton_trust::PublicKey;
use craton_trust::compact::Compact;
use craton_trust::crypto::{Crypto as _, KeyedCrypto as _, Signer as _};
use craton_trust::soft::Soft;

libfuzzer_sys::fuzz_target!(|input: ([u8; 32], [u8; 64], [u8; 64], [u8; 64], &[u8])| {
    let (secret, public, signature, change, message) = input;
    let verify = |key: &PublicKey, signature: &[u8; 64]| {
        let said = Compact.es256_verify(key, &[message], signature);
        assert_eq!(said, Soft.es256_verify(key, &[message], signature));
    };
    verify(&PublicKey(public), &signature);
    let (compact, soft) = match (Compact.key(&secret), Soft.key(&secret)) {
        (Ok(compact), Ok(soft)) => (compact, soft),
        (compact, soft) => return assert_eq!(compact.err(), soft.err()),
    };
    let key = compact.public_key();
    assert_eq!(key, soft.public_key());
    let own = compact.sign(&[message]);
    assert_eq!(own, soft.sign(&[message]));
    if let Ok(own) = own {
        assert_eq!(Compact.es256_verify(&key, &[message], &own), Ok(()));
        verify(&key, &core::array::from_fn(|i| own[i] ^ change[i]));
        verify(&PublicKey(core::array::from_fn(|i| key.0[i] ^ change[i])), &own);
    }
    verify(&key, &signature);
});
