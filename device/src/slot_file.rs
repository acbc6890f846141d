//! The slots on the disk: one record, replaced by a rename, so that a power cut leaves the old or
//! the new one.
//!
//! Writing the record that [`Slots::arm`] made is the commit point of every update (SLOT-1).

use crate::installed::InstalledError;
use craton_trust::slots::{SLOTS_SIZE_MAX, Slots};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The record's file.
#[derive(Clone, Debug)]
pub struct SlotFile {
    path: PathBuf,
}

impl SlotFile {
    /// The record of the device in this folder.
    #[must_use]
    pub fn of(device: &Path) -> Self {
        Self { path: device.join("slots.cbor") }
    }

    /// The slots; empty on a device that never had a set.
    ///
    /// # Errors
    /// `DeviceIo`, or the refusal of a damaged record: it is never replaced by an empty one.
    pub fn read(&self) -> Result<Slots, InstalledError> {
        match fs::read(&self.path) {
            Ok(bytes) if bytes.len() <= SLOTS_SIZE_MAX => Ok(Slots::parse(&bytes)?),
            Ok(_) => Err(InstalledError::SetDamaged(self.path.clone())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Slots::default()),
            Err(error) => Err(InstalledError::DeviceIo(self.path.clone(), error)),
        }
    }

    /// Replaces the record, and returns when it is on the disk.
    ///
    /// # Errors
    /// `DeviceIo`; the old record is still there.
    pub fn write(&self, slots: &Slots) -> Result<(), InstalledError> {
        let io = |error| InstalledError::DeviceIo(self.path.clone(), error);
        let mut room = [0u8; SLOTS_SIZE_MAX];
        let bytes = slots.encode(&mut room)?;
        let fresh = self.path.with_extension("new");
        let mut file = fs::File::create(&fresh).map_err(io)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&fresh, &self.path).map_err(io)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::SetId;

    #[test]
    fn slots_survive_and_a_damaged_record_is_refused_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = SlotFile::of(folder.path());
        assert_eq!(file.read().unwrap(), Slots::default());
        let staged = Slots::default().stage(SetId([1; 32])).unwrap();
        file.write(&staged).unwrap();
        assert_eq!(file.read().unwrap(), staged);
        let path = folder.path().join("slots.cbor");
        let good = fs::read(&path).unwrap();
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).unwrap();
            assert!(file.read().is_err(), "{cut}");
        }
    }
}
