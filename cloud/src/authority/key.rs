//! One P-256 key from the key file.

use super::AuthorityError;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use craton_trust::crypto::{Signature, Signer};
use craton_trust::{Error, PublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;

/// A key in memory. It has no `Debug`; the cryptography library wipes it.
pub struct FileKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

impl FileKey {
    /// A new random key.
    ///
    /// # Errors
    /// `KeyDamaged` if the system has no randomness.
    pub fn generate() -> Result<Self, AuthorityError> {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self::from_pkcs8(pkcs8.map_err(|_| AuthorityError::KeyDamaged)?.as_ref())
    }

    /// From PKCS#8 DER.
    ///
    /// # Errors
    /// `KeyDamaged`.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, AuthorityError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        let pair = pair.map_err(|_| AuthorityError::KeyDamaged)?;
        let public = PublicKey::from_sec1(pair.public_key().as_ref());
        let public = public.map_err(|_| AuthorityError::KeyDamaged)?;
        Ok(Self { pair, pkcs8: pkcs8.to_vec(), public })
    }

    /// PKCS#8 DER, for the key file and the TLS stack.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key for rustls and rcgen.
    #[must_use]
    pub fn to_tls(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pkcs8.clone())
    }
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.pkcs8.fill(0);
        std::hint::black_box(&self.pkcs8);
    }
}

impl Signer for FileKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, parts: &[&[u8]]) -> Result<Signature, Error> {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        let signature = self.pair.sign_digest(&context.finish());
        let signature = signature.map_err(|_| Error::KeyInvalid)?;
        signature.as_ref().try_into().map_err(|_| Error::KeyInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::AwsLc;
    use craton_trust::crypto::Crypto as _;

    #[test]
    fn a_key_signs_what_its_public_key_verifies() {
        let key = FileKey::generate().unwrap();
        let signature = key.sign(&[b"one", b"two"]).unwrap();
        assert_eq!(AwsLc.es256_verify(&key.public_key(), &[b"onetwo"], &signature), Ok(()));
        let refused = FileKey::from_pkcs8(&[1, 2, 3]);
        assert!(matches!(refused, Err(AuthorityError::KeyDamaged)));
    }
}
