//! Claiming, moving and retiring devices.

use craton_api::operator::{
    CatalogId, Device, DeviceClaim, DeviceId, DeviceList, DeviceState, RotClass, Section,
};
use craton_trust::store as trust_store;

use super::{AppError, Core, log, newest_section};
use crate::audit::{Leaf, LeafKind, commitment};
use crate::catalog::{self, CatalogError, split_group};
use crate::store::{DeviceRow, ReadTx, WriteTx};
use crate::tenancy::{ManageDevices, Permit, ReadCatalog, TenancyError};

/// Lists a device as pending; its own evidence must name the catalog before it counts as claimed.
/// The same claim again changes nothing. Also tells whether it is new.
///
/// # Errors
/// `ObjectRefused`, `EndorsementMismatch`, `ClaimConflict`, `GroupUnknown`, `ClassTooWeak`.
pub async fn claim(
    core: &Core,
    permit: Permit<ManageDevices>,
    asked: DeviceClaim,
) -> Result<(Device, bool), AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        let platform = newest_section(db, catalog, Section::Platform)?;
        let platform = platform.section();
        let claiming = Claiming { db, permit: &permit, platform: &platform, now_s };
        let DeviceClaim { device, endorsement, group } = asked;
        let (device, leaf) = claiming.list(device, &endorsement.0, group.as_deref())?;
        let new = leaf.is_some();
        log::append_all(db, &*keys.log, catalog, leaf.as_slice(), now_s)?;
        Ok((device, new))
    };
    core.store.write(work).await
}

/// What claims of one commit have in common.
pub(super) struct Claiming<'c, 't> {
    pub db: &'c WriteTx<'t>,
    pub permit: &'c Permit<ManageDevices>,
    pub platform: &'c trust_store::Section<'c>,
    pub now_s: u64,
}

impl Claiming<'_, '_> {
    /// Lists one device as pending, with the leaf that the log is to have of it; no leaf if it was
    /// listed before.
    ///
    /// # Errors
    /// As [`claim`].
    pub fn list(
        &self,
        id: DeviceId,
        endorsement: &[u8],
        group: Option<&str>,
    ) -> Result<(Device, Option<Leaf>), AppError> {
        let Self { db, permit, platform, now_s } = *self;
        if let Some(known) = db.device(permit.catalog(), id)? {
            let same = known.endorsement == endorsement;
            return if same {
                Ok((known.device, None))
            } else {
                Err(CatalogError::ClaimConflict.into())
            };
        }
        let endorsed = catalog::endorsement(platform, id, endorsement)?;
        check_group(db, permit, group, Some(endorsed.rot))?;
        let device = pending(id, group.map(str::to_owned), endorsed.rot, now_s);
        let (endorsement, identity_key) = (endorsement.to_vec(), Some(endorsed.identity_key));
        let row = DeviceRow { device, endorsement, identity_key, client_name: None, store: None };
        db.device_claim(permit, &row)?;
        let secret = db.wave_secret(permit.catalog())?.ok_or(TenancyError::CatalogUnknown)?;
        let fact = commitment(&secret, &[b"claim", &id.0, &now_s.to_be_bytes()]);
        Ok((row.device, Some(Leaf { kind: LeafKind::Claim, fact })))
    }
}

/// Moves a device to another group.
///
/// # Errors
/// `DeviceUnknown`, `GroupUnknown`, `ClassTooWeak`.
pub async fn move_to(
    core: &Core,
    permit: Permit<ManageDevices>,
    id: DeviceId,
    group: Option<String>,
) -> Result<Device, AppError> {
    let work = move |db: &WriteTx<'_>| {
        let known = db.device(permit.catalog(), id)?.ok_or(CatalogError::DeviceUnknown)?;
        if let Some(path) = group {
            check_group(db, &permit, Some(&path), known.device.rot)?;
            db.device_move(&permit, id, split_group(&path)?)?;
        }
        shown(db, permit.catalog(), id)
    };
    core.store.write(work).await
}

/// Forgets that two devices were seen with one identity: the operator has found the copy.
///
/// # Errors
/// `DeviceUnknown`.
pub async fn clear_cloned(
    core: &Core,
    permit: Permit<ManageDevices>,
    id: DeviceId,
) -> Result<Device, AppError> {
    let work = move |db: &WriteTx<'_>| {
        db.device_clear_cloned(&permit, id)?;
        shown(db, permit.catalog(), id)
    };
    core.store.write(work).await
}

/// Forgets a device.
///
/// # Errors
/// `DeviceUnknown`.
pub async fn retire(
    core: &Core,
    permit: Permit<ManageDevices>,
    id: DeviceId,
) -> Result<(), AppError> {
    let work = move |db: &WriteTx<'_>| {
        let known = db.device_delete(&permit, id)?;
        if known { Ok(()) } else { Err(CatalogError::DeviceUnknown.into()) }
    };
    core.store.write(work).await
}

/// One device.
///
/// # Errors
/// `DeviceUnknown`.
pub fn show(core: &Core, permit: &Permit<ReadCatalog>, id: DeviceId) -> Result<Device, AppError> {
    core.store.read(|db| shown(db, permit.catalog(), id))
}

/// Which devices are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Of this `product/group`.
    pub group: Option<&'w str>,
    /// In this state.
    pub state: Option<DeviceState>,
    /// After this id.
    pub after: Option<DeviceId>,
    /// How many at most.
    pub limit: u32,
}

/// A page of devices, in the order of their ids.
///
/// # Errors
/// `GroupPathInvalid`.
pub fn list(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    wanted: Wanted<'_>,
) -> Result<DeviceList, AppError> {
    let Wanted { group, state, after, limit } = wanted;
    let group = group.map(split_group).transpose()?;
    let items = core.store.read(|db| db.devices(permit.catalog(), group, state, after, limit))?;
    let full = items.len() == limit as usize;
    let next = items.last().filter(|_| full).map(|device| device.id);
    Ok(DeviceList { items, next })
}

fn shown(db: &ReadTx<'_>, catalog: CatalogId, id: DeviceId) -> Result<Device, AppError> {
    let mut device = db.device(catalog, id)?.ok_or(CatalogError::DeviceUnknown)?.device;
    device.failures_lost = Some(db.failures_lost(catalog, id)?);
    Ok(device)
}

/// Refuses a group that is not there, or whose product wants a better root of trust.
pub(super) fn check_group(
    db: &ReadTx<'_>,
    permit: &Permit<ManageDevices>,
    path: Option<&str>,
    class: Option<RotClass>,
) -> Result<(), AppError> {
    let Some(path) = path else { return Ok(()) };
    let (product, name) = split_group(path)?;
    let group = db.device_group(permit.catalog(), product, name)?;
    let group = group.ok_or(CatalogError::GroupUnknown)?;
    let strong = class.is_none_or(|class| class >= group.least_class);
    if strong { Ok(()) } else { Err(CatalogError::ClassTooWeak.into()) }
}

fn pending(id: DeviceId, group: Option<String>, rot: RotClass, now_s: u64) -> Device {
    Device {
        id,
        state: DeviceState::Pending,
        rot: Some(rot),
        group,
        epoch: 0,
        created_s: now_s,
        last_seen_s: None,
        last_boot: None,
        last_check_in: None,
        certificate_serial: None,
        attested_set: None,
        assigned_set: None,
        isolation: None,
        storage: None,
        mode: None,
        trial: None,
        mode_s: None,
        cloned: false,
        failures_lost: None,
        boot_changed_s: None,
    }
}
