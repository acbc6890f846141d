//! Client certificates: short-lived, for the key that the evidence named, by the issuing CA.
//!
//! A certificate carries a name per catalog and epoch, not the device's identity: who sees it
//! cannot follow the hardware from one owner to the next.

use super::{AuthorityError, FileKey};
use crate::attest::Appraised;
use craton_trust::crypto::Crypto as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a client certificate reaches back: the service's own clock may be stepped a little.
const BACKDATE: Duration = Duration::from_secs(300);

/// The CA that signs client certificates.
pub struct IssuingCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A client certificate and the serial under which the service knows it.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// DER.
    pub der: Vec<u8>,
    /// The serial number, lower-case hexadecimal.
    pub serial: String,
}

/// A P-256 public key as rcgen wants it.
struct SubjectKey([u8; 65]);

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn refused(error: impl std::fmt::Display) -> AuthorityError {
    AuthorityError::IssueRefused(error.to_string())
}

fn tls_pair(key: &FileKey) -> Result<KeyPair, AuthorityError> {
    KeyPair::try_from(&key.to_tls()).map_err(refused)
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

impl IssuingCa {
    /// The CA of this key; its own certificate is made here and pinned by nobody outside the
    /// service.
    ///
    /// # Errors
    /// `IssueRefused`, `KeyDamaged`.
    pub fn new(key: &FileKey) -> Result<Self, AuthorityError> {
        let mut ca = parameters("Craton issuing CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // A fixed serial keeps the certificate the same at every start of the service.
        ca.serial_number = Some(SerialNumber::from_slice(&[1]));
        let pair = tls_pair(key)?;
        let certificate = ca.self_signed(&pair).map_err(refused)?.der().clone();
        Ok(Self { issuer: Issuer::new(ca, pair), certificate })
    }

    /// The CA's certificate, which the TLS listener trusts for clients.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for the client key of an appraised device, from `now` for `validity`.
    ///
    /// # Errors
    /// `IssueRefused`.
    pub fn issue(
        &self,
        appraised: &Appraised,
        now: SystemTime,
        validity: Duration,
    ) -> Result<ClientCertificate, AuthorityError> {
        let mut leaf = parameters(&client_name(appraised));
        leaf.not_before = valid_from(now).into();
        leaf.not_after = (now + validity).into();
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut serial = [0u8; 16];
        aws_lc_rs::rand::fill(&mut serial).map_err(refused)?;
        // RFC 5280 §4.1.2.2: positive, and no leading zero to be dropped.
        serial[0] = (serial[0] & 0x7f) | 0x40;
        leaf.serial_number = Some(SerialNumber::from_slice(&serial));
        let subject = SubjectKey(appraised.client_key().to_sec1());
        let certificate = leaf.signed_by(&subject, &self.issuer).map_err(refused)?;
        let serial = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(ClientCertificate { der: certificate.der().to_vec(), serial })
    }
}

/// A little before `now`, but never before 1970: TLS libraries refuse a certificate that is older
/// than their time can say, and a service whose clock was lost starts there.
fn valid_from(now: SystemTime) -> SystemTime {
    now.checked_sub(BACKDATE).map_or(UNIX_EPOCH, |from| from.max(UNIX_EPOCH))
}

/// The name in a certificate: per device, catalog and epoch.
fn client_name(appraised: &Appraised) -> String {
    let parts: [&[u8]; 4] = [
        b"craton/1/client-name",
        &appraised.catalog().0,
        &appraised.device().0,
        &appraised.epoch().to_be_bytes(),
    ];
    let digest = crate::crypto::AwsLc.sha256(&parts);
    digest.0.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The self-signed certificate of the TLS listener. Devices and the command line pin its key and
/// ignore its dates: they may have no clock.
///
/// # Errors
/// `IssueRefused`, `KeyDamaged`.
pub fn service_certificate(key: &FileKey) -> Result<CertificateDer<'static>, AuthorityError> {
    let mut parameters = parameters("Craton service");
    parameters.serial_number = Some(SerialNumber::from_slice(&[1]));
    let certificate = parameters.self_signed(&tls_pair(key)?).map_err(refused)?;
    Ok(certificate.der().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cas_certificate_is_the_same_at_every_start() {
        let key = FileKey::generate().unwrap();
        let first = IssuingCa::new(&key).unwrap();
        let again = IssuingCa::new(&key).unwrap();
        let name = |ca: &IssuingCa| x509_name(ca.certificate());
        assert_eq!(name(&first), name(&again));
        assert!(service_certificate(&key).is_ok());
        let error = refused("why");
        assert!(matches!(error, AuthorityError::IssueRefused(ref why) if why == "why"));
    }

    #[test]
    fn no_certificate_begins_before_1970() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(valid_from(at(10)), at(0));
        assert_eq!(valid_from(at(1_000)), at(700));
    }

    fn x509_name(der: &CertificateDer<'_>) -> (String, Vec<u8>) {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
        (certificate.subject().to_string(), certificate.public_key().raw.to_vec())
    }
}
