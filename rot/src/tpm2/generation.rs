//! How approvals of boots are taken back.
//!
//! Rule TPM-7: an approval is of a *generation*, and so is what the secrets are for. A boot that is
//! approved in a newer one takes the device there: a fresh secret in the free place, whose index is
//! made anew for that generation, a record under it, and the old index away. From then on nothing
//! that the publisher signed in an older generation opens the state, nor any copy of an older file,
//! though the TPM's owner helped: what they were sealed under is nowhere any more. Who read it in
//! an old boot has it, though, and brings the old generation back if the TPM is his, too.
//!
//! Why not a number in the TPM, which TPM2_PolicyNV compares with the one that was signed. The
//! index is the owner's: whoever is root in a boot that was revoked undefines it, defines one that
//! has the same name, and writes by the approval that he still has what it said before. A counter
//! would not go back, but it begins where the largest of that TPM ended, and so cannot be compared
//! with a number of the publisher's.
//!
//! When. Never by itself: whoever does it says that the boot in which he does it is good, because
//! older ones have lost the state then. One of them that was approved in the new generation, too,
//! still opens it. A cut leaves the old generation or the new one, whole (TPM-1): until the counter
//! is raised the old record counts, and a start empties the other place.

use super::chip::{SECRETS, secret_of};
use super::command::Tpm;
use super::platform::TpmPlatform;
use super::policy::BootApproval;
use super::template;
use crate::error::{Error, Result};
use craton_trust::soft::Soft;
use std::vec::Vec;

/// The generations that the secrets in a TPM are for, in order, as approvals of this one's key and
/// kind have them: one, or two from a revocation that was cut to the next start. What is public of
/// the indices says it; nothing is believed for it.
///
/// # Errors
/// `NotManufactured` if there are no secrets; the TPM's. None at all: they are for another key, or
/// for approvals of the other kind.
pub fn generations_of(tpm: &mut Tpm, akin: &BootApproval) -> Result<Vec<u16>> {
    let mut policies = Vec::new();
    for index in SECRETS {
        if let Some(area) = tpm.public_of(index)? {
            policies.push(template::policy_and_size(&area)?.0.to_vec());
        }
    }
    if policies.is_empty() {
        return Err(Error::NotManufactured);
    }
    // A policy is a digest that nothing is read out of: each generation is tried.
    let all = (0..=u16::MAX).map(|generation| BootApproval { generation, ..*akin });
    let theirs = all.filter(|it| policies.iter().any(|policy| *policy == it.opens(&Soft).0));
    Ok(theirs.map(|it| it.generation).collect())
}

impl TpmPlatform {
    /// Takes the state to the newest generation in which this boot is approved; returns its number.
    /// All approvals of older ones are revoked on this device.
    ///
    /// # Errors
    /// `ApprovalsNotNewer` if the state is there already, and nothing changed; `StateUncertain` and
    /// the TPM's: the next reset shows which generation it is, and until then nothing is written.
    pub fn revoke_older(&mut self) -> Result<u16> {
        let counts = self.bound.as_ref().map_err(|error| *error)?.which;
        let newest = self.newer(counts)?;
        let done = self.seal_for(1 - counts, &newest);
        if done.is_err() {
            self.bound = Err(Error::ResetNeeded);
        }
        done.map(|()| newest.generation)
    }

    /// The newest approval of this boot, by the key and of the kind of the one that opened it.
    fn newer(&mut self, counts: usize) -> Result<BootApproval> {
        let chip = self.chip.get_mut();
        let index = SECRETS.get(counts).ok_or(Error::StorageFailed)?;
        let policy = chip.policy_of(*index)?;
        let mut covering = Vec::new();
        for approval in &self.approvals {
            if chip.covered(approval)?.is_some() {
                covering.push(*approval);
            }
        }
        let opening = covering.iter().find(|approval| approval.opens(&Soft) == policy);
        let opening = opening.ok_or(Error::BootNotApproved)?;
        let akin = covering.iter().filter(|approval| approval.is_akin_to(opening));
        let newest = akin.max_by_key(|approval| approval.generation).unwrap_or(opening);
        let is_newer = newest.generation > opening.generation;
        if is_newer { Ok(*newest) } else { Err(Error::ApprovalsNotNewer) }
    }

    fn seal_for(&mut self, which: usize, newest: &BootApproval) -> Result<()> {
        let bound = self.bound.as_mut().map_err(|error| *error)?;
        let chip = self.chip.get_mut();
        let fresh = chip.secret()?;
        let (index, place) = secret_of(which, &mut self.secrets)?;
        chip.renew(index, &newest.opens(&Soft))?;
        let session = chip.approved(index, &[*newest])?;
        chip.tpm.write_secret(index, session, &fresh.0)?;
        *place = fresh;
        bound.commit(chip, &self.secrets, which, &self.body)?;
        // Recovery: each start redoes it.
        chip.settle(which, true, &mut self.secrets, &self.approvals)
    }
}
