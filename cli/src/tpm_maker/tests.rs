//! Certificates as a TPM's maker issues them, and each way of being wrong; those of swtpm's own
//! CA are in `tests/operator/tpm.rs`.

use super::*;
use craton_trust::PublicKey;
use craton_trust::crypto::Signer as _;
use craton_trust::soft::SoftKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData,
};
use std::fs;
use std::time::Duration;

const USAGE: &[u64] = &[2, 23, 133, 8, 1];

/// The key of a TPM, to be certified.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// The same for one of RSA: RSAPublicKey, which is after the 24 bytes of a head in its info.
struct Rsa(Vec<u8>);

impl PublicKeyData for Rsa {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

fn key(seed: u8) -> PublicKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap().public_key()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A maker with a root and an issuer below it, in files.
struct Maker {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Maker {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap());
        let root = root.unwrap();
        let issuer = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(authority("issuer"), issuer, &root).unwrap();
        fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        fs::write(folder.path().join("issuer.der"), issuer.der()).unwrap();
        Self { folder, issuer }
    }

    fn makers(&self) -> Makers {
        let file = |name: &str| vec![self.folder.path().join(name)];
        Makers { roots: file("root.pem"), issuers: file("issuer.der") }
    }

    fn certifies(&self, key: &PublicKey, usage: Option<&[u64]>) -> Vec<u8> {
        self.certifies_info(&Point([&[4][..], &key.0].concat()), usage)
    }

    fn certifies_info(&self, key: &impl PublicKeyData, usage: Option<&[u64]>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        let usage = usage.map(|usage| ExtendedKeyUsagePurpose::Other(usage.to_vec()));
        params.extended_key_usages = usage.into_iter().collect();
        // The names of maker and model are critical there (profile, 3.2).
        let name = [0x30, 0x0f, 0xa4, 0x0d, 0x30, 0x0b, 0x31, 0x09, 0x30, 0x07, 0x06, 0x05];
        let name = [&name[..], &[0x67, 0x81, 0x05, 0x02, 0x01]].concat();
        let mut alternative = CustomExtension::from_oid_content(&[2, 5, 29, 17], name);
        alternative.set_criticality(true);
        params.custom_extensions = vec![alternative];
        params.signed_by(key, &self.issuer).unwrap().der().to_vec()
    }
}

fn of(key: PublicKey, certificate: Vec<u8>) -> Shown {
    Shown { key: EndorsementKey::P256(key), certificate: Some(certificate) }
}

fn now() -> UnixTime {
    UnixTime::now()
}

fn refusal(makers: &Makers, endorsement: &Shown, now: UnixTime) -> CliError {
    makers.check(endorsement, now).unwrap_err().downcast().unwrap()
}

#[test]
fn a_tpm_is_of_a_named_maker_or_tpm_maker_unknown() {
    let (maker, other) = (Maker::new(), Maker::new());
    let good = of(key(1), maker.certifies(&key(1), Some(USAGE)));
    maker.makers().check(&good, now()).unwrap();
    let unknown = |makers: &Makers, endorsement: &Shown, now| {
        let refused = refusal(makers, endorsement, now);
        assert!(matches!(refused, CliError::TpmMakerUnknown(_)), "{refused}");
    };
    unknown(&other.makers(), &good, now());
    unknown(&Makers { issuers: Vec::new(), ..maker.makers() }, &good, now());
    // Dates, usages, and bytes that are no certificate.
    unknown(&maker.makers(), &good, UnixTime::since_unix_epoch(Duration::from_secs(1)));
    for usage in [None, Some(&[1, 3, 6, 1, 5, 5, 7, 3, 2][..])] {
        unknown(&maker.makers(), &of(key(1), maker.certifies(&key(1), usage)), now());
    }
    unknown(&maker.makers(), &of(key(1), vec![0x30, 0x82, 0, 1, 0]), now());
    let mut flipped = maker.certifies(&key(1), Some(USAGE));
    *flipped.last_mut().unwrap() ^= 1;
    unknown(&maker.makers(), &of(key(1), flipped), now());
}

#[test]
fn a_certificate_of_another_tpm_or_none_is_told_apart() {
    let maker = Maker::new();
    let stolen = of(key(2), maker.certifies(&key(1), Some(USAGE)));
    let refused = refusal(&maker.makers(), &stolen, now());
    assert!(matches!(refused, CliError::TpmCertificateOther), "{refused}");
    let none = Shown { key: EndorsementKey::P256(key(1)), certificate: None };
    let refused = refusal(&maker.makers(), &none, now());
    assert!(matches!(refused, CliError::Tpm(TpmError::TpmCertificateMissing)), "{refused}");
}

#[test]
fn a_file_without_a_certificate_is_certificate_unreadable() {
    let maker = Maker::new();
    let good = of(key(1), maker.certifies(&key(1), Some(USAGE)));
    for text in ["", "root", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "0"] {
        fs::write(maker.folder.path().join("root.pem"), text).unwrap();
        let refused = refusal(&maker.makers(), &good, now());
        assert!(matches!(refused, CliError::CertificateUnreadable(_)), "{text}: {refused}");
    }
}

#[test]
fn the_second_certificate_counts_where_the_first_is_of_no_named_maker() {
    let (maker, other) = (Maker::new(), Maker::new());
    let makers = maker.makers();
    let of_rsa = |by: &Maker| {
        let key = EndorsementKey::Rsa2048(Box::new([0xa5; 256]));
        let certificate = by.certifies_info(&Rsa(key.info()[24..].to_vec()), Some(USAGE));
        Shown { key, certificate: Some(certificate) }
    };
    let of_other = || of(key(1), other.certifies(&key(1), Some(USAGE)));
    let chosen = |first, second| makers.choose(first, || Ok(second), now());
    let good = of_rsa(&maker);
    assert_eq!(chosen(of_other(), Some(good.clone())).unwrap(), good.key);
    // It is not asked for where the first one is good, was the only one, or is another TPM's.
    let not_asked = |first: Shown| {
        makers.choose(first, || panic!("a TPM takes long to make an RSA key"), now())
    };
    let first = of(key(1), maker.certifies(&key(1), Some(USAGE)));
    assert_eq!(not_asked(first.clone()).unwrap(), first.key);
    let unknown = |refused: Result<EndorsementKey>| {
        let refused = refused.unwrap_err().downcast().unwrap();
        assert!(matches!(refused, CliError::TpmMakerUnknown(_)), "{refused}");
    };
    unknown(not_asked(of_rsa(&other)));
    let refused = not_asked(of(key(2), first.certificate.unwrap())).unwrap_err();
    let refused = refused.downcast().unwrap();
    assert!(matches!(refused, CliError::TpmCertificateOther), "{refused}");
    // Neither the second nor none makes the first one good.
    unknown(chosen(of_other(), None));
    unknown(chosen(of_other(), Some(of_rsa(&other))));
}
