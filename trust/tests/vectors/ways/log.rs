//! Checkpoints and Merkle proofs.

use super::{cut, flipped};
use crate::proofs;
use crate::value::{Array, Null, Number, Value};
use crate::vector::{Judge, Vector, hashes};
use crate::world::{self, LOG, STRANGER, WITNESS, catalog, payload, resealed, role, seal};
use craton_trust::Digest;
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::store::Role;

fn judge() -> Judge {
    Judge::default()
        .with("section", "owner")
        .with("catalog", &catalog().0[..])
        .with("size_least", 4)
        .signer(Role::Log, LOG)
        .signer(Role::Witness, WITNESS)
}

pub fn checkpoints() -> Vec<Vector> {
    let (judge, good) = (judge(), world::checkpoint());
    let bytes = payload(&good);
    let two = judge.clone().role(Role::Witness, &role(2, &[WITNESS, 0x51]));
    let bad = |way, says, error, bytes| judge.bad("checkpoint", way, says, error, bytes);
    let by = |seeds: &[u8]| seal(Kind::Checkpoint, &bytes, seeds);
    let with = |place: usize, value: Value| {
        resealed(Kind::Checkpoint, &good, &[LOG, WITNESS], |v| *v.item(place) = value)
    };
    vec![
        judge.good("checkpoint", "good", "five entries, log and witness signed", good.clone()),
        bad("witness-missing", "only the log signed", Error::SignerUnknown, by(&[LOG])),
        bad("log-missing", "only the witness signed", Error::SignerUnknown, by(&[WITNESS])),
        bad("signer-unknown", "a stranger signed", Error::SignerUnknown, by(&[STRANGER])),
        two.bad(
            "checkpoint",
            "one-witness-of-two",
            "one of two witnesses signed",
            Error::ThresholdNotMet,
            by(&[LOG, WITNESS]),
        ),
        bad("shrunk", "three entries, and four were believed", Error::CheckpointShrank, {
            world::checkpoint_of(3)
        }),
        bad("other-catalog", "another catalog's log", Error::OtherCatalog, {
            with(1, Value::bytes([7; 32]))
        }),
        bad("format-unknown", "format 2", Error::VersionUnknown, with(0, Number(2))),
        bad("size-missing", "null entries", Error::FieldInvalid, with(2, Null)),
        bad("replayed", "signed as an image set", Error::SignatureInvalid, {
            seal(Kind::ImageSet, &bytes, &[LOG, WITNESS])
        }),
        bad("flipped-bit", "one bit of the root", Error::SignatureInvalid, flipped(&good, 480)),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        judge.clone().with("section", "platform").bad(
            "checkpoint",
            "platform-section",
            "judged by a platform section with the same keys",
            Error::SectionKind,
            good.clone(),
        ),
    ]
}

fn proof(leaf: Digest, index: u64, size: u64, path: &[Digest], root: Digest) -> Vec<u8> {
    let (leaf, root) = (Value::bytes(leaf.0), Value::bytes(root.0));
    Array(vec![leaf, Number(index), Number(size), hashes(path), root]).encode()
}

pub fn inclusions() -> Vec<Vector> {
    let judge = Judge::default();
    let leaves = world::leaves();
    let (root, path) = (proofs::root(&leaves), proofs::inclusion(&leaves, 2));
    let (set, size) = (leaves[2], 5);
    let mut wrong = path.clone();
    wrong[0].0[0] ^= 1;
    let longer = [&path[..], &[Digest([0; 32])]].concat();
    let bad = |way, says, bytes| judge.bad("inclusion", way, says, Error::NotLogged, bytes);
    vec![
        judge.good("inclusion", "good", "entry 2 of 5", proof(set, 2, size, &path, root)),
        judge.good("inclusion", "good-only-entry", "entry 0 of 1", proof(set, 0, 1, &[], set)),
        bad("wrong-path", "one bit of a hash", proof(set, 2, size, &wrong, root)),
        bad("wrong-index", "entry 3", proof(set, 3, size, &path, root)),
        bad("wrong-size", "entry 2 of 4", proof(set, 2, 4, &path, root)),
        bad("wrong-root", "another tree", proof(set, 2, size, &path, set)),
        bad("wrong-leaf", "another set", proof(leaves[1], 2, size, &path, root)),
        bad("index-beyond", "entry 5 of 5", proof(set, 5, size, &path, root)),
        bad("path-short", "a hash is missing", proof(set, 2, size, &path[..2], root)),
        bad("path-long", "a hash too many", proof(set, 2, size, &longer, root)),
        bad("path-64", "64 hashes", proof(set, 2, size, &[Digest([0; 32]); 64], root)),
    ]
}

fn step(old: (u64, Digest), new: (u64, Digest), path: &[Digest]) -> Vec<u8> {
    let sides = [old, new].map(|(size, root)| [Number(size), Value::bytes(root.0)]);
    Array(sides.into_iter().flatten().chain([hashes(path)]).collect()).encode()
}

pub fn consistencies() -> Vec<Vector> {
    let judge = Judge::default();
    let leaves = world::leaves();
    let at = |size: usize| (size as u64, proofs::root(&leaves[..size]));
    let path = proofs::consistency(&leaves, 3);
    let mut wrong = path.clone();
    wrong[1].0[31] ^= 1;
    let fork = (5, Digest([0xf0; 32]));
    let bad = |way, says, error, bytes| judge.bad("consistency", way, says, error, bytes);
    let forked = Error::LogForked;
    vec![
        judge.good("consistency", "good", "3 entries, then 5", step(at(3), at(5), &path)),
        judge.good("consistency", "good-same", "5 entries twice", step(at(5), at(5), &[])),
        bad("shrunk", "5 entries, then 3", Error::CheckpointShrank, step(at(5), at(3), &path)),
        bad("forked", "another tree of 5", forked, step(at(3), fork, &path)),
        bad("forked-same-size", "two trees of 5", forked, step(at(5), fork, &[])),
        bad("wrong-path", "one bit of a hash", forked, step(at(3), at(5), &wrong)),
        bad("path-short", "a hash is missing", forked, step(at(3), at(5), &path[..2])),
        bad("path-empty", "no hash", forked, step(at(3), at(5), &[])),
    ]
}
