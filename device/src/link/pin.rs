//! The service is who holds a pinned key.

use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::{Digest, PublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, SignatureScheme,
};
use std::sync::{Arc, OnceLock};

/// A verifier that believes exactly some keys.
#[derive(Debug)]
pub struct Pinned {
    keys: Vec<PublicKey>,
    provider: Arc<CryptoProvider>,
    other_key: OnceLock<Option<PublicKey>>,
}

impl Pinned {
    /// A verifier of these keys.
    pub fn new(keys: Vec<PublicKey>, provider: Arc<CryptoProvider>) -> Self {
        Self { keys, provider, other_key: OnceLock::new() }
    }

    /// The key that the peer showed if it is not pinned, to tell it from other TLS errors; the
    /// inner `None` for one that is not of P-256.
    pub fn other_key(&self) -> Option<Option<PublicKey>> {
        self.other_key.get().copied()
    }
}

/// SHA-256 of a key's SubjectPublicKeyInfo: what people compare.
pub fn fingerprint(key: &PublicKey) -> Digest {
    Soft.sha256(&[&P256_SPKI_PREFIX, &key.to_sec1()])
}

/// DER of a P-256 SubjectPublicKeyInfo up to the point (RFC 5480 §2).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The P-256 key of a certificate.
fn key_of(certificate: &CertificateDer<'_>) -> Option<PublicKey> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let spki = certificate.subject_public_key_info();
    PublicKey::from_sec1(spki.as_ref().strip_prefix(&P256_SPKI_PREFIX)?).ok()
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_of(end_entity);
        if key.is_some_and(|key| self.keys.contains(&key)) {
            return Ok(ServerCertVerified::assertion());
        }
        let _ = self.other_key.set(key);
        let why = std::io::Error::other("the service has another key than the trust store names");
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why)))))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
