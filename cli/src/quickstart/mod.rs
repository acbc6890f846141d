//! `craton quickstart`: the main job, end to end, on this machine.
//!
//! Nothing here is a shortcut: the service, the device and the operator are what `craton up`,
//! `craton device run` and the operator commands are, and every step waits for what the service
//! says of the device.

mod build;
mod steps;
mod ui;

pub use steps::run;

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the device's root of trust is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RotKind {
    /// The engine, in the device's own process.
    #[default]
    Engine,
    /// The firmware, on a virtual board.
    Firmware,
    /// A TPM, in swtpm.
    Tpm,
}

/// What quickstart is told.
#[derive(Clone, Debug)]
pub struct Quickstart {
    /// Leave it running at the end.
    pub keep: bool,
    /// Where devices and operators come.
    pub listen: SocketAddr,
    /// Where the dashboard is.
    pub dashboard: SocketAddr,
    /// Where the device's root of trust is.
    pub rot: RotKind,
    /// The built firmware of a virtual board.
    pub firmware: PathBuf,
}
