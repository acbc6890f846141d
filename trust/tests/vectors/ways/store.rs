//! Trust-store sections: the first, and successors.

use super::{changed, cut, flipped, followed, other_algorithm, with_signature};
use crate::value::{Array, Map, Null, Number, Raw, Value};
use crate::vector::{Judge, Vector};
use crate::world::{self, PLATFORM_ROOT, PUBLISHER, ROOTS, STRANGER, encoded, owner, payload};
use crate::world::{public, resealed, role, seal, second};
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::set::Purpose;
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder};

const TWO: &[u8] = &[ROOTS[0], ROOTS[1]];
/// Roots that replace the first ones.
const NEXT: &[u8] = &[0x61, 0x62, 0x63];

/// Signatures over a good section that are not enough, or not good.
pub fn genesis() -> Vec<Vector> {
    let judge = Judge::default();
    let good = world::owner_genesis();
    let bytes = payload(&good);
    let bad = |way, says, error, bytes| judge.bad("trust-store", way, says, error, bytes);
    let by = |seeds: &[u8]| seal(Kind::TrustStore, &bytes, seeds);
    let signature = |change: &dyn Fn(&mut Value)| with_signature(&good, |sign1| change(sign1));
    let unsigned = changed(&good, |object| object.items()[1] = Array(Vec::new()));
    let nine = changed(&good, |object| {
        object.items()[1] = Array(vec![Value::bytes([0]); 9]);
    });
    vec![
        judge.good("trust-store", "good-owner", "two of three roots signed", good.clone()),
        judge.good("trust-store", "good-platform", "its root signed", world::platform_genesis()),
        bad("unsigned", "no signature", Error::SignerUnknown, unsigned),
        bad("signer-unknown", "two strangers signed", Error::SignerUnknown, by(&[STRANGER, 0xed])),
        bad("one-of-two", "one of three roots signed", Error::ThresholdNotMet, by(&TWO[..1])),
        bad("root-and-stranger", "a stranger is no root", Error::ThresholdNotMet, {
            by(&[ROOTS[0], STRANGER])
        }),
        bad("signature-twice", "one root signed twice", Error::SignerRepeated, {
            by(&[ROOTS[0], ROOTS[0]])
        }),
        bad("signatures-nine", "nine signatures", Error::FieldTooLong, nine),
        bad("signature-algorithm", "a signature by EdDSA", Error::AlgorithmMismatch, {
            signature(&other_algorithm)
        }),
        bad("signature-unprotected", "an unprotected header", Error::FieldTooLong, {
            signature(&|sign1| *sign1.item(1) = Value::map([(4, Null)]))
        }),
        bad("signature-attached", "a payload inside", Error::FieldTooLong, {
            signature(&|sign1| *sign1.item(2) = Value::bytes([0; 8]))
        }),
        bad("signature-short", "63 bytes", Error::CoseShape, {
            signature(&|sign1| *sign1.item(3) = Value::bytes([1; 63]))
        }),
        bad("signature-zero", "r and s are 0", Error::SignatureInvalid, {
            signature(&|sign1| *sign1.item(3) = Value::bytes([0; 64]))
        }),
        bad("flipped-bit", "one bit of the section", Error::SignatureInvalid, {
            let mut section = owner();
            section.ceiling ^= 1;
            changed(&good, |object| *object.item(0) = Value::bytes(encoded(&section)))
        }),
        bad("flipped-signature", "one bit of a signature", Error::SignatureInvalid, {
            flipped(&good, good.len() * 8 - 1)
        }),
        bad("replayed", "signed as an image set", Error::SignatureInvalid, {
            seal(Kind::ImageSet, &bytes, TWO)
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        bad("trailing", "a byte follows", Error::CborTrailing, followed(&good, &[0])),
    ]
}

/// Sections that their roots signed, and that are no good.
pub fn encodings() -> Vec<Vector> {
    let judge = Judge::default();
    let good = world::owner_genesis();
    let signed = |change: &dyn Fn(&mut Value)| {
        resealed(Kind::TrustStore, &good, TWO, |section| change(section))
    };
    let bad = |way, says, error, change: &dyn Fn(&mut Value)| {
        judge.bad("trust-store", way, says, error, signed(change))
    };
    let key = |seed: u8| Raw(public(seed).to_cose().to_vec());
    let role = |threshold: u64, keys: Vec<Value>| Array(vec![Number(threshold), Array(keys)]);
    let (okp, eddsa, curve) = (changed_key(0, 1), changed_key(1, -8), changed_key(2, 2));
    let nine = (0x70..0x79).map(key).collect::<Vec<_>>();
    let publisher =
        |keys: Vec<Value>| move |v: &mut Value| *v.item(7).item(1) = role(1, keys.clone());
    let impossible = Error::ThresholdImpossible;
    vec![
        bad("format-unknown", "format 2", Error::VersionUnknown, &|v| *v.item(0) = Number(2)),
        bad("kind-unknown", "section kind 2", Error::SectionKind, &|v| *v.item(1) = Number(2)),
        bad("version-0", "version 0", Error::SuccessorVersion, &|v| *v.item(3) = Number(0)),
        bad("version-2", "a later version as the first", Error::SuccessorVersion, &|v| {
            *v.item(2) = Value::bytes([7; 32]);
            *v.item(3) = Number(2);
        }),
        bad("freshness-unknown", "freshness 2", Error::FieldInvalid, &|v| *v.item(6) = Number(2)),
        bad("role-missing", "nine roles", Error::FieldInvalid, &|v| {
            v.item(7).items().pop();
        }),
        bad("root-empty", "no root", Error::RoleEmpty, &|v| *v.item(7).item(0) = role(0, vec![])),
        bad("threshold-0", "no root need sign", impossible, &|v| {
            *v.item(7).item(0).item(0) = Number(0);
        }),
        bad("threshold-4-of-3", "four of three", impossible, &|v| {
            *v.item(7).item(0).item(0) = Number(4);
        }),
        bad("threshold-of-none", "one of no keys", impossible, &|v| {
            *v.item(7).item(7) = role(1, vec![]);
        }),
        bad("key-twice", "one key twice in a role", Error::KeyRepeated, &|v| {
            *v.item(7).item(0) = role(2, vec![key(ROOTS[0]), key(ROOTS[0])]);
        }),
        bad("publisher-is-catalog", "one key approves twice", Error::KeyRepeated, &|v| {
            *v.item(7).item(2) = role(1, vec![key(PUBLISHER)]);
        }),
        bad("publisher-is-approver", "one key approves twice", Error::KeyRepeated, &|v| {
            *v.item(7).item(8) = role(1, vec![key(PUBLISHER)]);
        }),
        bad("log-is-witness", "the log watches itself", Error::KeyRepeated, &|v| {
            *v.item(7).item(6) = role(1, vec![key(world::LOG)]);
        }),
        bad("ceiling-4096", "a ceiling above the sealing keys", Error::CeilingTooHigh, &|v| {
            *v.item(5) = Number(4096);
        }),
        bad("freshness-challenge", "check-ins by challenge", Error::FreshnessUnbuilt, &|v| {
            *v.item(6) = Number(1);
        }),
        bad("keys-nine", "nine keys", Error::FieldTooLong, &publisher(nine)),
        bad("key-other-type", "an OKP key", Error::KeyInvalid, &publisher(vec![okp])),
        bad("key-other-curve", "a P-384 key", Error::KeyInvalid, &publisher(vec![curve])),
        bad("key-other-algorithm", "EdDSA", Error::AlgorithmMismatch, &publisher(vec![eddsa])),
        bad("keys-out-of-order", "a map that is not canonical", Error::CborNotCanonical, &|v| {
            *v.item(7).item(9) = role(1, vec![Map(vec![(Number(2), Null), (Number(1), Null)])]);
        }),
        off_curve(&judge),
    ]
}

fn changed_key(place: usize, value: i64) -> Value {
    let cose = public(PUBLISHER).to_cose();
    Raw(changed(&cose, |key| *key.item(place) = Value::integer(value)))
}

/// One key in two roles that must be apart (STORE-6): the second role gets the first one's key.
pub fn shared_keys() -> Vec<Vector> {
    let judge = Judge::default();
    let shared = |way, one: Role, other: Role| {
        let mut section = owner();
        // A root may be any of the three.
        let key = section.role(one).keys().next().expect("a key");
        section.set_role(other, RoleKeysBuilder::of(key));
        let says = format!("one key is {one:?} and {other:?}").to_lowercase();
        let bytes = seal(Kind::TrustStore, &encoded(&section), TWO);
        judge.bad("trust-store", way, &says, Error::KeyRepeated, bytes)
    };
    SHARED.into_iter().map(|(way, one, other)| shared(way, one, other)).collect()
}

const SHARED: [(&str, Role, Role); 12] = [
    ("catalog-is-approver", Role::Catalog, Role::Approver),
    ("online-is-witness", Role::Online, Role::Witness),
    ("publisher-is-online", Role::Publisher, Role::Online),
    ("publisher-is-service", Role::Publisher, Role::Service),
    ("publisher-is-log", Role::Publisher, Role::Log),
    ("approver-is-online", Role::Approver, Role::Online),
    ("approver-is-service", Role::Approver, Role::Service),
    ("approver-is-log", Role::Approver, Role::Log),
    ("root-is-catalog", Role::Root, Role::Catalog),
    ("root-is-online", Role::Root, Role::Online),
    ("root-is-service", Role::Root, Role::Service),
    ("root-is-log", Role::Root, Role::Log),
];

/// A root that is no point of the curve signed, as far as its key id goes.
fn off_curve(judge: &Judge) -> Vector {
    let mut key = public(ROOTS[0]);
    key.0[63] ^= 1;
    let mut section = owner();
    section.set_role(Role::Root, RoleKeysBuilder::of(key));
    let signed = seal(Kind::TrustStore, &encoded(&section), &ROOTS[..1]);
    let id = key.key_id(&craton_trust::soft::Soft);
    let renamed = with_signature(&signed, |sign1| {
        let header = changed(sign1.item(0).as_bytes(), |h| *h.item(1) = Value::bytes(id));
        *sign1.item(0) = Value::bytes(header);
    });
    let says = "the root is no point of the curve";
    judge.bad("trust-store", "key-off-curve", says, Error::KeyInvalid, renamed)
}

fn judge() -> Judge {
    Judge::default().with("old", &encoded(&owner())[..]).with("genesis", &world::genesis().0[..])
}

fn signed(section: &SectionBuilder, seeds: &[u8]) -> Vec<u8> {
    seal(Kind::TrustStore, &encoded(section), seeds)
}

fn rotated() -> SectionBuilder {
    let mut section = second();
    section.set_role(Role::Root, role(2, NEXT));
    section
}

pub fn successors() -> Vec<Vector> {
    let judge = judge();
    let good = |way, says, bytes| judge.good("successor", way, says, bytes);
    let bad = |way, says, error, bytes| judge.bad("successor", way, says, error, bytes);
    let all = |seeds: &[&[u8]]| signed(&rotated(), &seeds.concat());
    let version = |version: u64| {
        let mut section = second();
        section.version = version;
        signed(&section, TWO)
    };
    let mut dev = second();
    dev.dev = true;
    let mut other = second();
    other.genesis = Some(world::sha256(b"another genesis"));
    let mut all = vec![
        good("good", "the same root, one version on", world::successor()),
        good("good-new-root", "two of each root signed", all(&[TWO, &NEXT[..2]])),
        bad("old-root-missing", "only the new root signed", Error::SignerUnknown, all(&[NEXT])),
        bad("old-root-one-of-two", "one old root signed", Error::ThresholdNotMet, {
            all(&[&TWO[..1], NEXT])
        }),
        bad("own-root-missing", "only the old root signed", Error::SignerUnknown, all(&[&ROOTS])),
        bad("own-root-one-of-two", "one new root signed", Error::ThresholdNotMet, {
            all(&[TWO, &NEXT[..1]])
        }),
        bad("version-skipped", "version 3 after 1", Error::SuccessorVersion, version(3)),
        bad("version-largest", "version 2^64 - 1", Error::SuccessorVersion, version(u64::MAX)),
        bad("first-again", "the first version again", Error::SuccessorGenesis, {
            world::owner_genesis()
        }),
        bad("genesis-missing", "version 2 without a genesis", Error::SuccessorVersion, {
            resealed(Kind::TrustStore, &world::successor(), TWO, |v| *v.item(2) = Null)
        }),
        bad("other-genesis", "of another genesis", Error::SuccessorGenesis, signed(&other, TWO)),
        bad("other-kind", "a platform section", Error::SectionKind, {
            let mut section = world::platform();
            (section.genesis, section.version) = (Some(world::genesis()), 2);
            signed(&section, &[ROOTS[0], ROOTS[1], PLATFORM_ROOT])
        }),
        bad("production-to-dev", "a production root becomes dev", Error::SuccessorDev, {
            signed(&dev, TWO)
        }),
    ];
    all.push(from_second(&judge));
    all.extend(keeping(&judge));
    all
}

/// The second version once more, for a device that has it.
fn from_second(judge: &Judge) -> Vector {
    let judge = judge.clone().with("old", &encoded(&second())[..]);
    let says = "version 2 after 2";
    judge.bad("successor", "version-again", says, Error::SuccessorVersion, world::successor())
}

fn keeping(judge: &Judge) -> Vec<Vector> {
    let judge = judge
        .clone()
        .with("installed_sets", &[world::image_set()][..])
        .with("installed_images", &[world::envelope(&world::image())][..]);
    let bad = |way, says, section: &SectionBuilder| {
        judge.bad("successor", way, says, Error::SuccessorOrphans, signed(section, TWO))
    };
    let with = |name: Role, seed: u8| {
        let mut section = second();
        section.set_role(name, role(1, &[seed]));
        section
    };
    let mut below = second();
    below.ceiling = 4;
    let mut all = vec![
        judge.good("successor", "good-keeps", "the running set verifies", world::successor()),
        bad("orphans-by-publisher", "the set's publisher is gone", &with(Role::Publisher, 0x71)),
        bad("orphans-by-catalog", "the set's catalog is gone", &with(Role::Catalog, 0x72)),
        bad("orphans-by-ceiling", "the running version is above the ceiling", &below),
        judge.clone().with("installed_sets", &[] as &[Vec<u8>]).bad(
            "successor",
            "orphans-an-image",
            "the recovery image's publisher is gone",
            Error::SuccessorOrphans,
            signed(&with(Role::Publisher, 0x71), TWO),
        ),
        judge.clone().with("installed_sets", &[] as &[Vec<u8>]).bad(
            "successor",
            "orphans-an-image-by-ceiling",
            "the recovery image is above the ceiling",
            Error::SuccessorOrphans,
            signed(&below, TWO),
        ),
        from_dev("orphans-a-development-set", Purpose::Development),
        from_dev("good-dev-to-production", Purpose::Production),
    ];
    all.extend(keeping_the_runtime());
    all
}

/// A development root becomes a production one while a set of this purpose runs.
fn from_dev(way: &'static str, purpose: Purpose) -> Vector {
    let mut old = owner();
    old.dev = true;
    let genesis = world::sha256(&encoded(&old));
    let mut new = second();
    new.genesis = Some(genesis);
    let judge = Judge::default()
        .with("old", &encoded(&old)[..])
        .with("genesis", &genesis.0[..])
        .with("installed_sets", &[world::image_set_of(purpose)][..]);
    let bytes = signed(&new, TWO);
    match purpose {
        Purpose::Development => {
            let says = "a production root, and the running set is a development one";
            judge.bad("successor", way, says, Error::SuccessorOrphans, bytes)
        }
        Purpose::Production => judge.good("successor", way, "the running set stays", bytes),
    }
}

/// Successors of the platform section while one of its runtimes is installed.
fn keeping_the_runtime() -> Vec<Vector> {
    let first = world::platform();
    let genesis = world::sha256(&encoded(&first));
    let runtime = world::envelope_of(
        &world::written(|out| world::runtime().encode(out)),
        &[world::PLATFORM_PUBLISHER],
    );
    let judge = Judge::default()
        .with("old", &encoded(&first)[..])
        .with("genesis", &genesis.0[..])
        .with("installed_images", &[runtime, world::envelope(&world::image())][..]);
    let with = |change: &dyn Fn(&mut SectionBuilder)| {
        let mut section = first.clone();
        (section.genesis, section.version) = (Some(genesis), 2);
        change(&mut section);
        signed(&section, &[PLATFORM_ROOT])
    };
    let bad = |way, says, change: &dyn Fn(&mut SectionBuilder)| {
        judge.bad("successor", way, says, Error::SuccessorOrphans, with(change))
    };
    vec![
        judge.good("successor", "good-platform", "the runtime verifies", with(&|_| ())),
        bad("orphans-the-runtime", "the runtime's publisher is gone", &|section| {
            section.set_role(Role::Publisher, role(1, &[0x71]));
        }),
        bad("orphans-the-runtime-by-ceiling", "the runtime is above the ceiling", &|section| {
            section.ceiling = 4;
        }),
    ]
}
