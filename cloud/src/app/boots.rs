//! The boots of devices with a TPM: kept at a check-in, shown, and accepted by an operator.

use craton_api::operator::{CatalogId, DeviceBoot, DeviceId, Digest, Register};
use craton_trust::crypto::Signer;
use craton_trust::quote::REGISTERS;
use craton_trust::quoted::Registers;

use super::{AppError, Core, boot_logs, log};
use crate::attest::baseline::{Boots, name};
use crate::audit::{Leaf, LeafKind, commitment};
use crate::catalog::CatalogError;
use crate::store::{ReadTx, WriteTx};
use crate::tenancy::{ManageDevices, Permit, ReadCatalog, TenancyError};

/// Keeps what a check-in showed, in its commit. The first change since the baseline is logged with
/// it: a device adds no second leaf by itself (ATT-8).
pub(crate) fn note(
    db: &WriteTx<'_>,
    log_key: &dyn Signer,
    (catalog, device): (CatalogId, DeviceId),
    registers: Registers,
    now_s: u64,
) -> Result<(), AppError> {
    let Some(before) = db.device_boots(catalog, device)? else {
        return Ok(db.device_boots_put(catalog, device, &Boots::first(registers, now_s))?);
    };
    let Some(after) = before.seeing(registers, now_s) else { return Ok(()) };
    db.device_boots_put(catalog, device, &after)?;
    if before.changed_s.is_none() && after.changed_s.is_some() {
        append(db, log_key, (catalog, device), &after, now_s)?;
    }
    Ok(())
}

/// What a device showed of its boots.
///
/// # Errors
/// `DeviceUnknown`, `BootUnknown`.
pub fn show(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    device: DeviceId,
) -> Result<DeviceBoot, AppError> {
    let at = (permit.catalog(), device);
    core.store.read(|db| explained(db, at, &kept(db, permit.catalog(), device)?))
}

/// Takes what a device shows for its new baseline, if that is what the operator saw. It is logged.
///
/// # Errors
/// `DeviceUnknown`, `BootUnknown`, `BootMovedOn`.
pub async fn accept(
    core: &Core,
    permit: Permit<ManageDevices>,
    device: DeviceId,
    seen: Digest,
) -> Result<DeviceBoot, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        let before = kept(db, catalog, device)?;
        if digest(&before.shown) != seen {
            return Err(CatalogError::BootMovedOn.into());
        }
        if before.changed_s.is_none() {
            return explained(db, (catalog, device), &before);
        }
        let after = before.accepted(now_s);
        db.device_boots_put(catalog, device, &after)?;
        append(db, &*keys.log, (catalog, device), &after, now_s)?;
        explained(db, (catalog, device), &after)
    };
    core.store.write(work).await
}

/// What a device showed of its boots; `None` if it never did.
///
/// # Errors
/// Those of the store.
pub fn seen(
    db: &ReadTx<'_>,
    (catalog, device): (CatalogId, DeviceId),
) -> Result<Option<DeviceBoot>, AppError> {
    let boots = db.device_boots(catalog, device)?;
    boots.map(|boots| explained(db, (catalog, device), &boots)).transpose()
}

/// What registers show, and what the event logs say of it.
fn explained(
    db: &ReadTx<'_>,
    at: (CatalogId, DeviceId),
    boots: &Boots,
) -> Result<DeviceBoot, AppError> {
    let mut shows = shown(boots);
    boot_logs::explain(db, at, boots, &mut shows)?;
    Ok(shows)
}

fn append(
    db: &WriteTx<'_>,
    log_key: &dyn Signer,
    (catalog, device): (CatalogId, DeviceId),
    boots: &Boots,
    now_s: u64,
) -> Result<(), AppError> {
    let secret = db.wave_secret(catalog)?.ok_or(TenancyError::CatalogUnknown)?;
    let (baseline, shown) = (digest(&boots.baseline), digest(&boots.shown));
    let fact = [&b"boot"[..], &device.0, &baseline.0, &shown.0, &now_s.to_be_bytes()];
    let leaf = Leaf { kind: LeafKind::Boot, fact: commitment(&secret, &fact) };
    log::append(db, log_key, catalog, leaf, now_s).map(|_| ())
}

/// What is kept of a device's boots.
///
/// # Errors
/// `DeviceUnknown`; `BootUnknown` if it never showed any.
pub(super) fn kept(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    device: DeviceId,
) -> Result<Boots, AppError> {
    if let Some(boots) = db.device_boots(catalog, device)? {
        return Ok(boots);
    }
    let known = db.device(catalog, device)?.is_some();
    Err(if known { CatalogError::BootUnknown } else { CatalogError::DeviceUnknown }.into())
}

fn digest(registers: &Registers) -> Digest {
    Digest(name(registers).0)
}

fn shown(boots: &Boots) -> DeviceBoot {
    let of = |registers: &Registers, wanted| {
        registers.iter().find(|(it, _)| *it == wanted).map(|(_, value)| Digest(value.0))
    };
    let registers = (0..REGISTERS).map(|register| Register {
        register,
        value: of(&boots.shown, register),
        baseline: of(&boots.baseline, register),
        events: None,
    });
    DeviceBoot {
        digest: digest(&boots.shown),
        registers: registers.filter(|it| it.value.is_some() || it.baseline.is_some()).collect(),
        shown_s: boots.shown_s,
        baseline_s: boots.baseline_s,
        changed_s: boots.changed_s,
        log: None,
        baseline_log: None,
        log_refused: None,
    }
}
