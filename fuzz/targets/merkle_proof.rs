//! Inclusion and consistency proofs of any numbers and any path.
#![no_main]

use craton_fuzz::Believing;
use craton_trust::Digest;
use craton_trust::merkle;

libfuzzer_sys::fuzz_target!(|input: (u64, u64, [[u8; 32]; 3], Vec<[u8; 32]>)| {
    let (small, large, [leaf, old, new], path) = input;
    let path: Vec<Digest> = path.into_iter().map(Digest).collect();
    // A proof may only hold by a collision of hashes: random digests must be refused.
    let included = merkle::inclusion(&Believing, Digest(leaf), small, large, &path, &Digest(new));
    assert!(included.is_err() || leaf == new);
    let _refusal =
        merkle::consistency(&Believing, (small, Digest(old)), (large, Digest(new)), &path);
});
