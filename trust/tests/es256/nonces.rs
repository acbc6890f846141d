//! RFC 6979: one signature to a key and a message.

use super::*;

/// RFC 6979 A.2.5: the key, and r and s of two messages with SHA-256.
const KEY: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
const PUBLIC: [&str; 2] = [
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
];
const SIGNED: [(&str, [&str; 2]); 2] = [
    (
        "sample",
        [
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ],
    ),
    (
        "test",
        [
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ],
    ),
];

#[test]
fn the_signatures_of_rfc_6979_are_made_byte_for_byte() {
    let (compact, soft) = keys(&from_hex(KEY));
    let public = PublicKey(from_hex(&PUBLIC.concat()));
    assert_eq!((compact.public_key(), soft.public_key()), (public, public));
    for (message, signature) in SIGNED {
        let signature = from_hex(&signature.concat());
        assert_eq!(compact.sign(&[message.as_bytes()]), Ok(signature));
        assert_eq!(soft.sign(&[message.as_bytes()]), Ok(signature));
        assert_eq!(verify(&public, message.as_bytes(), &signature), Ok(()));
    }
}
