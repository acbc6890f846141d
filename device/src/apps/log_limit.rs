//! How much of an app's output is shown, as a pure value: an app must not fill the device's log.

use std::time::{Duration, Instant};

/// Lines in one [`WINDOW`].
const LINES_MAX: u64 = 500;
const WINDOW: Duration = Duration::from_secs(10);

/// What was shown of one app's output in the current window.
#[derive(Debug, Default)]
pub struct LogLimit {
    since: Option<Instant>,
    shown: u64,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Shown,
    /// Shown after a note that this many before it were not.
    ShownAfter(u64),
    LeftOut,
}

impl LogLimit {
    pub fn line(&mut self, now: Instant) -> Line {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.shown) = (Some(now), 0);
        }
        if self.shown == LINES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return Line::LeftOut;
        }
        self.shown += 1;
        match std::mem::take(&mut self.left_out) {
            0 => Line::Shown,
            left_out => Line::ShownAfter(left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_never_stops_writing_is_shown_in_part() {
        let (mut limit, start) = (LogLimit::default(), Instant::now());
        let shown = (0..10_000).filter(|_| limit.line(start) == Line::Shown).count();
        assert_eq!(shown as u64, LINES_MAX);
        assert_eq!(limit.line(start + WINDOW), Line::ShownAfter(10_000 - LINES_MAX));
        assert_eq!(limit.line(start + WINDOW), Line::Shown);
    }
}
