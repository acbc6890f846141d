//! Both implementations of ES256 on this side, by vectors of others and against each other.

mod agreement;
mod nonces;
mod points;
mod wycheproof;

use craton_trust::compact::{Compact, CompactKey};
use craton_trust::crypto::{
    Crypto as _, Es256Point as _, KeyedCrypto as _, Signature, Signer as _,
};
use craton_trust::error::Result;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::{Error, PublicKey};

/// What both say of a signature.
fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<()> {
    let said = Compact.es256_verify(key, &[message], signature);
    assert_eq!(said, Soft.es256_verify(key, &[message], signature), "{key:?} {signature:02x?}");
    let digest = Soft.sha256(&[message]);
    for x in [Compact.es256_x(key, &digest, signature), Soft.es256_x(key, &digest, signature)] {
        let same =
            x.map(|x| if x == signature[..32] { Ok(()) } else { Err(Error::SignatureInvalid) });
        assert_eq!(same.flatten(), said, "by the point: {key:?} {signature:02x?}");
    }
    said
}

/// The key of `secret`, twice.
fn keys(secret: &[u8; 32]) -> (CompactKey, SoftKey) {
    (Compact.key(secret).unwrap(), Soft.key(secret).unwrap())
}

/// Bytes that are others for every label and number.
fn random(label: &str, number: u32) -> [u8; 32] {
    Soft.sha256(&[label.as_bytes(), &number.to_be_bytes()]).0
}

fn from_hex<const N: usize>(text: &str) -> [u8; N] {
    craton_trust::id::from_hex(text).unwrap()
}
