//! A device that does not run: what its owner brings to it as a file, with no network.
//!
//! It is the same root of trust that judges, and the same check of what is installed; only the way
//! here differs.

use crate::installed::InstalledError;
use crate::monitor::{self, MonitorError};
use crate::rot::{self, Rot};
use crate::slot_file::SlotFile;
use crate::succession::{self, SuccessionError};
use crate::transfer;
use craton_rot::{Start, Status, programs};
use craton_trust::store::SectionKind;
use craton_trust::{CatalogId, DeviceId, Digest, SetId};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Why a stopped device did not take what was brought.
#[derive(Debug, thiserror::Error)]
pub enum StoppedError {
    /// The folder is no device, or the device runs.
    #[error("{0}")]
    Monitor(#[from] MonitorError),
    /// The root of trust refuses it.
    #[error("{0}")]
    Rot(#[from] craton_rot::Error),
    /// The successor is refused.
    #[error("{0}")]
    Succession(#[from] SuccessionError),
    /// The slots could not be read.
    #[error("{0}")]
    Installed(#[from] InstalledError),
}

impl StoppedError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Monitor(error) => error.code(),
            Self::Rot(error) => error.code(),
            Self::Succession(error) => error.code(),
            Self::Installed(error) => error.code(),
        }
    }
}

/// An open challenge of a device's root of trust: what a capability must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The owner's catalog.
    pub catalog: CatalogId,
    /// The device.
    pub device: DeviceId,
    /// Its ownership epoch.
    pub epoch: u64,
    /// The random value that is answered.
    pub challenge: Digest,
}

/// A device that does not run, and will not while this is held.
pub struct Stopped {
    rot: Rot,
    folder: PathBuf,
    _lock: File,
}

impl Stopped {
    /// Takes hold of the device in a folder.
    ///
    /// # Errors
    /// `DeviceMissing`, `DeviceRuns`; the root of trust's.
    pub fn open(folder: &Path) -> Result<Self, StoppedError> {
        let lock = monitor::lock(folder)?;
        // No boot, and above all not the one for which a capability may be pending (CAP-2).
        let rot = rot::open(folder, Start::Recovery)?;
        Ok(Self { rot, folder: folder.to_owned(), _lock: lock })
    }

    /// How its root of trust is.
    ///
    /// # Errors
    /// The root of trust's.
    pub fn status(&self) -> Result<Status, StoppedError> {
        Ok(self.rot.status()?)
    }

    /// Takes a successor of the trust store (STORE-1, STORE-4); returns what is in force now.
    ///
    /// # Errors
    /// Those of [`succession::take`]; the old section is still in force.
    pub fn succeed(&mut self, successor: &[u8]) -> Result<(SectionKind, u64), StoppedError> {
        let kept: Vec<SetId> = SlotFile::of(&self.folder).read()?.kept().collect();
        Ok(succession::take(&mut *self.rot, &self.folder, &kept, successor)?)
    }

    /// Gives its root of trust another program of its own, and the set that it is a member of if
    /// the device has an owner (ROT-20). The next start is on trial.
    ///
    /// # Errors
    /// The root of trust's; it runs on as before.
    pub fn install_program(
        &mut self,
        package: &[u8],
        set: Option<&[u8]>,
    ) -> Result<(), StoppedError> {
        Ok(programs::install(&mut *self.rot, package, set)?)
    }

    /// Opens a challenge for a capability; an open one before it is void, and so is this one once
    /// the device boots (CAP-2).
    ///
    /// # Errors
    /// `Unowned`, and the root of trust's.
    pub fn challenge(&mut self) -> Result<Challenge, StoppedError> {
        let status = self.rot.status()?;
        let catalog = status.owner.ok_or(craton_rot::Error::Unowned)?;
        let (device, epoch) = (self.rot.device(), status.epoch);
        Ok(Challenge { catalog, device, epoch, challenge: self.rot.challenge()? })
    }

    /// Takes the capability that answers the open challenge: the next boot is one in mode Debug,
    /// and the one after it is normal again (CAP-2).
    ///
    /// # Errors
    /// `NoChallenge`, `OtherDevice`, `OtherEpoch`, `ChallengeMismatch`, `SignerUnknown` and the
    /// like; the challenge is still open.
    pub fn apply(&mut self, capability: &[u8]) -> Result<(), StoppedError> {
        Ok(self.rot.apply(capability)?)
    }

    /// Gives the device to another owner: an order of the old owner's root for this device and
    /// epoch, and the first version of the new owner's section, which the order names. Everything
    /// of the old owner is erased.
    ///
    /// # Errors
    /// `OrderMismatch`, `OtherDevice`, `OtherEpoch`, `SignerUnknown` and the like, and then the
    /// device is the old owner's as before; `DeviceIo` after the commit, and the next holder of the
    /// folder goes on.
    pub fn transfer(&mut self, order: &[u8], owner: &[u8]) -> Result<Status, StoppedError> {
        transfer::begin(&self.folder, self.rot.status()?.epoch)?;
        let moved = self.rot.new_epoch(order, Some(owner)); // the write that commits
        let status = self.rot.status()?;
        transfer::settle(&self.folder, status.epoch)?;
        moved?;
        Ok(status)
    }
}
