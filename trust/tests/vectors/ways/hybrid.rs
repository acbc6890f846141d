//! Objects of roles that hold keys of two algorithms, and each way to make them need one alone.

use super::{changed, cut};
use crate::hybrid::{self, ROOT, STRANGER, envelope, es256, key, lms, publisher, sign1};
use crate::value::{Array, Number, Raw, Value};
use crate::vector::{Judge, Vector};
use crate::world::{self, CEILING, CLASS, PLATFORM_PUBLISHER, PLATFORM_ROOT, encoded, public};
use crate::world::{sha256, written};
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, SectionBuilder};

fn judge() -> Judge {
    Judge::default()
        .with("section", "platform")
        .with("class", &CLASS.0[..])
        .with("floor", 5)
        .with("ceiling", CEILING)
        .role(Role::Publisher, &publisher())
}

/// A signature whose header was changed.
fn header(sign1: Vec<u8>, place: usize, to: Value) -> Vec<u8> {
    changed(&sign1, |sign1| {
        let header = changed(sign1.item(0).as_bytes(), |header| *header.item(place) = to);
        *sign1.item(0) = Value::bytes(header);
    })
}

/// A signature whose own bytes were changed.
fn bytes(sign1: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    changed(&sign1, |sign1| {
        let mut bytes = sign1.item(3).as_bytes().to_vec();
        change(&mut bytes);
        *sign1.item(3) = Value::bytes(bytes);
    })
}

pub fn envelopes() -> Vec<Vector> {
    let judge = judge();
    let es256_alone = judge.clone().signer(Role::Publisher, PLATFORM_PUBLISHER);
    let good = hybrid::both();
    let bad = |way, says, error, bytes| judge.bad("image", way, says, error, bytes);
    let with = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        envelope(|digest| vec![es256(digest), change(lms(digest))])
    };
    let invalid = Error::SignatureInvalid;
    vec![
        judge.good("image", "good-hybrid", "signed in both algorithms", good.clone()),
        es256_alone.good("image", "good-before-hybrid", "one more than is asked for", good.clone()),
        bad("hybrid-lms-stripped", "no LMS signature", Error::HybridUnmet, {
            envelope(|digest| vec![es256(digest)])
        }),
        bad("hybrid-es256-stripped", "no ES256 signature", Error::SignerUnknown, {
            envelope(|digest| vec![lms(digest)])
        }),
        bad("hybrid-lms-by-stranger", "another tree signed", Error::HybridUnmet, {
            envelope(|digest| vec![es256(digest), sign1(Kind::Image, digest, STRANGER)])
        }),
        bad("hybrid-lms-twice", "one LMS key signed twice", Error::SignerRepeated, {
            envelope(|digest| vec![es256(digest), lms(digest), lms(digest)])
        }),
        bad("hybrid-lms-of-another", "LMS over another manifest", invalid, {
            with(&|_| lms(b"another digest"))
        }),
        bad("hybrid-lms-replayed", "LMS over a section", invalid, {
            envelope(|digest| {
                vec![es256(digest), sign1(Kind::TrustStore, digest, hybrid::PUBLISHER)]
            })
        }),
        bad("hybrid-lms-flipped", "one bit of a chain", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[100] ^= 1))
        }),
        bad("hybrid-lms-other-leaf", "leaf 1 for leaf 0", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[7] = 1))
        }),
        bad("hybrid-lms-leaf-beyond", "leaf 1024", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[6] = 4))
        }),
        bad("hybrid-lms-other-tree", "a tree of height 5", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[1263] = 10))
        }),
        bad("hybrid-lms-other-chains", "digits of 8 bits", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[11] = 8))
        }),
        bad("hybrid-lms-levels", "a second level", invalid, {
            with(&|lms| bytes(lms, |bytes| bytes[3] = 1))
        }),
        bad("hybrid-lms-cut", "1503 bytes of signature", Error::FieldTooLong, {
            with(&|lms| bytes(lms, |bytes| _ = bytes.pop()))
        }),
        bad("hybrid-truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
    ]
}

/// Signatures whose header names another algorithm, or the key of another (SIG-4).
pub fn headers() -> Vec<Vector> {
    let judge = judge();
    let bad = |way, says, error, bytes| judge.bad("image", way, says, error, bytes);
    let es256_id = Value::bytes(public(PLATFORM_PUBLISHER).key_id(&Soft));
    let lms_id = Value::bytes(key(hybrid::PUBLISHER).key_id(&Soft));
    let with = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        envelope(|digest| vec![es256(digest), change(lms(digest))])
    };
    vec![
        bad(
            "hybrid-lms-under-es256-id",
            "LMS, named as the ES256 key",
            Error::AlgorithmMismatch,
            envelope(|digest| vec![header(lms(digest), 1, es256_id.clone())]),
        ),
        bad(
            "hybrid-es256-under-lms-id",
            "ES256, named as the LMS key",
            Error::AlgorithmMismatch,
            with(&|_| header(es256(b"x"), 1, lms_id.clone())),
        ),
        bad("hybrid-lms-as-es256", "LMS bytes under ES256", Error::FieldTooLong, {
            with(&|lms| header(lms, 0, Value::integer(-7)))
        }),
    ]
}

/// LMS where nobody's LMS key signs.
pub fn others() -> Vec<Vector> {
    let set = world::image_set();
    let judge = Judge::default()
        .with("section", "owner")
        .with("catalog", &world::catalog().0[..])
        .with("class", &CLASS.0[..])
        .signer(Role::Publisher, world::PUBLISHER)
        .signer(Role::Catalog, world::CATALOG);
    let payload = world::payload(&set);
    let more = changed(&set, |object| {
        let lms = sign1(Kind::TrustStore, &payload, STRANGER);
        object.item(1).items().push(Value::bytes(lms));
    });
    let says = "an LMS signature beside those that are needed";
    vec![judge.bad("image-set", "lms-beside", says, Error::AlgorithmMismatch, more)]
}

/// The platform's first section, hybrid, and who signed it.
pub fn sections() -> Vec<Vector> {
    let judge = Judge::default();
    let section = encoded(&hybrid::platform());
    let bad = |way, says, error, bytes| judge.bad("trust-store", way, says, error, bytes);
    let by = |seeds: &[u8], trees: &[usize]| hybrid::seal(Kind::TrustStore, &section, seeds, trees);
    vec![
        judge.good("trust-store", "good-hybrid", "root and publisher hybrid", {
            by(&[PLATFORM_ROOT], &[ROOT])
        }),
        bad("hybrid-lms-stripped", "its root signed by ES256 alone", Error::HybridUnmet, {
            by(&[PLATFORM_ROOT], &[])
        }),
        bad("hybrid-es256-stripped", "by LMS alone", Error::SignerUnknown, by(&[], &[ROOT])),
        bad("hybrid-by-publisher", "the publisher's LMS key", Error::HybridUnmet, {
            by(&[PLATFORM_ROOT], &[hybrid::PUBLISHER])
        }),
        bad("lms-owner", "an LMS key in an owner's root", Error::AlgorithmMismatch, {
            let mut owner = world::owner();
            let mut root = world::role(1, &world::ROOTS);
            root.push_lms(key(ROOT)).expect("room");
            owner.set_role(Role::Root, root);
            hybrid::seal(Kind::TrustStore, &encoded(&owner), &world::ROOTS[..1], &[ROOT])
        }),
    ]
}

/// Well-signed sections whose LMS keys are no good (STORE-8).
pub fn keys() -> Vec<Vector> {
    let judge = Judge::default();
    let section = encoded(&hybrid::platform());
    // The role at a place with these keys.
    let bad = |way, says, error, role: usize, threshold: u64, keys: &[&Value]| {
        let keys = keys.iter().map(|key| (*key).clone()).collect();
        let section = changed(&section, |v| {
            *v.item(7).item(role) = Array(vec![Number(threshold), Array(keys)]);
        });
        let bytes = hybrid::seal(Kind::TrustStore, &section, &[PLATFORM_ROOT], &[ROOT]);
        judge.bad("trust-store", way, says, error, bytes)
    };
    let tree = key(STRANGER).to_cose();
    let other = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut hss = key(STRANGER).to_hss().to_vec();
        change(&mut hss);
        Raw(changed(&tree, |key| *key.item(2) = Value::bytes(hss)))
    };
    let es256: Vec<Value> = (0x70..0x78).map(|seed| Raw(public(seed).to_cose().to_vec())).collect();
    let (first, lms) = (&es256[0], &Raw(tree.to_vec()));
    let ml_dsa = Raw(changed(&tree, |key| *key.item(1) = Value::integer(-49)));
    let (impossible, mismatch) = (Error::ThresholdImpossible, Error::AlgorithmMismatch);
    let unknown = Error::LmsSetUnknown;
    let eight: Vec<&Value> = es256.iter().chain([lms]).collect();
    let [height, levels, size] =
        [other(&|hss| hss[7] = 12), other(&|hss| hss[3] = 2), other(&|hss| hss.extend([0; 8]))];
    vec![
        bad("lms-alone", "a publisher with an LMS key alone", impossible, 1, 1, &[lms]),
        bad(
            "lms-too-few",
            "two of two, and one LMS key",
            impossible,
            1,
            2,
            &[first, &es256[1], lms],
        ),
        bad("lms-first", "LMS before ES256", Error::KeyInvalid, 1, 1, &[lms, first]),
        bad("lms-twice", "one LMS key twice", Error::KeyRepeated, 1, 1, &[first, lms, lms]),
        bad("lms-nine", "nine keys in all", Error::FieldTooLong, 1, 1, &eight),
        bad("lms-manufacturer", "no LMS key signs what it signs", mismatch, 7, 1, &[first, lms]),
        bad("lms-other-height", "a tree of height 15", unknown, 1, 1, &[first, &height]),
        bad("lms-levels", "two levels", unknown, 1, 1, &[first, &levels]),
        bad("lms-32-bytes", "hashes of 32 bytes", unknown, 1, 1, &[first, &size]),
        bad("lms-other-algorithm", "ML-DSA-65", mismatch, 1, 1, &[first, &ml_dsa]),
    ]
}

/// Successors that make a platform hybrid, keep it so, or no longer.
pub fn successors() -> Vec<Vector> {
    let (plain, hybrid) = (world::platform(), hybrid::platform());
    let both = hybrid::both();
    let es256_only = envelope(|digest| vec![es256(digest)]);
    let of = |old: &SectionBuilder, installed: &[u8]| {
        Judge::default()
            .with("old", &encoded(old)[..])
            .with("genesis", &sha256(&encoded(old)).0[..])
            .with("installed_images", &[installed.to_vec()][..])
    };
    let to = |old: &SectionBuilder, next: &SectionBuilder, seeds: &[u8], trees: &[usize]| {
        let mut next = next.clone();
        (next.genesis, next.version) = (Some(sha256(&encoded(old))), 2);
        let section = written(|out| next.encode(out));
        hybrid::seal(Kind::TrustStore, &section, seeds, trees)
    };
    let root = &[PLATFORM_ROOT];
    let (up, kept) = (of(&plain, &both), of(&hybrid, &both));
    let orphans = of(&plain, &es256_only);
    // A root without its LMS key, and one with another.
    let dropped = &plain;
    let mut other = hybrid.clone();
    other.set_role(Role::Root, hybrid::role(PLATFORM_ROOT, STRANGER));
    let successor = "successor";
    vec![
        up.good(successor, "good-to-hybrid", "both algorithms from now on", {
            to(&plain, &hybrid, root, &[ROOT])
        }),
        up.bad(successor, "to-hybrid-unproven", "its LMS root did not sign", Error::HybridUnmet, {
            to(&plain, &hybrid, root, &[])
        }),
        orphans.bad(
            successor,
            "to-hybrid-orphans",
            "the runtime has no LMS signature",
            Error::SuccessorOrphans,
            to(&plain, &hybrid, root, &[ROOT]),
        ),
        kept.good(successor, "good-from-hybrid", "the old root let LMS go, in both algorithms", {
            to(&hybrid, dropped, root, &[ROOT])
        }),
        kept.bad(successor, "hybrid-dropped", "LMS let go by ES256 alone", Error::HybridUnmet, {
            to(&hybrid, dropped, root, &[])
        }),
        kept.bad(successor, "hybrid-replaced", "another LMS root alone", Error::HybridUnmet, {
            to(&hybrid, &other, root, &[STRANGER])
        }),
        kept.good(successor, "good-hybrid-replaced", "both LMS roots signed", {
            to(&hybrid, &other, root, &[ROOT, STRANGER])
        }),
    ]
}
