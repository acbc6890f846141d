//! Inclusion and consistency proofs of any numbers and any path.
#![no_main]

use craton_fuzz::Believing;
use craton_trust::Digest;
use craton_trust::merkle;

libfuzzer_sys::fuzz_target!(|input: (u64, u64, [[u8; 32]; 3], Vec<[u8; 32]>)| {
    let (small, large, [leaf, old, new], path) = input;
    let path: Vec<Digest> = path.into_iter().map(Digest).collect();
    let root = Digest(new);
    if merkle::inclusion(&Believing, Digest(leaf), small, large, &path, &root).is_ok() {
        // A fuzzer learns the root that a leaf and a path lead to; another leaf leads elsewhere.
        let mut other = leaf;
        other[0] ^= 1;
        assert!(merkle::inclusion(&Believing, Digest(other), small, large, &path, &root).is_err());
    }
    let _refusal =
        merkle::consistency(&Believing, (small, Digest(old)), (large, Digest(new)), &path);
});
