//! The transparency log of a catalog: what is a leaf, and the proofs about leaves.
//!
//! Every admitted image set, deployment, claim, capability, grant and trust-store section is a
//! leaf. What would tell something about a device or a person goes in as a salted commitment. There
//! is no leaf per check-in.

mod checkpoint;
mod error;
mod leaf;
mod tree;

pub use checkpoint::{sign_checkpoint, with_cosignature};
pub use error::AuditError;
pub use leaf::{Leaf, LeafKind, commitment};
pub use tree::{Nodes, Subtree, append, consistency, inclusion, leaf_hash, root};
