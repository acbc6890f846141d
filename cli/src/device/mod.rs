//! `craton device`: devices that run here, and devices that the service lists.

mod capability;
mod discard;
mod host;
mod listed;
mod manufacture;
mod rot_update;
mod transfer;
mod trust_store;

pub use discard::is_in_tpm;
pub use host::{ROLE, SANDBOX_INIT, run_role};

use crate::error::CliError;
use crate::home::Home;
use crate::session::{Options, Session};
use anyhow::Result;
use clap::Subcommand;
use craton_device::rot;
use craton_rot::tpm2;
use std::path::PathBuf;

/// What is done with devices.
#[derive(Subcommand)]
pub enum Command {
    /// Run a device of this machine until it is told to stop
    Run(Run),
    /// Show how a device of this machine is, also while the service is away
    Status {
        /// Its name
        #[arg(default_value = "lamp-1")]
        name: String,
    },
    /// Make a virtual device on this machine
    Manufacture(manufacture::Manufacture),
    /// Claim a device for the catalog
    Claim(manufacture::Claim),
    /// A signed permission for one boot of one device
    #[command(subcommand)]
    Capability(capability::Command),
    /// Successors of the trust store for a device that no network reaches
    #[command(subcommand)]
    TrustStore(trust_store::Command),
    /// Give a stopped device another program of its root of trust, on trial
    RotUpdate(rot_update::RotUpdate),
    /// Take a device's root of trust out of its TPM: it is lost for ever
    Discard(discard::Discard),
    /// A device goes to another owner
    #[command(subcommand)]
    Transfer(transfer::Command),
    #[command(flatten)]
    Listed(listed::Command),
}

/// A device of this machine that does not run.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Here {
    /// The device's folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Or its name, as `device manufacture` was told
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Here {
    /// Its folder.
    ///
    /// # Errors
    /// `HomeMissing`, `DeviceNotMade`.
    pub fn folder(&self) -> Result<PathBuf> {
        let folder = match (&self.folder, &self.name) {
            (Some(folder), _) => folder.clone(),
            (None, name) => Home::of_user()?.device(name.as_deref().unwrap_or_default()),
        };
        let made = rot::is_made(&folder);
        if made { Ok(folder) } else { Err(CliError::DeviceNotMade(folder).into()) }
    }
}

/// How a device runs.
#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    place: Place,
    /// The service's host:port; otherwise the profile's
    #[arg(long, value_name = "HOST:PORT")]
    service: Option<String>,
    /// How long a trial's apps must be steady, seconds
    #[arg(long)]
    steady_s: Option<u64>,
    /// How long a trial may take, seconds
    #[arg(long)]
    trial_s: Option<u64>,
    /// End when standard input does
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// Where a device of this machine is.
#[derive(clap::Args)]
pub struct Place {
    /// Its name on this machine
    #[arg(required_unless_present = "folder")]
    name: Option<String>,
    /// Or its folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "name")]
    folder: Option<PathBuf>,
}

impl Place {
    /// Its folder.
    #[must_use]
    pub fn folder(&self, home: &Home) -> PathBuf {
        let named = || home.device(self.name.as_deref().unwrap_or_default());
        self.folder.clone().unwrap_or_else(named)
    }

    /// The words that name it again.
    #[must_use]
    pub fn words(&self) -> String {
        let folder = self.folder.as_ref().map(|folder| format!("--folder {}", folder.display()));
        folder.or_else(|| self.name.clone()).unwrap_or_default()
    }
}

/// A root of trust as `--rot` names it.
fn rot_place(text: &str) -> Result<rot::Place, craton_rot::Error> {
    match text.strip_prefix("tpm:") {
        Some(address) => address.parse().map(rot::Place::Tpm),
        None if text == "tpm" => Ok(rot::Place::Tpm(tpm2::Address::default())),
        None if text == "engine" => Ok(rot::Place::Engine),
        None => text.parse().map(rot::Place::Mailbox),
    }
}

/// Does it.
///
/// # Errors
/// The monitor's, the service's refusals, and those of files.
pub fn run(command: Command, options: &Options) -> Result<()> {
    match command {
        Command::Run(with) => run_here(with),
        Command::Status { name } => host::show_status(&Home::of_user()?, &name, options.json),
        Command::Manufacture(with) => {
            crate::args::runtime()?.block_on(manufacture::manufacture(&with, options))
        }
        Command::Claim(with) => crate::args::runtime()?.block_on(async {
            manufacture::claim(&mut Session::open(options).await?, &with).await
        }),
        Command::Capability(command) => {
            crate::args::runtime()?.block_on(capability::run(command, options))
        }
        Command::RotUpdate(with) => rot_update::run(&with, options),
        Command::Discard(with) => discard::run(&with, options),
        Command::TrustStore(command) => trust_store::run(command, options),
        Command::Transfer(command) => transfer::run(command, options),
        Command::Listed(command) => crate::args::runtime()?
            .block_on(async { listed::run(command, &mut Session::open(options).await?).await }),
    }
}

fn run_here(with: Run) -> Result<()> {
    let folder = with.place.folder(&Home::of_user()?);
    if !rot::is_made(&folder) {
        return Err(CliError::DeviceNotMade(folder).into());
    }
    let service = match with.service {
        Some(service) => service,
        None => Home::of_user()?.profile()?.service,
    };
    let policy = host::policy(with.steady_s, with.trial_s);
    let until_input_ends = with.until_input_ends;
    host::run_device(&host::Run { folder, service, policy, until_input_ends })
}
