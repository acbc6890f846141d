//! The one clock of a simulation: it stands still until it is moved.

use craton_cloud::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Unix seconds, shared by the service and the scene.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    /// A clock that shows `now_s`.
    #[must_use]
    pub fn at(now_s: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_s)))
    }

    /// Moves it on.
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now_s(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
