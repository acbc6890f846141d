//! When to try again: pure waits, so that neither a bad set nor a bad day becomes a storm.

use crate::ipc::Fault;
use craton_trust::SetId;
use std::time::Duration;

/// The first wait after a failure; it doubles to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Waits that grow while failures follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    next: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { next: RETRY_FIRST }
    }
}

impl Retry {
    /// How long to wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(RETRY_MAX);
        wait
    }

    /// It worked.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// What follows when a set could not be staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It may work soon: try after this wait.
    After(Duration),
    /// The set is refused, for the first time: say so.
    Reported,
    /// The set is refused, as before: try when the service is asked next, because the trust store
    /// may have changed until then.
    AtNextCheckIn,
}

/// The tries to fetch an assigned set. It outlives the check-ins between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetching {
    target: Option<SetId>,
    retry: Retry,
    refused: Option<(SetId, u16)>,
}

impl Fetching {
    /// The set that is refused here, for the service to hear of.
    #[must_use]
    pub fn refused(&self) -> Option<SetId> {
        self.refused.map(|(set, _)| set)
    }

    /// A set was staged.
    pub fn staged(&mut self) {
        *self = Self::default();
    }

    /// A try failed, with the number of its refusal.
    pub fn failed(&mut self, target: SetId, fault: Fault, code: u16) -> Again {
        if self.target != Some(target) {
            *self = Self { target: Some(target), ..Self::default() };
        }
        if fault != Fault::Judged {
            return Again::After(self.retry.after_failure());
        }
        match self.refused.replace((target, code)) {
            Some(before) if before == (target, code) => Again::AtNextCheckIn,
            _ => Again::Reported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: SetId = SetId([1; 32]);
    const V2: SetId = SetId([2; 32]);

    #[test]
    fn waits_grow_while_fetches_fail_and_start_again_for_another_set() {
        let mut fetching = Fetching::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let Again::After(wait) = fetching.failed(V1, Fault::Service, 5401) else { panic!() };
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let first = Again::After(RETRY_FIRST);
        assert_eq!(fetching.failed(V2, Fault::Host, 5306), first);
        fetching.staged();
        assert_eq!(fetching.failed(V2, Fault::Host, 5306), first);
    }

    #[test]
    fn a_refused_set_is_reported_once_and_waits_for_the_next_check_in() {
        let mut fetching = Fetching::default();
        assert_eq!(fetching.failed(V1, Fault::Judged, 1304), Again::Reported);
        assert_eq!(fetching.refused(), Some(V1));
        assert_eq!(fetching.failed(V1, Fault::Judged, 1304), Again::AtNextCheckIn);
        assert_eq!(fetching.failed(V1, Fault::Judged, 1305), Again::Reported);
        assert_eq!(fetching.failed(V2, Fault::Judged, 1304), Again::Reported);
        assert_eq!(fetching.refused(), Some(V2));
        fetching.staged();
        assert_eq!(fetching.refused(), None);
    }
}
