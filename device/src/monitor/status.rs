//! What `craton device status` shows: written by the monitor, believed by nobody.

use crate::roles::{AppStatus, Isolation};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file in the device's folder.
pub const STATUS_FILE: &str = "status.json";

/// How a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The monitor's process.
    pub pid: u32,
    /// The boot count.
    pub boot: u64,
    /// The set that runs, hexadecimal.
    pub set: Option<String>,
    /// Whether it is on trial.
    pub trial: bool,
    /// The last set that failed here, hexadecimal.
    pub failed: Option<String>,
    /// How apps are kept apart.
    pub isolation: Option<Isolation>,
    /// `unpacked`.
    pub storage: String,
    /// `online`, or `offline` with the reason.
    pub service: String,
    /// The service's time at the last check-in, seconds since 1970.
    pub last_check_in_s: Option<u64>,
    /// The apps.
    pub apps: Vec<AppStatus>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
}

impl DeviceStatus {
    /// Replaces the file.
    pub fn write(&self, device: &Path) {
        let (fresh, place) = (device.join("status.new"), device.join(STATUS_FILE));
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        // A status that could not be written is old, which its reader sees by the pid and the boot.
        let _ = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, &place));
    }

    /// Reads the file; `None` if the device never ran.
    #[must_use]
    pub fn read(device: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(device.join(STATUS_FILE)).ok()?).ok()
    }
}
