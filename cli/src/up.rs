//! `craton up`: the service, until it is told to stop.

use anyhow::{Context as _, Result};
use craton_cloud::app::check_in::Policy;
use craton_cloud::authority::Keyring;
use craton_cloud::{Config, Service, up};
use std::path::{Path, PathBuf};

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
    Ok(up(with.config.clone(), parts).await?)
}

/// Runs until a signal to stop.
///
/// # Errors
/// As [`start`].
pub async fn run(with: &Up) -> Result<()> {
    let service = start(with).await?;
    let (devices, dashboard) = service.addresses();
    println!("service    https://{devices}   (devices and operators)");
    println!("dashboard  http://{dashboard}/");
    println!("token      {}", with.config.data.join("operator-token").display());
    println!("Stop with Ctrl-C.");
    stopped().await?;
    service.shutdown().await;
    Ok(())
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
