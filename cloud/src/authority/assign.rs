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
    signed::seal(&AwsLc, Kind::Assignment, payload, &[online_key], &mut object)
        .map(<[u8]>::to_vec)
        .map_err(refused)
}
