//! What of a chip lies in its TPM and in its file: a counter and two secrets, and two records that
//! are sealed under one of them.

use super::command::Tpm;
use super::making::{MAKING_PLACE, mark};
use super::policy::{BootApproval, of_registers};
use super::state::{Bound, Ground, RECORD_OVERHEAD, Secrets};
use super::template;
use crate::error::{Error, Result};
use crate::platform::file::environment;
use crate::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS};
use crate::secret::Secret;
use craton_trust::Digest;
use craton_trust::quote::Selection;
use craton_trust::soft::Soft;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::vec::Vec;

/// Index of the counter, in the owner's range (registry of reserved handles, §2.2).
pub const COUNTER: u32 = 0x0184_3c01;
/// Indices of the two secrets.
pub const SECRETS: [u32; 2] = [0x0184_3c02, 0x0184_3c03];

/// Bytes of fuses and flash.
pub(super) const BODY_SIZE: usize = FUSES_SIZE + SECTORS * SECTOR_SIZE;
const RECORD_SIZE: usize = BODY_SIZE + RECORD_OVERHEAD;
/// Each record begins in a block of its own.
const RECORD_PLACES: [u64; 2] = [0, (RECORD_SIZE as u64).next_multiple_of(4096)];
/// Bytes of the file.
pub const FILE_SIZE: u64 = 2 * RECORD_PLACES[1];
const _: () = assert!(RECORD_PLACES[1] + RECORD_SIZE as u64 <= MAKING_PLACE);

/// File and TPM, which only together are a state.
pub(super) struct Chip {
    pub tpm: Tpm,
    pub file: File,
}

impl Chip {
    /// Whether no record was ever written: then the making was cut.
    pub fn is_blank(&mut self) -> Result<bool> {
        let records = [self.read(false)?, self.read(true)?];
        Ok(records.iter().flatten().all(|byte| *byte == 0))
    }

    /// The first secret, zeros in the second place, and the first record.
    pub fn make(&mut self, approvals: &[BootApproval]) -> Result<()> {
        let secrets = [self.secret()?, Secret::zero()];
        for (index, secret) in SECRETS.into_iter().zip(&secrets) {
            let session = self.approved(index, approvals)?;
            self.tpm.write_secret(index, session, &secret.0)?;
        }
        self.tpm.increment(COUNTER)?;
        let mut blank = std::vec![0u8; FUSES_SIZE];
        blank.resize(BODY_SIZE, 0xff);
        Bound::first(self, &secrets, &blank) // the write that commits
    }

    /// The counter comes first and says whose it is: indices that another making left, or that are
    /// a chip's in use, are not this one's to take away.
    pub fn define(&mut self, policy: &Digest) -> Result<()> {
        let own = mark(&self.file)?;
        match self.tpm.public_of(COUNTER)? {
            None => self.tpm.define(&template::counter(COUNTER, &own))?,
            Some(area) if template::policy_and_size(&area)?.0 == own.0 => {}
            Some(_) => return Err(Error::TpmOccupied),
        }
        for index in SECRETS {
            self.renew(index, policy)?;
        }
        Ok(())
    }

    /// Makes an index of a secret anew, unwritten: what was in it is gone.
    pub fn renew(&mut self, index: u32, policy: &Digest) -> Result<()> {
        self.tpm.undefine(index)?;
        self.tpm.define(&template::secret(index, &policy.0))
    }

    /// The policy of an index of a secret, and whether it was written; `None` if it is not there.
    fn found(&mut self, index: u32) -> Result<Option<(Vec<u8>, bool)>> {
        let Some(area) = self.tpm.public_of(index)? else { return Ok(None) };
        let (policy, _) = template::policy_and_size(&area)?;
        Ok(Some((policy.to_vec(), template::is_written(&area))))
    }

    /// What opens a secret.
    ///
    /// # Errors
    /// `NotManufactured` if it is not there, `TpmRefused` if it is none of ours; the TPM's.
    pub fn policy_of(&mut self, index: u32) -> Result<Digest> {
        let (policy, _) = self.found(index)?.ok_or(Error::NotManufactured)?;
        policy.try_into().map(Digest).map_err(|_| Error::TpmRefused)
    }

    /// Both secrets, and why one stays zero that may be none: what counts may be under the other
    /// one (TPM-7).
    ///
    /// # Errors
    /// Why there is neither; the TPM's.
    pub fn read_secrets(
        &mut self,
        approvals: &[BootApproval],
    ) -> Result<(Secrets, [Option<Error>; 2])> {
        let mut secrets = [const { Secret::zero() }; 2];
        let mut refused = [None; 2];
        for ((index, secret), refused) in SECRETS.into_iter().zip(&mut secrets).zip(&mut refused) {
            match self.read_secret(index, approvals, secret) {
                Ok(()) => {}
                Err(
                    error @ (Error::NotManufactured | Error::BootNotApproved | Error::TpmRefused),
                ) => *refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        match refused {
            [Some(Error::NotManufactured), Some(error)] | [Some(error), Some(_)] => Err(error),
            _ => Ok((secrets, refused)),
        }
    }

    fn read_secret(
        &mut self,
        index: u32,
        approvals: &[BootApproval],
        into: &mut Secret,
    ) -> Result<()> {
        let (_, is_written) = self.found(index)?.ok_or(Error::NotManufactured)?;
        if !is_written {
            return Ok(());
        }
        let session = self.approved(index, approvals)?;
        self.tpm.read_secret(index, session, &mut into.0)
    }

    /// A policy session that entitles to a secret once: by an approval of this boot (TPM-2). One
    /// that the secret is not for, the TPM refuses: it is tried where there is no other.
    pub fn approved(&mut self, index: u32, approvals: &[BootApproval]) -> Result<u32> {
        let policy = self.policy_of(index)?;
        let mut chosen = None;
        for approval in approvals {
            let opens = approval.opens(&Soft) == policy;
            if (opens || chosen.is_none())
                && let Some(registers) = self.covered(approval)?
            {
                chosen = Some((approval, registers));
            }
        }
        let (approval, registers) = chosen.ok_or(Error::BootNotApproved)?;
        self.authorize(approval, &registers)
    }

    /// The policy of this boot, if the approval is for it.
    pub fn covered(&mut self, approval: &BootApproval) -> Result<Option<Digest>> {
        let registers = self.tpm.registers(approval.selection)?;
        Ok(approval.covers(&Soft, &registers).then(|| of_registers(&Soft, &registers)))
    }

    fn authorize(&mut self, approval: &BootApproval, policy: &Digest) -> Result<u32> {
        let session = self.tpm.start_policy()?;
        let empty = approval.selection == Selection(0);
        let pcr =
            if empty { Ok(()) } else { self.tpm.policy_registers(session, approval.selection) };
        let done = pcr.and_then(|()| self.tpm.policy_authorize(session, approval, policy));
        match done {
            Ok(()) => Ok(session),
            Err(error) => {
                let _ = self.tpm.flush(session);
                Err(error)
            }
        }
    }

    /// A secret of both sources of chance.
    pub fn secret(&mut self) -> Result<Secret> {
        let mut secret = Secret::zero();
        self.random(&mut secret.0)?;
        Ok(secret)
    }

    pub fn random(&mut self, out: &mut [u8]) -> Result<()> {
        getrandom::fill(out).map_err(|_| Error::RandomFailed)?;
        self.tpm.mix_random(out)
    }

    /// Empties the place of the secret under which nothing counts any more: zeros, under the policy
    /// of the one that counts. One of another generation goes as a whole, and so does one that this
    /// boot could not read: whoever has old records must not find it there (ROT-10, TPM-7).
    pub fn settle(
        &mut self,
        counts: usize,
        was_read: bool,
        secrets: &mut Secrets,
        approvals: &[BootApproval],
    ) -> Result<()> {
        let (counting, _) = secret_of(counts, secrets)?;
        let policy = self.policy_of(counting)?;
        let (index, secret) = secret_of(1 - counts, secrets)?;
        let right = self.found(index)?.is_some_and(|(other, _)| other == policy.0);
        if !right || !was_read {
            self.renew(index, &policy)?;
        } else if secret.0 != [0; 32] {
            let session = self.approved(index, approvals)?;
            self.tpm.write_secret(index, session, &[0; 32])?;
        }
        *secret = Secret::zero();
        Ok(())
    }
}

pub(super) fn secret_of(which: usize, secrets: &mut Secrets) -> Result<(u32, &mut Secret)> {
    let index = SECRETS.get(which).ok_or(Error::StorageFailed)?;
    Ok((*index, secrets.get_mut(which).ok_or(Error::StorageFailed)?))
}

impl Ground for Chip {
    fn counter(&mut self) -> Result<u64> {
        self.tpm.counter(COUNTER)
    }

    fn raise(&mut self) -> Result<()> {
        self.tpm.increment(COUNTER)
    }

    fn read(&mut self, second: bool) -> Result<Vec<u8>> {
        let mut record = std::vec![0; RECORD_SIZE];
        let place = RECORD_PLACES[usize::from(second)];
        self.file.read_exact_at(&mut record, place).map_err(environment)?;
        Ok(record)
    }

    fn write(&mut self, second: bool, record: &[u8]) -> Result<()> {
        let place = RECORD_PLACES[usize::from(second)];
        self.file.write_all_at(record, place).map_err(environment)?;
        self.file.sync_data().map_err(environment)
    }

    fn nonce(&mut self) -> Result<[u8; 12]> {
        let mut nonce = [0; 12];
        self.random(&mut nonce)?;
        Ok(nonce)
    }
}
