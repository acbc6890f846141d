//! Client certificates: short-lived, for the key that the evidence named, by the issuing CA.
//!
//! A certificate carries a name per catalog and epoch, not the device's identity: who sees it
//! cannot follow the hardware from one owner to the next.

use super::{AuthorityError, FileKey};
use crate::attest::Appraised;
use craton_trust::crypto::Crypto as _;
use craton_trust::{CatalogId, DeviceId};
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
    /// The name in it.
    pub name: ClientName,
}

/// The name in a certificate: per device, catalog and epoch. It stands there in hexadecimal.
pub type ClientName = [u8; 16];

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
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
        let (catalog, device) = (appraised.catalog(), appraised.device());
        let name = client_name(&catalog, &device, appraised.epoch());
        let mut leaf = parameters(&hexadecimal(&name));
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
        let (der, serial) = (certificate.der().to_vec(), hexadecimal(&serial));
        Ok(ClientCertificate { der, serial, name })
    }
}

/// A little before `now`, but never before 1970: TLS libraries refuse a certificate that is older
/// than their time can say, and a service whose clock was lost starts there.
fn valid_from(now: SystemTime) -> SystemTime {
    now.checked_sub(BACKDATE).map_or(UNIX_EPOCH, |from| from.max(UNIX_EPOCH))
}

/// The name in the certificates of a device, in a catalog and an epoch.
fn client_name(catalog: &CatalogId, device: &DeviceId, epoch: u64) -> ClientName {
    let (label, epoch) = (b"craton/1/client-name", epoch.to_be_bytes());
    let digest = crate::crypto::AwsLc.sha256(&[label, &catalog.0, &device.0, &epoch]);
    let mut name = [0; 16];
    name.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
    name
}

/// The name in a certificate, if it is one of ours.
#[must_use]
pub fn name_in(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Option<ClientName> {
    let text = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    let mut name = [0; 16];
    let pairs = text.as_bytes().chunks_exact(2);
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * name.len() || !digits {
        return None;
    }
    for (to, pair) in name.iter_mut().zip(pairs) {
        *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(name)
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
