//! `craton up`: the service, until it is told to stop.

use crate::home::write_file;
use crate::output::hex;
use anyhow::{Context as _, Result};
use craton_cloud::app::check_in::Policy;
use craton_cloud::authority::Keyring;
use craton_cloud::{Config, Service, up};
use craton_device::link::fingerprint;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where a service says what it is, in its data folder, for `craton login` on the same machine.
pub const ANNOUNCED_FILE: &str = "service.json";

/// What a service says of itself; no secret.
#[derive(Serialize, Deserialize)]
pub struct Announced {
    /// `host:port` as this machine reaches it.
    pub address: String,
    /// Its TLS key, hexadecimal x ‖ y.
    pub service_key: String,
}

/// Where the service listens and keeps its keys.
#[derive(Clone, Debug)]
pub struct Up {
    /// Data folder and listeners.
    pub config: Config,
    /// The file with the master key; kept elsewhere, a copy of the data folder opens nothing.
    pub master_key: PathBuf,
    /// How long certificates live, how often devices come.
    pub policy: Policy,
}

/// The master key's usual place.
#[must_use]
pub fn master_key_of(data: &Path) -> PathBuf {
    data.join("master.key")
}

/// Brings the service up.
///
/// # Errors
/// The key file's, and the service's: a taken port, a folder in use, a full disk.
pub async fn start(with: &Up) -> Result<Service> {
    let data = &with.config.data;
    crate::home::make_folder(data)?;
    let keyring = Keyring::open(&data.join("keys.sealed"), &with.master_key)?;
    let parts = craton_cloud::parts(keyring, with.policy)?;
    let service = up(with.config.clone(), parts).await?;
    let address = reached_at(service.addresses().0).to_string();
    let service_key = hex(&service.app().keys.service.0);
    let announced = serde_json::to_vec_pretty(&Announced { address, service_key })?;
    write_file(&data.join(ANNOUNCED_FILE), &announced)?;
    Ok(service)
}

/// Runs until a signal to stop.
///
/// # Errors
/// As [`start`].
pub async fn run(with: &Up) -> Result<()> {
    let service = start(with).await?;
    let (devices, dashboard) = service.addresses();
    println!("service    https://{devices}   (devices and operators)");
    println!("key        {}", fingerprint(&service.app().keys.service));
    println!("dashboard  http://{dashboard}/");
    println!("token      {}", with.config.data.join("operator-token").display());
    println!("Stop with Ctrl-C. In another terminal: craton login");
    stopped().await?;
    service.shutdown().await;
    Ok(())
}

/// A listener on every address is reached on the loopback one.
fn reached_at(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// When the system gives no signal handler.
pub async fn stopped() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no handler for SIGINT"),
        _ = terminate.recv() => Ok(()),
    }
}
