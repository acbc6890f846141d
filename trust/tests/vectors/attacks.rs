//! Attacks that need no file: every bit, every length, every object as every other.

use crate::judging::{self, OBJECTS};
use crate::value::Value;
use crate::vector::{Expect, Vector, checked_in};
use crate::ways::{self, flipped, with_signature};
use crate::world::{self, key, payload, seal};
use craton_trust::Signed;
use craton_trust::cose::Kind;
use craton_trust::error::Error;
use craton_trust::key::PublicKey;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder};

fn good(object: &str, way: &str) -> (Vec<u8>, Expect) {
    let (bytes, expect) = Vector::from_disk(object, way);
    assert_eq!(judging::verdict(object, &bytes, &expect), Ok(()));
    (bytes, expect)
}

/// The bits `from`, `from + step`, … of the object flipped, one at a time, on both cores; none may
/// verify, none may panic.
fn no_flipped_bit_verifies(object: &str, way: &str, bits: std::ops::Range<usize>, step: usize) {
    let (bytes, expect) = good(object, way);
    let judge = |bit: usize| {
        let verdict = judging::verdict(object, &flipped(&bytes, bit), &expect);
        assert!(verdict.is_err(), "{object}/{way}: bit {bit}");
    };
    let judge = &judge;
    let half = |core: usize| bits.clone().step_by(step).skip(core).step_by(2);
    std::thread::scope(|scope| {
        for half in [half(0), half(1)] {
            scope.spawn(move || half.for_each(judge));
        }
    });
}

fn bits_of(object: &str, way: &str) -> std::ops::Range<usize> {
    0..Vector::from_disk(object, way).0.len() * 8
}

#[test]
fn no_flipped_bit_of_an_image_envelope_verifies() {
    no_flipped_bit_verifies("image", "good", bits_of("image", "good"), 1);
}

#[test]
fn no_flipped_bit_of_an_image_set_verifies() {
    no_flipped_bit_verifies("image-set", "good", bits_of("image-set", "good"), 1);
}

#[test]
fn no_flipped_bit_of_a_trust_store_section_verifies() {
    no_flipped_bit_verifies("trust-store", "good-owner", bits_of("trust-store", "good-owner"), 1);
}

/// The envelope between payload and footer has its own test.
#[test]
fn no_flipped_bit_of_a_packages_payload_or_footer_verifies() {
    let bits = bits_of("package", "good");
    let footer = bits.end - 8 * craton_trust::suit::FOOTER_SIZE;
    no_flipped_bit_verifies("package", "good", 0..8 * world::PAYLOAD.len(), 1);
    no_flipped_bit_verifies("package", "good", footer..bits.end, 1);
}

/// Steps of 5 reach every byte, and every place in a byte, at a fifth of the cost.
#[test]
fn no_flipped_bit_of_the_other_objects_verifies() {
    for object in ["assignment", "capability", "checkpoint", "endorsement", "evidence", "lot"] {
        no_flipped_bit_verifies(object, "good", bits_of(object, "good"), 5);
    }
}

#[test]
fn every_object_cut_at_every_length_or_followed_by_a_byte_is_refused() {
    for name in checked_in().iter().filter(|name| name.contains("/good")) {
        let (object, way) = name.split_once('/').expect("two folders");
        let (bytes, expect) = good(object, way);
        // A footer has one length by its type.
        if object == "footer" {
            continue;
        }
        for length in 0..bytes.len() {
            let verdict = judging::verdict(object, &bytes[..length], &expect);
            assert!(verdict.is_err(), "{name}: {length} bytes");
        }
        for last in 0..=u8::MAX {
            let longer = [&bytes[..], &[last]].concat();
            let verdict = judging::verdict(object, &longer, &expect);
            assert!(verdict.is_err(), "{name}: {last:02x} follows");
        }
    }
}

/// Not a verdict but a promise: whatever the bytes are, every reader returns.
#[test]
fn no_reader_panics_on_bytes_that_were_changed_at_random() {
    let goods: Vec<(Vec<u8>, Expect)> = OBJECTS.iter().map(|object| first_good(object)).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits")
    };
    for _ in 0..4000 {
        let mut bytes = goods[random() % goods.len()].0.clone();
        for _ in 0..=random() % 4 {
            let place = random() % bytes.len();
            bytes[place] = [0x00, 0x18, 0x5b, 0x9b, 0xbb, 0xff, 0xf6][random() % 7];
        }
        for (object, (_, expect)) in OBJECTS.iter().zip(&goods) {
            if *object != "footer" {
                judging::verdict(object, &bytes, expect).ok();
            }
        }
    }
}

fn first_good(object: &str) -> (Vec<u8>, Expect) {
    let names = checked_in();
    let prefix = format!("{object}/good");
    let name = names.iter().find(|name| name.starts_with(&prefix)).expect("a good one");
    good(object, &name[object.len() + 1..])
}

const KINDS: [Kind; 11] = [
    Kind::TrustStore,
    Kind::Image,
    Kind::ImageSet,
    Kind::Approval,
    Kind::Assignment,
    Kind::Capability,
    Kind::Endorsement,
    Kind::Checkpoint,
    Kind::Evidence,
    Kind::Lifecycle,
    Kind::DiceCertificate,
];

#[test]
fn sig_1_no_kind_of_signature_serves_for_any_other() {
    for signed_as in KINDS {
        let object = seal(signed_as, b"one payload for all", &[1]);
        for read_as in KINDS {
            let role = RoleKeysBuilder::of(key_of(1));
            let signed = Signed::parse(&object).expect("an object");
            let verdict = signed.verify(&Soft, read_as, &[role.role_keys()], |_| Ok(())).map(drop);
            let right = if read_as == signed_as { Ok(()) } else { Err(Error::SignatureInvalid) };
            assert_eq!(verdict, right, "{signed_as:?} as {read_as:?}");
        }
    }
}

fn key_of(seed: u8) -> PublicKey {
    world::public(seed)
}

/// One for each role of an object: no two of them may share a key (STORE-6).
const SIGNERS: [u8; 3] = [0x31, 0x32, 0x33];

/// Every good object given to the reader of every other, whose roles hold the keys that signed it.
#[test]
fn sig_1_no_object_passes_as_an_object_of_another_kind() {
    let again = |kind, good: Vec<u8>| seal(kind, &payload(&good), &SIGNERS);
    let manifest = world::written(|out| world::image().encode(out));
    let signed = [
        ("assignment", again(Kind::Assignment, world::assignment())),
        ("capability", again(Kind::Capability, world::capability())),
        ("checkpoint", again(Kind::Checkpoint, world::checkpoint())),
        ("endorsement", again(Kind::Endorsement, world::endorsement())),
        ("image", world::envelope_of(&manifest, &SIGNERS)),
        ("image-set", again(Kind::ImageSet, world::image_set())),
        ("lot", again(Kind::Lot, world::lot())),
        ("trust-store", again(Kind::TrustStore, world::owner_genesis())),
    ];
    for (object, bytes) in &signed {
        for other in OBJECTS.iter().filter(|other| *other != object && **other != "footer") {
            let (_, mut expect) = first_good(other);
            assert!(expect.role.len() <= SIGNERS.len());
            for (role, seed) in expect.role.iter_mut().zip(SIGNERS) {
                let cose = crate::vector::hex(&world::public(seed).to_cose());
                (role.threshold, role.keys) = (1, vec![cose]);
            }
            if *other == "cbor" {
                continue;
            }
            let verdict = judging::verdict(other, bytes, &expect);
            assert!(verdict.is_err(), "{object} passes as {other}");
        }
    }
}

/// (r, n − s): another signature of the same key over the same bytes.
fn twin(sign1: &mut Value) {
    let mut signature = sign1.item(3).as_bytes().to_vec();
    let mut borrow = 0;
    for (place, n) in (32..64).zip(ORDER).rev() {
        let difference = i16::from(n) - i16::from(signature[place]) - borrow;
        borrow = i16::from(difference < 0);
        signature[place] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    *sign1.item(3) = Value::bytes(signature);
}

/// The order of P-256 (FIPS 186-5).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn sig_2_the_twin_of_a_signature_neither_renames_an_object_nor_counts_twice() {
    let object = world::image_set();
    let other = with_signature(&object, twin);
    assert_ne!(object, other);
    let read = |bytes: &[u8]| {
        let signed = Signed::parse(bytes)?;
        let (owner, catalog) = (world::owner(), RoleKeysBuilder::of(world::public(world::CATALOG)));
        let roles = [owner.role(Role::Publisher), catalog.role_keys()];
        signed.verify(&Soft, Kind::ImageSet, &roles, |_| Ok(())).map(|set| set.digest())
    };
    assert_eq!(read(&other), read(&object));
    assert!(read(&object).is_ok());
    let first = Value::decode(&object).item(1).item(0).clone();
    let second = Value::decode(&other).item(1).item(0).clone();
    let both =
        Value::Array(vec![Value::bytes(payload(&object)), Value::Array(vec![first, second])]);
    assert_eq!(Signed::parse(&both.encode()).err(), Some(Error::SignerRepeated));
}

/// The same point by a coordinate above the field's prime would be a second name for one key.
#[test]
fn a_coordinate_above_the_prime_is_key_invalid() {
    use craton_trust::crypto::{Crypto as _, Signer as _};
    let good = key(1);
    let signature = good.sign(&[b"x"]).expect("signed");
    for half in [0..32, 32..64] {
        let mut public = good.public_key();
        public.0[half].copy_from_slice(&[0xff; 32]);
        let verdict = Soft.es256_verify(&public, &[b"x"], &signature);
        assert_eq!(verdict, Err(Error::KeyInvalid));
    }
}

#[test]
fn reading_is_linear_in_the_bytes_however_deep_the_keys_nest() {
    // Maps as keys of maps: the reader compares every key with the one before.
    let pair = |key: Value| Value::Map(vec![(key, Value::Null)]);
    let inner = Value::Bytes(vec![7; 60_000]);
    let nested = (0..8).fold(inner, |value, _| pair(value)).encode();
    let wide = Value::Array(vec![Value::Number(0); 60_000]).encode();
    let began = std::time::Instant::now();
    for bytes in [&nested, &wide] {
        assert_eq!(craton_trust::cbor::canonical(bytes), Ok(()));
    }
    assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
    assert!(ways::all().iter().all(|vector| vector.bytes.len() < 1 << 18));
}
