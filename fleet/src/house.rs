//! The real service in this process, with keys and randomness of the seed and the scene's clock.

use crate::clock::SimClock;
use crate::operator::Operator;
use crate::seed::{Seed, Stream};
use anyhow::{Context as _, Result};
use craton_cloud::app::check_in::Policy;
use craton_cloud::app::reconcile;
use craton_cloud::authority::{FileKey, Keyring};
use craton_cloud::crypto::Random;
use craton_cloud::{Config, Service, parts, up};
use craton_device::link::Peer;
use craton_trust::PublicKey;
use craton_trust::crypto::Signer as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Background work is done when the scene says so, not when an hour of real time has passed.
const NEVER_S: u64 = 365 * 24 * 3600;

/// How a service is set up.
#[derive(Clone)]
pub struct Setting {
    /// Its keys and its randomness.
    pub seed: Seed,
    /// Its time.
    pub clock: SimClock,
    /// Its certificates.
    pub policy: Policy,
    /// Its data folder.
    pub data: PathBuf,
}

/// A service that can be stopped and started again on the same data.
pub struct House {
    setting: Setting,
    random: Arc<Mutex<Stream>>,
    service: Option<Service>,
    peer: Peer,
}

struct SeededRandom(Arc<Mutex<Stream>>);

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}

impl House {
    /// Brings the service up on a free port of loopback.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn open(setting: Setting) -> Result<Self> {
        let random = Arc::new(Mutex::new(setting.seed.stream("service", 0)));
        let peer = Peer { address: String::new(), keys: Vec::new() };
        let mut house = Self { setting, random, service: None, peer };
        house.start().await?;
        Ok(house)
    }

    /// Starts a stopped service on its data.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn start(&mut self) -> Result<()> {
        let keyring = keyring(self.setting.seed)?;
        let key: PublicKey = keyring.tls.public_key();
        let mut parts = parts(keyring, self.setting.policy)?;
        parts.clock = Box::new(self.setting.clock.clone());
        parts.random = Box::new(SeededRandom(self.random.clone()));
        let config =
            Config { work_every_s: NEVER_S, ..Config::on_loopback(self.setting.data.clone()) };
        let service = up(config, parts).await?;
        let (devices, _) = service.addresses();
        self.peer = Peer { address: devices.to_string(), keys: vec![key] };
        self.service = Some(service);
        Ok(())
    }

    /// Stops it: nobody answers at its address any more.
    pub async fn stop(&mut self) {
        if let Some(service) = self.service.take() {
            service.shutdown().await;
        }
    }

    /// The running service.
    ///
    /// # Errors
    /// While it is stopped.
    pub fn service(&self) -> Result<&Service> {
        self.service.as_ref().context("the service is stopped")
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.service.is_some()
    }

    /// Where it is or was, and its key.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The owner of the whole service.
    ///
    /// # Errors
    /// If the data folder has no token.
    pub fn operator(&self) -> Result<Operator> {
        let token = std::fs::read_to_string(self.setting.data.join("operator-token"))?;
        Ok(Operator { peer: self.peer.clone(), token: token.trim().to_owned() })
    }

    /// One round of background work, to its end; nothing while the service is stopped.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn work(&self) -> Result<()> {
        let Some(service) = &self.service else { return Ok(()) };
        match reconcile::round(service.app()).await.into_iter().next() {
            Some(refused) => Err(refused.into()),
            None => Ok(()),
        }
    }
}

fn keyring(seed: Seed) -> Result<Keyring> {
    let key = |name: &str| -> Result<FileKey> { Ok(FileKey::from_pkcs8(&pkcs8(seed, name))?) };
    Ok(Keyring {
        tls: key("service-tls")?,
        online: key("service-online")?,
        catalog: key("service-catalog")?,
        log: key("service-log")?,
        issuing: key("service-issuing")?,
    })
}

/// PKCS#8 around RFC 5915's ECPrivateKey, P-256, up to the private key; then up to the public one.
const PKCS8_HEAD: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02,
    0x01, 0x01, 0x04, 0x20,
];
const PKCS8_PUBLIC: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];

/// A key of the seed, as TLS wants it.
#[must_use]
pub fn pkcs8(seed: Seed, name: &str) -> Vec<u8> {
    key_as_pkcs8(&seed.key(name))
}

/// A key, as TLS wants it.
#[must_use]
pub fn key_as_pkcs8(key: &craton_trust::soft::SoftKey) -> Vec<u8> {
    let public = key.public_key().to_sec1();
    [&PKCS8_HEAD[..], &key.to_bytes(), &PKCS8_PUBLIC, &public].concat()
}
