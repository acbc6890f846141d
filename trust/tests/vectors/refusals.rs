//! The registry, the enum and the vectors hold each other: no number without something that
//! provokes it.

use crate::ways;
use crate::world::{ROOTS, key, public, seal};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::error::Error::{self, *};
use craton_trust::signed::{PAYLOAD_MAX, countersign, seal as seal_into};
use craton_trust::soft::Soft;
use craton_trust::store::{KEYS_MAX, RoleKeysBuilder};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Refusals of a caller's own step, of what is too large for a file, or of a log that is a TPM's;
/// tests by hand provoke them.
const WITHOUT_A_VECTOR: [Error; 5] =
    [BufferTooSmall, ChainTooLong, AbiUnmet, SetFailedBefore, EventLogShape];

#[derive(Deserialize)]
struct Registry {
    error: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: u16,
    name: String,
    #[serde(rename = "crate")]
    layer: String,
}

#[test]
fn every_number_of_trust_is_provoked_by_a_vector_or_by_hand() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/errors.toml");
    let text = std::fs::read_to_string(path).expect("the registry");
    let registry: Registry = toml::from_str(&text).expect("it reads");
    let ours = registry.error.into_iter().filter(|entry| entry.layer == "trust");
    let registered: BTreeSet<(u16, String)> = ours.map(|entry| (entry.code, entry.name)).collect();
    let vectors = ways::all().into_iter().filter_map(|v| v.expect.code.zip(v.expect.error));
    let by_hand = WITHOUT_A_VECTOR.map(|error| (error.code(), error.name().to_string()));
    let provoked: BTreeSet<(u16, String)> = vectors.chain(by_hand).collect();
    let missing: Vec<_> = registered.difference(&provoked).collect();
    let unknown: Vec<_> = provoked.difference(&registered).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "{missing:?} {unknown:?}");
}

#[test]
fn every_refusal_is_shown_with_its_number_and_name() {
    assert_eq!(RolledBack.to_string(), "E1305: RolledBack");
}

#[test]
fn a_buffer_of_every_smaller_size_is_buffer_too_small() {
    let signer = key(ROOTS[0]);
    let whole = seal(Kind::ImageSet, b"payload", &ROOTS[..1]).len();
    for size in 0..whole {
        let mut room = vec![0; size];
        let sealed = seal_into(&Soft, Kind::ImageSet, b"payload", &[&signer], &mut room);
        assert_eq!(sealed.err(), Some(BufferTooSmall), "{size} of {whole}");
    }
}

#[test]
fn what_nobody_could_read_back_is_not_sealed() {
    let mut room = vec![0; PAYLOAD_MAX + 1024];
    let signer = key(ROOTS[0]);
    let nobody = seal_into(&Soft, Kind::ImageSet, b"p", &[], &mut room);
    assert_eq!(nobody.err(), Some(SignerUnknown));
    let nine = [&signer as &dyn Signer; 9];
    let crowd = seal_into(&Soft, Kind::ImageSet, b"p", &nine, &mut room);
    assert_eq!(crowd.err(), Some(FieldTooLong));
    let large = vec![0; PAYLOAD_MAX + 1];
    let bulk = seal_into(&Soft, Kind::ImageSet, &large, &[&signer], &mut room);
    assert_eq!(bulk.err(), Some(FieldTooLong));
    let eight = seal(Kind::ImageSet, b"p", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let ninth = countersign(&Soft, Kind::ImageSet, &eight, &key(9), &mut room);
    assert_eq!(ninth.err(), Some(FieldTooLong));
}

#[test]
fn a_role_takes_eight_distinct_keys() {
    let mut role = RoleKeysBuilder::new(1);
    (1..=8).for_each(|seed| role.push(public(seed)).expect("room"));
    assert_eq!(role.role_keys().keys().len(), KEYS_MAX);
    assert_eq!(role.push(public(8)), Err(KeyRepeated));
    assert_eq!(role.push(public(9)), Err(FieldTooLong));
}
