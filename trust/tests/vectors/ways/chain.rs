//! DICE certificates and evidence.

use super::{changed, cut, flipped, other_algorithm};
use crate::value::{Array, Bytes, Map, Null, Number, Text, Value};
use crate::vector::{Judge, Vector};
use crate::world::{self, NONCE, NORMAL, STRANGER, catalog, chain, claims, evidence_of};
use crate::world::{evidence_with, identity, identity_key, key, public, token_of, written};
use craton_trust::CatalogId;
use craton_trust::cose::{self, Kind};
use craton_trust::dice::{self, Inputs, Mode};
use craton_trust::error::Error;
use craton_trust::evidence::{Claims, Purpose};
use craton_trust::soft::Soft;

fn first_link() -> Vec<u8> {
    chain(&NORMAL).0.remove(0)
}

/// The first certificate with its claims changed, signed anew by the identity.
fn link_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let claims = Value::decode(&first_link()).item(2).as_bytes().to_vec();
    let claims = changed(&claims, change);
    let (kind, by) = (Kind::DiceCertificate, identity_key());
    written(|out| cose::sign_attached(&Soft, &by, kind, &claims, out))
}

pub fn certificates() -> Vec<Vector> {
    let judge = Judge::default().with("issuer", &identity().to_cose()[..]);
    let other = Judge::default().with("issuer", &public(STRANGER).to_cose()[..]);
    let good = first_link();
    let object = "dice-certificate";
    let bad = |way, says, error, bytes| judge.bad(object, way, says, error, bytes);
    let with = |place: usize, value: Value| link_with(|claims| *claims.item(place) = value);
    let (broken, invalid) = (Error::ChainBroken, Error::FieldInvalid);
    let named = Text("0".repeat(40));
    let claims = Value::decode(&good).item(2).as_bytes().to_vec();
    let by = |kind| written(|out| cose::sign_attached(&Soft, &identity_key(), kind, &claims, out));
    vec![
        judge.good(object, "good", "the identity certifies layer 0", good.clone()),
        other.bad(object, "other-issuer", "by another key", Error::SignatureInvalid, good.clone()),
        bad("issuer-lies", "it names another issuer", broken, with(0, named.clone())),
        bad("subject-lies", "it names another subject", broken, with(1, named)),
        bad("usage-other", "the key may sign anything", broken, with(7, Bytes(vec![0x21]))),
        bad("mode-unknown", "mode 0", invalid, with(5, Bytes(vec![0]))),
        bad("mode-number", "a mode that is no byte string", invalid, with(5, Number(1))),
        bad("subject-other-key", "an EdDSA key", Error::AlgorithmMismatch, {
            let cose = changed(&public(0x41).to_cose(), |key| *key.item(1) = Value::integer(-8));
            with(6, Bytes(cose))
        }),
        bad("code-short", "a hash of 32 bytes", invalid, with(2, Bytes(vec![1; 32]))),
        bad("claim-added", "a claim more", invalid, {
            link_with(|claims| {
                let Map(pairs) = claims else { return };
                pairs.push((Value::integer(-4_670_554), Null));
            })
        }),
        bad("algorithm-other", "a signature by EdDSA", Error::AlgorithmMismatch, {
            changed(&good, other_algorithm)
        }),
        bad("unprotected", "an unprotected header", Error::CoseShape, {
            changed(&good, |sign1| *sign1.item(1) = Value::map([(4, Null)]))
        }),
        bad("detached", "no claims inside", Error::CoseShape, {
            changed(&good, |sign1| *sign1.item(2) = Null)
        }),
        bad("replayed", "signed as evidence", Error::SignatureInvalid, by(Kind::Evidence)),
        bad("flipped-bit", "one bit of the code's hash", Error::SignatureInvalid, {
            flipped(&good, 1200)
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(&good)),
        bad("over-long", "769 bytes", Error::FieldTooLong, vec![0; 769]),
    ]
}

fn judge() -> Judge {
    Judge::default()
        .with("identity", &identity().to_cose()[..])
        .with("nonce", &NONCE.0[..])
        .with("purpose", 1)
        .with("audience", &catalog().0[..])
}

pub fn evidence() -> Vec<Vector> {
    let judge = judge();
    let good = world::evidence();
    let bad = |way, says, error, bytes| judge.bad("evidence", way, says, error, bytes);
    let with = |change: &dyn Fn(&mut Claims)| {
        let mut claims = claims();
        change(&mut claims);
        evidence_of(&claims, &NORMAL)
    };
    let claim = |place: usize, value: Value| evidence_with(|claims| *claims.item(place) = value);
    let invalid = Error::FieldInvalid;
    let mut all = vec![
        judge.good("evidence", "good", "two layers, two components", good.clone()),
        bad("other-nonce", "of yesterday", Error::NonceMismatch, with(&|c| c.nonce.0[0] ^= 1)),
        bad("other-purpose", "a report as a check-in", Error::PurposeMismatch, {
            with(&|c| c.purpose = Purpose::Report)
        }),
        bad("purpose-unknown", "purpose 3", Error::PurposeMismatch, claim(7, Number(3))),
        bad("other-audience", "for another catalog", Error::AudienceMismatch, {
            with(&|c| c.audience = CatalogId([7; 32]))
        }),
        bad("other-profile", "another profile", Error::ProfileUnknown, {
            claim(3, Text("tag:psacertified.org,2023:psa#tfm".into()))
        }),
        bad("other-device", "another device's id", Error::IdentityMismatch, {
            with(&|c| c.device = world::other_device())
        }),
        bad("lifecycle-unknown", "lifecycle 0x2000", invalid, claim(4, Number(0x2000))),
        bad("mode-other", "mode Debug under a Normal layer", Error::ChainBroken, {
            with(&|c| c.mode = Mode::Debug)
        }),
        bad("measured-twice", "one component twice", Error::MeasuredTwice, {
            evidence_with(|claims| {
                let first = claims.item(6).item(0).clone();
                claims.item(6).items().push(first);
            })
        }),
        bad("measured-21", "21 components", Error::FieldTooLong, {
            evidence_with(|claims| {
                let first = claims.item(6).item(0).clone();
                *claims.item(6) = Array(vec![first; 21]);
            })
        }),
        bad("floor-twice", "one component has two floors", invalid, {
            evidence_with(|claims| {
                let first = claims.item(11).item(0).clone();
                claims.item(11).items().push(first);
            })
        }),
        bad("ueid-other-type", "an IEEE EUI", invalid, claim(2, Bytes(vec![2; 33]))),
        bad("client-key-other", "an OKP key", Error::KeyInvalid, {
            evidence_with(|claims| *claims.item(0).item(0).item(0) = Number(1))
        }),
        bad("counter-missing", "two counters", invalid, {
            claim(9, Array(vec![Number(3), Number(12)]))
        }),
    ];
    all.extend(chains(&judge, &good));
    all
}

/// The evidence with its chain or its token changed.
fn chains(judge: &Judge, good: &[u8]) -> Vec<Vector> {
    let bad = |way, says, error, bytes| judge.bad("evidence", way, says, error, bytes);
    let links = |change: &dyn Fn(&mut Vec<Value>)| changed(good, |v| change(v.item(0).items()));
    let token = |bytes: Vec<u8>| changed(good, |v| *v.item(1) = Bytes(bytes));
    let bytes = Value::decode(Value::decode(good).item(1).as_bytes()).item(2).as_bytes().to_vec();
    let (broken, invalid) = (Error::ChainBroken, Error::SignatureInvalid);
    let debug = Claims { mode: Mode::Debug, ..claims() };
    let other = judge.clone().with("identity", &public(STRANGER).to_cose()[..]);
    vec![
        judge.good("evidence", "good-debug", "a capability opened the last layer", {
            evidence_of(&debug, &[Mode::Normal, Mode::Debug])
        }),
        other.bad("evidence", "other-identity", "another device's", invalid, good.to_vec()),
        bad("chain-empty", "the identity signed the token itself", broken, {
            let own = token_of(Kind::Evidence, &bytes, &identity_key());
            Array(vec![Array(Vec::new()), Bytes(own)]).encode()
        }),
        bad("chain-reversed", "the last layer first", invalid, links(&|list| list.reverse())),
        bad("chain-short", "the last layer is not certified", invalid, {
            links(&|list| list.truncate(1))
        }),
        bad("chain-beginning-missing", "not from the identity", invalid, {
            links(&|list| drop(list.remove(0)))
        }),
        bad("chain-of-five", "five layers", Error::FieldTooLong, {
            evidence_of(&claims(), &[Mode::Normal; 5])
        }),
        bad("chain-through-debug", "an opened layer vouches for a closed one", broken, {
            evidence_of(&claims(), &[Mode::Debug, Mode::Normal])
        }),
        bad("chain-foreign-layer", "a layer that nobody certified", invalid, foreign()),
        bad("signer-other", "another key signed the token", invalid, {
            token(token_of(Kind::Evidence, &bytes, &key(STRANGER)))
        }),
        bad("replayed", "signed as an assignment", invalid, {
            token(token_of(Kind::Assignment, &bytes, &chain(&NORMAL).1))
        }),
        bad("token-detached", "no claims inside", Error::CoseShape, {
            token(written(|out| cose::sign(&Soft, &key(1), Kind::Evidence, &[&bytes], out)))
        }),
        bad("flipped-bit", "one bit of the measurements", invalid, {
            flipped(good, good.len() * 8 - 2400)
        }),
        bad("truncated", "the last byte is missing", Error::CborMalformed, cut(good)),
        bad("over-long", "8193 bytes", Error::FieldTooLong, vec![0; 8193]),
    ]
}

/// A second layer that a stranger certified in the first one's name.
fn foreign() -> Vec<u8> {
    let (mut links, _) = chain(&NORMAL);
    let inputs = Inputs { ..world::inputs(2, Mode::Normal) };
    let (by, subject) = (key(STRANGER), public(0x42));
    links[1] = written(|out| dice::certify(&Soft, &by, &inputs, &subject, out));
    let links: Vec<&[u8]> = links.iter().map(Vec::as_slice).collect();
    written(|out| claims().sign(&Soft, &key(0x42), &links, out))
}
