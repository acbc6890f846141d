//! A set's folder in the making. Its `set.cbor`, renamed into place after everything else is on the
//! disk, makes it complete; a folder without one is swept away at the next try.

use crate::folder::make_passage;
use crate::installed::{InstalledError, component_folder, set_folder};
use craton_trust::{ComponentId, SetId};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A folder that is being filled.
pub struct Staging {
    folder: PathBuf,
    set: SetId,
}

/// A set that is on the disk whole, verified. Only [`Staging::finish`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    set: SetId,
}

impl Staged {
    /// Which set.
    #[must_use]
    pub fn set(&self) -> SetId {
        self.set
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> InstalledError {
    let path = path.to_owned();
    move |error| InstalledError::DeviceIo(path.clone(), error)
}

impl Staging {
    /// An empty folder for `set`.
    ///
    /// # Errors
    /// `DeviceIo`.
    pub fn begin(device: &Path, set: SetId) -> Result<Self, InstalledError> {
        let folder = set_folder(device, set);
        if folder.exists() {
            make_incomplete(&folder)?;
            fs::remove_dir_all(&folder).map_err(io(&folder))?;
        }
        make_passage(&folder).map_err(io(&folder))?;
        Ok(Self { folder, set })
    }

    /// The folder of one component.
    ///
    /// # Errors
    /// `DeviceIo`.
    pub fn component(&self, component: ComponentId) -> Result<PathBuf, InstalledError> {
        let folder = component_folder(&self.folder, component);
        make_passage(&folder).map_err(io(&folder))?;
        Ok(folder)
    }

    /// Writes one file and waits until it is on the disk.
    ///
    /// # Errors
    /// `DeviceIo`.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), InstalledError> {
        let mut file = fs::File::create(path).map_err(io(path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(path))
    }

    /// Completes the folder.
    ///
    /// # Errors
    /// `DeviceIo`.
    pub fn finish(self, signed_set: &[u8]) -> Result<Staged, InstalledError> {
        sync_folders(&self.folder)?;
        let (fresh, place) = (self.folder.join("set.new"), self.folder.join("set.cbor"));
        self.write(&fresh, signed_set)?;
        fs::rename(&fresh, &place).map_err(io(&place))?;
        sync_folder(&self.folder)?;
        sync_folder(self.folder.parent().unwrap_or(&self.folder))?;
        Ok(Staged { set: self.set })
    }
}

/// Takes away what makes a set complete, before anything else of it goes: a cut in between must not
/// leave half a set that says it is whole.
fn make_incomplete(folder: &Path) -> Result<(), InstalledError> {
    let complete = folder.join("set.cbor");
    match fs::remove_file(&complete) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&complete)(error)),
        _ => sync_folder(folder),
    }
}

fn sync_folder(folder: &Path) -> Result<(), InstalledError> {
    fs::File::open(folder).and_then(|file| file.sync_all()).map_err(io(folder))
}

fn sync_folders(folder: &Path) -> Result<(), InstalledError> {
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.is_dir() && !path.is_symlink() {
            sync_folders(&path)?;
        }
    }
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_is_staged_again_is_incomplete_before_anything_of_it_goes() {
        let device = tempfile::tempdir().unwrap();
        let set = SetId([1; 32]);
        let staging = Staging::begin(device.path(), set).unwrap();
        let folder = staging.component(ComponentId([2; 16])).unwrap();
        staging.write(&folder.join("payload"), b"bytes").unwrap();
        staging.finish(b"signed").unwrap();
        let whole = set_folder(device.path(), set);
        make_incomplete(&whole).unwrap();
        assert!(!whole.join("set.cbor").exists() && folder.join("payload").exists());
        // Again, where a cut came after it.
        make_incomplete(&whole).unwrap();
        Staging::begin(device.path(), set).unwrap();
        assert!(!folder.exists());
    }
}
