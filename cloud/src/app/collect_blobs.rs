//! Blobs: what was uploaded and nothing names after a day is removed.

use std::sync::atomic::Ordering;

use super::{App, AppError, blobs};
use crate::store::{StoreError, WriteTx};

/// Seconds that an upload has to be named by an image, a set, a delta or symbols.
const UNNAMED_S_MAX: u64 = 86_400;

/// Seconds between two looks.
const EVERY_S: u64 = 3_600;

/// Blobs of one round; the rest waits for the next.
const BATCH_MAX: u32 = 256;

/// Looks once an hour.
pub(super) async fn collect(app: &App) -> Result<(), AppError> {
    let now_s = app.clock.now_s();
    if now_s.saturating_sub(app.collected_s.load(Ordering::Relaxed)) < EVERY_S {
        return Ok(());
    }
    let before_s = now_s.saturating_sub(UNNAMED_S_MAX);
    let unnamed = app.store.read(|db| db.blobs_unnamed(before_s, BATCH_MAX))?;
    if unnamed.len() < BATCH_MAX as usize {
        app.collected_s.store(now_s, Ordering::Relaxed);
    }
    if unnamed.is_empty() {
        return Ok(());
    }
    let work = move |db: &WriteTx<'_>| {
        let mut taken = Vec::new();
        for (catalog, sha256) in unnamed {
            if db.blob_unname(catalog, sha256, before_s)? {
                taken.push(sha256);
            }
        }
        Ok::<_, StoreError>(taken)
    };
    let taken = app.store.write(work).await?;
    // A cut here leaves a file without a note; the same upload again takes it over.
    let remover = app.clone();
    let removing = tokio::task::spawn_blocking(move || {
        for sha256 in taken {
            remover.blobs.collect(sha256, || blobs::unnoted(&remover, sha256))?;
        }
        Ok(())
    });
    removing.await.unwrap_or(Err(StoreError::StorePanicked.into()))
}
