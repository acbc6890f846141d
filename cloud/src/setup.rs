//! From the key file to a service that can start: which key does what.

use crate::app::check_in::{Issuer, Policy};
use crate::authority::{AuthorityError, FileKey, IssuingCa, Keyring, service_certificate};
use crate::http::device;
use crate::keys::Keys;
use crate::service::Parts;
use craton_trust::crypto::Signer as _;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The parts of a service with these keys: TLS, client certificates, device API and dashboard.
///
/// # Errors
/// `IssueRefused`, `KeyDamaged`.
pub fn parts(keyring: Keyring, policy: Policy) -> Result<Parts, AuthorityError> {
    let refused = |error: &dyn std::fmt::Display| AuthorityError::IssueRefused(error.to_string());
    let ca = IssuingCa::new(&keyring.issuing)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).map_err(|error| refused(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| refused(&error))?;
    let keys = Keys {
        service: keyring.tls.public_key(),
        tls: Arc::new(tls_key(&keyring.tls)?),
        client_verifier: verifier,
        catalog: Arc::new(keyring.catalog),
        online: Arc::new(keyring.online),
        log: Arc::new(keyring.log),
    };
    let mut parts = Parts::new(keys);
    parts.device_routes = device::router(Arc::new(Issuer { ca, policy }));
    parts.dashboard_routes = crate::dashboard::routes();
    Ok(parts)
}

fn tls_key(key: &FileKey) -> Result<CertifiedKey, AuthorityError> {
    let signing = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key.to_tls().into());
    let signing = signing.map_err(|_| AuthorityError::KeyDamaged)?;
    Ok(CertifiedKey::new(vec![service_certificate(key)?], signing))
}
