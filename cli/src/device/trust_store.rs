//! `craton device trust-store`: successors for a device that no network reaches.

use super::Here;
use crate::home::read_file;
use crate::output::Output;
use crate::session::Options;
use anyhow::Result;
use clap::Subcommand;
use craton_device::stopped::Stopped;
use craton_trust::store::SectionKind;
use std::path::PathBuf;

/// What is done with a device's own trust store.
#[derive(Subcommand)]
pub enum Command {
    /// Give a stopped device the successors of its trust store, oldest first
    Apply {
        #[command(flatten)]
        here: Here,
        /// Signed sections, as `trust-store sign` wrote them
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Does it.
///
/// # Errors
/// `DeviceMissing`, `DeviceRuns`, `FileUnreadable`, and why a successor is refused: those before it
/// stay taken.
pub fn run(command: Command, options: &Options) -> Result<()> {
    let Command::Apply { here, files } = command;
    let out = Output::new(options.json);
    let mut device = Stopped::open(&here.folder()?)?;
    for file in files {
        let (kind, version) = device.succeed(&read_file(&file)?)?;
        let half = if kind == SectionKind::Owner { "owner" } else { "platform" };
        out.done(&format!("taken: version {version} of {half}, from {}", file.display()));
    }
    Ok(())
}
