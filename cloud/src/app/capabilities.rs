//! Capabilities: signed by the publisher, approved like an image set, countersigned by the catalog.

use craton_api::operator::{Capability, CapabilityId, CapabilityList, DeviceId, Section};
use craton_trust::cose::Kind;

use super::{AppError, Core, log, newest_section};
use crate::audit::{Leaf, LeafKind, commitment};
use crate::catalog::{self, CatalogError};
use crate::keys::Keys;
use crate::store::WriteTx;
use crate::tenancy::{ManageDevices, Permit, ReadCatalog, TenancyError};

/// Takes a capability that the publisher signed. In a catalog for development the catalog
/// countersigns at once; in any other it waits for an approver.
///
/// # Errors
/// `DeviceUnknown`, `ObjectRefused`.
pub async fn bring(
    core: &Core,
    permit: Permit<ManageDevices>,
    device: DeviceId,
    object: Vec<u8>,
) -> Result<Capability, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        db.device(catalog, device)?.ok_or(CatalogError::DeviceUnknown)?;
        let owner = newest_section(db, catalog, Section::Owner)?;
        let capability = catalog::capability(&owner.section(), catalog, device, &object, now_s)?;
        if let Some((known, _)) = db.capability(catalog, device, capability.id)? {
            return Ok(known);
        }
        if owner.section().dev {
            return countersign(db, &permit, &keys, capability, &object, now_s);
        }
        db.capability_put(&permit, &capability, &object)?;
        Ok(capability)
    };
    core.store.write(work).await
}

/// Takes an approver's signature over a capability, and countersigns it.
///
/// # Errors
/// `CapabilityUnknown`, `ObjectRefused`, `ApprovalMismatch`.
pub async fn approve(
    core: &Core,
    permit: Permit<ManageDevices>,
    device: DeviceId,
    id: CapabilityId,
    approval: Vec<u8>,
) -> Result<Capability, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        let (known, object) =
            db.capability(catalog, device, id)?.ok_or(CatalogError::CapabilityUnknown)?;
        let owner = newest_section(db, catalog, Section::Owner)?;
        catalog::approve(&owner.section(), &object, &approval)?;
        if known.approved {
            return Ok(known);
        }
        countersign(db, &permit, &keys, known, &object, now_s)
    };
    core.store.write(work).await
}

/// The signed object of a capability, for the device.
///
/// # Errors
/// `CapabilityUnknown`.
pub fn signed(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    device: DeviceId,
    id: CapabilityId,
) -> Result<Vec<u8>, AppError> {
    let known = core.store.read(|db| db.capability(permit.catalog(), device, id))?;
    Ok(known.ok_or(CatalogError::CapabilityUnknown)?.1)
}

/// Capabilities of a device, newest first.
///
/// # Errors
/// `DeviceUnknown`.
pub fn list(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    device: DeviceId,
) -> Result<CapabilityList, AppError> {
    let catalog = permit.catalog();
    core.store.read(|db| {
        db.device(catalog, device)?.ok_or(CatalogError::DeviceUnknown)?;
        Ok(CapabilityList { items: db.capabilities(catalog, device)? })
    })
}

fn countersign(
    db: &WriteTx<'_>,
    permit: &Permit<ManageDevices>,
    keys: &Keys,
    capability: Capability,
    object: &[u8],
    now_s: u64,
) -> Result<Capability, AppError> {
    let catalog = permit.catalog();
    let signed = catalog::countersign(Kind::Capability, object, &*keys.catalog)?;
    let capability = Capability { approved: true, ..capability };
    db.capability_put(permit, &capability, &signed)?;
    let secret = db.wave_secret(catalog)?.ok_or(TenancyError::CatalogUnknown)?;
    let fact = commitment(&secret, &[b"capability", &capability.id.0]);
    let leaf = Leaf { kind: LeafKind::Capability, fact };
    log::append(db, &*keys.log, catalog, leaf, now_s)?;
    Ok(capability)
}
