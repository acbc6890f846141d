//! Who has a device's folder: one monitor, or one who works on a stopped device.

use super::MonitorError;
use crate::installed::InstalledError;
use crate::transfer;
use rustix::fs::{FlockOperation, flock};
use std::path::Path;

/// Takes a device's folder for this process, as long as the file is open, and finishes a transfer
/// that a cut interrupted.
///
/// # Errors
/// `DeviceMissing`, `DeviceRuns`, `DeviceIo`.
pub fn lock(folder: &Path) -> Result<std::fs::File, MonitorError> {
    let file = alone(folder)?;
    transfer::finish(folder)?;
    Ok(file)
}

/// The same for one who takes the device away: its root of trust is not opened.
///
/// # Errors
/// `DeviceMissing`, `DeviceRuns`, `DeviceIo`.
pub fn alone(folder: &Path) -> Result<std::fs::File, MonitorError> {
    if !crate::rot::is_made(folder) {
        return Err(MonitorError::DeviceMissing(folder.to_owned()));
    }
    let path = folder.join("lock");
    let io = |error| InstalledError::DeviceIo(path.clone(), error);
    let file = std::fs::File::create(&path).map_err(io)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| MonitorError::DeviceRuns(folder.to_owned()))?;
    Ok(file)
}
