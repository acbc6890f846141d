//! The transparency log of a catalog (RFC 6962 hashing).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Base64, Digest};

/// A signed statement of the log's size and root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Leaves in it.
    pub size: u64,
    /// RFC 6962 root over those leaves.
    pub root: Digest,
    /// The statement with its signatures, as a device checks it.
    pub signed: Base64,
    /// Whether a threshold of the trust store's witnesses has cosigned it.
    pub cosigned: bool,
    /// When it was signed, Unix seconds.
    pub created_s: u64,
}

/// One leaf of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Its place, from 0.
    pub index: u64,
    /// What kind of fact it records, such as `image-set`.
    pub kind: String,
    /// The leaf's bytes.
    pub leaf: Base64,
    /// RFC 6962 hash of the leaf.
    pub hash: Digest,
    /// When it was added, Unix seconds.
    pub created_s: u64,
}

/// Leaves of the log, a page of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogEntries {
    /// In the log's order.
    pub items: Vec<LogEntry>,
}

/// Shows that a leaf is in the tree of a given size (RFC 6962 section 2.1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InclusionProof {
    /// The leaf's place.
    pub index: u64,
    /// The tree's size.
    pub size: u64,
    /// RFC 6962 hash of the leaf.
    pub leaf_hash: Digest,
    /// The tree's root.
    pub root: Digest,
    /// Siblings from the leaf upward.
    pub path: Vec<Digest>,
}

/// Shows that one tree is a prefix of another (RFC 6962 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConsistencyProof {
    /// Size of the smaller tree.
    pub from: u64,
    /// Size of the larger tree.
    pub to: u64,
    /// Nodes as RFC 6962 orders them.
    pub path: Vec<Digest>,
}
