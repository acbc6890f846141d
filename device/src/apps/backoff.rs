//! How long to wait before an app is started again, as a pure value.

use std::time::Duration;

/// Doubles from 1 s to 5 min; an app that was up for 60 s starts afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    next: Duration,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const STEADY: Duration = Duration::from_secs(60);

impl Backoff {
    pub const fn new() -> Backoff {
        Backoff { next: FIRST }
    }

    /// The wait before the next start of an app that has just ended after `up` time.
    #[must_use = "the app is started again only after this wait"]
    pub fn after(&mut self, up: Duration) -> Duration {
        if up >= STEADY {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_five_minutes() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> =
            (0..11).map(|_| backoff.after(Duration::from_secs(1)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn an_app_that_was_up_for_a_minute_starts_afresh() {
        let mut backoff = Backoff::new();
        for _ in 0..5 {
            let _ = backoff.after(Duration::from_secs(59));
        }
        assert_eq!(backoff.after(Duration::from_secs(60)), Duration::from_secs(1));
        assert_eq!(backoff.after(Duration::from_secs(1)), Duration::from_secs(2));
    }
}
