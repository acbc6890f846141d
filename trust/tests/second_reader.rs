//! A second reader of what we sign: coset and ciborium, none of it ours, over the golden vectors.
//!
//! What must hold for somebody who has the standards and not this crate: each signature is a COSE
//! signature by the key it names (RFC 9052), over the kind's `external_aad` and nothing else; a key
//! is a COSE_Key (RFC 9053, 8778); evidence is a claims set whose numbers mean what IANA's registry
//! says they do (RFC 8392, 8747, 9711, 9783).

use coset::cbor::value::Value;
use coset::cwt::{ClaimName, ClaimsSet};
use coset::iana::{Algorithm, CwtClaimName, KeyType};
use coset::{CborSerializable as _, CoseKey, CoseSign1, RegisteredLabelWithPrivate};
use craton_trust::crypto::Crypto as _;
use craton_trust::evidence;
use craton_trust::key::LmsPublicKey;
use craton_trust::soft::Soft;
use craton_trust::{Error, PublicKey};
use p256::ecdsa::signature::Verifier as _;
use std::path::{Path, PathBuf};

/// What the signatures of a folder of vectors cover beside the payload, and how many there are in
/// its good ones: by ES256, by HSS/LMS, and by keys that the vector has not (which who believes it
/// passes over).
const SIGNED: [(&str, &str, [usize; 3]); 9] = [
    ("assignment", "craton/1/assignment", [3, 0, 0]),
    ("capability", "craton/1/capability", [2, 0, 0]),
    ("checkpoint", "craton/1/checkpoint", [2, 0, 0]),
    ("endorsement", "craton/1/endorsement", [1, 0, 0]),
    ("image", "craton/1/image", [5, 1, 2]),
    ("image-set", "craton/1/image-set", [4, 0, 0]),
    ("lot", "craton/1/lot", [1, 0, 0]),
    ("successor", "craton/1/trust-store", [14, 4, 0]),
    ("trust-store", "craton/1/trust-store", [4, 1, 0]),
];

#[test]
fn every_signed_object_is_cose_to_another_reader() {
    for (folder, external_aad, expected) in SIGNED {
        let mut found = [0; 3];
        for vector in good(folder) {
            let (payload, signatures) = taken_apart(&vector.object);
            for bytes in signatures {
                found[judge(&vector, external_aad.as_bytes(), &payload, &bytes)] += 1;
            }
        }
        assert_eq!(found, expected, "{folder}");
    }
}

/// Which of the three a signature is; it is right, over this and nothing else.
fn judge(vector: &Good, external_aad: &[u8], payload: &[u8], signature: &[u8]) -> usize {
    let sign1 = sign1(signature);
    let Some(key) = vector.key(&sign1.protected.header.key_id) else { return 2 };
    assert_eq!(key.alg, sign1.protected.header.alg, "SIG-4");
    let said = |aad: &[u8], payload: &[u8]| {
        let verifier = |signature: &[u8], signed: &[u8]| right(&key, signature, signed);
        sign1.verify_detached_signature(payload, aad, verifier)
    };
    let changed = [payload, &[0]].concat();
    assert_eq!(said(external_aad, payload), Ok(()));
    assert!(said(b"", payload).is_err(), "SIG-1");
    assert!(said(external_aad, &changed).is_err());
    usize::from(key.kty != ec2())
}

#[test]
fn a_chain_of_certificates_is_cose_to_another_reader() {
    let vectors = good("dice-certificate");
    for vector in &vectors {
        let issuer = vector.context("issuer");
        let subject = subject(&vector.object, &issuer);
        assert_eq!(subject.kty, ec2());
        let other = CoseKey::from_slice(&vector.context("issuer")).unwrap();
        assert_ne!(subject, other);
    }
    assert_eq!(vectors.len(), 1);
}

#[test]
fn evidence_is_a_claims_set_of_rfc_9783s_claims_to_another_reader() {
    let vectors = good("evidence");
    for vector in &vectors {
        let identity = vector.context("identity");
        let mut parts = array(&read(&vector.object));
        let (token, chain) = (bytes_of(&parts.pop().unwrap()), array(&parts[0]));
        let mut issuer = identity.clone();
        for certificate in chain {
            issuer = subject(&bytes_of(&certificate), &issuer).to_vec().unwrap();
        }
        let attester = CoseKey::from_slice(&issuer).unwrap();
        let sign1 = sign1(&token);
        let verifier = |signature: &[u8], signed: &[u8]| right(&attester, signature, signed);
        assert_eq!(sign1.verify_signature(b"craton/1/evidence", verifier), Ok(()));
        assert!(sign1.verify_signature(b"", verifier).is_err());
        let claims = ClaimsSet::from_slice(&sign1.payload.unwrap()).unwrap();
        let ours = PublicKey::from_cose(&identity).unwrap();
        let ours = evidence::verify(&Soft, &ours, &vector.object).unwrap();
        assert_says(&claims, &ours.claims);
    }
    assert_eq!(vectors.len(), 2);
}

/// The claims that have a registered number, by it, are what our own reader finds; all others are
/// of private numbers.
fn assert_says(claims: &ClaimsSet, ours: &evidence::Claims) {
    let claim = |name| of(claims, name);
    assert_eq!(claim(CwtClaimName::Nonce), Value::Bytes(ours.nonce.0.to_vec()));
    let ueid = [&[0x01], &ours.device.0[..]].concat(); // RFC 9711 §4.2.1.1: type RAND
    assert_eq!(claim(CwtClaimName::UEID), Value::Bytes(ueid));
    assert_eq!(claim(CwtClaimName::EatProfile), Value::Text(evidence::PROFILE.into()));
    let lifecycle = ours.lifecycle as u16;
    assert_eq!(claim(CwtClaimName::PsaSecurityLifecycle), Value::Integer(lifecycle.into()));
    let implementation = ours.implementation.0.to_vec();
    assert_eq!(claim(CwtClaimName::PsaImplementationId), Value::Bytes(implementation));
    let components = array(&claim(CwtClaimName::PsaSoftwareComponents));
    assert_eq!(components.len(), ours.measured.iter().count());
    for (component, measured) in components.iter().zip(ours.measured.iter()) {
        // RFC 9783 §4.4.1: 1 is the measurement's type (Off-spec: bytes), 2 its value.
        assert_eq!(under(component, 1), Value::Bytes(measured.component.0.to_vec()));
        assert_eq!(under(component, 2), Value::Bytes(measured.digest.0.to_vec()));
    }
    let key = under(&claim(CwtClaimName::Cnf), 1); // RFC 8747 §3.2
    let key = coset::AsCborValue::from_cbor_value(key).map(|key: CoseKey| key.to_vec().unwrap());
    assert_eq!(key.unwrap(), ours.client_key.to_cose());
    let registered = |name: &&ClaimName| matches!(name, RegisteredLabelWithPrivate::Assigned(_));
    assert_eq!(claims.rest.iter().map(|(name, _)| name).filter(registered).count(), 7);
    assert_eq!(claims.rest.len(), 12, "five of private numbers");
}

fn of(claims: &ClaimsSet, name: CwtClaimName) -> Value {
    let name = ClaimName::Assigned(name);
    let found = claims.rest.iter().find(|(other, _)| *other == name);
    found.unwrap_or_else(|| panic!("{name:?}")).1.clone()
}

/// The key that a certificate of the Open Profile certifies, which its issuer signed.
fn subject(certificate: &[u8], issuer: &[u8]) -> CoseKey {
    let (sign1, issuer) = (sign1(certificate), CoseKey::from_slice(issuer).unwrap());
    let verifier = |signature: &[u8], signed: &[u8]| right(&issuer, signature, signed);
    assert_eq!(sign1.verify_signature(b"", verifier), Ok(()));
    let claims = ClaimsSet::from_slice(&sign1.payload.unwrap()).unwrap();
    let key = ClaimName::PrivateUse(-4_670_552);
    let (_, key) = claims.rest.iter().find(|(name, _)| *name == key).unwrap();
    CoseKey::from_slice(&bytes_of(key)).unwrap()
}

/// A signature of the one form that we make.
fn sign1(bytes: &[u8]) -> CoseSign1 {
    let sign1 = CoseSign1::from_slice(bytes).unwrap();
    assert!(sign1.unprotected.is_empty());
    assert_eq!(sign1.protected.header.key_id.len(), 8);
    let rest = coset::Header { alg: None, key_id: vec![], ..sign1.protected.header.clone() };
    assert!(rest.is_empty(), "an algorithm, a key id, and nothing else");
    sign1
}

/// Whether the bytes that coset says were signed were, by that key.
fn right(key: &CoseKey, signature: &[u8], signed: &[u8]) -> Result<(), Error> {
    if key.kty != ec2() {
        let key = LmsPublicKey::from_cose(&key.clone().to_vec().unwrap())?;
        let signature = signature.try_into().map_err(|_| Error::SignatureInvalid)?;
        return Soft.lms_verify(&key, &[signed], signature);
    }
    assert_eq!(key.alg, Some(coset::Algorithm::Assigned(Algorithm::ES256)));
    let point = key.to_sec1_octet_string().unwrap();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(signature).unwrap();
    key.verify(signed, &signature).map_err(|_| Error::SignatureInvalid)
}

fn ec2() -> coset::KeyType {
    coset::KeyType::Assigned(KeyType::EC2)
}

/// Payload and signatures: a list of both, or the authentication wrapper of a SUIT envelope.
fn taken_apart(object: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    match read(object) {
        Value::Array(parts) => {
            (bytes_of(&parts[0]), array(&parts[1]).iter().map(bytes_of).collect())
        }
        envelope => {
            let wrapper = array(&read(&bytes_of(&under(&envelope, 2))));
            (bytes_of(&wrapper[0]), wrapper[1..].iter().map(bytes_of).collect())
        }
    }
}

fn read(bytes: &[u8]) -> Value {
    coset::cbor::from_reader(bytes).unwrap()
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

fn bytes_of(value: &Value) -> Vec<u8> {
    value.as_bytes().unwrap().clone()
}

/// What a map has under a number.
fn under(map: &Value, key: u8) -> Value {
    let pairs = map.as_map().unwrap();
    pairs.iter().find(|(name, _)| *name == Value::Integer(key.into())).unwrap().1.clone()
}

/// A good vector: the object, and what stands beside it.
struct Good {
    object: Vec<u8>,
    expect: String,
}

impl Good {
    /// Bytes of the context.
    fn context(&self, name: &str) -> Vec<u8> {
        let line = self.expect.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        unhex(line.trim_matches([' ', '=', '"']))
    }

    /// The key with an id, the front of its digest, wherever in the vector it stands.
    fn key(&self, id: &[u8]) -> Option<CoseKey> {
        let all = &[hex(&self.object), self.expect.clone()].concat();
        let heads = [("a5010203262001215820", 77), ("a3010503382d205834", 61)];
        let starts = heads.iter().flat_map(|(head, size)| {
            all.match_indices(head).filter_map(move |(at, _)| all.get(at..at + 2 * size))
        });
        let named = starts.map(unhex).find(|key| Soft.sha256(&[key]).0.starts_with(id));
        named.map(|key| CoseKey::from_slice(&key).unwrap())
    }
}

fn good(folder: &str) -> Vec<Good> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors").join(folder);
    let ways = std::fs::read_dir(folder).unwrap().map(|way| way.unwrap().path());
    let is_good = |way: &PathBuf| way.file_name().unwrap().to_string_lossy().starts_with("good");
    ways.filter(is_good)
        .map(|way| Good {
            object: std::fs::read(way.join("object.cbor")).unwrap(),
            expect: std::fs::read_to_string(way.join("expect.toml")).unwrap(),
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
