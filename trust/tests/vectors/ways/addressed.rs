//! What is addressed to one device: assignments, capabilities, endorsements.

use super::{cut, flipped};
use crate::proofs;
use crate::value::{Array, Bytes, Null, Number, Text, Value};
use crate::vector::{Judge, Vector};
use crate::world::{
    self, CATALOG, CHALLENGE, EPOCH, LOG, MANUFACTURER, ONLINE, PLATFORM_PUBLISHER,
};
use crate::world::{PUBLISHER, REQUEST, STRANGER, WITNESS, address, assignment_with, catalog};
use crate::world::{other_device, payload, resealed, seal, set_id};
use craton_trust::assignment::Target;
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::store::Role;
use craton_trust::{CatalogId, Digest, SetId};

fn addressed(request: Digest) -> Judge {
    Judge::default()
        .with("section", "owner")
        .with("catalog", &catalog().0[..])
        .with("device", &address().device.0[..])
        .with("epoch", EPOCH)
        .with("request", &request.0[..])
}

fn assigned() -> Judge {
    addressed(REQUEST)
        .with("asked_online", true)
        .with("size_least", 4)
        .signer(Role::Online, ONLINE)
        .signer(Role::Log, LOG)
        .signer(Role::Witness, WITNESS)
}

pub fn assignments() -> Vec<Vector> {
    let judge = assigned();
    let bad = |way, says, error, bytes| judge.bad("assignment", way, says, error, bytes);
    let offline = judge.clone().with("asked_online", false);
    let platform = judge.clone().with("section", "platform");
    let good = world::assignment();
    let by = |kind, seed| seal(kind, &payload(&good), &[seed]);
    let unknown = Error::SignerUnknown;
    let mut all = vec![
        judge.good("assignment", "good", "a set, the time and a certificate", good.clone()),
        offline.good(
            "assignment",
            "good-offline",
            "a set only",
            assignment_with(|a| a.online = None),
        ),
        judge.good("assignment", "good-rest", "no set", assignment_with(|a| a.target = None)),
        bad("other-catalog", "another catalog's", Error::OtherCatalog, {
            assignment_with(|a| a.address.catalog = CatalogId([7; 32]))
        }),
        bad("other-device", "another device's", Error::OtherDevice, {
            assignment_with(|a| a.address.device = other_device())
        }),
        bad("other-epoch", "of the owner before", Error::OtherEpoch, {
            assignment_with(|a| a.address.epoch -= 1)
        }),
        bad("other-request", "of yesterday's request", Error::OtherRequest, {
            assignment_with(|a| a.address.request = Digest([1; 32]))
        }),
        offline.bad(
            "assignment",
            "online-for-offline",
            "a request by file is answered with a time",
            Error::OtherRequest,
            good.clone(),
        ),
        bad("signer-unknown", "a stranger signed", unknown, by(Kind::Assignment, STRANGER)),
        bad("signed-by-catalog", "the offline key signed", unknown, by(Kind::Assignment, CATALOG)),
        bad("replayed", "signed as an image set", Error::SignatureInvalid, {
            by(Kind::ImageSet, ONLINE)
        }),
        bad("flipped-bit", "one bit of the device", Error::SignatureInvalid, flipped(&good, 400)),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        platform.bad(
            "assignment",
            "platform-section",
            "judged by a platform section with the same keys",
            Error::SectionKind,
            good.clone(),
        ),
    ];
    all.extend(assignment_fields(&judge, &good));
    all.extend(targets(&judge));
    all
}

fn assignment_fields(judge: &Judge, good: &[u8]) -> Vec<Vector> {
    let with = |place: usize, value: Value| {
        resealed(Kind::Assignment, good, &[ONLINE], |v| *v.item(place) = value)
    };
    let invalid = |way, says, bytes| judge.bad("assignment", way, says, Error::FieldInvalid, bytes);
    let online = |fields: Vec<Value>| with(5, Array(fields));
    vec![
        judge.bad("assignment", "format-unknown", "format 2", Error::VersionUnknown, {
            with(0, Number(2))
        }),
        invalid("time-alone", "a time without a certificate", online(vec![Number(1)])),
        invalid(
            "time-beyond-9999",
            "a time after the year 9999",
            online(vec![Number(253_402_300_800), Bytes(vec![1])]),
        ),
        invalid(
            "time-beyond-2199",
            "the first second of the year 2200",
            online(vec![Number(7_258_118_400), Bytes(vec![1])]),
        ),
        invalid("wait-too-long", "91 days until the next check-in", with(6, Number(91 * 86_400))),
        invalid("set-without-proof", "a set and no checkpoint", {
            with(7, Array(vec![Value::bytes([1; 32])]))
        }),
        invalid("field-added", "nine fields", {
            resealed(Kind::Assignment, good, &[ONLINE], |v| v.items().push(Null))
        }),
    ]
}

fn targets(judge: &Judge) -> Vec<Vector> {
    let leaves = world::leaves();
    let path = proofs::inclusion(&leaves, 2);
    let with = |set: SetId, index: u64, checkpoint: &[u8], path: &[Digest]| {
        let target = Target::new(set, index, checkpoint, path).expect("short");
        let address = address();
        let assignment = craton_trust::assignment::Assignment {
            address,
            online: None,
            next_check_in_s: 60,
            target: Some(target),
        };
        seal(Kind::Assignment, &world::written(|out| assignment.encode(out)), &[ONLINE])
    };
    let (whole, index) = (world::checkpoint(), world::SET_INDEX);
    let bytes = payload(&whole);
    let unseen = seal(Kind::Checkpoint, &bytes, &[LOG]);
    let other = resealed(Kind::Checkpoint, &whole, &[LOG, WITNESS], |v| {
        *v.item(1) = Value::bytes([7; 32]);
    });
    let bad = |way, says, error, bytes| judge.bad("assignment", way, says, error, bytes);
    let lost = Error::NotLogged;
    vec![
        bad("set-not-logged", "a set the log lacks", lost, {
            with(SetId([9; 32]), index, &whole, &path)
        }),
        bad("set-wrong-index", "entry 1", lost, with(set_id(), 1, &whole, &path)),
        bad("set-wrong-path", "a hash is missing", lost, with(set_id(), index, &whole, &path[1..])),
        bad("set-other-tree", "a checkpoint of four entries", lost, {
            with(set_id(), index, &world::checkpoint_of(4), &path)
        }),
        bad("checkpoint-shrunk", "three entries, four were believed", Error::CheckpointShrank, {
            with(set_id(), index, &world::checkpoint_of(3), &proofs::inclusion(&leaves[..3], 2))
        }),
        bad("checkpoint-unwitnessed", "only the log signed", Error::SignerUnknown, {
            with(set_id(), index, &unseen, &path)
        }),
        bad("checkpoint-of-other", "another catalog's log", Error::OtherCatalog, {
            with(set_id(), index, &other, &path)
        }),
    ]
}

pub fn capabilities() -> Vec<Vector> {
    let both = [PUBLISHER, CATALOG];
    let judge =
        addressed(CHALLENGE).signer(Role::Publisher, PUBLISHER).signer(Role::Catalog, CATALOG);
    let good = world::capability();
    let bad = |way, says, error, bytes| judge.bad("capability", way, says, error, bytes);
    let with = |place: usize, value: Value| {
        resealed(Kind::Capability, &good, &both, |v| *v.item(place) = value)
    };
    let by = |seeds: &[u8]| seal(Kind::Capability, &payload(&good), seeds);
    let (unknown, invalid) = (Error::SignerUnknown, Error::FieldInvalid);
    vec![
        judge.good("capability", "good", "appDevelopment for one boot", good.clone()),
        bad("catalog-missing", "only the publisher signed", unknown, by(&[PUBLISHER])),
        bad("publisher-missing", "only the catalog signed", unknown, by(&[CATALOG])),
        bad("platform-publisher", "the platform's publisher signed", unknown, {
            by(&[PLATFORM_PUBLISHER, CATALOG])
        }),
        bad("publisher-twice", "the publisher signed twice", Error::SignerRepeated, {
            by(&[PUBLISHER, PUBLISHER])
        }),
        bad("other-catalog", "another catalog's", Error::OtherCatalog, {
            with(1, Value::bytes([7; 32]))
        }),
        bad("other-device", "another device's", Error::OtherDevice, {
            with(2, Value::bytes(other_device().0))
        }),
        bad("other-epoch", "of the owner before", Error::OtherEpoch, with(3, Number(EPOCH - 1))),
        bad("other-boot", "of a boot that is over", Error::ChallengeMismatch, {
            with(4, Value::bytes([1; 32]))
        }),
        bad("permission-unknown", "permission 12", invalid, with(5, Number(12))),
        bad("permission-text", "a permission by name", invalid, with(5, Text("any".into()))),
        bad("format-unknown", "format 2", Error::VersionUnknown, with(0, Number(2))),
        bad("replayed", "signed as an image set", Error::SignatureInvalid, {
            seal(Kind::ImageSet, &payload(&good), &both)
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        judge.clone().with("section", "platform").bad(
            "capability",
            "platform-section",
            "judged by a platform section with the same keys",
            Error::SectionKind,
            good.clone(),
        ),
    ]
}

pub fn endorsements() -> Vec<Vector> {
    let judge =
        Judge::default().with("section", "platform").signer(Role::Manufacturer, MANUFACTURER);
    let good = world::endorsement();
    let bad = |way, says, error, bytes| judge.bad("endorsement", way, says, error, bytes);
    let with = |place: usize, value: Value| {
        resealed(Kind::Endorsement, &good, &[MANUFACTURER], |v| *v.item(place) = value)
    };
    let mut okp = Value::decode(&world::identity().to_cose());
    *okp.item(0) = Number(1);
    let mut eddsa = Value::decode(&world::identity().to_cose());
    *eddsa.item(1) = Value::integer(-8);
    vec![
        judge.good("endorsement", "good", "a root of trust in software", good.clone()),
        bad("signer-unknown", "the publisher signed", Error::SignerUnknown, {
            seal(Kind::Endorsement, &payload(&good), &[PUBLISHER])
        }),
        bad("class-unknown", "class 4 of root of trust", Error::FieldInvalid, with(2, Number(4))),
        bad("key-other-type", "an OKP key", Error::KeyInvalid, with(1, okp)),
        bad("key-other-algorithm", "an EdDSA key", Error::AlgorithmMismatch, with(1, eddsa)),
        bad("format-unknown", "format 2", Error::VersionUnknown, with(0, Number(2))),
        bad("replayed", "signed as evidence", Error::SignatureInvalid, {
            seal(Kind::Evidence, &payload(&good), &[MANUFACTURER])
        }),
        judge.clone().with("section", "owner").bad(
            "endorsement",
            "owner-section",
            "judged by an owner section with the same key",
            Error::SectionKind,
            good.clone(),
        ),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
    ]
}
