//! Both implementations of ES256 on this side, by vectors of others and against each other.

mod agreement;
mod nonces;
mod points;
mod wycheproof;

use craton_trust::compact::{Blinded, Compact, CompactKey};
use craton_trust::crypto::{Crypto as _, KeyedCrypto as _, Leads, Mixed, Signature, Signer as _};
use craton_trust::error::Result;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::{Error, PublicKey};

/// What both say of a signature.
fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<()> {
    let said = Compact.es256_verify(key, &[message], signature);
    assert_eq!(said, Soft.es256_verify(key, &[message], signature), "{key:?} {signature:02x?}");
    // By where it leads.
    let led = |leads: Result<[Mixed; 2]>| {
        let [found, counter] = leads?;
        let right = counter.complement();
        assert_eq!(found.is(&right), found.difference(&right) == 0);
        if found.is(&right) { Ok(()) } else { Err(Error::SignatureInvalid) }
    };
    assert_eq!(led(Soft.es256_leads(key, &[message], signature)), said, "{signature:02x?}");
    // However it is blinded (ROT-25).
    for (mask, seed) in [(0, 1), (1, 2), (0x5ac3_96e1, 3), (!0, 4)] {
        let blinded = Blinded::by(mask, [seed; 32]);
        assert_eq!(blinded.es256_verify(key, &[message], signature), said, "under {mask:#x}");
        let leads = blinded.es256_leads(key, &[message], signature);
        assert_eq!(led(leads), said, "under {mask:#x}: {key:?} {signature:02x?}");
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
