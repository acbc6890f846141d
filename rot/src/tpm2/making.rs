//! What tells one making of a chip from another, and how a chip leaves its TPM.
//!
//! Chance in the last bytes of a chip's file marks its making, and the counter's policy has the
//! digest of it: so that one making does not take away what is another's.

use super::chip::{COUNTER, FILE_SIZE, SECRETS};
use super::command::Tpm;
use super::platform::TpmPlatform;
use super::template;
use super::transport::Transport;
use crate::error::{Error, Result};
use crate::platform::file::{environment, open_locked};
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of chance.
pub const MAKING_SIZE: usize = 32;
/// Where they are in the file.
pub const MAKING_PLACE: u64 = FILE_SIZE - MAKING_SIZE as u64;

/// What the counter of this file's chip is marked with.
///
/// # Errors
/// Those of the file.
pub fn mark(file: &File) -> Result<Digest> {
    let mut making = [0; MAKING_SIZE];
    file.read_exact_at(&mut making, MAKING_PLACE).map_err(environment)?;
    Ok(Soft.sha256(&[b"craton/1/tpm-making", &making]))
}

impl TpmPlatform {
    /// Takes the chip out of the TPM, whichever file it is of: nothing opens that any more.
    ///
    /// # Errors
    /// The TPM's.
    pub fn discard(transport: Transport) -> Result<()> {
        take_out(&mut Tpm::new(transport)?)
    }

    /// The same for the chip of this file alone, which nobody else has meanwhile. One that is not
    /// in the TPM any more is as wanted, and so is no file where the TPM has no chip.
    ///
    /// # Errors
    /// `TpmOccupied` if the chip in the TPM is of another file, or there is none to say that it is
    /// this one's; those of the file and the TPM.
    pub fn discard_of(transport: Transport, path: &Path) -> Result<()> {
        let file = match open_locked(path, FILE_SIZE) {
            Err(Error::StorageMissing) => None,
            opened => Some(opened?),
        };
        let own = file.as_ref().map(mark).transpose()?;
        let mut tpm = Tpm::new(transport)?;
        let Some(area) = tpm.public_of(COUNTER)? else { return Ok(()) };
        let (owner, _) = template::policy_and_size(&area)?;
        match own {
            Some(own) if owner == own.0 => take_out(&mut tpm),
            _ => Err(Error::TpmOccupied),
        }
    }
}

/// The counter goes last: it says whose the secrets are.
fn take_out(tpm: &mut Tpm) -> Result<()> {
    SECRETS.into_iter().chain([COUNTER]).try_for_each(|index| tpm.undefine(index))
}
