//! Image envelopes, manifests, footers and whole packages.

use super::{changed, cut, flipped, followed, other_algorithm};
use crate::value::{Array, Bytes, Null, Number, Text, Value};
use crate::vector::{Judge, Vector};
use crate::world::{
    self, CATALOG, CEILING, CLASS, PAYLOAD, PLATFORM_PUBLISHER, PUBLISHER, STRANGER,
};
use crate::world::{envelope, envelope_of, image, key, role, written};
use craton_trust::ClassId;
use craton_trust::cose::{self, Kind};
use craton_trust::error::Error;
use craton_trust::soft::Soft;
use craton_trust::store::Role;
use craton_trust::suit::{FOOTER_SIZE, Footer, Image, Verity};

fn judge() -> Judge {
    Judge::default()
        .with("section", "owner")
        .with("class", &CLASS.0[..])
        .with("floor", 5)
        .with("ceiling", CEILING)
        .signer(Role::Publisher, PUBLISHER)
}

fn manifest() -> Vec<u8> {
    written(|out| image().encode(out))
}

/// The authentication wrapper of an envelope, changed.
fn wrapper(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    changed(&envelope(&image()), |envelope| {
        *envelope.item(0) = Value::bytes(changed(envelope.item(0).as_bytes(), change));
    })
}

pub fn envelopes() -> Vec<Vector> {
    let judge = judge();
    let two = judge.clone().role(Role::Publisher, &role(2, &[PUBLISHER, 0x52]));
    let (good, manifest) = (envelope(&image()), manifest());
    let bad = |way, says, error, bytes| judge.bad("image", way, says, error, bytes);
    let by = |seeds: &[u8]| envelope_of(&manifest, seeds);
    let unknown = Error::SignerUnknown;
    vec![
        judge.good("image", "good", "an application with its verity tree", good.clone()),
        judge.good("image", "good-runtime", "a raw binary", envelope(&world::runtime())),
        judge.good("image", "good-countersigned", "a stranger signed, too", by(&[PUBLISHER, 0xee])),
        bad("unsigned", "no signature", unknown, wrapper(|w| w.items().truncate(1))),
        bad("signer-unknown", "a stranger signed", unknown, by(&[STRANGER])),
        bad("signed-by-catalog", "the catalog signed", unknown, by(&[CATALOG])),
        bad("signed-by-platform", "the platform's publisher", unknown, by(&[PLATFORM_PUBLISHER])),
        two.bad("image", "one-of-two", "one publisher", Error::ThresholdNotMet, by(&[PUBLISHER])),
        bad("signature-twice", "one publisher signed twice", Error::SignerRepeated, {
            by(&[PUBLISHER, PUBLISHER])
        }),
        bad("signature-algorithm", "a signature by EdDSA", Error::AlgorithmMismatch, {
            wrapper(|w| {
                let sign1 = changed(w.item(1).as_bytes(), other_algorithm);
                *w.item(1) = Bytes(sign1);
            })
        }),
        bad("digest-of-another", "signed over another manifest", Error::ManifestDigest, {
            let other = written(|out| Image { sequence: 8, ..image() }.encode(out));
            changed(&good, |envelope| *envelope.item(1) = Value::bytes(other))
        }),
        bad("digest-algorithm", "a digest by SHA-512", Error::AlgorithmMismatch, sha512()),
        bad("flipped-bit", "one bit of the manifest", Error::ManifestDigest, {
            flipped(&good, good.len() * 8 - 1)
        }),
        bad("replayed", "signed as an image set", Error::SignatureInvalid, replayed()),
        bad("severed-field", "a severable element", Error::FieldInvalid, {
            changed(&good, |envelope| {
                let super::Value::Map(pairs) = envelope else { return };
                pairs.push((Number(20), Value::bytes([0])));
            })
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        bad("trailing", "a byte follows", Error::CborTrailing, followed(&good, &[0])),
        bad("over-long", "4097 bytes", Error::FieldTooLong, followed(&good, &vec![0; 4097])),
    ]
}

/// An envelope that signs a digest by another algorithm.
fn sha512() -> Vec<u8> {
    let digest = Array(vec![Value::integer(-44), Value::bytes([1; 32])]).encode();
    wrapper_signed(Kind::Image, digest)
}

fn replayed() -> Vec<u8> {
    let good = Value::decode(&envelope(&image())).item(0).as_bytes().to_vec();
    wrapper_signed(Kind::ImageSet, Value::decode(&good).item(0).as_bytes().to_vec())
}

fn wrapper_signed(kind: Kind, digest: Vec<u8>) -> Vec<u8> {
    let sign1 = written(|out| cose::sign(&Soft, &key(PUBLISHER), kind, &[&digest], out));
    wrapper(|w| *w = Array(vec![Bytes(digest), Bytes(sign1)]))
}

/// The parts of a manifest that a way of being broken changes.
struct Parts {
    common: Value,
    shared: Vec<Value>,
    facts: Value,
    manifest: Value,
}

fn parts() -> Parts {
    let mut manifest = Value::decode(&manifest());
    let mut common = Value::decode(manifest.item(2).as_bytes());
    let shared = Value::decode(common.item(1).as_bytes()).items().clone();
    let facts = Value::decode(manifest.item(5).as_bytes());
    Parts { common, shared, facts, manifest }
}

/// A well-signed envelope around a manifest that was changed.
fn signed(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = parts();
    change(&mut parts);
    let Parts { mut common, shared, facts, mut manifest } = parts;
    *common.item(1) = Value::bytes(Array(shared).encode());
    *manifest.item(2) = Value::bytes(common.encode());
    *manifest.item(5) = Value::bytes(facts.encode());
    envelope_of(&manifest.encode(), &[PUBLISHER])
}

pub fn manifests() -> Vec<Vector> {
    let judge = judge();
    let bad = |way, says, bytes| judge.bad("image", way, says, Error::ManifestTemplate, bytes);
    let commands = |place: usize, list: Vec<Value>| {
        signed(|p| *p.manifest.item(place) = Value::bytes(Array(list).encode()))
    };
    let (validate, invoke) = ([Number(3), Number(15)], [Number(23), Number(2)]);
    let uri = Text("https://example.com/payload".into());
    let all = vec![
        bad("try-each", "a try-each before validation", {
            let each = Array(vec![Bytes(Array(validate.to_vec()).encode())]);
            commands(3, [&[Number(15), each], &validate[..]].concat())
        }),
        bad("uri-parameter", "a URI to fetch from", {
            signed(|p| {
                let Value::Map(parameters) = &mut p.shared[1] else { return };
                parameters.push((Number(21), uri));
            })
        }),
        bad("directive-added", "a fetch before validation", {
            commands(3, [&[Number(21), Number(2)], &validate[..]].concat())
        }),
        bad("directive-copy", "a copy before the invocation", {
            commands(4, [&[Number(22), Number(2)], &invoke[..]].concat())
        }),
        bad("order-swapped", "it invokes, then validates", {
            signed(|p| {
                *p.manifest.item(3) = Value::bytes(Array(invoke.to_vec()).encode());
                *p.manifest.item(4) = Value::bytes(Array(validate.to_vec()).encode());
            })
        }),
        bad("conditions-swapped", "class before vendor", {
            signed(|p| {
                p.shared.swap(2, 4);
            })
        }),
        bad("validation-empty", "nothing is validated", commands(3, Vec::new())),
        bad("condition-missing", "no class condition", signed(|p| p.shared.truncate(4))),
        bad("report-never", "nothing is reported", signed(|p| p.shared[3] = Number(0))),
        bad("component-twice", "two components", {
            signed(|p| {
                let first = p.common.item(0).item(0).clone();
                p.common.item(0).items().push(first);
            })
        }),
        bad("format-unknown", "manifest version 2", {
            signed(|p| *p.manifest.item(0) = Number(2))
        }),
        bad("install-added", "an install sequence", {
            signed(|p| {
                let Value::Map(pairs) = &mut p.manifest else { return };
                pairs.insert(5, (Number(20), Bytes(Vec::new())));
            })
        }),
        bad("type-unknown", "image type 12", signed(|p| *p.facts.item(0) = Number(12))),
        bad("fact-added", "ten facts", signed(|p| p.facts.items().push(Null))),
        bad("name-too-long", "65 bytes", {
            let name = Text("n".repeat(65));
            signed(|p| *p.facts.item(2) = name)
        }),
        bad("name-with-escape", "a name that clears the screen", {
            signed(|p| *p.facts.item(2) = Text("\u{1b}[2J".into()))
        }),
        bad("abis-nine", "nine ABIs", {
            let abi = Array(vec![Number(1), Number(1)]);
            signed(|p| *p.facts.item(6) = Array(vec![abi; 9]))
        }),
    ];
    all.into_iter().chain(values(&judge)).collect()
}

fn values(judge: &Judge) -> Vec<Vector> {
    let bad =
        |way, says, error, image: Image<'_>| judge.bad("image", way, says, error, envelope(&image));
    let verity = Some(Verity { data_size: 1000, root: craton_trust::Digest([1; 32]) });
    let other = ClassId(*b"class of another");
    vec![
        bad("other-class", "for another class", Error::ClassMismatch, {
            Image { class: other, ..image() }
        }),
        bad("rolled-back", "security version 4, the floor is 5", Error::RolledBack, {
            Image { security_version: 4, ..image() }
        }),
        bad("above-ceiling", "security version 101 of 100", Error::AboveCeiling, {
            Image { security_version: CEILING + 1, ..image() }
        }),
        bad("verity-outside", "a tree behind the payload", Error::FieldInvalid, {
            Image { verity, ..image() }
        }),
        bad("support-for-ever", "until after the year 9999", Error::FieldInvalid, {
            Image { support_until: 253_402_300_800, ..image() }
        }),
    ]
}

pub fn footers() -> Vec<Vector> {
    let judge = Judge::default().with("file_size", 1000);
    let footer = |payload_size: u64, envelope_size: u64| {
        Footer { payload_size, envelope_size }.encode().to_vec()
    };
    let good = footer(500, 476);
    let bad = |way, says, bytes| judge.bad("footer", way, says, Error::FooterInvalid, bytes);
    let large = Judge::default().with("file_size", 500 + 4097 + 24);
    let magic = "of a later format";
    vec![
        judge.good("footer", "good", "500 + 476 + 24 bytes", good.clone()),
        bad("magic-other", magic, flipped(&good, 56)),
        bad("payload-larger", "a byte more than there is", footer(501, 476)),
        bad("payload-smaller", "a byte that belongs to nothing", footer(499, 476)),
        bad("sum-overflows", "2^64 in all", footer(u64::MAX - 475, 1476 - 24)),
        bad("both-largest", "twice 2^64 - 1", footer(u64::MAX, u64::MAX)),
        large.bad(
            "footer",
            "envelope-too-large",
            "an envelope of 4097 bytes",
            Error::FooterInvalid,
            footer(500, 4097),
        ),
    ]
}

pub fn packages() -> Vec<Vector> {
    let judge = judge();
    let good = world::package();
    let bad = |way, says, error, bytes| judge.bad("package", way, says, error, bytes);
    let middle = good.len() - FOOTER_SIZE;
    let shifted = |by: u64| {
        let (payload_size, envelope_size) = (PAYLOAD.len() as u64, (middle - PAYLOAD.len()) as u64);
        let (payload_size, envelope_size) = (payload_size + by, envelope_size - by);
        followed(&good[..middle], &Footer { payload_size, envelope_size }.encode())
    };
    vec![
        judge.good("package", "good", "payload, envelope, footer", good.clone()),
        bad("payload-flipped", "one bit of the payload", Error::PayloadMismatch, flipped(&good, 3)),
        bad("footer-shifted", "the envelope's first byte is payload", Error::CborTrailing, {
            shifted(1)
        }),
        bad("truncated", "the last byte is missing", Error::FooterInvalid, cut(&good)),
        bad("over-long", "a byte follows", Error::FooterInvalid, followed(&good, &[0])),
        bad("prefixed", "a byte stands before", Error::FooterInvalid, followed(&[0], &good)),
        bad("too-short", "less than a footer", Error::FooterInvalid, good[..20].to_vec()),
    ]
}
