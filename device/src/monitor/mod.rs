//! The monitor: starts the roles, decides what runs, and writes the slots.
//!
//! It speaks to no network and parses nothing foreign but what it verifies itself. A *boot* here is
//! a restart of the auth and apps roles: the root of trust resets and measures what runs next. What
//! every boot does first is what a power cut may have left undone.

mod boot;
mod disk;
mod error;
mod health;
mod lock;
mod records;
mod retry;
mod run;
mod status;
#[cfg(test)]
mod tests;

pub use crate::roles::AppStatus;
pub use error::MonitorError;
pub use health::{Health, Policy, Verdict};
pub use lock::{alone, lock};
pub use run::run;
pub use status::{DeviceStatus, STATUS_FILE};

use crate::ipc::RoleProgram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What the monitor needs to run a device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its folder.
    pub folder: PathBuf,
    /// `host:port` of the service.
    pub service: String,
    /// How this program is started as a role.
    pub roles: RoleProgram,
    /// When a trial holds.
    pub policy: Policy,
    /// Set by a signal: stop the apps and end.
    pub stop: Arc<AtomicBool>,
}
