//! Whether the kernel has just killed for want of memory. It tells how often it did on the whole
//! machine, and not whom: that an app died by SIGKILL in the same second is what there is to know.

use std::time::{Duration, Instant};

const COUNTERS: &str = "/proc/vmstat";
/// How often the counter is read, and for how long a rise counts as recent.
const EVERY: Duration = Duration::from_secs(1);

/// The counter as it was read last.
#[derive(Clone, Copy, Debug)]
pub struct OomKills {
    count: Option<u64>,
    read: Instant,
    rose: Option<Instant>,
}

impl OomKills {
    /// Begins to count now.
    pub fn now() -> Self {
        Self { count: count(), read: Instant::now(), rose: None }
    }

    /// A look in passing, at most once a second.
    pub fn look(&mut self, now: Instant) {
        if now.duration_since(self.read) >= EVERY {
            self.take(count(), now);
        }
    }

    /// Whether the counter rose about `now`, when an app has ended.
    pub fn rose_about(&mut self, now: Instant) -> bool {
        self.take(count(), now);
        self.recent(now)
    }

    fn take(&mut self, count: Option<u64>, now: Instant) {
        if count.zip(self.count).is_some_and(|(new, old)| new > old) {
            self.rose = Some(now);
        }
        (self.count, self.read) = (count, now);
    }

    fn recent(&self, now: Instant) -> bool {
        self.rose.is_some_and(|rose| now.duration_since(rose) <= EVERY)
    }
}

/// `None` where the kernel does not tell.
fn count() -> Option<u64> {
    parse(&std::fs::read_to_string(COUNTERS).ok()?)
}

fn parse(counters: &str) -> Option<u64> {
    let line = counters.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_read_among_its_like() {
        assert_eq!(parse("oom_kill_x 7\nnr_free 1\noom_kill 12\n"), Some(12));
        assert_eq!(parse("oom_kill many\n"), None);
        assert_eq!(parse(""), None);
        assert!(count().is_some() || !std::path::Path::new(COUNTERS).exists());
    }

    #[test]
    fn only_a_rise_of_the_last_second_is_one_of_this_end() {
        let start = Instant::now();
        let mut kills = OomKills { count: Some(3), read: start, rose: None };
        let at = |seconds| start + Duration::from_secs(seconds);
        kills.take(Some(3), at(1));
        assert!(!kills.recent(at(1)));
        kills.take(Some(4), at(2));
        assert!(kills.recent(at(2)) && kills.recent(at(3)) && !kills.recent(at(4)));
        let mut unknown = OomKills { count: None, read: start, rose: None };
        unknown.take(Some(9), at(1));
        assert!(!unknown.recent(at(1)), "a first reading is no rise");
    }
}
