//! Image sets.

use super::{cut, flipped, followed};
use crate::value::{Null, Number, Text, Value};
use crate::vector::{Judge, Vector};
use crate::world::{self, CATALOG, CLASS, PLATFORM_PUBLISHER, PUBLISHER, STRANGER, catalog};
use crate::world::{envelope, image, payload, resealed, role, runtime, seal};
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::set::Purpose;
use craton_trust::store::Role;
use craton_trust::suit::Image;

const BOTH: [u8; 2] = [PUBLISHER, CATALOG];

fn judge() -> Judge {
    Judge::default()
        .with("section", "owner")
        .with("catalog", &catalog().0[..])
        .with("class", &CLASS.0[..])
        .with("development", false)
        .with("envelopes", &[envelope(&image()), envelope(&runtime())][..])
        .signer(Role::Publisher, PUBLISHER)
        .signer(Role::Catalog, CATALOG)
}

pub fn vectors() -> Vec<Vector> {
    let judge = judge();
    let good = world::image_set();
    let development = world::image_set_of(Purpose::Development);
    let bad = |way, says, error, bytes| judge.bad("image-set", way, says, error, bytes);
    let by = |seeds: &[u8]| seal(Kind::ImageSet, &payload(&good), seeds);
    let (unknown, invalid) = (Error::SignerUnknown, Error::SignatureInvalid);
    let two = judge.clone().role(Role::Catalog, &role(2, &[CATALOG, 0x53]));
    let mut all = vec![
        judge.good("image-set", "good", "a runtime and an application", good.clone()),
        judge.clone().with("development", true).good(
            "image-set",
            "good-development",
            "a development set on a development device",
            development.clone(),
        ),
        bad("catalog-missing", "only the publisher signed", unknown, by(&[PUBLISHER])),
        bad("publisher-missing", "only the catalog signed", unknown, by(&[CATALOG])),
        bad("platform-publisher", "the platform's publisher signed", unknown, {
            by(&[PLATFORM_PUBLISHER, CATALOG])
        }),
        bad("signers-unknown", "strangers signed", unknown, by(&[STRANGER, 0xed])),
        bad("publisher-twice", "one key for both approvals", Error::SignerRepeated, {
            by(&[PUBLISHER, PUBLISHER])
        }),
        two.bad(
            "image-set",
            "one-of-two",
            "one of two catalogs",
            Error::ThresholdNotMet,
            by(&BOTH),
        ),
        bad("replayed-assignment", "signed as an assignment", invalid, {
            seal(Kind::Assignment, &payload(&good), &BOTH)
        }),
        bad("replayed-approval", "signed as an approval", invalid, {
            seal(Kind::Approval, &payload(&good), &BOTH)
        }),
        bad("development-on-production", "a development set", Error::DevelopmentSet, development),
        bad("flipped-bit", "one bit of the catalog", invalid, flipped(&good, 80)),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        bad("trailing", "a byte follows", Error::CborTrailing, followed(&good, &[0])),
        bad("payload-64k", "a payload of 65537 bytes", Error::FieldTooLong, oversized()),
        judge.clone().with("section", "platform").bad(
            "image-set",
            "platform-section",
            "judged by a platform section with the same keys",
            Error::SectionKind,
            good.clone(),
        ),
        judge.clone().with("envelopes", &[renamed(), envelope(&runtime())][..]).bad(
            "image-set",
            "envelope-of-another",
            "a well-signed image that the set does not name",
            Error::SetEnvelopeMismatch,
            good.clone(),
        ),
    ];
    all.extend(contents(&judge, &good));
    all
}

/// An image of the same component that was published later.
fn renamed() -> Vec<u8> {
    envelope(&Image { name: "greeter, but another", ..image() })
}

fn oversized() -> Vec<u8> {
    let signature = Value::bytes(world::sign1(Kind::ImageSet, &[0; 65537], PUBLISHER));
    Value::Array(vec![Value::bytes([0; 65537]), Value::Array(vec![signature])]).encode()
}

/// Sets that both signed, and that are no good.
fn contents(judge: &Judge, good: &[u8]) -> Vec<Vector> {
    let bad = |way, says, error, change: &dyn Fn(&mut Value)| {
        let bytes = resealed(Kind::ImageSet, good, &BOTH, |set| change(set));
        judge.bad("image-set", way, says, error, bytes)
    };
    let invalid = Error::FieldInvalid;
    vec![
        bad("format-unknown", "format 2", Error::VersionUnknown, &|v| *v.item(0) = Number(2)),
        bad("other-catalog", "another catalog's", Error::OtherCatalog, &|v| {
            *v.item(1) = Value::bytes([7; 32]);
        }),
        bad("purpose-unknown", "purpose 2", invalid, &|v| *v.item(2) = Number(2)),
        bad("name-with-escape", "a name that clears the screen", invalid, &|v| {
            *v.item(4) = Text("\u{9b}2J".into());
        }),
        bad("name-turned-round", "a name that is read backwards", invalid, &|v| {
            *v.item(4) = Text("winter\u{202e}4.1".into());
        }),
        bad("name-with-gap", "a name with a space that has no width", invalid, &|v| {
            *v.item(4) = Text("win\u{200b}ter".into());
        }),
        bad("out-of-order", "the second component first", Error::SetOrder, &|v| {
            v.item(5).items().swap(0, 1);
        }),
        bad("component-twice", "one component twice", Error::SetOrder, &|v| {
            let first = v.item(5).item(0).clone();
            v.item(5).items().insert(1, first);
        }),
        bad("components-17", "17 components", Error::FieldTooLong, &|v| {
            let first = v.item(5).item(0).clone();
            *v.item(5).items() = vec![first; 17];
        }),
        bad("transports-5", "five ways to travel", Error::FieldTooLong, &|v| {
            let one = v.item(5).item(0).item(8).item(0).clone();
            *v.item(5).item(0).item(8).items() = vec![one; 5];
        }),
        bad("other-class", "one member for another class", Error::ClassMismatch, &|v| {
            *v.item(5).item(1).item(2) = Value::bytes(b"class of another");
        }),
        bad("version-lies", "a member's security version", Error::SetEnvelopeMismatch, &|v| {
            *v.item(5).item(0).item(3) = Number(99);
        }),
        bad("payload-lies", "a member's payload", Error::SetEnvelopeMismatch, &|v| {
            *v.item(5).item(0).item(6) = Value::bytes([7; 32]);
        }),
        bad("member-missing", "an image the set lacks", Error::SetEnvelopeMismatch, &|v| {
            v.item(5).items().remove(0);
        }),
        bad("digest-short", "31 bytes", invalid, &|v| {
            *v.item(5).item(0).item(1) = Value::bytes([7; 31]);
        }),
        bad("field-added", "seven fields", invalid, &|v| v.items().push(Null)),
    ]
}
