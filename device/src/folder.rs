//! What more than one role knows of a device's folder.

pub use crate::rot::ROT_FILE;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::{fs, io};

/// The manufacturer's endorsement.
pub const ENDORSEMENT_FILE: &str = "endorsement.cbor";

/// What firmware says that it measured into the device's TPM, if it is not the kernel that has it
/// for the device.
pub const BOOT_LOG_FILE: &str = "boot-log";

/// Makes a folder that whoever an app runs as may pass through and not list; its parents, too. The
/// mode is set, not asked for at the making: there the umask would take bits away.
///
/// # Errors
/// The system's.
pub fn make_passage(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_passage(parent)?;
    }
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o711))
}
