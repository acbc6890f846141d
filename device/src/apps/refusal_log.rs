//! Which of an app's refused connections are logged, as a pure value: an app that tries again and
//! again must not fill the log.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::proxy::ProxyRefusal;

/// The same refusal is logged once in this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Different refusals logged in one window; the rest is counted.
const LINES_MAX: usize = 8;

/// What was logged of one app in the current window.
#[derive(Debug, Default)]
pub struct RefusalLog {
    since: Option<Instant>,
    told: BTreeSet<String>,
    untold: u64,
}

impl RefusalLog {
    /// The lines to log when `fresh` connections were refused, the latest of them in `recent`.
    pub fn lines(
        &mut self,
        fresh: u64,
        recent: &VecDeque<ProxyRefusal>,
        now: Instant,
    ) -> Vec<String> {
        let mut lines = self.next_window(now);
        let kept = usize::try_from(fresh).unwrap_or(usize::MAX).min(recent.len());
        self.untold = self.untold.saturating_add(fresh.saturating_sub(kept as u64));
        for refusal in recent.iter().skip(recent.len() - kept) {
            let line = refusal.to_string();
            if self.told.len() < LINES_MAX && self.told.insert(line.clone()) {
                lines.push(line);
            } else {
                self.untold = self.untold.saturating_add(1);
            }
        }
        lines
    }

    fn next_window(&mut self, now: Instant) -> Vec<String> {
        let over = |since| now.saturating_duration_since(since) >= WINDOW;
        if !self.since.is_none_or(over) {
            return Vec::new();
        }
        let untold =
            std::mem::replace(self, RefusalLog { since: Some(now), ..Self::default() }).untold;
        match untold {
            0 => Vec::new(),
            untold => vec![format!("{untold} more of its connections were refused before")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(hosts: &[&str]) -> VecDeque<ProxyRefusal> {
        let refusal =
            |host: &&str| ProxyRefusal::NotAllowed { host: (*host).to_owned(), port: 443 };
        hosts.iter().map(refusal).collect()
    }

    #[test]
    fn the_same_refusal_is_logged_once_a_minute_and_the_rest_counted() {
        let (mut log, start) = (RefusalLog::default(), Instant::now());
        let many = refused(&["a.example"; 3]);
        let lines = log.lines(3, &many, start);
        assert_eq!(lines.len(), 1);
        assert!(lines.concat().contains("a.example:443"), "{lines:?}");
        assert!(log.lines(2, &many, start + Duration::from_secs(59)).is_empty());
        let later = log.lines(1, &many, start + WINDOW);
        assert_eq!(later.len(), 2, "{later:?}");
        assert!(later.concat().starts_with("4 more"), "{later:?}");
    }

    #[test]
    fn only_what_is_new_is_logged() {
        let (mut log, now) = (RefusalLog::default(), Instant::now());
        assert!(log.lines(0, &refused(&["old.example"]), now).is_empty());
        let lines = log.lines(1, &refused(&["old.example", "new.example"]), now);
        assert!(lines.len() == 1 && lines.concat().contains("new.example"), "{lines:?}");
    }

    #[test]
    fn an_app_that_tries_every_host_gets_eight_lines_a_minute() {
        let (mut log, now) = (RefusalLog::default(), Instant::now());
        let hosts: Vec<String> = (0..32).map(|number| format!("h{number}.example")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        assert_eq!(log.lines(1_000, &refused(&hosts), now).len(), LINES_MAX);
        let next = log.lines(0, &refused(&hosts), now + WINDOW);
        assert_eq!(next, ["992 more of its connections were refused before"]);
    }
}
