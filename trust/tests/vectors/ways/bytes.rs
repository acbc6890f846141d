//! Bare encodings: canonical CBOR, slots, failure records.

use crate::value::{Array, Bytes, Null, Number, Value};
use crate::vector::{Judge, Vector};
use crate::world;
use craton_trust::error::Error;

pub fn cbor() -> Vec<Vector> {
    let judge = Judge::default();
    let all: [(&str, &str, Error, &[u8]); 19] = [
        ("long-head", "1 in two bytes", Error::CborNotCanonical, &[0x18, 0x01]),
        ("long-length", "a length in two bytes", Error::CborNotCanonical, &[0x58, 0x01, 0]),
        ("indefinite-bytes", "bytes in chunks", Error::CborNotCanonical, &[0x5f, 0x41, 0, 0xff]),
        ("indefinite-array", "an array without a length", Error::CborNotCanonical, &[0x9f, 0xff]),
        ("keys-out-of-order", "2 before 1", Error::CborNotCanonical, &[0xa2, 2, 0, 1, 0]),
        ("key-twice", "1 and 1", Error::CborNotCanonical, &[0xa2, 1, 0, 1, 0]),
        ("float", "a half float", Error::CborNotCanonical, &[0xf9, 0, 0]),
        ("tag", "a tagged time", Error::CborNotCanonical, &[0xc1, 0]),
        ("undefined", "undefined", Error::CborNotCanonical, &[0xf7]),
        ("simple-two-bytes", "false in two bytes", Error::CborNotCanonical, &[0xf8, 20]),
        ("break-alone", "a break without a beginning", Error::CborNotCanonical, &[0xff]),
        ("nine-levels", "nine arrays", Error::CborTooDeep, &NINE),
        ("trailing", "a second item", Error::CborTrailing, &[0, 0]),
        ("empty", "no item", Error::CborMalformed, &[]),
        ("truncated", "one of two items", Error::CborMalformed, &[0x82, 0]),
        ("reserved-head", "additional information 28", Error::CborMalformed, &[0x1c]),
        ("text-not-utf-8", "a text that is none", Error::CborMalformed, &[0x61, 0xff]),
        ("count-huge", "2^64 - 1 items, none there", Error::CborMalformed, &HUGE_ARRAY),
        ("length-huge", "2^64 - 1 bytes, none there", Error::CborMalformed, &HUGE_BYTES),
    ];
    let good = Array(vec![Number(0), Value::integer(-7), Value::map([(-1, Null), (-2, Null)])]);
    let good = judge.good("cbor", "good", "one item, shortest heads, keys in order", good.encode());
    let bad =
        all.map(|(way, says, error, bytes)| judge.bad("cbor", way, says, error, bytes.to_vec()));
    bad.into_iter().chain([good]).collect()
}

const NINE: [u8; 10] = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0];
const HUGE_ARRAY: [u8; 9] = [0x9b, 255, 255, 255, 255, 255, 255, 255, 255];
const HUGE_BYTES: [u8; 9] = [0x5b, 255, 255, 255, 255, 255, 255, 255, 255];

const EMPTY: u64 = 0;
const STAGED: u64 = 1;
const TRIAL: u64 = 2;
const CONFIRMED: u64 = 3;
const SUPERSEDED: u64 = 4;
const SUSPECT: u64 = 5;

fn set(n: u8) -> Value {
    if n == 0 { Null } else { Bytes(vec![n; 32]) }
}

/// `[state, set, starts]`; set 0 is none.
fn slot(state: u64, n: u8, starts: u64) -> Value {
    Array(vec![Number(state), set(n), Number(starts)])
}

fn value(one: Value, other: Value, failed: u8) -> Vec<u8> {
    Array(vec![Number(1), one, other, set(failed)]).encode()
}

pub fn slots() -> Vec<Vector> {
    let judge = Judge::default();
    let good = [
        ("good-empty", "a device before its first set", EMPTY, EMPTY),
        ("good-trial", "a trial beside what it falls back to", CONFIRMED, TRIAL),
        ("good-superseded", "a confirm whose floors are not raised yet", SUPERSEDED, CONFIRMED),
        ("good-suspect", "a trial that did not reach the service", SUSPECT, CONFIRMED),
    ];
    let good = good.map(|(way, says, one, other)| {
        let place = |state, n| slot(state, if state == EMPTY { 0 } else { n }, 0);
        judge.good("slots", way, says, value(place(one, 1), place(other, 2), 3))
    });
    let states = [
        ("two-confirmed", CONFIRMED, CONFIRMED),
        ("two-trials", TRIAL, TRIAL),
        ("two-staged", STAGED, STAGED),
        ("staged-beside-trial", STAGED, TRIAL),
        ("staged-beside-superseded", STAGED, SUPERSEDED),
        ("trial-beside-superseded", TRIAL, SUPERSEDED),
        ("trial-beside-suspect", TRIAL, SUSPECT),
        ("superseded-beside-suspect", SUPERSEDED, SUSPECT),
    ];
    let pairs = states.map(|(way, one, other)| {
        let bytes = value(slot(one, 1, 0), slot(other, 2, 0), 0);
        judge.bad("slots", way, "no order of steps leads here", Error::SlotState, bytes)
    });
    good.into_iter().chain(pairs).chain(slot_values(&judge)).collect()
}

fn slot_values(judge: &Judge) -> Vec<Vector> {
    let (none, old) = (slot(EMPTY, 0, 0), slot(CONFIRMED, 1, 0));
    let bad = |way, says, error, bytes| judge.bad("slots", way, says, error, bytes);
    let invalid = Error::FieldInvalid;
    let unknown = Array(vec![Number(2), none.clone(), none.clone(), Null]).encode();
    let longer = Array(vec![Number(1), none.clone(), none.clone(), Null, Null]).encode();
    vec![
        bad(
            "superseded-by-nothing",
            "the old set made room, and there is no new one",
            Error::SlotState,
            value(slot(SUPERSEDED, 1, 0), none.clone(), 0),
        ),
        bad(
            "one-set-in-both",
            "the confirmed set is on trial, too",
            Error::SlotState,
            value(old.clone(), slot(TRIAL, 1, 1), 0),
        ),
        bad(
            "failed-set-confirmed",
            "the confirmed set is the one that failed",
            Error::SlotState,
            value(old.clone(), none.clone(), 1),
        ),
        bad("state-unknown", "state 6", invalid, value(slot(6, 1, 0), none.clone(), 0)),
        bad("set-missing", "confirmed, but nothing", invalid, value(slot(3, 0, 0), none, 0)),
        bad("starts-too-many", "3 of 2 starts", invalid, value(old.clone(), slot(2, 2, 3), 0)),
        bad("starts-confirmed", "a confirmed set counts", invalid, value(slot(3, 1, 1), old, 0)),
        bad("format-unknown", "format 2", Error::VersionUnknown, unknown),
        bad("field-added", "five fields", invalid, longer),
    ]
}

pub fn failures() -> Vec<Vector> {
    let judge = Judge::default();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut record = Value::decode(&world::failure());
        change(&mut record);
        record.encode()
    };
    let frame = |length: usize| Array(vec![Bytes(vec![0xb1; length]), Number(1)]);
    let bad = |way, says, error, bytes| judge.bad("failure", way, says, error, bytes);
    let (long, invalid) = (Error::FieldTooLong, Error::FieldInvalid);
    vec![
        judge.good("failure", "good", "a crash with one frame", world::failure()),
        judge.good(
            "failure",
            "good-longest",
            "64 frames",
            with(&|v| *v.item(11) = Array(vec![frame(32); 64])),
        ),
        bad("format-unknown", "format 2", Error::VersionUnknown, with(&|v| *v.item(0) = Number(2))),
        bad("kind-unknown", "kind 11", invalid, with(&|v| *v.item(2) = Number(11))),
        bad("signal-too-large", "signal 256", invalid, with(&|v| *v.item(6) = Number(256))),
        bad("code-too-large", "2^63", invalid, with(&|v| *v.item(7) = Number(1 << 63))),
        bad("fault-unknown", "fault class 7", invalid, with(&|v| *v.item(8) = Number(7))),
        bad("frames-65", "65 frames", long, with(&|v| *v.item(11) = Array(vec![frame(4); 65]))),
        bad("build-id-33", "33 bytes", long, with(&|v| *v.item(11) = Array(vec![frame(33)]))),
        bad(
            "memory-added",
            "a field for what the app had in memory",
            invalid,
            with(&|v| v.items().push(Bytes(vec![0; 16]))),
        ),
        bad("truncated", "the last byte is missing", Error::CborMalformed, {
            super::cut(&world::failure())
        }),
        bad("over-long", "4097 bytes", long, vec![0x40; 4097]),
        bad("trailing", "a byte follows", Error::CborTrailing, {
            super::followed(&world::failure(), &[0])
        }),
    ]
}
