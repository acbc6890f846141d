//! The command line: what can be asked, and which module does it. Each noun has a module of its
//! own, with its words, its plan and its run.

use crate::home::Home;
use crate::session::Options;
use crate::{
    audit, board, boot_approval, catalog, delta, deployment, device, device_group, failure, image,
    image_set, key, login, manufacture, product, quickstart, service, symbols, token, trust_store,
    up,
};
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
    #[command(flatten)]
    options: Options,
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
        /// The device's root of trust: in its own process, on a virtual board, or in a TPM (swtpm)
        #[arg(long, value_enum, default_value_t)]
        rot: quickstart::RotKind,
        /// The built firmware of that board
        #[arg(long, value_name = "FOLDER", default_value = board::FIRMWARE)]
        firmware: PathBuf,
    },
    /// Start the service
    Up(Up),
    /// Choose the service that later commands speak to
    Login(login::Login),
    /// The service itself
    #[command(subcommand)]
    Service(service::Command),
    /// An owner's whole space, and the keys that are its root
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// What a maker sells
    #[command(subcommand)]
    Product(product::Command),
    /// The devices that one deployment addresses
    #[command(subcommand)]
    DeviceGroup(device_group::Command),
    /// Package files, and images that the service keeps
    #[command(subcommand)]
    Image(image::Command),
    /// Hints how to make one payload from another
    #[command(subcommand)]
    Delta(delta::Command),
    /// Everything that a device runs together, and its two approvals
    #[command(subcommand)]
    ImageSet(image_set::Command),
    /// One admitted set, offered to one group
    #[command(subcommand)]
    Deployment(deployment::Command),
    /// Devices that run here, and devices that the service lists
    #[command(subcommand)]
    Device(device::Command),
    /// Make blank boards devices, one after another, and the list by which all are claimed
    Manufacture(manufacture::Manufacture),
    /// Virtual boards, whose root of trust is a chip of its own
    #[command(subcommand)]
    Board(board::Command),
    /// Which boots open the state of a device with a TPM
    #[command(subcommand)]
    BootApproval(boot_approval::Command),
    /// What went wrong on devices
    #[command(subcommand)]
    Failure(failure::Command),
    /// Programs with debug information, so that crashes have names
    #[command(subcommand)]
    Symbols(symbols::Command),
    /// The transparency log
    #[command(subcommand)]
    Audit(audit::Command),
    /// The keys that devices believe, and how an owner replaces them
    #[command(subcommand)]
    TrustStore(trust_store::Command),
    /// Who else may use the catalog
    #[command(subcommand)]
    Token(token::Command),
    /// Key files of people and machines that hold no catalog
    #[command(subcommand)]
    Key(key::Command),
    /// Print the OpenAPI document of the operator API
    Openapi,
    /// One role of a device
    #[command(name = device::ROLE, hide = true)]
    Role {
        /// Its name
        name: String,
        /// The device's folder
        folder: PathBuf,
    },
}

/// How the service starts.
#[derive(clap::Args)]
struct Up {
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
}

impl Arguments {
    /// Does what was asked.
    ///
    /// # Errors
    /// The command's own, with what to do.
    pub fn run(self) -> Result<()> {
        let with = &self.options;
        match self.command {
            Command::Quickstart { keep, listen, dashboard, rot, firmware } => {
                let with = quickstart::Quickstart { keep, listen, dashboard, rot, firmware };
                let home = Home::of_user()?;
                runtime()?.block_on(quickstart::run(&with, &home))
            }
            Command::Up(with) => run_service(with),
            Command::Login(command) => runtime()?.block_on(login::run(command, with)),
            Command::Service(command) => runtime()?.block_on(service::run(command, with)),
            Command::Catalog(command) => runtime()?.block_on(catalog::run(command, with)),
            Command::Product(command) => runtime()?.block_on(product::run(command, with)),
            Command::DeviceGroup(command) => runtime()?.block_on(device_group::run(command, with)),
            Command::Image(command) => runtime()?.block_on(image::run(command, with)),
            Command::Delta(command) => runtime()?.block_on(delta::run(command, with)),
            Command::ImageSet(command) => runtime()?.block_on(image_set::run(command, with)),
            Command::Deployment(command) => runtime()?.block_on(deployment::run(command, with)),
            Command::Device(command) => device::run(command, with),
            Command::Manufacture(command) => manufacture::run(&command, with),
            Command::Board(command) => runtime()?.block_on(board::run(&command, with)),
            Command::BootApproval(command) => boot_approval::run(command, with),
            Command::Failure(command) => runtime()?.block_on(failure::run(command, with)),
            Command::Symbols(command) => runtime()?.block_on(symbols::run(command, with)),
            Command::Audit(command) => runtime()?.block_on(audit::run(command, with)),
            Command::TrustStore(command) => runtime()?.block_on(trust_store::run(command, with)),
            Command::Token(command) => runtime()?.block_on(token::run(command, with)),
            Command::Key(command) => key::run(&command, with),
            Command::Openapi => {
                print!("{}", craton_cloud::http::openapi_json());
                Ok(())
            }
            Command::Role { name, folder } => device::run_role(&name, &folder),
        }
    }
}

fn run_service(with: Up) -> Result<()> {
    let data = with.data.map_or_else(|| Home::of_user().map(|home| home.service()), Ok)?;
    let master_key = with.master_key.unwrap_or_else(|| up::master_key_of(&data));
    let config = Config {
        device_listen: with.listen,
        dashboard_listen: with.dashboard,
        catalog_bytes_max: with.catalog_bytes,
        ..Config::on_loopback(data)
    };
    let check_in_every = Duration::from_secs(with.check_in_every_s);
    let policy = Policy { check_in_every, ..Policy::default() };
    runtime()?.block_on(up::run(&up::Up { config, master_key, policy }))
}

/// What asynchronous commands run on.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
