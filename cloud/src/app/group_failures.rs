//! Failures: each that has no group yet is symbolised as far as symbols are known, and joins one.
//!
//! A round is bounded, and goes round the catalogs: no device and no catalog can keep the others
//! waiting. No record and no file of symbols can fail a round: what cannot be done for a record is
//! left out for that one alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use craton_api::operator::{BuildId, CatalogId, Fingerprint};
use craton_trust::failure::{Failure, FailureKind};

use super::{App, AppError, images};
use crate::failures::{Symbols, TracedFrame, add_places, server_key, title, unsymbolised};
use crate::store::{FailureRow, Grouped, ReadTx, StoreError, WriteTx};

/// Catalogs of one round.
const CATALOGS_MAX: u32 = 16;

/// Failures of one catalog in one round.
const OF_CATALOG_MAX: u32 = 16;

/// Programs whose symbols are read for one failure; frames of others stay as build id and place.
const PROGRAMS_MAX: usize = 8;

/// Bytes of symbols read in one round; the failure that exceeds them is the round's last.
const SYMBOL_BYTES_MAX: usize = 512 << 20;

/// Groups failures that wait: a bounded number. If there are more, it asks for another round.
pub(super) async fn group(app: &App) -> Result<(), AppError> {
    let (waiting, more) = app.store.read(|db| next_of_each(app, db))?;
    if waiting.is_empty() {
        return Ok(());
    }
    let reader = app.clone();
    let asked = waiting.len();
    let grouping = tokio::task::spawn_blocking(move || group_all(&reader, waiting));
    let grouped = grouping.await.map_err(|_| StoreError::StorePanicked)?;
    let more = more || grouped.len() < asked;
    join_all(app, grouped).await?;
    if more {
        app.wake.notify_one();
    }
    Ok(())
}

/// The oldest waiting failures of some catalogs, one of each in turn, and whether there are more.
/// The next round begins with the catalog after the last.
fn next_of_each(app: &App, db: &ReadTx<'_>) -> Result<(Vec<FailureRow>, bool), AppError> {
    let mut grouped_to = app.grouped_to.lock().unwrap_or_else(PoisonError::into_inner);
    let mut catalogs = db.failures_waiting_catalogs(*grouped_to, CATALOGS_MAX)?;
    let mut more = catalogs.len() == CATALOGS_MAX as usize;
    if !more && grouped_to.is_some() {
        let left = CATALOGS_MAX - catalogs.len() as u32;
        let first = db.failures_waiting_catalogs(None, left)?;
        more = first.len() == left as usize;
        catalogs.extend(first.into_iter().filter(|catalog| Some(*catalog) <= *grouped_to));
    }
    *grouped_to = catalogs.last().copied();
    let mut rows = Vec::new();
    for catalog in catalogs {
        let of_catalog = db.failures_to_group(catalog, OF_CATALOG_MAX)?;
        more |= of_catalog.len() == OF_CATALOG_MAX as usize;
        rows.extend((0u32..).zip(of_catalog));
    }
    // Stable: within one turn the catalogs keep their order.
    rows.sort_by_key(|(turn, _)| *turn);
    Ok((rows.into_iter().map(|(_, row)| row).collect(), more))
}

fn group_all(app: &App, waiting: Vec<FailureRow>) -> Vec<(FailureRow, Grouped)> {
    let mut programs = Programs { app, held: None, read: 0 };
    let mut done = Vec::with_capacity(waiting.len());
    for row in waiting {
        let group = without_fail(&row, || grouped(&row, &mut programs));
        done.push((row, group));
        if programs.read > SYMBOL_BYTES_MAX {
            break;
        }
    }
    done
}

/// What `full` gives; without symbols if it panics; as an unreadable record if that panics, too.
fn without_fail(row: &FailureRow, full: impl FnOnce() -> Grouped) -> Grouped {
    let bare = || {
        Failure::parse(&row.record).map_or_else(
            |_| unreadable(row),
            |failure| described(&failure, &unsymbolised(&failure)),
        )
    };
    catch_unwind(AssertUnwindSafe(full))
        .or_else(|_| catch_unwind(bare))
        .unwrap_or_else(|_| unreadable(row))
}

/// All in one commit; if that is refused each in its own, so that one row keeps back only itself.
async fn join_all(app: &App, grouped: Vec<(FailureRow, Grouped)>) -> Result<(), AppError> {
    let grouped = std::sync::Arc::new(grouped);
    let all = grouped.clone();
    let work = move |db: &WriteTx<'_>| {
        all.iter().try_for_each(|(row, group)| db.failure_group_join(row, group))
    };
    let Err(refused) = app.store.write(work).await else { return Ok(()) };
    let mut kept = 0;
    for at in 0..grouped.len() {
        let one = grouped.clone();
        let work = move |db: &WriteTx<'_>| {
            one.get(at).map_or(Ok(()), |(row, group)| db.failure_group_join(row, group))
        };
        kept += u32::from(app.store.write(work).await.is_ok());
    }
    if kept > 0 { Ok(()) } else { Err(refused.into()) }
}

/// The symbols of one program at a time, so that memory is bounded by one file.
struct Programs<'a> {
    app: &'a App,
    held: Option<(CatalogId, BuildId, Vec<u8>)>,
    read: usize,
}

impl Programs<'_> {
    /// The file of a build id; `None` if there is none, or if it cannot be read.
    fn file(&mut self, catalog: CatalogId, build_id: &BuildId) -> Option<&[u8]> {
        let held = self.held.as_ref();
        if held.is_none_or(|(of, id, _)| *of != catalog || id != build_id) {
            self.held = None;
            let bytes = images::symbols_of(self.app, catalog, build_id).ok().flatten()?;
            self.read = self.read.saturating_add(bytes.len());
            self.held = Some((catalog, build_id.clone(), bytes));
        }
        self.held.as_ref().map(|(_, _, bytes)| &bytes[..])
    }
}

fn grouped(row: &FailureRow, programs: &mut Programs<'_>) -> Grouped {
    let Ok(failure) = Failure::parse(&row.record) else {
        return unreadable(row);
    };
    let mut frames = unsymbolised(&failure);
    for build_id in programs_of(&failure) {
        let Some(file) = programs.file(row.catalog, &build_id) else { continue };
        // A file that does not parse is passed over: its frames stay as build id and place.
        if let Ok(symbols) = Symbols::read(file) {
            add_places(&mut frames, &symbols);
        }
    }
    described(&failure, &frames)
}

fn programs_of(failure: &Failure<'_>) -> Vec<BuildId> {
    let mut programs: Vec<BuildId> = Vec::new();
    for frame in failure.frames() {
        let build_id = BuildId::from_bytes(frame.build_id);
        programs.extend(build_id.filter(|build_id| !programs.contains(build_id)));
    }
    programs.truncate(PROGRAMS_MAX);
    programs
}

fn described(failure: &Failure<'_>, frames: &[TracedFrame]) -> Grouped {
    let (key, _) = server_key(failure, frames);
    Grouped {
        fingerprint: Fingerprint(crate::crypto::sha256(key.as_str().as_bytes()).0),
        title: title(failure, frames),
        kind: kind_name(failure.kind).to_owned(),
        frames: frames.iter().flat_map(shown).collect(),
    }
}

/// The service keeps what it cannot read: a newer device may have sent it.
fn unreadable(row: &FailureRow) -> Grouped {
    Grouped {
        fingerprint: Fingerprint(crate::crypto::sha256(b"unreadable record").0),
        title: format!("a record of {} bytes that this version cannot read", row.record.len()),
        kind: "unreadable".to_owned(),
        frames: Vec::new(),
    }
}

fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Crash => "crash",
        FailureKind::Exit => "exit",
        FailureKind::TrialFailed => "trial-failed",
        FailureKind::UpdateRefused => "update-refused",
        FailureKind::Watchdog => "watchdog",
        FailureKind::Gap => "gap",
        FailureKind::Killed => "killed",
        FailureKind::OutOfMemory => "out-of-memory",
        FailureKind::OverLimit => "over-limit",
        FailureKind::ChipReset => "chip-reset",
    }
}

/// One line per function, or the bare place if no symbols know it.
fn shown(frame: &TracedFrame) -> Vec<String> {
    if frame.places.is_empty() {
        let module: String =
            frame.build_id.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return vec![format!("{:#x} in {module}", frame.pc)];
    }
    let line = |place: &crate::failures::Place| match (&place.file, place.line) {
        (Some(file), Some(line)) => format!("{} at {file}:{line}", place.function),
        _ => place.function.clone(),
    };
    frame.places.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_api::operator::DeviceId;

    #[test]
    fn a_panic_over_one_record_costs_only_its_names() {
        let (component, image) =
            (craton_trust::ComponentId([1; 16]), craton_trust::ImageId([2; 32]));
        let set = craton_trust::Digest([3; 32]);
        let mut room = [0; craton_trust::failure::RECORD_MAX];
        let failure = Failure::new(FailureKind::Watchdog, component, image, set);
        let record = failure.encode(&mut room).unwrap().to_vec();
        let (catalog, device) = (CatalogId([1; 32]), DeviceId([2; 32]));
        let row = FailureRow { catalog, failure: 1, device, record, received_s: 0 };
        let group = without_fail(&row, || panic!("a fault of ours"));
        assert_eq!((group.kind.as_str(), group.title.as_str()), ("watchdog", "hung and was ended"));
        let row = FailureRow { record: vec![1, 2, 3], ..row };
        assert_eq!(without_fail(&row, || panic!("again")).kind, "unreadable");
    }
}
