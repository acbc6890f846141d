//! Failures: received from a device, listed for a person.

use craton_api::operator::{
    CatalogId, DeviceId, Failure, FailureGroup, FailureGroupList, Fingerprint,
};

use super::{AppError, Core};
use crate::catalog::CatalogError;
use crate::store::{ReceivedFailure, WriteTx};
use crate::tenancy::{Permit, ReadCatalog};

/// Failures that a device may bring in one day (UTC). A device in a crash loop makes some three
/// hundred.
pub const OF_DAY_MAX: u64 = 1_000;

/// Which failures are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Of this group.
    pub fingerprint: Option<Fingerprint>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Received since, Unix seconds.
    pub since_s: u64,
    /// How many at most.
    pub limit: u32,
}

/// Keeps what a device reported, all or nothing; a record it sent before is not kept twice. Returns
/// how many are new.
///
/// # Errors
/// `FailuresTooMany`, and those of the store.
pub async fn receive(
    core: &Core,
    catalog: CatalogId,
    device: DeviceId,
    reported: Vec<ReceivedFailure>,
) -> Result<u64, AppError> {
    let now_s = core.clock.now_s();
    let work = move |db: &WriteTx<'_>| {
        let mut new = 0;
        for failure in &reported {
            new += u64::from(db.failure_receive(catalog, device, failure)?);
        }
        if new > 0 && db.failures_of_day(catalog, device, now_s)? > OF_DAY_MAX {
            return Err(CatalogError::FailuresTooMany { most: OF_DAY_MAX }.into());
        }
        Ok::<_, AppError>(new)
    };
    let new = core.store.write(work).await?;
    core.wake.notify_one();
    Ok(new)
}

/// Groups, most recent first.
///
/// # Errors
/// Those of the store.
pub fn groups(core: &Core, permit: &Permit<ReadCatalog>) -> Result<FailureGroupList, AppError> {
    core.store.read(|db| {
        let items = db.failure_groups(permit.catalog())?;
        let ungrouped = db.failures_ungrouped_count(permit.catalog())?;
        Ok(FailureGroupList { items, ungrouped })
    })
}

/// One group.
///
/// # Errors
/// `FailureGroupUnknown`.
pub fn group(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    fingerprint: Fingerprint,
) -> Result<FailureGroup, AppError> {
    let group = core.store.read(|db| db.failure_group(permit.catalog(), fingerprint))?;
    group.ok_or_else(|| CatalogError::FailureGroupUnknown.into())
}

/// Failures, most recent first.
///
/// # Errors
/// Those of the store.
pub fn list(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    wanted: Wanted,
) -> Result<Vec<Failure>, AppError> {
    let Wanted { fingerprint, device, since_s, limit } = wanted;
    Ok(core.store.read(|db| db.failures(permit.catalog(), fingerprint, device, since_s, limit))?)
}
