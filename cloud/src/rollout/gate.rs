//! The gate of a rollout: which outcomes count, when they pause it, when its next wave may begin.

use craton_api::operator::{Deployment, ImageSetId, PauseRule, Wave};

use super::Position;

/// How a deployment went on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device attests the set and is not on trial any more.
    Confirmed,
    /// The device says that the set failed its trial, or that it refused the set.
    Failed,
}

/// What a check-in shows, as far as the gate is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The set that this service assigned to the device at the check-in before.
    pub assigned_before: Option<ImageSetId>,
    /// The set that the evidence shows.
    pub attested: Option<ImageSetId>,
    /// Whether that set is still on trial, as the device says.
    pub trial: bool,
    /// The last set that failed there, as the device says.
    pub failed: Option<ImageSetId>,
}

/// What a check-in says of the set `release`.
///
/// GATE-1: a device that was not assigned the set says nothing about it, whatever it claims: else
/// any device of the catalog could pause every rollout, or pad one with good news.
#[must_use]
pub fn outcome_of(release: ImageSetId, seen: Seen) -> Option<Outcome> {
    if seen.assigned_before != Some(release) {
        return None;
    }
    if seen.failed == Some(release) {
        return Some(Outcome::Failed);
    }
    let confirmed = seen.attested == Some(release) && !seen.trial;
    confirmed.then_some(Outcome::Confirmed)
}

/// Why the rule pauses the deployment, given the newest outcomes; `None` if it does not.
///
/// GATE-2: the newest `rule.outcomes` count, each device once with its newest outcome, so that
/// neither a hundred good devices before nor a resume in between hides a failure.
#[must_use]
pub fn pause_reason(rule: PauseRule, outcomes: u64, failures: u64) -> Option<String> {
    let over = rule.failures > 0 && failures >= u64::from(rule.failures);
    over.then(|| {
        format!(
            "{failures} of the last {outcomes} devices failed; the rule allows less than {} of {}",
            rule.failures, rule.outcomes
        )
    })
}

/// The index of the first step that reaches a position; their number if none does.
#[must_use]
pub fn wave_of(waves: &[Wave], position: Position) -> u32 {
    let reached = waves.iter().position(|wave| position.within(wave.percent));
    reached.unwrap_or(waves.len()) as u32
}

/// Whether the next step is due by time.
#[must_use]
pub fn next_wave_due(deployment: &Deployment, wave_since_s: u64, now_s: u64) -> bool {
    let at = deployment.wave as usize;
    let soak_s = deployment.waves.get(at).map_or(0, |wave| u64::from(wave.soak_s));
    let last = at + 1 >= deployment.waves.len();
    !last && soak_s > 0 && now_s.saturating_sub(wave_since_s) >= soak_s
}

/// What is known of the devices of the step in force.
#[derive(Clone, Copy, Debug)]
pub struct WaveSeen {
    /// Whether one of the devices that this step added has confirmed the set.
    pub confirmed: bool,
    /// Whether the group has claimed devices.
    pub devices: bool,
    /// Whether this step adds one of them.
    pub adds_one: bool,
}

/// Whether a step has shown enough for the next one.
///
/// GATE-4: time alone shows nothing: devices that are switched off fail nothing either. A step
/// waits until one device that it added has confirmed the set. In a small fleet a step may add no
/// device; then it has nothing to show and is passed over. A group without any device waits: else
/// its first devices would all come in the last step.
#[must_use]
pub fn wave_has_shown(seen: WaveSeen) -> bool {
    seen.confirmed || (seen.devices && !seen.adds_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: ImageSetId = ImageSetId([2; 32]);
    const OLD: ImageSetId = ImageSetId([1; 32]);

    fn seen() -> Seen {
        Seen { assigned_before: Some(NEW), attested: Some(NEW), trial: false, failed: None }
    }

    #[test]
    fn gate_1_a_device_that_was_not_assigned_the_set_neither_pauses_nor_pads() {
        for assigned_before in [None, Some(OLD)] {
            for failed in [None, Some(NEW)] {
                let claim = Seen { assigned_before, failed, ..seen() };
                assert_eq!(outcome_of(NEW, claim), None, "{claim:?}");
            }
        }
    }

    #[test]
    fn gate_1_an_assigned_device_confirms_by_evidence_and_fails_by_its_word() {
        assert_eq!(outcome_of(NEW, seen()), Some(Outcome::Confirmed));
        assert_eq!(outcome_of(NEW, Seen { trial: true, ..seen() }), None);
        assert_eq!(outcome_of(NEW, Seen { attested: Some(OLD), ..seen() }), None);
        let fell_back = Seen { attested: Some(OLD), failed: Some(NEW), ..seen() };
        assert_eq!(outcome_of(NEW, fell_back), Some(Outcome::Failed));
        // A device that refused the set never ran it: it says so in the same way.
        let refused = Seen { attested: None, failed: Some(NEW), ..seen() };
        assert_eq!(outcome_of(NEW, refused), Some(Outcome::Failed));
        let of_another = Seen { attested: Some(OLD), failed: Some(OLD), ..seen() };
        assert_eq!(outcome_of(NEW, of_another), None);
    }

    #[test]
    fn the_rule_pauses_at_its_number_of_failures_and_never_if_it_is_zero() {
        let rule = PauseRule { failures: 2, outcomes: 10 };
        assert_eq!(pause_reason(rule, 9, 1), None);
        assert!(pause_reason(rule, 9, 2).unwrap().starts_with("2 of the last 9 devices failed"));
        let never = PauseRule { failures: 0, outcomes: 10 };
        assert_eq!(pause_reason(never, 10, 10), None);
    }

    #[test]
    fn gate_4_a_step_waits_for_a_confirmation_unless_it_adds_no_device() {
        let shown = |confirmed, devices, adds_one| {
            wave_has_shown(WaveSeen { confirmed, devices, adds_one })
        };
        assert!(!shown(false, true, true), "silence is no outcome");
        assert!(shown(true, true, true));
        assert!(shown(false, true, false), "a step that adds nobody has nothing to show");
        assert!(!shown(false, false, false), "a group without devices waits");
    }

    #[test]
    fn each_position_belongs_to_the_first_step_that_reaches_it() {
        let wave = |percent| Wave { percent, soak_s: 0 };
        let waves = [wave(5), wave(25), wave(99)];
        for step in 0..10_000u64 {
            let position = Position(step * (u64::MAX / 10_000));
            let wave = wave_of(&waves, position) as usize;
            for (at, one) in waves.iter().enumerate() {
                assert_eq!(position.within(one.percent), at >= wave, "{position:?}");
            }
        }
        assert_eq!(wave_of(&waves, Position(u64::MAX)), 3);
    }
}
