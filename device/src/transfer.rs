//! A device that goes to another owner: what the old one left on the disk goes, too.
//!
//! The root of trust's new epoch commits the transfer, and makes everything sealed unreadable. What
//! is not sealed is erased by [`finish`], which the next holder of the device's folder redoes after
//! a cut: a marker names the epoch in which the transfer began.

use crate::installed::InstalledError;
use crate::rot;
use craton_rot::Start;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// The marker.
const FILE: &str = "transfer";

/// What belongs to the owner, not to the device: sets and their slots, apps' data, failures.
const OWNERS: [&str; 6] = ["slots.cbor", "sets", "downloads", "storage", "spool", "status.json"];

/// Notes that a transfer begins in this epoch.
///
/// # Errors
/// `DeviceIo`.
pub fn begin(device: &Path, epoch: u64) -> Result<(), InstalledError> {
    let (fresh, place) = (device.join("transfer.new"), device.join(FILE));
    let io = |error| InstalledError::DeviceIo(place.clone(), error);
    let mut file = fs::File::create(&fresh).map_err(io)?;
    file.write_all(epoch.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&fresh, &place).map_err(io)?;
    fs::File::open(device).and_then(|folder| folder.sync_all()).map_err(io)
}

/// Finishes a transfer that was committed; forgets one that was not.
///
/// # Errors
/// `DeviceIo`, and the root of trust's.
pub fn finish(device: &Path) -> Result<(), TransferError> {
    if !device.join(FILE).exists() {
        return Ok(());
    }
    let now = rot::open(device, Start::Recovery)?.status()?.epoch;
    Ok(settle(device, now)?)
}

/// The same, by whoever has the root of trust and knows the epoch.
///
/// # Errors
/// `DeviceIo`.
pub fn settle(device: &Path, epoch: u64) -> Result<(), InstalledError> {
    let place = device.join(FILE);
    let io = |error| InstalledError::DeviceIo(place.clone(), error);
    let began: Option<u64> = fs::read_to_string(&place).map_err(io)?.parse().ok();
    if began.is_some_and(|began| epoch > began) {
        erase(device)?;
    }
    fs::remove_file(&place).map_err(io)
}

/// Why a transfer could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The root of trust refuses.
    #[error("{0}")]
    Rot(#[from] craton_rot::Error),
    /// The disk refuses.
    #[error("{0}")]
    Installed(#[from] InstalledError),
}

fn erase(device: &Path) -> Result<(), InstalledError> {
    for name in OWNERS {
        let place = device.join(name);
        let gone = match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&place),
            Ok(_) => fs::remove_file(&place),
            Err(error) => Err(error),
        };
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(InstalledError::DeviceIo(place, error));
            }
            _ => {}
        }
    }
    Ok(())
}
