//! The keys that the service acts with; how they are kept is the authority's matter.

use std::fmt;
use std::sync::Arc;

use craton_api::operator::{Base64, ServiceKey};
use craton_trust::PublicKey;
use craton_trust::crypto::Signer;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;

/// A signing key that threads share.
pub type SharedSigner = Arc<dyn Signer + Send + Sync>;

/// Every key of the service.
#[derive(Clone)]
pub struct Keys {
    /// Countersigns sets and capabilities: role `catalog`.
    pub catalog: SharedSigner,
    /// Signs assignments: role `online`.
    pub online: SharedSigner,
    /// Signs checkpoints: role `log`.
    pub log: SharedSigner,
    /// The public half of the TLS key: role `service`.
    pub service: PublicKey,
    /// The TLS key with its certificate.
    pub tls: Arc<CertifiedKey>,
    /// Who decides about clients' certificates; they stay optional.
    pub client_verifier: Arc<dyn ClientCertVerifier>,
}

impl Keys {
    /// The public keys by the role that an owner gives them in his trust store.
    #[must_use]
    pub fn public(&self) -> Vec<ServiceKey> {
        let key = |role: &str, key: PublicKey| ServiceKey {
            role: role.to_owned(),
            key: Base64(key.to_sec1().to_vec()),
        };
        vec![
            key("catalog", self.catalog.public_key()),
            key("online", self.online.public_key()),
            key("log", self.log.public_key()),
            key("service", self.service),
        ]
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}
