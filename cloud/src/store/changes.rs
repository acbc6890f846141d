//! When what is kept in memory of the database is still true.
//!
//! A number stands still while it is, and is odd while a commit that may change it is under way: a
//! commit can be read before the engine returns from it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tables that nothing in memory shows: what devices do changes these at every check-in.
pub(super) const UNSHOWN: [&str; 7] = [
    "devices",
    "device_boots",
    "boot_logs",
    "deployment_outcomes",
    "failures",
    "failure_counts",
    "failure_groups",
];

/// The number, as readers see it.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<AtomicU64>);

impl Changes {
    /// What was read after a stamp still holds while the stamp is the same; `None` while nothing
    /// read would.
    pub(super) fn stamp(&self) -> Option<u64> {
        let now = self.0.load(Ordering::Acquire);
        now.is_multiple_of(2).then_some(now)
    }

    /// The same, for the one thread that writes.
    pub(super) fn writing(&self) -> Writing {
        Writing { changes: self.clone(), touched: Cell::new(false) }
    }
}

/// The writing side of the number.
pub(super) struct Writing {
    changes: Changes,
    touched: Cell<bool>,
}

impl Writing {
    /// Before a statement that changes something.
    pub(super) fn before(&self, sql: &str) {
        if !self.touched.get() && !table_of(sql).is_some_and(|table| UNSHOWN.contains(&table)) {
            self.touched.set(true);
            self.changes.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// After the commit, or after it was taken back; before anybody hears of it.
    pub(super) fn done(&self) {
        if self.touched.replace(false) {
            self.changes.0.fetch_add(1, Ordering::Release);
        }
    }
}

/// The table that a statement changes.
fn table_of(sql: &str) -> Option<&str> {
    let mut words = sql.split_whitespace();
    match words.next()? {
        "UPDATE" => words.next(),
        "INSERT" => words.skip_while(|word| *word != "INTO").nth(1),
        "DELETE" => words.skip_while(|word| *word != "FROM").nth(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_odd_while_a_change_is_under_way_and_another_one_after() {
        let changes = Changes::default();
        let writing = changes.writing();
        assert_eq!(changes.stamp(), Some(0));
        writing.before("UPDATE devices SET state = 1");
        writing.before("INSERT INTO failures (catalog) VALUES (?1)");
        writing.before("DELETE FROM failure_counts WHERE catalog = ?1");
        assert_eq!(changes.stamp(), Some(0), "nothing shows these");
        writing.done();
        assert_eq!(changes.stamp(), Some(0));
        for sql in ["UPDATE deployments SET state = 1", "INSERT OR IGNORE INTO images", "VACUUM"] {
            let before = changes.stamp();
            writing.before(sql);
            writing.before(sql);
            assert_eq!(changes.stamp(), None, "{sql}");
            writing.done();
            assert_eq!(changes.stamp(), before.map(|stamp| stamp + 2), "{sql}");
        }
    }
}
