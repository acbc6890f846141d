//! What more than one role knows of a device's folder, and its root of trust.

use craton_rot::platform::file::FilePlatform;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

/// The software root of trust: fuses, counters and flash.
pub const ROT_FILE: &str = "rot.bin";
/// The manufacturer's endorsement.
pub const ENDORSEMENT_FILE: &str = "endorsement.cbor";

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

/// How long an earlier role may keep the root of trust.
const LOCK_WITHIN: Duration = Duration::from_secs(45);

/// Opens the root of trust, waiting for the role of an earlier boot to let go of it: after a
/// monitor was killed, its auth role ends only when its check-in does.
///
/// # Errors
/// `StorageLocked` and the file's.
pub fn open_rot(device: &Path) -> craton_rot::Result<FilePlatform> {
    let until = Instant::now() + LOCK_WITHIN;
    loop {
        match FilePlatform::open(&device.join(ROT_FILE)) {
            Err(craton_rot::Error::StorageLocked) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => return opened,
        }
    }
}
