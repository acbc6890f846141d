//! Deltas rebuild exactly the signed payload, from any place on, and from related payloads small.

use craton_image::delta::{Applier, Header, Payload, WINDOW_BYTES, apply, apply_verified, make};
use std::fs::File;

/// A seeded stream of numbers (SplitMix64): the seed alone decides a test.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Bytes with some structure: stretches of noise, of one byte, and repeats.
    fn payload(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let length = 1 + self.below(size / 4);
            match self.below(3) {
                0 => bytes.extend((0..length).map(|_| self.next() as u8)),
                1 => bytes.resize(bytes.len() + length, self.next() as u8),
                _ => bytes.extend_from_within(..self.below(bytes.len()).min(length)),
            }
        }
        bytes.truncate(size);
        bytes
    }

    /// A successor: some bytes changed, inserted, removed and moved.
    fn successor(&mut self, old: &[u8]) -> Vec<u8> {
        let mut new = old.to_vec();
        for _ in 0..self.below(12) {
            let at = self.below(new.len());
            let length = self.below(new.len() / 3 + 2).min(new.len() - at);
            match self.below(4) {
                0 => new[at..at + length].iter_mut().step_by(97).for_each(|byte| *byte ^= 0x11),
                1 => drop(new.splice(at..at, self.payload(length))),
                2 => drop(new.drain(at..at + length)),
                _ => new[at..].rotate_left(length),
            }
        }
        new
    }
}

fn assert_round_trip(old: &[u8], new: &[u8]) -> usize {
    let delta = make(old, new).unwrap();
    let signed = Payload::of(new);
    let rebuilt = apply_verified(old, &delta, &signed.digest, signed.size);
    assert!(rebuilt.as_deref() == Ok(new), "{:?}", rebuilt.err());
    delta.len()
}

#[test]
fn seeded_pairs_round_trip() {
    for seed in 0..120 {
        let mut seeded = Seeded(seed);
        let size = seeded.below(40_000);
        let old = seeded.payload(size);
        let new = seeded.successor(&old);
        assert_round_trip(&old, &new);
    }
}

#[test]
fn seeded_pairs_over_many_windows_round_trip() {
    for seed in 1000..1003 {
        let mut seeded = Seeded(seed);
        let size = 2 * WINDOW_BYTES + seeded.below(WINDOW_BYTES);
        let old = seeded.payload(size);
        let new = seeded.successor(&old);
        assert_round_trip(&old, &new);
    }
}

#[test]
fn empty_equal_and_unrelated_payloads_round_trip() {
    let mut seeded = Seeded(7);
    let (one, other) = (seeded.payload(70_000), seeded.payload(90_000));
    let empty = assert_round_trip(b"", b"");
    assert!(empty < Header::BYTES + 24);
    assert_eq!(assert_round_trip(&one, b""), empty);
    assert_round_trip(b"", &one);
    assert_round_trip(&one, &other);
    assert!(assert_round_trip(&one, &one) < empty + 48);
    assert_round_trip(b"a", b"b");
    let exact = vec![5; 2 * WINDOW_BYTES];
    assert_round_trip(&one, &exact);
    assert_round_trip(&exact, &exact[1..]);
}

#[test]
fn a_window_of_as_many_operations_as_possible_stays_within_the_bounds() {
    // The shortest matches there are, each far from the last.
    let mut seeded = Seeded(11);
    let old: Vec<u8> = (0..3 * WINDOW_BYTES).map(|_| seeded.next() as u8).collect();
    let mut new = Vec::new();
    while new.len() < WINDOW_BYTES {
        let at = seeded.below(old.len() - 16);
        new.extend_from_slice(&old[at..at + 9]);
    }
    assert_round_trip(&old, &new);
}

#[test]
fn the_same_pair_gives_the_same_delta() {
    let mut seeded = Seeded(3);
    let old = seeded.payload(100_000);
    let new = seeded.successor(&old);
    assert!(make(&old, &new) == make(&old, &new));
}

#[test]
fn an_interrupted_application_goes_on_at_any_window() {
    let mut seeded = Seeded(21);
    let old = seeded.payload(3 * WINDOW_BYTES + 5);
    let new = seeded.successor(&old);
    let delta = make(&old, &new).unwrap();
    let windows = new.len().div_ceil(WINDOW_BYTES);
    for kept in 0..=windows {
        let mut applier =
            Applier::new(&old[..], &Payload::of(&old), &delta[..], &Payload::of(&new)).unwrap();
        assert_eq!(applier.windows(), windows as u64);
        applier.skip(kept as u64).unwrap();
        let mut payload = new[..new.len().min(kept * WINDOW_BYTES)].to_vec();
        while let Some(window) = applier.next_window().unwrap() {
            assert!(window.len() <= WINDOW_BYTES);
            payload.extend_from_slice(window);
        }
        assert!(payload == new, "resumed at window {kept}");
    }
}

#[test]
fn the_old_payload_may_be_a_file() {
    let mut seeded = Seeded(22);
    let old = seeded.payload(200_000);
    let new = seeded.successor(&old);
    let delta = make(&old, &new).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old");
    std::fs::write(&path, &old).unwrap();
    let file = File::open(&path).unwrap();
    let mut applier =
        Applier::new(&file, &Payload::of(&old), &delta[..], &Payload::of(&new)).unwrap();
    assert!(applier.next_window().unwrap() == Some(&new[..]));
    assert!(applier.next_window().unwrap().is_none());
}

#[test]
fn a_moved_and_patched_payload_costs_little() {
    let mut seeded = Seeded(5);
    let old: Vec<u8> = (0..500_000).map(|_| seeded.next() as u8).collect();
    let mut new = [&old[200_000..], b"an inserted line", &old[..200_000]].concat();
    new.iter_mut().step_by(5000).for_each(|byte| *byte ^= 1);
    let delta = make(&old, &new).unwrap();
    assert!(delta.len() < 1000, "{} bytes", delta.len());
    assert_eq!(apply(&old, &delta, new.len() as u64).as_deref(), Ok(&new[..]));
}
