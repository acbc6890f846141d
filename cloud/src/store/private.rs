//! The data folder and its database are for the service's user alone, whatever the umask says.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::StoreError;

pub(super) const DATABASE: &str = "craton.db";

/// Files by which a folder is known as a service's.
const OURS: [&str; 3] = [DATABASE, "craton.lock", "keys.sealed"];

/// Makes the data folder, or closes the one there is to others.
///
/// # Errors
/// `StoreFolder`; `FolderShared` for one that others can enter and that has files, none of ours:
/// closing it could take somebody's folder away.
pub fn private_folder(folder: &Path) -> std::result::Result<(), StoreError> {
    let refused = |source| StoreError::StoreFolder { folder: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
    if open_to_others(folder).map_err(refused)? {
        let ours = OURS.iter().any(|name| folder.join(name).exists());
        let empty = fs::read_dir(folder).map_err(refused)?.next().is_none();
        if !ours && !empty {
            return Err(StoreError::FolderShared { folder: folder.to_owned() });
        }
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(refused)?;
    }
    Ok(())
}

/// Makes the database's file, or closes it and what the engine keeps beside it.
pub(super) fn private_database(folder: &Path) -> Result<()> {
    let path = folder.join(DATABASE);
    // The engine makes its other files with the mode of this one.
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
    for name in [DATABASE, "craton.db-wal", "craton.db-shm"] {
        let path = folder.join(name);
        if path.exists() && open_to_others(&path)? {
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

fn open_to_others(path: &Path) -> Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}
