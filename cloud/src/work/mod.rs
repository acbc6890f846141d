//! When background work is done: at every wake-up, and in between by the clock.

use std::time::Duration;

use tokio::sync::watch;

use crate::app::{App, reconcile};

/// Runs a round once each `every_s` seconds, or sooner when woken, until `stop` changes.
pub async fn run(app: App, every_s: u64, mut stop: watch::Receiver<bool>) {
    loop {
        for refusal in reconcile::round(&app).await {
            eprintln!("background work: {refusal}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(every_s.max(1))) => {}
            () = app.wake.notified() => {}
            _ = stop.changed() => return,
        }
    }
}
