//! The transparency log: what the service has bound itself to.

use askama::Template;
use craton_api::operator::Digest;

use super::{Frame, Moment, counted, grouped};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "log.html")]
pub struct LogPage {
    /// Around it.
    pub frame: Frame,
    /// The newest, once there is one.
    pub checkpoint: Option<CheckpointView>,
    /// The last entries, newest first.
    pub entries: Vec<EntryLine>,
}

impl LogPage {
    /// Without a witness nobody outside would notice two histories: the page must not say more.
    #[must_use]
    pub fn transparent(&self) -> bool {
        self.checkpoint.as_ref().is_some_and(|newest| newest.cosigned)
    }
}

/// A signed statement of the log's size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointView {
    /// The log's name.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Digest,
    /// Whether a threshold of the trust store's witnesses has cosigned it.
    pub cosigned: bool,
    /// When it was signed.
    pub created: Moment,
}

/// One leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryLine {
    /// Its place, from 0.
    pub index: u64,
    /// What kind of fact it records.
    pub kind: String,
    /// RFC 6962 hash of the leaf.
    pub hash: Digest,
    /// When it was added.
    pub created: Moment,
}
