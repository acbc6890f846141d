//! Bringing the service up and down.

mod error;

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use error::ServiceError;

use crate::app::{App, Core, Counted, Patience, Views, image_sets, tokens};
use crate::blobs::{Blobs, Disk, RealDisk};
use crate::clock::{Clock, SystemClock};
use crate::crypto::{Random, SystemRandom};
use crate::dashboard;
use crate::http::{api_router, listener, local_router};
use crate::keys::Keys;
use crate::store::{self, Store, StoreError};
use crate::work;

/// Where the service keeps its data and listens.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder; it is made if it is absent.
    pub data: PathBuf,
    /// Where devices and operators come, by TLS.
    pub device_listen: SocketAddr,
    /// Where this machine's browser comes, without TLS. It must be a loopback address.
    pub dashboard_listen: SocketAddr,
    /// The largest blob taken, bytes.
    pub blob_size_max: u64,
    /// Bytes of blobs that one catalog may hold.
    pub catalog_bytes_max: u64,
    /// Seconds between two rounds of the reconcilers, if nothing wakes them.
    pub work_every_s: u64,
    /// How long a peer is waited for.
    pub patience: Patience,
}

impl Config {
    /// The usual configuration for a data folder: both listeners on loopback, free ports.
    #[must_use]
    pub fn on_loopback(data: PathBuf) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data,
            device_listen: free,
            dashboard_listen: free,
            blob_size_max: 512 * 1024 * 1024,
            catalog_bytes_max: 64 * 1024 * 1024 * 1024,
            work_every_s: 5,
            patience: Patience::default(),
        }
    }
}

/// What is handed in: keys, and the routers of the parts that build on `app`.
pub struct Parts {
    /// The service's keys.
    pub keys: Keys,
    /// The device API, for the TLS listener.
    pub device_routes: Router<App>,
    /// The dashboard, for the loopback listener.
    pub dashboard_routes: Router<App>,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// What decides who is in which wave.
    pub random: Box<dyn Random>,
    /// The disk under the blobs.
    pub disk: Arc<dyn Disk>,
}

impl Parts {
    /// The system's clock, randomness and disk, and no routes yet.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            device_routes: Router::new(),
            dashboard_routes: Router::new(),
            clock: Box::new(SystemClock),
            random: Box::new(SystemRandom),
            disk: Arc::new(RealDisk),
        }
    }
}

/// The service while it runs.
pub struct Service {
    app: App,
    device: SocketAddr,
    dashboard: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _lock: File,
}

impl Service {
    /// Where it listens: for devices and operators, and for the dashboard.
    #[must_use]
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.device, self.dashboard)
    }

    /// What its parts share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Stops listening, lets open requests end, and finishes the writes that wait.
    pub async fn shutdown(self) {
        // Every task holds a receiver; one that has ended needs no word.
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Brings the service up.
///
/// # Errors
/// `DataFolderInUse`, `PortTaken`, `AddressRefused`, `DashboardExposed`, `TlsKeyRefused`, and those
/// of the store and the blobs.
pub async fn up(config: Config, parts: Parts) -> Result<Service, ServiceError> {
    if !config.dashboard_listen.ip().is_loopback() {
        return Err(ServiceError::DashboardExposed(config.dashboard_listen));
    }
    let lock = lock(&config)?;
    let store = Store::open(&config.data)?;
    tokens::first_start(&store, &config.data, parts.clock.now_s()).await?;
    image_sets::index_blobs(&store).await?;
    let blobs = Blobs::open(&config.data.join("blobs"), config.blob_size_max, parts.disk)?;
    let clock: Arc<dyn Clock> = Arc::from(parts.clock);
    let tls = listener::tls_config(&parts.keys, clock.clone());
    let tls = tls.map_err(ServiceError::TlsKeyRefused)?;
    let (tls_listener, device) = listen(config.device_listen).await?;
    let (plain_listener, dashboard) = listen(config.dashboard_listen).await?;
    let app: App = Arc::new(Core {
        store,
        blobs,
        keys: Arc::new(parts.keys),
        clock,
        random: parts.random,
        wake: Notify::new(),
        views: Views::default(),
        patience: config.patience,
        catalog_bytes_max: config.catalog_bytes_max,
        collected_s: AtomicU64::new(0),
        counted: Counted::default(),
        grouped_to: std::sync::Mutex::default(),
    });
    let (stop, stopped) = watch::channel(false);
    let api = api_router(app.clone(), parts.device_routes);
    let pages = dashboard::guarded(local_router(app.clone(), parts.dashboard_routes));
    let tasks = vec![
        tokio::spawn(listener::serve_tls(tls_listener, tls, api, app.clone(), stopped.clone())),
        tokio::spawn(listener::serve_plain(plain_listener, pages, app.clone(), stopped.clone())),
        tokio::spawn(work::run(app.clone(), config.work_every_s, stopped)),
    ];
    Ok(Service { app, device, dashboard, stop, tasks, _lock: lock })
}

/// One service to a data folder, which only its user enters: the system drops the lock with the
/// process, however it ends.
fn lock(config: &Config) -> Result<File, ServiceError> {
    let refused = |source| ServiceError::DataFolder { folder: config.data.clone(), source };
    store::private_folder(&config.data).map_err(|refusal| match refusal {
        StoreError::StoreFolder { source, .. } => refused(source),
        other => other.into(),
    })?;
    let file = File::create(config.data.join("craton.lock")).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServiceError::DataFolderInUse(config.data.clone())),
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

async fn listen(
    address: SocketAddr,
) -> Result<(tokio::net::TcpListener, SocketAddr), ServiceError> {
    listener::listen(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServiceError::PortTaken(address),
        _ => ServiceError::AddressRefused { address, source },
    })
}

#[cfg(test)]
mod tests;
