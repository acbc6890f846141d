//! Golden vectors: one folder in `spec/vectors` for every object, good and broken in each way.
//!
//! The first test makes all of them anew and compares; `CRATON_BLESS=1` writes them instead. The
//! second reads only the files and asks the public interface.

mod attacks;
mod hybrid;
mod judging;
mod proofs;
mod refusals;
mod rules;
#[path = "../lms/signer.rs"]
mod signer;
mod value;
mod vector;
mod ways;
mod world;

use std::collections::BTreeSet;
use vector::Vector;

#[test]
fn every_vector_is_checked_in_byte_for_byte_and_no_other() {
    let vectors = ways::all();
    let names = vectors.iter().map(|vector| format!("{}/{}", vector.object, vector.way));
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names.len(), vectors.len(), "two ways have one name");
    if std::env::var_os("CRATON_BLESS").is_some() {
        vectors.iter().for_each(Vector::bless);
    }
    let stale = vectors.iter().filter(|vector| !vector.is_checked_in());
    let stale: Vec<String> = stale.map(|v| format!("{}/{}", v.object, v.way)).collect();
    assert!(stale.is_empty(), "CRATON_BLESS=1 writes anew: {stale:?}");
    assert_eq!(vector::checked_in(), names);
}

#[test]
fn every_vector_on_disk_gets_exactly_the_verdict_it_expects() {
    let mut wrong = Vec::new();
    for name in vector::checked_in() {
        let (object, way) = name.split_once('/').expect("two folders");
        let (bytes, expect) = Vector::from_disk(object, way);
        let verdict = judging::verdict(object, &bytes, &expect).err();
        let found = verdict.map(|error| (error.name().to_string(), error.code()));
        if found != expect.error.clone().zip(expect.code) {
            wrong.push(format!("{name}: {found:?} instead of {:?}", expect.error));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_object_has_a_good_vector_and_a_broken_one() {
    let all = ways::all();
    for object in judging::OBJECTS {
        let good = |v: &&Vector| v.object == object && v.expect.error.is_none();
        let bad = |v: &&Vector| v.object == object && v.expect.error.is_some();
        assert!(all.iter().any(|v| good(&v)) && all.iter().any(|v| bad(&v)), "{object}");
    }
}
