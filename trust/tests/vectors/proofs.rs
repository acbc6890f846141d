//! Merkle proofs by a naive tree (RFC 9162 §2.1.1–2.1.4, read literally), against the verifier.

use craton_trust::error::Error;
use craton_trust::merkle::{self, PATH_MAX};
use craton_trust::soft::Soft;
use craton_trust::{Digest, SetId};

/// Every tree up to this size is tried whole.
const LEAVES_MAX: usize = 70;

/// MTH of the leaf hashes.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => crate::world::sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            merkle::node(&Soft, &root(left), &root(right))
        }
    }
}

/// The largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// PATH(m, D\[n\]).
pub fn inclusion(leaves: &[Digest], index: usize) -> Vec<Digest> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (inclusion(left, index), root(right)),
        Some(index) => (inclusion(right, index), root(left)),
    };
    path.push(sibling);
    path
}

/// PROOF(m, D\[n\]).
pub fn consistency(leaves: &[Digest], old: usize) -> Vec<Digest> {
    subproof(leaves, old, true)
}

fn subproof(leaves: &[Digest], old: usize, whole: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = match old.checked_sub(left.len()) {
        None | Some(0) => (subproof(left, old, whole), root(right)),
        Some(old) => (subproof(right, old, false), root(left)),
    };
    path.push(sibling);
    path
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|n| merkle::leaf(&Soft, &n.to_be_bytes())).collect()
}

fn flipped(path: &[Digest]) -> impl Iterator<Item = Vec<Digest>> + '_ {
    (0..path.len()).map(|place| {
        let mut path = path.to_vec();
        path[place].0[place % 32] ^= 1 << (place % 8);
        path
    })
}

/// The path with its last hash missing, and with one too many.
fn resized(path: &[Digest]) -> Vec<Vec<Digest>> {
    let longer = [path, &[Digest([0; 32])]].concat();
    let shorter = path.split_last().map(|(_, rest)| rest.to_vec());
    shorter.into_iter().chain([longer]).collect()
}

#[test]
fn log_1_every_leaf_of_every_tree_up_to_70_proves_its_inclusion_and_nothing_else_does() {
    let all = leaves(LEAVES_MAX);
    for size in 1..=LEAVES_MAX {
        let root = root(&all[..size]);
        for index in 0..size {
            let path = inclusion(&all[..size], index);
            let judge = |leaf: usize, index: usize, size: usize, path: &[Digest]| {
                let (index, size) = (index as u64, size as u64);
                merkle::inclusion(&Soft, all[leaf], index, size, path, &root)
            };
            assert_eq!(judge(index, index, size, &path), Ok(()), "{index} of {size}");
            let refused = Err(Error::NotLogged);
            for path in flipped(&path).chain(resized(&path)) {
                assert_eq!(judge(index, index, size, &path), refused, "{index} of {size}");
            }
            let next = (index + 1) % size;
            if next != index {
                assert_eq!(judge(next, index, size, &path), refused);
                assert_eq!(judge(index, next, size, &path), refused);
            }
            assert_eq!(judge(index, size, size, &path), refused);
        }
    }
}

#[test]
fn log_3_every_beginning_of_every_tree_up_to_70_proves_consistent_and_nothing_else_does() {
    let all = leaves(LEAVES_MAX);
    let roots: Vec<Digest> = (0..=LEAVES_MAX).map(|size| root(&all[..size])).collect();
    for new in 1..=LEAVES_MAX {
        for old in 1..=new {
            let path = consistency(&all[..new], old);
            let judge = |first: Digest, second: Digest, path: &[Digest]| {
                merkle::consistency(&Soft, (old as u64, first), (new as u64, second), path)
            };
            assert_eq!(judge(roots[old], roots[new], &path), Ok(()), "{old} in {new}");
            let refused = Err(Error::LogForked);
            for path in flipped(&path).chain(resized(&path)) {
                assert_eq!(judge(roots[old], roots[new], &path), refused, "{old} in {new}");
            }
            assert_eq!(judge(Digest([1; 32]), roots[new], &path), refused);
            assert_eq!(judge(roots[old], Digest([1; 32]), &path), refused);
        }
    }
}

#[test]
fn log_3_a_log_that_shrank_or_forked_is_refused() {
    let all = leaves(8);
    let (four, eight) = (root(&all[..4]), root(&all));
    let path = consistency(&all, 4);
    let judge = |old, new, path: &[Digest]| merkle::consistency(&Soft, old, new, path);
    assert_eq!(judge((8, eight), (4, four), &[]), Err(Error::CheckpointShrank));
    assert_eq!(judge((8, eight), (8, four), &[]), Err(Error::LogForked));
    assert_eq!(judge((8, eight), (8, eight), &path), Err(Error::LogForked));
    assert_eq!(judge((0, four), (8, eight), &[]), Ok(()));
    assert_eq!(judge((0, four), (8, eight), &path), Err(Error::LogForked));
}

#[test]
fn log_1_numbers_at_the_end_of_their_range_are_refused_not_computed() {
    let (leaf, long) = (Digest([1; 32]), [Digest([2; 32]); PATH_MAX + 1]);
    for (index, size) in [(0, 0), (u64::MAX, u64::MAX), (u64::MAX - 1, u64::MAX), (0, u64::MAX)] {
        for path in [&long[..], &long[1..], &[]] {
            let verdict = merkle::inclusion(&Soft, leaf, index, size, path, &leaf);
            assert_eq!(verdict, Err(Error::NotLogged), "{index} of {size}");
        }
    }
    for old in [1, 1 << 63, u64::MAX - 1] {
        for path in [&long[..], &[]] {
            let verdict = merkle::consistency(&Soft, (old, leaf), (u64::MAX, leaf), path);
            assert_eq!(verdict, Err(Error::LogForked), "{old}");
        }
    }
}

#[test]
fn log_1_a_node_never_passes_as_a_leaf() {
    let all = leaves(2);
    let as_entry = [&all[0].0[..], &all[1].0].concat();
    assert_ne!(merkle::leaf(&Soft, &as_entry), root(&all));
    let entry = merkle::image_set_entry(SetId([5; 32]));
    assert_eq!(entry[..], [&[1][..], &[5; 32]].concat());
}
