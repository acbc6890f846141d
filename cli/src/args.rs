//! The command line: what can be asked, and which module does it.

use crate::home::Home;
use crate::{device, quickstart, up};
use anyhow::Result;
use clap::{Parser, Subcommand};
use craton_cloud::Config;
use craton_cloud::app::check_in::Policy;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Build, ship and look after secure connected devices.
#[derive(Parser)]
#[command(name = "craton", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole main job on this machine, in under a minute
    Quickstart {
        /// Leave service and device running at the end
        #[arg(long)]
        keep: bool,
        /// Where devices and operators come
        #[arg(long, default_value = "127.0.0.1:7443")]
        listen: SocketAddr,
        /// Where the dashboard is (loopback)
        #[arg(long, default_value = "127.0.0.1:7080")]
        dashboard: SocketAddr,
    },
    /// Start the service
    Up {
        /// The data folder
        #[arg(long)]
        data: Option<PathBuf>,
        /// The file with the master key; keep it apart from the data folder
        #[arg(long)]
        master_key: Option<PathBuf>,
        /// Where devices and operators come
        #[arg(long, default_value = "127.0.0.1:7443")]
        listen: SocketAddr,
        /// Where the dashboard is (loopback)
        #[arg(long, default_value = "127.0.0.1:7080")]
        dashboard: SocketAddr,
        /// How often devices check in, seconds
        #[arg(long, default_value_t = 86_400)]
        check_in_every_s: u64,
        /// Bytes of blobs that one catalog may hold
        #[arg(long, default_value_t = 64 << 30)]
        catalog_bytes: u64,
    },
    /// Virtual devices
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// One role of a device
    #[command(name = device::ROLE, hide = true)]
    Role {
        /// Its name
        name: String,
        /// The device's folder
        folder: PathBuf,
    },
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Run a device until it is told to stop
    Run {
        /// The device's folder
        #[arg(long)]
        folder: PathBuf,
        /// The service's host:port
        #[arg(long)]
        service: String,
        /// How long a trial's apps must be steady, seconds
        #[arg(long)]
        steady_s: Option<u64>,
        /// How long a trial may take, seconds
        #[arg(long)]
        trial_s: Option<u64>,
        /// End when standard input does
        #[arg(long, hide = true)]
        until_input_ends: bool,
    },
    /// Show how a device is
    Status {
        /// Its name
        #[arg(default_value = "lamp-1")]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

impl Arguments {
    /// Does what was asked.
    ///
    /// # Errors
    /// The command's own, with what to do.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Quickstart { keep, listen, dashboard } => {
                let with = quickstart::Quickstart { keep, listen, dashboard };
                let home = Home::of_user()?;
                runtime()?.block_on(quickstart::run(&with, &home))
            }
            Command::Up {
                data,
                master_key,
                listen,
                dashboard,
                check_in_every_s,
                catalog_bytes,
            } => {
                let data = data.map_or_else(|| Home::of_user().map(|home| home.service()), Ok)?;
                let master_key = master_key.unwrap_or_else(|| up::master_key_of(&data));
                let config = Config {
                    device_listen: listen,
                    dashboard_listen: dashboard,
                    catalog_bytes_max: catalog_bytes,
                    ..Config::on_loopback(data)
                };
                let check_in_every = Duration::from_secs(check_in_every_s);
                let policy = Policy { check_in_every, ..Policy::default() };
                runtime()?.block_on(up::run(&up::Up { config, master_key, policy }))
            }
            Command::Device { command } => run_device(command),
            Command::Role { name, folder } => device::run_role(&name, &folder),
        }
    }
}

fn run_device(command: DeviceCommand) -> Result<()> {
    match command {
        DeviceCommand::Run { folder, service, steady_s, trial_s, until_input_ends } => {
            let policy = device::policy(steady_s, trial_s);
            device::run_device(&device::Run { folder, service, policy, until_input_ends })
        }
        DeviceCommand::Status { name, json } => device::show_status(&Home::of_user()?, &name, json),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
