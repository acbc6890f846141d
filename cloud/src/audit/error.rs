//! Why the log did not answer.

/// A refusal of the log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No leaf has this hash.
    #[error("E4251: the log has no leaf with this hash. GET …/audit/entries lists the leaves.")]
    LeafUnknown,
    /// The log is smaller.
    #[error(
        "E4252: the log has {size} leaves, fewer than asked for. Ask for a size up to that, the \
         leaf's place below it."
    )]
    TreeTooSmall {
        /// Leaves in the log.
        size: u64,
    },
    /// The cosigned object is not this log's checkpoint, or no witness of the trust store signed
    /// it.
    #[error(
        "E4253: the cosigned checkpoint is not believed ({0}). Cosign the newest checkpoint with a \
         key of the role `witness`."
    )]
    CosignatureRefused(craton_trust::Error),
    /// The log has no checkpoint of this size, or a later one is cosigned.
    #[error(
        "E4254: this is no checkpoint of the log above the last cosigned one. Fetch the newest one \
         and cosign that."
    )]
    CheckpointUnknown,
    /// The log's key refused to sign.
    #[error("E4255: the log's key did not sign ({0}). Look at the service's keys and its log.")]
    LogKeyRefused(craton_trust::Error),
}

impl AuditError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::LeafUnknown => 4251,
            Self::TreeTooSmall { .. } => 4252,
            Self::CosignatureRefused(_) => 4253,
            Self::CheckpointUnknown => 4254,
            Self::LogKeyRefused(_) => 4255,
        }
    }
}
