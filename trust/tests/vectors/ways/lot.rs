//! Lots: what a station made.

use super::cut;
use crate::value::{Array, Bytes, Number, Value};
use crate::vector::{Judge, Vector};
use crate::world::{self, MANUFACTURER, PUBLISHER, payload, resealed, seal};
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::lot::DEVICES_MAX;
use craton_trust::store::Role;

/// The lot with another payload under the signature of this one.
fn under_the_old_signature(good: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut object = Value::decode(good);
    let mut lot = Value::decode(&payload(good));
    change(lot.item(1));
    *object.item(0) = Bytes(lot.encode());
    object.encode()
}

pub fn lots() -> Vec<Vector> {
    let judge = Judge::default()
        .with("section", "platform")
        .with("devices", 3)
        .signer(Role::Manufacturer, MANUFACTURER);
    let good = world::lot();
    let bad = |way, says, error, bytes| judge.bad("lot", way, says, error, bytes);
    let rows = world::lot_rows(4);
    let row = |place: usize| Bytes(rows[place].clone());
    let with = |rows: Vec<Value>| {
        resealed(Kind::Lot, &good, &[MANUFACTURER], |v| *v.item(1) = Array(rows))
    };
    vec![
        judge.good("lot", "good", "three devices", good.clone()),
        bad("signer-unknown", "the publisher signed", Error::SignerUnknown, {
            seal(Kind::Lot, &payload(&good), &[PUBLISHER])
        }),
        bad("replayed", "signed as an endorsement", Error::SignatureInvalid, {
            seal(Kind::Endorsement, &payload(&good), &[MANUFACTURER])
        }),
        bad("row-taken-out", "a device was left out on the way", Error::SignatureInvalid, {
            under_the_old_signature(&good, |rows| drop(rows.items().pop()))
        }),
        bad("row-put-in", "a device of another lot was put in", Error::SignatureInvalid, {
            under_the_old_signature(&good, |rows| rows.items().push(row(3)))
        }),
        bad("out-of-order", "two devices changed places", Error::LotOrder, {
            with(vec![row(1), row(0), row(2)])
        }),
        bad("device-twice", "a device stands twice", Error::LotOrder, with(vec![row(0), row(0)])),
        bad("empty", "no device", Error::FieldInvalid, with(vec![])),
        bad("too-many", "257 devices", Error::FieldTooLong, with(vec![row(0); DEVICES_MAX + 1])),
        bad("row-no-endorsement", "a row is another object", Error::FieldInvalid, {
            with(vec![Bytes(world::capability())])
        }),
        bad("row-text", "a row is a number", Error::FieldInvalid, with(vec![Number(1)])),
        bad("format-unknown", "format 2", Error::VersionUnknown, {
            resealed(Kind::Lot, &good, &[MANUFACTURER], |v| *v.item(0) = Number(2))
        }),
        judge.clone().with("section", "owner").bad(
            "lot",
            "owner-section",
            "judged by an owner section with the same key",
            Error::SectionKind,
            good.clone(),
        ),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
    ]
}
