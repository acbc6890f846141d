//! Signing checkpoints, and taking witnesses' cosignatures.

use craton_api::operator::{CatalogId, Digest};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::merkle::Checkpoint;
use craton_trust::store::{Role, Section};
use craton_trust::{Signed, signed};

use super::AuditError;
use crate::crypto::AwsLc;

/// The largest signed checkpoint that a device takes, bytes.
const SIGNED_MAX: usize = craton_trust::assignment::CHECKPOINT_MAX;

/// A checkpoint of a catalog's log with the log's signature.
///
/// # Errors
/// `LogKeyRefused`.
pub fn sign_checkpoint(
    catalog: CatalogId,
    size: u64,
    root: Digest,
    log_key: &dyn Signer,
) -> Result<Vec<u8>, AuditError> {
    let checkpoint = Checkpoint { catalog: catalog.into(), size, root: root.into() };
    let (mut payload, mut object) = ([0; 128], [0; SIGNED_MAX]);
    let sealed = checkpoint.encode(&mut payload).and_then(|payload| {
        signed::seal(&AwsLc, Kind::Checkpoint, payload, &[log_key], &mut object)
    });
    sealed.map(<[u8]>::to_vec).map_err(AuditError::LogKeyRefused)
}

/// Believes a cosigned checkpoint if it says what `known` says, and both the log and a threshold of
/// witnesses signed it.
///
/// # Errors
/// `CheckpointUnknown` if it says anything else; `CosignatureRefused`.
pub fn with_cosignature(
    known: &[u8],
    cosigned: &[u8],
    section: &Section<'_>,
) -> Result<(), AuditError> {
    let known = Signed::parse(known).map_err(AuditError::CosignatureRefused)?;
    let cosigned = Signed::parse(cosigned).map_err(AuditError::CosignatureRefused)?;
    if known.unchecked_payload() != cosigned.unchecked_payload() {
        return Err(AuditError::CheckpointUnknown);
    }
    let roles = [section.role(Role::Log), section.role(Role::Witness)];
    let believed = cosigned.verify(&AwsLc, Kind::Checkpoint, &roles, Checkpoint::parse);
    believed.map(|_| ()).map_err(AuditError::CosignatureRefused)
}
