//! Why a deployment is not as asked.

/// A refusal of rollout.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// No deployment of that id.
    #[error("E4221: there is no such deployment. GET …/deployments lists them.")]
    DeploymentUnknown,
    /// The steps are not usable.
    #[error(
        "E4222: the waves are not 1 to 20 rising percentages from 1 to 100. Write them like \
         5, 25, 100."
    )]
    WavesInvalid,
    /// The pause rule can never be met.
    #[error(
        "E4223: the pause rule waits for more failures than it looks at outcomes, or looks at more \
         than 10000. Raise the outcomes or lower the failures."
    )]
    PauseRuleInvalid,
    /// The set is not countersigned yet.
    #[error("E4224: the image set is not admitted. Have it approved and admitted first.")]
    SetNotAdmitted,
    /// A development set for a group that is not for development.
    #[error(
        "E4225: a development set goes only to groups marked `development`. Publish the set as \
         production, or choose such a group."
    )]
    SetPurposeMismatch,
    /// Only an active deployment can do this.
    #[error("E4226: the deployment is not active. Only an active one can be paused or advanced.")]
    DeploymentNotActive,
    /// Only a paused deployment can be resumed.
    #[error("E4227: the deployment is not paused. Only a paused one can be resumed.")]
    DeploymentNotPaused,
    /// There is no set before this one, or a later deployment took its place.
    #[error(
        "E4228: there is nothing to go back to: the deployment is superseded or was the group's \
         first. Deploy the set you want."
    )]
    NothingToRevert,
    /// The last step is in force.
    #[error("E4229: the deployment is at its last wave. There is nothing to advance to.")]
    LastWave,
    /// The reason is too long.
    #[error("E4230: a reason has at most 500 bytes. Say it shorter.")]
    ReasonTooLong,
}

impl RolloutError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::DeploymentUnknown => 4221,
            Self::WavesInvalid => 4222,
            Self::PauseRuleInvalid => 4223,
            Self::SetNotAdmitted => 4224,
            Self::SetPurposeMismatch => 4225,
            Self::DeploymentNotActive => 4226,
            Self::DeploymentNotPaused => 4227,
            Self::NothingToRevert => 4228,
            Self::LastWave => 4229,
            Self::ReasonTooLong => 4230,
        }
    }
}
