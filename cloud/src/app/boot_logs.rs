//! Event logs of devices with a TPM: taken after a check-in, judged by its quote, and shown as what
//! changed.

use craton_api::device::BootLog as Body;
use craton_api::operator::{
    BootChanges, BootEvent, BootLog, CatalogId, DeviceBoot, DeviceId, Digest, Register,
};
use craton_trust::event_log::{Event, EventLog};
use craton_trust::quote::Selection;

use super::device_requests::Holder;
use super::{AppError, Core, boots};
use crate::attest::AttestError;
use crate::attest::baseline::Boots;
use crate::attest::boot_log::{Changes, changes, explains_more, is_whole, judge};
use crate::catalog::CatalogError;
use crate::crypto::sha256;
use crate::store::{BootLogRow, ReadTx, StoreError, WriteTx};
use crate::tenancy::{Permit, ReadCatalog};

/// Events of one list that are shown.
const EVENTS_MAX: usize = 64;

/// Whether the service wants a log of this digest: none is kept for the registers that the device
/// shows, or one that leaves registers open and is another.
///
/// # Errors
/// `BootUnknown` if it never showed any.
pub fn is_wanted(core: &Core, holder: Holder, sha256: Digest) -> Result<bool, AppError> {
    let (catalog, device) = holder.place();
    core.store.read(|db| {
        let boots = db.device_boots(catalog, device)?.ok_or(CatalogError::BootUnknown)?;
        let known = db.boot_log_known(catalog, device, &boots.shown)?;
        Ok(known.is_none_or(|known| known.sha256 != sha256 && !is_whole(known.explains)))
    })
}

/// Judges a log by the registers of the device's last check-in, and keeps it if it leads to more
/// of them than the one that is kept: a device writes here a few times for each boot it shows.
/// What is refused is noted for the operator.
///
/// # Errors
/// Those of the body's encoding; `BootUnknown`, `EventLogShape`, `BootLogElsewhere`; `BootMovedOn`
/// if another check-in came between.
pub async fn take(core: &Core, holder: Holder, body: &[u8]) -> Result<(), AppError> {
    let log = Body::parse(body).map_err(AttestError::Evidence)?.0.to_vec();
    let (catalog, device) = holder.place();
    let boots = core.store.read(|db| db.device_boots(catalog, device))?;
    let registers = boots.ok_or(CatalogError::BootUnknown)?.shown;
    let judged = judge(&log, &registers);
    let (sha256, received_s) = (sha256(&log), core.clock.now_s());
    let work = move |db: &WriteTx<'_>| {
        let shown = db.device_boots(catalog, device)?.map(|boots| boots.shown);
        if shown != Some(registers) {
            return Err(CatalogError::BootMovedOn.into());
        }
        let known = db.boot_log_known(catalog, device, &registers)?;
        let before = known.map_or(0, |known| known.explains);
        match judged {
            Ok(explains) if explains_more(explains, before) => {
                let about = BootLogRow { sha256, received_s, explains };
                db.boot_log_put(catalog, device, &registers, (&about, &log))?;
            }
            Err(refusal) if known.is_none() => {
                db.boot_log_refused_put(catalog, device, Some(refusal.code()))?;
            }
            _ => {}
        }
        Ok::<_, AppError>(())
    };
    core.store.write(work).await?;
    Ok(judged.map(|_| ())?)
}

/// The log that leads to what a device shows, as the device sent it.
///
/// # Errors
/// `DeviceUnknown`, `BootUnknown`; `BootLogMissing` if none came that does.
pub fn fetch(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    device: DeviceId,
) -> Result<Vec<u8>, AppError> {
    let catalog = permit.catalog();
    core.store.read(|db| {
        let shown = boots::kept(db, catalog, device)?.shown;
        let log = db.boot_log(catalog, device, &shown)?;
        log.ok_or_else(|| CatalogError::BootLogMissing.into())
    })
}

/// Adds what the logs of a device say to what its registers show.
pub(super) fn explain(
    db: &ReadTx<'_>,
    (catalog, device): (CatalogId, DeviceId),
    boots: &Boots,
    shows: &mut DeviceBoot,
) -> Result<(), AppError> {
    let known = |registers| db.boot_log_known(catalog, device, registers);
    let (now, before) = (known(&boots.shown)?, known(&boots.baseline)?);
    shows.log = now.map(about);
    shows.baseline_log = before.map(about);
    shows.log_refused = db.boot_log_refused(catalog, device)?;
    let both = now.zip(before).map_or(0, |(now, before)| now.explains & before.explains);
    if !shows.registers.iter().any(|register| has_changed(register, both)) {
        return Ok(());
    }
    let log = |registers| db.boot_log(catalog, device, registers);
    let (Some(before), Some(now)) = (log(&boots.baseline)?, log(&boots.shown)?) else {
        return Ok(());
    };
    let (before, now) = (read(&before)?, read(&now)?);
    for register in shows.registers.iter_mut().filter(|register| has_changed(register, both)) {
        register.events = Some(listed(changes(&before, &now, register.register)));
    }
    Ok(())
}

/// Whether a register changed, and the logs of both boots lead to its values.
fn has_changed(register: &Register, both: u32) -> bool {
    register.value != register.baseline && both >> register.register & 1 == 1
}

fn read(log: &[u8]) -> Result<EventLog<'_>, StoreError> {
    // It was judged before it was kept.
    EventLog::parse(log).map_err(|_| StoreError::RowUnreadable { table: "boot_logs" })
}

fn about(row: BootLogRow) -> BootLog {
    let BootLogRow { sha256, received_s, explains } = row;
    BootLog { sha256, received_s, explains: Selection(explains).registers().collect() }
}

fn listed(changes: Changes<'_>) -> BootChanges {
    let Changes { gone, new } = changes;
    let left_out = [&gone, &new].map(|events| events.len().saturating_sub(EVENTS_MAX) as u64);
    let list = |events: Vec<Event<'_>>| events.iter().take(EVENTS_MAX).filter_map(shown).collect();
    BootChanges { gone: list(gone), new: list(new), left_out: left_out.iter().sum() }
}

/// `None` for an event without a SHA-256, which no log has that leads to its register.
fn shown(event: &Event<'_>) -> Option<BootEvent> {
    let what = event.what().map_or_else(|| format!("{:#x}", event.kind), str::to_owned);
    Some(BootEvent { what, digest: Digest(event.digest?.0), said: event.said().collect() })
}
