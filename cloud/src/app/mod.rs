//! What the service can be used for: one file per use. Each reads a snapshot, lets the rules
//! decide, and commits once.

mod advance_rollouts;
pub mod blobs;
pub mod boot_logs;
pub mod boots;
pub mod callers;
pub mod capabilities;
pub mod catalogs;
pub mod check_in;
mod collect_blobs;
pub mod deployments;
pub mod device_requests;
pub mod devices;
mod error;
pub mod failures;
mod group_failures;
pub mod image_sets;
pub mod images;
pub mod log;
pub mod lots;
pub mod products;
pub mod reconcile;
pub mod tokens;
pub mod trust_store;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use craton_api::operator::{CatalogId, Section};
use craton_trust::store::KeptSection;
use tokio::sync::Notify;

pub use check_in::Views;
pub use error::{AppError, RefusalKind};

// What a handler holds in its hands while it asks for a use.
pub use crate::blobs::{BlobError, Blobs, Place, StreamOwner};
pub use crate::tenancy::{
    Action, AdmitSets, Caller, Deploy, ManageDevices, ManageProducts, ManageTokens,
    ManageTrustStore, Permit, Publish, ReadCatalog, ServicePermit,
};

use crate::catalog::{CatalogError, section_of};
use crate::clock::Clock;
use crate::crypto::Random;
use crate::keys::Keys;
use crate::store::{ReadTx, Store};

/// How long a peer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With a peer that takes no byte of an answer.
    pub write_stall: Duration,
    /// With an upload, whatever has come of it.
    pub upload_start: Duration,
    /// The least bytes a second of an upload, after its start.
    pub upload_rate: u64,
}

impl Default for Patience {
    fn default() -> Self {
        let (write_stall, upload_start) = (Duration::from_secs(30), Duration::from_secs(60));
        Self { write_stall, upload_start, upload_rate: 4096 }
    }
}

/// What every use needs.
pub struct Core {
    /// The database.
    pub store: Store,
    /// The files.
    pub blobs: Blobs,
    /// The service's keys.
    pub keys: Arc<Keys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What decides who is in which wave.
    pub random: Box<dyn Random>,
    /// Wakes the reconcilers before their time.
    pub wake: Notify,
    /// What check-ins need of each catalog.
    pub views: Views,
    /// How long a peer is waited for.
    pub patience: Patience,
    /// Bytes of blobs that one catalog may hold.
    pub catalog_bytes_max: u64,
    /// When blobs that nothing names were last looked for, Unix seconds.
    pub collected_s: AtomicU64,
    /// What `/metrics` counts.
    pub counted: Counted,
    /// The last catalog whose failures were grouped: the next round begins after it.
    pub grouped_to: Mutex<Option<CatalogId>>,
}

/// Counts since the start of this process.
#[derive(Debug, Default)]
pub struct Counted {
    /// Requests answered.
    pub requests: AtomicU64,
    /// Of those, refused.
    pub refusals: AtomicU64,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Handshakes that failed.
    pub handshakes_failed: AtomicU64,
    /// Check-ins that were answered with an assignment.
    pub check_ins: AtomicU64,
    /// Check-ins refused.
    pub check_ins_refused: AtomicU64,
}

/// The core, shared.
pub type App = Arc<Core>;

/// The newest version of a section of a catalog that exists.
pub(crate) fn newest_section(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    section: Section,
) -> Result<KeptSection<Vec<u8>>, AppError> {
    let (_, kept) = db.trust_store_newest(catalog, section)?.ok_or(CatalogError::SectionUnknown)?;
    Ok(section_of(&kept)?)
}
