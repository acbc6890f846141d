//! Assignments: the one signed answer to a check-in.

use super::AuthorityError;
use crate::attest::Appraised;
use crate::crypto::AwsLc;
use craton_trust::assignment::{Address, Assignment, Online, Target};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::{Digest, signed};

/// What to answer beside the certificate.
#[derive(Clone, Debug)]
pub struct Answer<'b> {
    /// SHA-256 of the request.
    pub request: Digest,
    /// Seconds since 1970.
    pub now_s: u64,
    /// When to check in again, seconds.
    pub next_check_in_s: u64,
    /// The set to run, if the device's group has one for it.
    pub target: Option<Target<'b>>,
}

/// Signs the answer to an appraised device.
///
/// # Errors
/// `AssignRefused`.
pub fn assignment(
    appraised: &Appraised,
    certificate: &[u8],
    answer: Answer<'_>,
    online_key: &dyn Signer,
) -> Result<Vec<u8>, AuthorityError> {
    let assignment = Assignment {
        address: Address {
            catalog: appraised.catalog(),
            device: appraised.device(),
            epoch: appraised.epoch(),
            request: answer.request,
        },
        online: Some(Online { time: answer.now_s, certificate }),
        next_check_in_s: answer.next_check_in_s,
        target: answer.target,
    };
    let (mut payload, mut object) = (vec![0u8; 8192], vec![0u8; 8192 + 256]);
    let refused = AuthorityError::AssignRefused;
    let payload = assignment.encode(&mut payload).map_err(refused)?;
    // What no device could read is not signed.
    Assignment::parse(payload).map_err(refused)?;
    signed::seal(&AwsLc, Kind::Assignment, payload, &[online_key], &mut object)
        .map(<[u8]>::to_vec)
        .map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::tests::appraised;
    use craton_trust::assignment::{CERTIFICATE_MAX, NEXT_CHECK_IN_S_MAX};
    use craton_trust::crypto::Signature;
    use craton_trust::soft::SoftKey;
    use craton_trust::{Error, PublicKey};
    use std::cell::Cell;

    /// A key that counts how often it signs.
    struct Counting(SoftKey, Cell<u32>);

    impl Signer for Counting {
        fn public_key(&self) -> PublicKey {
            self.0.public_key()
        }

        fn sign(&self, parts: &[&[u8]]) -> Result<Signature, Error> {
            self.1.set(self.1.get() + 1);
            self.0.sign(parts)
        }
    }

    const GOOD: Answer<'static> = Answer {
        request: Digest([5; 32]),
        now_s: 1_800_000_000,
        next_check_in_s: 60,
        target: None,
    };

    #[test]
    fn assign_refused_is_what_no_device_could_read_and_the_online_key_stays_unused() {
        let key = Counting(SoftKey::from_bytes(&[3; 32]).unwrap(), Cell::new(0));
        let device = appraised(PublicKey([6; 64]));
        let refused = |certificate: &[u8], answer: Answer<'static>| match assignment(
            &device,
            certificate,
            answer,
            &key,
        )
        .unwrap_err()
        {
            AuthorityError::AssignRefused(why) => why,
            other => panic!("{other}"),
        };
        assert_eq!(refused(&[0; 9000], GOOD), Error::BufferTooSmall);
        assert_eq!(refused(&[0; CERTIFICATE_MAX + 1], GOOD), Error::FieldTooLong);
        let never = Answer { next_check_in_s: NEXT_CHECK_IN_S_MAX + 1, ..GOOD };
        assert_eq!(refused(b"certificate", never), Error::FieldInvalid);
        assert_eq!(key.1.get(), 0);
        assert!(assignment(&device, b"certificate", GOOD, &key).is_ok());
        assert_eq!(key.1.get(), 1);
    }

    #[test]
    fn assign_refused_is_an_online_key_that_does_not_sign() {
        struct Broken(SoftKey);
        impl Signer for Broken {
            fn public_key(&self) -> PublicKey {
                self.0.public_key()
            }

            fn sign(&self, _: &[&[u8]]) -> Result<Signature, Error> {
                Err(Error::KeyInvalid)
            }
        }
        let key = Broken(SoftKey::from_bytes(&[3; 32]).unwrap());
        let refused = assignment(&appraised(PublicKey([6; 64])), b"certificate", GOOD, &key);
        assert!(matches!(refused, Err(AuthorityError::AssignRefused(Error::KeyInvalid))));
    }
}
