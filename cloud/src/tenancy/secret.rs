//! A token's secret, and the salted hash under which the store knows it.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use craton_api::operator::Digest;

const PREFIX: &str = "craton_";

/// A token's secret. It is shown once and kept nowhere; it has no `Debug`.
pub struct TokenSecret(String);

impl TokenSecret {
    /// A new one: 32 random bytes behind a prefix that scanners of leaked secrets can find.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = crate::crypto::random_bytes();
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text to give to its user.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// SHA-256 over the service's salt and the secret. The secret has 256 random bits, so that a slow
/// hash would add nothing; the salt keeps hashes of two services from being compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub Digest);

impl TokenHash {
    /// The hash of a secret, well-formed or not.
    #[must_use]
    pub fn of(salt: &[u8], secret: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(salt);
        context.update(secret.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(Digest(hash))
    }
}
