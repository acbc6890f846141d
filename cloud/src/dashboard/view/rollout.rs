//! Rollouts: one set on its way to one device group.

use askama::Template;
use craton_api::operator::{DeploymentId, DeploymentState};

use super::{Frame, GroupLine, Moment, SetName, counted, grouped, moment::span, percent};

/// Every rollout of a catalog.
#[derive(Clone, Debug, Template)]
#[template(path = "rollouts.html")]
pub struct RolloutsPage {
    /// Around it.
    pub frame: Frame,
    /// Newest first.
    pub rollouts: Vec<RolloutLine>,
}

/// One rollout in a table.
#[derive(Clone, Debug)]
pub struct RolloutLine {
    /// Its id.
    pub id: DeploymentId,
    /// `product/group`.
    pub group: String,
    /// What it offers.
    pub set: SetName,
    /// What it does now.
    pub state: DeploymentState,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Step in force, counted from 1, of how many.
    pub wave: (u32, u32),
    /// Devices that confirmed the set.
    pub confirmed: u64,
    /// Devices that failed with it.
    pub failed: u64,
    /// When it was created.
    pub created: Moment,
}

/// One rollout.
#[derive(Clone, Debug, Template)]
#[template(path = "rollout.html")]
pub struct RolloutPage {
    /// Around it.
    pub frame: Frame,
    /// Its id.
    pub id: DeploymentId,
    /// `product/group`.
    pub group: String,
    /// What it offers.
    pub set: SetName,
    /// What devices outside its wave are offered.
    pub previous: Option<SetName>,
    /// What it does now.
    pub state: DeploymentState,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Groups of failures that its set had in this device group, most failures first.
    pub causes: Vec<GroupLine>,
    /// How far its devices have come.
    pub funnel: Funnel,
    /// Its steps.
    pub waves: Vec<WaveLine>,
    /// Failures that pause it; 0: none do.
    pub pause_failures: u64,
    /// Out of how many last outcomes.
    pub pause_outcomes: u64,
    /// When it was created.
    pub created: Moment,
    /// What a person can do next.
    pub commands: Vec<Command>,
    /// Seconds after which the page asks again by itself, if the reader wished so.
    pub refresh_s: Option<u32>,
}

/// How far the devices of a rollout have come; each step is a part of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// Devices in the group.
    pub in_group: u64,
    /// Assigned the set at their last check-in, or further.
    pub offered: u64,
    /// Running it, as their evidence shows, but not confirmed.
    pub on_trial: u64,
    /// Confirmed it.
    pub confirmed: u64,
    /// Failed with it; they run the set before.
    pub failed: u64,
}

impl Funnel {
    /// Its steps as the page shows them: word, meaning, count, colour.
    #[must_use]
    pub fn steps(&self) -> [(&'static str, &'static str, u64, &'static str); 5] {
        [
            ("in the group", "devices listed in the group", self.in_group, "plain"),
            ("offered", "assigned this set by a check-in", self.offered, "accent"),
            ("on trial", "evidence shows the set, not confirmed", self.on_trial, "info"),
            ("confirmed", "healthy for the whole trial", self.confirmed, "good"),
            ("failed", "fell back, or failed with the set", self.failed, "bad"),
        ]
    }
}

/// One step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaveLine {
    /// Counted from 1.
    pub number: u32,
    /// How much of the group it reaches in all.
    pub percent: u8,
    /// Seconds until the next one begins by itself; 0: a person advances.
    pub soak_s: u64,
    /// Whether it is behind, in force or ahead.
    pub place: WavePlace,
}

/// Where a rollout is with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavePlace {
    /// Over.
    Behind,
    /// Now.
    InForce,
    /// Not yet.
    Ahead,
}

impl WaveLine {
    /// In words, for the page.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self.place {
            WavePlace::Behind => "done",
            WavePlace::InForce => "in force",
            WavePlace::Ahead => "not begun",
        }
    }

    /// Its colour.
    #[must_use]
    pub fn tone(&self) -> &'static str {
        match self.place {
            WavePlace::Behind => "good",
            WavePlace::InForce => "info",
            WavePlace::Ahead => "plain",
        }
    }
}

/// What a person can do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it does.
    pub does: &'static str,
    /// The line to type.
    pub line: String,
}

/// The word for what a rollout does now.
#[must_use]
pub fn state_word(state: &DeploymentState) -> &'static str {
    match state {
        DeploymentState::Active => "active",
        DeploymentState::Paused => "paused",
        DeploymentState::Superseded => "superseded",
    }
}

/// Its colour.
#[must_use]
pub fn state_tone(state: &DeploymentState) -> &'static str {
    match state {
        DeploymentState::Active => "good",
        DeploymentState::Paused => "bad",
        DeploymentState::Superseded => "plain",
    }
}
