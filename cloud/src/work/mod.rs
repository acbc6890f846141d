//! Reconcilers: they compare what is wanted with what is, take no input, and may run twice.

mod failures;
mod rollouts;

use std::time::Duration;

use tokio::sync::watch;

use crate::app::{App, AppError};

/// Runs every reconciler once each `every_s` seconds, or sooner when woken, until `stop` changes.
pub async fn reconcile(app: App, every_s: u64, mut stop: watch::Receiver<bool>) {
    loop {
        for refusal in round(&app).await {
            eprintln!("background work: {refusal}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(every_s.max(1))) => {}
            () = app.wake.notified() => {}
            _ = stop.changed() => return,
        }
    }
}

/// One round of every reconciler; what one refuses does not keep the others.
pub async fn round(app: &App) -> Vec<AppError> {
    let done = [failures::group(app).await, rollouts::advance_and_pause(app).await];
    done.into_iter().filter_map(Result::err).collect()
}
