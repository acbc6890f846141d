//! When a trial holds, and when it falls back: a pure decision.

use std::time::Duration;

/// What a trial must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long every app must be up without a failure.
    pub steady: Duration,
    /// How long a trial may take to hold.
    pub trial: Duration,
    /// How many failures a trial may have.
    pub failures_max: u32,
    /// Never wait longer than this between check-ins, whatever the service says.
    pub check_in_every_max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            steady: Duration::from_secs(60),
            trial: Duration::from_secs(600),
            failures_max: 0,
            check_in_every_max: Duration::from_secs(24 * 3600),
        }
    }
}

/// What was seen of the set that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Since when it runs.
    pub running: Duration,
    /// For how long the app that started last has been up; `None` while one is down.
    pub all_up: Option<Duration>,
    /// Whether it checked in.
    pub checked_in: bool,
    /// Failures of its apps.
    pub failures: u32,
}

/// What follows for a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait.
    Wait,
    /// It holds.
    Confirm,
    /// It failed.
    FallBack,
    /// It did not check in in its time, though its apps are up: the old set tries (SLOT-4).
    FallBackUnreachable,
}

impl Health {
    /// Judges a trial.
    #[must_use]
    pub fn verdict(&self, policy: &Policy) -> Verdict {
        if self.failures > policy.failures_max {
            return Verdict::FallBack;
        }
        let steady = self.all_up.is_some_and(|up| up >= policy.steady);
        if steady && self.checked_in {
            return Verdict::Confirm;
        }
        if self.running < policy.trial {
            return Verdict::Wait;
        }
        // Time is up. A healthy image that did not check in is not judged yet: a service that is
        // away, refuses everybody or is somebody else looks the same from here (SLOT-4).
        if steady { Verdict::FallBackUnreachable } else { Verdict::FallBack }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let (steady, trial) = (Duration::from_secs(3), Duration::from_secs(30));
        Policy { steady, trial, ..Policy::default() }
    }

    fn healthy() -> Health {
        Health {
            running: Duration::from_secs(5),
            all_up: Some(Duration::from_secs(4)),
            checked_in: true,
            failures: 0,
        }
    }

    #[test]
    fn a_trial_holds_when_its_apps_are_steady_and_it_checked_in() {
        assert_eq!(healthy().verdict(&policy()), Verdict::Confirm);
        let early = Health { all_up: Some(Duration::from_secs(2)), ..healthy() };
        assert_eq!(early.verdict(&policy()), Verdict::Wait);
        let silent = Health { checked_in: false, ..healthy() };
        assert_eq!(silent.verdict(&policy()), Verdict::Wait);
    }

    #[test]
    fn one_failure_falls_back_at_once() {
        let failing = Health { failures: 1, ..healthy() };
        assert_eq!(failing.verdict(&policy()), Verdict::FallBack);
    }

    #[test]
    fn a_trial_whose_time_is_up_falls_back_and_an_outage_is_told_apart() {
        let late = Health { running: Duration::from_secs(31), all_up: None, ..healthy() };
        assert_eq!(late.verdict(&policy()), Verdict::FallBack);
        let outage = Health { running: Duration::from_secs(31), checked_in: false, ..healthy() };
        assert_eq!(outage.verdict(&policy()), Verdict::FallBackUnreachable);
    }
}
