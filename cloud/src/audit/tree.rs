//! The prover's side of RFC 6962 section 2.1; `craton_trust::merkle` is the verifier's.
//!
//! The roots of complete subtrees are kept, so that a proof reads O(log² n) of them.

use craton_api::operator::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::merkle;

use crate::crypto::AwsLc;

/// A complete subtree: the leaves `place * 2^level` up to `(place + 1) * 2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subtree {
    /// Its height.
    pub level: u32,
    /// Which one of that height, from the left.
    pub place: u64,
}

/// Where the roots of complete subtrees are kept.
pub trait Nodes {
    /// Why one could not be read.
    type Error;

    /// The root of a complete subtree of the log.
    ///
    /// # Errors
    /// The keeper's own; also for a subtree that is not complete yet.
    fn hash(&self, subtree: Subtree) -> Result<Digest, Self::Error>;
}

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    merkle::leaf(&AwsLc, leaf).into()
}

/// The subtrees that leaf `index` completes, itself first.
///
/// # Errors
/// Those of `nodes`.
pub fn append<N: Nodes>(
    nodes: &N,
    index: u64,
    leaf_hash: Digest,
) -> Result<Vec<(Subtree, Digest)>, N::Error> {
    let mut at = Subtree { level: 0, place: index };
    let mut hash = leaf_hash;
    let mut completed = vec![(at, hash)];
    while at.place % 2 == 1 {
        let left = nodes.hash(Subtree { level: at.level, place: at.place - 1 })?;
        hash = node_hash(left, hash);
        at = Subtree { level: at.level + 1, place: at.place / 2 };
        completed.push((at, hash));
    }
    Ok(completed)
}

/// The root over the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Digest, N::Error> {
    if size == 0 {
        return Ok(AwsLc.sha256(&[]).into());
    }
    range_hash(nodes, 0, size)
}

/// The path of leaf `index` in the tree of the first `size` leaves (RFC 6962 section 2.1.1).
/// `index` must be below `size`.
///
/// # Errors
/// Those of `nodes`.
pub fn inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + largest_power_below(end - start);
        if index < middle {
            path.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Shows that the first `from` leaves are a prefix of the first `to` (RFC 6962 section 2.1.2).
/// `from` must not be above `to`; nothing is needed to show it for none or for all.
///
/// # Errors
/// Those of `nodes`.
pub fn consistency<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Vec<Digest>, N::Error> {
    if from == 0 || from >= to {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, to);
    let mut path = Vec::new();
    while from != end {
        let middle = start + largest_power_below(end - start);
        if from <= middle {
            path.push(range_hash(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(nodes, start, middle)?);
            start = middle;
        }
    }
    // Whoever asks knows the root of the first `from` leaves, if that is the subtree left over.
    if start != 0 {
        path.push(range_hash(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

fn range_hash<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Digest, N::Error> {
    let count = end - start;
    if count.is_power_of_two() && start.is_multiple_of(count) {
        return nodes.hash(Subtree { level: count.trailing_zeros(), place: start / count });
    }
    let middle = start + largest_power_below(count);
    Ok(node_hash(range_hash(nodes, start, middle)?, range_hash(nodes, middle, end)?))
}

/// The largest power of two below `count`, which is at least 2.
fn largest_power_below(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn node_hash(left: Digest, right: Digest) -> Digest {
    merkle::node(&AwsLc, &left.into(), &right.into()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Panics for a subtree that is not complete, so that a prover that asks for one is caught.
    #[derive(Default)]
    struct Kept(HashMap<Subtree, Digest>);

    impl Nodes for Kept {
        type Error = std::convert::Infallible;
        fn hash(&self, subtree: Subtree) -> Result<Digest, Self::Error> {
            Ok(self.0[&subtree])
        }
    }

    /// The definition of RFC 6962, without anything kept.
    fn root_by_definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => AwsLc.sha256(&[]).into(),
            [only] => *only,
            many => {
                let (left, right) = many.split_at(largest_power_below(many.len() as u64) as usize);
                node_hash(root_by_definition(left), root_by_definition(right))
            }
        }
    }

    fn log_of(count: u64) -> (Kept, Vec<Digest>) {
        let mut nodes = Kept::default();
        let leaves: Vec<Digest> = (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for (index, leaf) in leaves.iter().enumerate() {
            let Ok(completed) = append(&nodes, index as u64, *leaf);
            nodes.0.extend(completed);
        }
        (nodes, leaves)
    }

    fn to_trust(path: &[Digest]) -> Vec<craton_trust::Digest> {
        path.iter().map(|digest| (*digest).into()).collect()
    }

    #[test]
    fn every_inclusion_proof_up_to_130_leaves_verifies_and_no_other_leaf_does() {
        let (nodes, leaves) = log_of(130);
        for size in 1..=130u64 {
            let Ok(root) = root(&nodes, size);
            assert_eq!(root, root_by_definition(&leaves[..size as usize]));
            for index in 0..size {
                let Ok(path) = inclusion(&nodes, index, size);
                let path = to_trust(&path);
                let check = |leaf: Digest, index| {
                    merkle::inclusion(&AwsLc, leaf.into(), index, size, &path, &root.into())
                };
                assert_eq!(check(leaves[index as usize], index), Ok(()), "{index} of {size}");
                let other = leaves[((index + 1) % 130) as usize];
                assert!(check(other, index).is_err(), "{index} of {size}");
                assert!(check(leaves[index as usize], index + 1).is_err(), "{index} of {size}");
            }
        }
    }

    #[test]
    fn every_consistency_proof_up_to_130_leaves_verifies_and_no_other_root_does() {
        let (nodes, _) = log_of(130);
        let roots: Vec<Digest> = (0..=130).map(|size| root(&nodes, size).unwrap()).collect();
        for to in 0..=130u64 {
            for from in 0..=to {
                let Ok(path) = consistency(&nodes, from, to);
                let path = to_trust(&path);
                let new = (to, roots[to as usize].into());
                let check =
                    |old: Digest| merkle::consistency(&AwsLc, (from, old.into()), new, &path);
                assert_eq!(check(roots[from as usize]), Ok(()), "{from} to {to}");
                if from > 0 {
                    assert!(check(leaf_hash(b"another")).is_err(), "{from} to {to}");
                }
            }
        }
    }
}
