//! Sums of a state that somebody changed in the flash, and the right one (ROT-24).

use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;

/// Bytes of a header before its sum: magic, generation and length.
pub const SUMMED: usize = 20;
/// Bytes of a header.
pub const HEADER_SIZE: usize = SUMMED + 32;

fn derived(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    Soft.hmac_sha512(key, parts)[..32].to_vec()
}

fn under(key: &[u8], summed: &[u8], body: &[u8]) -> Vec<u8> {
    derived(key, &[b"craton/1/state/sum", &Soft.sha256(&[key, summed, body]).0])
}

/// The sum on a chip of this device secret.
pub fn of_secret(secret: &[u8], summed: &[u8], body: &[u8]) -> Vec<u8> {
    under(&derived(secret, &[b"craton/1/state/key"]), summed, body)
}

/// Sums that whoever does not know the device secret can make: each by its name, once.
pub fn guessed(summed: &[u8], body: &[u8], old: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    Vec::from([
        ("a digest", Soft.sha256(&[summed, body]).0.to_vec()),
        ("under no key", under(&[0; 32], summed, body)),
        ("under the key of no secret", of_secret(&[0; 32], summed, body)),
        ("none", vec![0; 32]),
        ("of the state before", old.to_vec()),
    ])
}
