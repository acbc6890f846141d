//! Deployments.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeploymentId, ImageSetId};

/// Asks that a group be offered an admitted set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentCreate {
    /// `product/group`.
    pub group: String,
    /// The admitted set.
    pub image_set: ImageSetId,
    /// Steps, each reaching at least as many as the one before; absent: everyone at once.
    #[serde(default)]
    pub waves: Vec<Wave>,
    /// When to pause by itself.
    #[serde(default)]
    pub pause_rule: PauseRule,
}

/// One step of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// How much of the group it reaches in all, 1 to 100.
    pub percent: u8,
    /// Seconds after which the next one begins by itself, if a device that this one added has
    /// confirmed the set by then, or as soon as one has; 0: only a person advances.
    #[serde(default)]
    pub soak_s: u32,
}

/// Pause when `failures` of the last `outcomes` devices failed, each with its newest outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRule {
    /// Failed devices that pause it; 0: never.
    pub failures: u32,
    /// How many of the newest outcomes are looked at, at most 10000; each device counts once.
    pub outcomes: u32,
}

impl Default for PauseRule {
    fn default() -> Self {
        Self { failures: 1, outcomes: 100 }
    }
}

/// What a deployment does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentState {
    /// Devices within its wave are offered its set.
    Active,
    /// No further device is offered its set; those that have it keep it.
    Paused,
    /// A later deployment took its place.
    Superseded,
}

/// A deployment: one set offered to one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// `product/group`.
    pub group: String,
    /// The set it offers.
    pub image_set: ImageSetId,
    /// What devices outside its wave are offered.
    pub previous_set: Option<ImageSetId>,
    /// What it does now.
    pub state: DeploymentState,
    /// Why it is paused, in words.
    pub reason: Option<String>,
    /// Its steps.
    pub waves: Vec<Wave>,
    /// Index of the step in force.
    pub wave: u32,
    /// When to pause by itself.
    pub pause_rule: PauseRule,
    /// Devices that confirmed its set.
    pub confirmed: u64,
    /// Devices that failed with it.
    pub failed: u64,
    /// When it was created, Unix seconds.
    pub created_s: u64,
}

/// Deployments of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeploymentList {
    /// Newest first.
    pub items: Vec<Deployment>,
}

/// Why a person pauses a deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// In words, at most 500 bytes.
    #[serde(default)]
    pub reason: String,
}
