//! What `craton device status` shows: written by the monitor, believed by nobody.

use crate::roles::{AppStatus, Isolation};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file in the device's folder.
pub const STATUS_FILE: &str = "status.json";

/// How a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The monitor's process.
    pub pid: u32,
    /// The boot count.
    pub boot: u64,
    /// `normal` or `debug`.
    #[serde(default)]
    pub mode: String,
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

/// How long an app's growing time alone may wait to be written: flash wears.
const TIMES_EVERY: Duration = Duration::from_secs(60);

/// The file, and what was written to it last.
#[derive(Debug)]
pub struct StatusFile {
    device: PathBuf,
    last: Option<(DeviceStatus, Instant)>,
}

impl StatusFile {
    /// The file of the device in this folder.
    #[must_use]
    pub fn of(device: &Path) -> Self {
        Self { device: device.to_owned(), last: None }
    }

    /// Replaces the file if there is something new to say.
    pub fn write(&mut self, status: &DeviceStatus) {
        let old = |(last, at): &(DeviceStatus, Instant)| {
            last.without_times() == status.without_times() && at.elapsed() < TIMES_EVERY
        };
        if self.last.as_ref().is_some_and(old) {
            return;
        }
        let (fresh, place) = (self.device.join("status.new"), self.device.join(STATUS_FILE));
        let text = serde_json::to_string_pretty(status).unwrap_or_default();
        // A status that could not be written is old, which its reader sees by the pid and the boot;
        // the next look tries again.
        let written = std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, &place));
        self.last = written.is_ok().then(|| (status.clone(), Instant::now()));
    }
}

impl DeviceStatus {
    /// The same with every app only up or down.
    fn without_times(&self) -> Self {
        let mut same = self.clone();
        same.apps.iter_mut().for_each(|app| app.up_ms = app.up_ms.map(|_| 0));
        same
    }

    /// Reads the file; `None` if the device never ran.
    #[must_use]
    pub fn read(device: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(device.join(STATUS_FILE)).ok()?).ok()
    }
}
