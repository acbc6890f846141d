//! Failures: each that has no group yet is symbolised as far as symbols are known, and joins one.

use craton_api::operator::{BuildId, CatalogId, Fingerprint};
use craton_trust::failure::{Failure, FailureKind};

use super::{App, AppError, images};
use crate::failures::{Symbols, TracedFrame, server_key, symbolise, title};
use crate::store::{FailureRow, Grouped, WriteTx};

/// Failures of one commit.
const BATCH_MAX: u32 = 64;

/// Groups every failure that waits.
pub(super) async fn group(app: &App) -> Result<(), AppError> {
    loop {
        let waiting = app.store.read(|db| db.failures_to_group(BATCH_MAX))?;
        if waiting.is_empty() {
            return Ok(());
        }
        let reader = app.clone();
        let grouping = tokio::task::spawn_blocking(move || {
            let grouped = waiting.into_iter().map(|row| {
                let group = grouped(&reader, &row)?;
                Ok((row, group))
            });
            grouped.collect::<Result<Vec<_>, AppError>>()
        });
        let grouped = grouping.await.map_err(|_| crate::store::StoreError::StorePanicked)??;
        let work = move |db: &WriteTx<'_>| {
            for (row, group) in &grouped {
                db.failure_group_join(row, group)?;
            }
            Ok::<_, AppError>(())
        };
        app.store.write(work).await?;
    }
}

fn grouped(app: &App, row: &FailureRow) -> Result<Grouped, AppError> {
    let Ok(failure) = Failure::parse(&row.record) else {
        return Ok(unreadable(row));
    };
    let files = symbols_for(app, row.catalog, &failure)?;
    // A file that does not parse is passed over: its frames stay as build id and place.
    let symbols: Vec<Symbols<'_>> =
        files.iter().filter_map(|file| Symbols::read(file).ok()).collect();
    let frames = symbolise(&failure, &symbols);
    let (key, _) = server_key(&failure, &frames);
    Ok(Grouped {
        fingerprint: Fingerprint(crate::crypto::sha256(key.as_str().as_bytes()).0),
        title: title(&failure, &frames),
        kind: kind_name(failure.kind).to_owned(),
        frames: frames.iter().flat_map(shown).collect(),
    })
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

fn symbols_for(
    app: &App,
    catalog: CatalogId,
    failure: &Failure<'_>,
) -> Result<Vec<Vec<u8>>, AppError> {
    let mut wanted: Vec<BuildId> =
        failure.frames().iter().filter_map(|frame| BuildId::from_bytes(frame.build_id)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut files = Vec::new();
    for build_id in &wanted {
        files.extend(images::symbols_of(app, catalog, build_id)?);
    }
    Ok(files)
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
