//! Which set a device is offered, and when a deployment pauses by itself. Pure: time, secrets and
//! counts are passed in.

mod error;
mod gate;

use aws_lc_rs::hmac;
use craton_api::operator::{
    Deployment, DeploymentState, DeviceId, ImageSetId, PauseRule, Purpose, Wave,
};

pub use error::RolloutError;
pub use gate::{
    Outcome, Seen, WaveSeen, next_wave_due, outcome_of, pause_reason, wave_has_shown, wave_of,
};

/// The most steps of one deployment.
const WAVES_MAX: usize = 20;

/// The most outcomes that a pause rule looks at: they are counted in the commit of a check-in.
const OUTCOMES_MAX: u32 = 10_000;

/// A device's place in a release, evenly spread over all of `u64`. Nobody without the catalog's
/// secret can choose or foresee his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl Position {
    /// HMAC-SHA256 by the catalog's secret over release and device.
    #[must_use]
    pub fn of(catalog_secret: &[u8; 32], release: ImageSetId, device: DeviceId) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, catalog_secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"craton/1/wave");
        context.update(&release.0);
        context.update(&device.0);
        let tag = context.sign();
        let first = tag.as_ref().iter().take(8);
        Self(first.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Whether a step of `percent` reaches it. A larger step reaches all that a smaller one did.
    #[must_use]
    pub fn within(self, percent: u8) -> bool {
        u128::from(self.0) * 100 < u128::from(percent) << 64
    }
}

/// The steps as they will be kept: none means everyone at once.
///
/// # Errors
/// `WavesInvalid`.
pub fn checked_waves(waves: Vec<Wave>) -> Result<Vec<Wave>, RolloutError> {
    if waves.is_empty() {
        return Ok(vec![Wave { percent: 100, soak_s: 0 }]);
    }
    let in_range = waves.iter().all(|wave| (1..=100).contains(&wave.percent));
    let rising = waves.iter().is_sorted_by(|one, next| one.percent < next.percent);
    let few = waves.len() <= WAVES_MAX;
    if in_range && rising && few { Ok(waves) } else { Err(RolloutError::WavesInvalid) }
}

/// Refuses a rule that looks at fewer outcomes than the failures it waits for, or at too many.
///
/// # Errors
/// `PauseRuleInvalid`.
pub fn checked_rule(rule: PauseRule) -> Result<PauseRule, RolloutError> {
    let met = rule.failures <= rule.outcomes && rule.outcomes <= OUTCOMES_MAX;
    if met { Ok(rule) } else { Err(RolloutError::PauseRuleInvalid) }
}

/// Refuses a development set for a group that is not for development.
///
/// # Errors
/// `SetPurposeMismatch`.
pub fn check_purpose(set: Purpose, group_development: bool) -> Result<(), RolloutError> {
    match set {
        Purpose::Development if !group_development => Err(RolloutError::SetPurposeMismatch),
        _ => Ok(()),
    }
}

/// The percentage that the step in force reaches.
#[must_use]
pub fn percent_now(deployment: &Deployment) -> u8 {
    let wave = deployment.waves.get(deployment.wave as usize).or(deployment.waves.last());
    wave.map_or(100, |wave| wave.percent)
}

/// The set that a device is offered by the deployment of its group.
///
/// While it is active, devices within the step in force get its set, the others the previous one.
/// While it is paused, only those that already run its set keep it.
#[must_use]
pub fn offered_set(
    deployment: &Deployment,
    position: Position,
    runs_now: Option<ImageSetId>,
) -> Option<ImageSetId> {
    let has_it = runs_now == Some(deployment.image_set);
    let reached = match deployment.state {
        DeploymentState::Active => has_it || position.within(percent_now(deployment)),
        DeploymentState::Paused => has_it,
        DeploymentState::Superseded => false,
    };
    if reached { Some(deployment.image_set) } else { deployment.previous_set }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_api::operator::DeploymentId;

    fn deployment(state: DeploymentState, waves: Vec<Wave>) -> Deployment {
        Deployment {
            id: DeploymentId([1; 16]),
            group: "meter/Production".into(),
            image_set: ImageSetId([2; 32]),
            previous_set: Some(ImageSetId([1; 32])),
            state,
            reason: None,
            waves,
            wave: 0,
            pause_rule: PauseRule::default(),
            confirmed: 0,
            failed: 0,
            created_s: 0,
        }
    }

    fn device(number: u16) -> DeviceId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        DeviceId(id)
    }

    #[test]
    fn positions_are_even_and_a_later_step_keeps_who_was_reached() {
        let release = ImageSetId([9; 32]);
        let all: Vec<Position> =
            (0..10_000).map(|n| Position::of(&[3; 32], release, device(n))).collect();
        for percent in [1u8, 5, 25, 50, 99] {
            let reached = all.iter().filter(|position| position.within(percent)).count();
            let expected = usize::from(percent) * 100;
            assert!(reached.abs_diff(expected) < 200, "{percent} %: {reached}");
        }
        assert!(all.iter().all(|position| position.within(100)));
        assert!(all.iter().filter(|p| p.within(5)).all(|p| p.within(25)));
        assert!(!Position(0).within(0));
        assert!(Position(u64::MAX).within(100) && !Position(u64::MAX).within(99));
    }

    #[test]
    fn another_release_or_secret_gives_another_position() {
        let here = Position::of(&[3; 32], ImageSetId([9; 32]), device(1));
        assert_ne!(here, Position::of(&[4; 32], ImageSetId([9; 32]), device(1)));
        assert_ne!(here, Position::of(&[3; 32], ImageSetId([8; 32]), device(1)));
    }

    #[test]
    fn a_device_is_offered_the_set_only_within_the_step_or_if_it_runs_it() {
        let waves = vec![Wave { percent: 50, soak_s: 0 }, Wave { percent: 100, soak_s: 0 }];
        let (new, old) = (Some(ImageSetId([2; 32])), Some(ImageSetId([1; 32])));
        let (inside, outside) = (Position(0), Position(u64::MAX));
        let active = deployment(DeploymentState::Active, waves.clone());
        assert_eq!(offered_set(&active, inside, None), new);
        assert_eq!(offered_set(&active, outside, old), old);
        assert_eq!(offered_set(&active, outside, new), new);
        let paused = deployment(DeploymentState::Paused, waves);
        assert_eq!(offered_set(&paused, inside, old), old);
        assert_eq!(offered_set(&paused, inside, new), new);
        let mut second = active;
        second.wave = 1;
        assert_eq!(offered_set(&second, outside, old), new);
    }

    #[test]
    fn waves_invalid_refuses_steps_that_do_not_rise_or_leave_1_to_100() {
        let wave = |percent| Wave { percent, soak_s: 0 };
        let refused = |waves: &[u8]| {
            let waves = waves.iter().map(|percent| wave(*percent)).collect();
            matches!(checked_waves(waves), Err(RolloutError::WavesInvalid))
        };
        assert!(refused(&[0]) && refused(&[101]) && refused(&[50, 50]) && refused(&[50, 10]));
        assert!(refused(&(1..=21).collect::<Vec<u8>>()));
        assert_eq!(checked_waves(vec![]).unwrap(), [wave(100)]);
        assert_eq!(checked_waves(vec![wave(5), wave(100)]).unwrap().len(), 2);
    }

    #[test]
    fn pause_rule_invalid_refuses_more_failures_than_outcomes() {
        let rule = checked_rule(PauseRule { failures: 3, outcomes: 2 });
        assert!(matches!(rule, Err(RolloutError::PauseRuleInvalid)));
        let rule = checked_rule(PauseRule { failures: 1, outcomes: 10_001 });
        assert!(matches!(rule, Err(RolloutError::PauseRuleInvalid)));
        assert!(checked_rule(PauseRule { failures: 0, outcomes: 0 }).is_ok());
    }

    #[test]
    fn purpose_mismatch_keeps_development_sets_out_of_other_groups() {
        let refused = check_purpose(Purpose::Development, false);
        assert!(matches!(refused, Err(RolloutError::SetPurposeMismatch)));
        assert!(check_purpose(Purpose::Development, true).is_ok());
        assert!(check_purpose(Purpose::Production, false).is_ok());
    }

    #[test]
    fn the_next_step_is_due_after_its_soak_and_never_after_the_last() {
        let waves = vec![Wave { percent: 5, soak_s: 60 }, Wave { percent: 100, soak_s: 60 }];
        let mut active = deployment(DeploymentState::Active, waves);
        assert!(!next_wave_due(&active, 100, 159));
        assert!(next_wave_due(&active, 100, 160));
        assert!(!next_wave_due(&active, 100, 50), "a clock that went back");
        active.wave = 1;
        assert!(!next_wave_due(&active, 100, 1_000));
    }
}
