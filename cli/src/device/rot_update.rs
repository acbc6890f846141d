//! `craton device rot-update`: the root of trust's own program.

use super::Here;
use crate::home::read_file;
use crate::output::Output;
use crate::session::Options;
use anyhow::Result;
use craton_device::stopped::Stopped;
use std::path::PathBuf;

/// What is installed.
#[derive(clap::Args)]
pub struct RotUpdate {
    #[command(flatten)]
    here: Here,
    /// The signed package of the program, as `board package` writes it
    package: PathBuf,
    /// On a claimed device: the admitted image set that the program is a member of, as `image-set
    /// download` writes it
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
}

/// Does it.
///
/// # Errors
/// `DeviceMissing`, `DeviceRuns`, `FileUnreadable`, and why the root of trust refuses the program:
/// `NoSlots`, `ProgramNotInSet` and the like. It runs on as before.
pub fn run(with: &RotUpdate, options: &Options) -> Result<()> {
    let package = read_file(&with.package)?;
    let set = with.set.as_deref().map(read_file).transpose()?;
    let mut device = Stopped::open(&with.here.folder()?)?;
    device.install_program(&package, set.as_deref())?;
    let out = Output::new(options.json);
    out.done("armed: the next start of the device is on trial, until it checked in");
    out.next(&["craton device run NAME"]);
    Ok(())
}
