//! The rules of hybrid roles, by the vectors on disk and by objects that need no file.

use super::{PUBLISHER, ROOT, STRANGER, key, leaf, platform, publisher, seal};
use crate::rules::{accepts, refuses};
use crate::world::{self, PLATFORM_PUBLISHER, PLATFORM_ROOT, encoded, kept};
use craton_trust::Signed;
use craton_trust::cose::{self, Kind};
use craton_trust::crypto::{By, LmsSigner as _};
use craton_trust::error::Error::{self, *};
use craton_trust::signed::countersign_by;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, Section, SectionBuilder};
use craton_trust::suit::{self, ENVELOPE_MAX, MANIFEST_MAX};

#[test]
fn sig_4_refuses_a_key_of_another_algorithm_than_the_signatures() {
    refuses(
        "image",
        &[
            ("hybrid-lms-under-es256-id", AlgorithmMismatch),
            ("hybrid-es256-under-lms-id", AlgorithmMismatch),
            ("hybrid-lms-as-es256", FieldTooLong),
        ],
    );
    refuses("image-set", &[("lms-beside", AlgorithmMismatch)]);
}

#[test]
fn sig_4_no_lms_key_signs_what_no_role_with_one_must_sign() {
    let mut room = [0; 4096];
    for kind in [Kind::ImageSet, Kind::Capability, Kind::Assignment, Kind::Lifecycle] {
        let spent = leaf(STRANGER, 0);
        let signed = cose::sign_by(&Soft, By::Lms(&spent), kind, &[b"x"], &mut room);
        assert_eq!(signed.err(), Some(AlgorithmMismatch));
        assert_eq!(spent.next.get(), 0, "no leaf is spent on it");
    }
}

#[test]
fn sig_5_refuses_what_one_algorithm_alone_signed() {
    accepts(&["image/good-hybrid", "image/good-before-hybrid", "trust-store/good-hybrid"]);
    refuses(
        "image",
        &[
            ("hybrid-lms-stripped", HybridUnmet),
            ("hybrid-lms-by-stranger", HybridUnmet),
            ("hybrid-es256-stripped", SignerUnknown),
            ("hybrid-lms-twice", SignerRepeated),
            ("hybrid-lms-of-another", SignatureInvalid),
            ("hybrid-lms-other-leaf", SignatureInvalid),
            ("hybrid-lms-leaf-beyond", SignatureInvalid),
            ("hybrid-lms-other-tree", SignatureInvalid),
            ("hybrid-lms-levels", SignatureInvalid),
            ("hybrid-lms-cut", FieldTooLong),
        ],
    );
    refuses(
        "trust-store",
        &[("hybrid-lms-stripped", HybridUnmet), ("hybrid-es256-stripped", SignerUnknown)],
    );
}

#[test]
fn sig_5_counts_the_threshold_in_each_algorithm() {
    let mut role = world::role(2, &[1, 2, 3]);
    (ROOT..=STRANGER).for_each(|tree| role.push_lms(key(tree)).expect("room"));
    let verdict = |seeds: &[u8], trees: &[usize]| {
        let object = seal(Kind::TrustStore, b"p", seeds, trees);
        let signed = Signed::parse(&object)?;
        signed.verify(&Soft, Kind::TrustStore, &[role.role_keys()], |_| Ok(())).map(drop)
    };
    let right: Result<(), Error> = Ok(());
    assert_eq!(verdict(&[1, 3], &[ROOT, STRANGER]), right);
    assert_eq!(verdict(&[1, 2, 3], &[ROOT, PUBLISHER, STRANGER]), right);
    assert_eq!(verdict(&[1, 2, 3], &[ROOT]), Err(HybridUnmet));
    assert_eq!(verdict(&[1, 2, 3], &[]), Err(HybridUnmet));
    assert_eq!(verdict(&[1], &[ROOT, PUBLISHER, STRANGER]), Err(ThresholdNotMet));
    assert_eq!(verdict(&[0x71], &[ROOT, PUBLISHER]), Err(SignerUnknown));
}

/// Whatever is changed, left out or put in another order, nothing of it makes the role need less.
#[test]
fn sig_5_no_flipped_bit_of_a_hybrid_envelope_verifies() {
    let envelope = super::both();
    let role = publisher();
    let judge = |bytes: &[u8]| suit::verify(&Soft, role.role_keys(), bytes).map(drop);
    assert_eq!(judge(&envelope), Ok(()));
    for bit in (0..envelope.len() * 8).step_by(3) {
        let mut broken = envelope.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(judge(&broken).is_err(), "bit {bit}");
    }
    for length in (0..envelope.len()).step_by(7) {
        assert!(judge(&envelope[..length]).is_err(), "{length} bytes");
    }
    let turned = super::envelope(|digest| vec![super::lms(digest), super::es256(digest)]);
    assert_eq!(judge(&turned), Ok(()), "the order says nothing");
}

#[test]
fn store_1_a_hybrid_root_lets_its_lms_key_go_in_both_algorithms_only() {
    accepts(&[
        "successor/good-to-hybrid",
        "successor/good-from-hybrid",
        "successor/good-hybrid-replaced",
    ]);
    refuses(
        "successor",
        &[
            ("to-hybrid-unproven", HybridUnmet),
            ("to-hybrid-orphans", SuccessorOrphans),
            ("hybrid-dropped", HybridUnmet),
            ("hybrid-replaced", HybridUnmet),
        ],
    );
}

#[test]
fn store_8_refuses_an_lms_key_alone_too_few_or_where_none_signs() {
    refuses(
        "trust-store",
        &[
            ("lms-alone", ThresholdImpossible),
            ("lms-too-few", ThresholdImpossible),
            ("lms-first", KeyInvalid),
            ("lms-twice", KeyRepeated),
            ("lms-nine", FieldTooLong),
            ("lms-manufacturer", AlgorithmMismatch),
            ("lms-owner", AlgorithmMismatch),
            ("lms-other-algorithm", AlgorithmMismatch),
            ("lms-other-height", LmsSetUnknown),
            ("lms-levels", LmsSetUnknown),
            ("lms-32-bytes", LmsSetUnknown),
        ],
    );
}

#[test]
fn a_hybrid_section_and_its_excerpt_have_the_keys_they_were_made_of() {
    let mut made = platform();
    let mut root = world::role(2, &[1, 2, 3]);
    (ROOT..=PUBLISHER).for_each(|tree| root.push_lms(key(tree)).expect("room"));
    made.set_role(Role::Root, root);
    let whole = kept(&made);
    let section = whole.section();
    for role in crate::judging::ROLES {
        assert_eq!(section.role(role), made.role(role), "{role:?}");
    }
    assert!(section.role(Role::Root).contains_lms(&key(PUBLISHER)));
    assert!(!section.role(Role::Root).contains_lms(&key(STRANGER)));
    assert_eq!(section.role(Role::Root).lms_threshold(), 2);
    assert_eq!(section.role(Role::Manufacturer).lms_threshold(), 0);
    let mut room = [0; Section::excerpt_size(1)];
    let excerpt = section.excerpt(&[Role::Publisher], &mut room).expect("room");
    assert_eq!(excerpt.role(Role::Publisher), made.role(Role::Publisher));
    assert!(excerpt.role(Role::Root).is_empty());
    assert_eq!(encoded(&SectionBuilder::from(&section)), encoded(&made));
    let mut full = RoleKeysBuilder::new(1);
    for seed in 1..=8 {
        full.push(world::public(seed)).expect("room");
    }
    full.push_lms(key(ROOT)).expect("room");
    assert_eq!(full.push_lms(key(ROOT)), Err(KeyRepeated));
    made.set_role(Role::Root, full);
    assert_eq!(Section::parse(&encoded(&made)).err(), Some(FieldTooLong), "nine keys");
}

/// What a role needs to change its LMS key: the old one's signature and the new one's.
#[test]
fn an_envelope_has_room_for_two_lms_signatures_and_says_so_before_a_leaf_is_spent() {
    let mut room = [0; 2 * ENVELOPE_MAX];
    let manifest = crate::world::written(|out| world::runtime().encode(out));
    let one = world::envelope_of(&manifest, &[PLATFORM_PUBLISHER]);
    let sign = |envelope: &[u8], tree: usize, room: &mut [u8]| {
        suit::countersign(&Soft, envelope, By::Lms(&leaf(tree, 0)), room).map(<[u8]>::to_vec)
    };
    let two = sign(&one, PUBLISHER, &mut room).expect("room for one");
    assert_eq!(two, super::both(), "as if it had been signed at once");
    assert_eq!(two.len() - one.len(), cose::LMS_SIGN1_SIZE + 4);
    let three = sign(&two, STRANGER, &mut room).expect("room for two");
    assert!(suit::verify(&Soft, publisher().role_keys(), &three).is_ok());
    let spent = leaf(ROOT, 0);
    let full = suit::countersign(&Soft, &three, By::Lms(&spent), &mut room);
    assert_eq!((full.err(), spent.next.get()), (Some(FieldTooLong), 0));
    assert_eq!(sign(&two, PUBLISHER, &mut room).err(), Some(SignerRepeated));
    let other = world::key(PLATFORM_ROOT);
    let by_es256 = suit::countersign(&Soft, &one, By::Es256(&other), &mut room).expect("room");
    assert_eq!(by_es256, world::envelope_of(&manifest, &[PLATFORM_PUBLISHER, PLATFORM_ROOT]));
    assert!(MANIFEST_MAX + two.len() - manifest.len() <= ENVELOPE_MAX, "beside any manifest");
}

#[test]
fn an_object_is_countersigned_only_where_the_signature_has_room() {
    let object = seal(Kind::TrustStore, b"p", &[1], &[]);
    let whole = seal(Kind::TrustStore, b"p", &[1], &[ROOT]);
    for size in [object.len(), whole.len() - 1, whole.len()] {
        let (spent, mut room) = (leaf(ROOT, 0), vec![0; size]);
        let by = By::Lms(&spent);
        let signed = countersign_by(&Soft, Kind::TrustStore, &object, by, &mut room);
        let fits = size == whole.len();
        assert_eq!(signed, if fits { Ok(&whole[..]) } else { Err(BufferTooSmall) });
        assert_eq!(spent.next.get(), u32::from(fits));
        assert_eq!(spent.public_key(), key(ROOT));
    }
}
