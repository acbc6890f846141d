//! The examples of others: RFC 9052 (appendix C.2.1), the COSE working group (cose-wg/Examples:
//! `sign1-tests`, `ecdsa-examples`, `hashsig`) and RFC 9783 (appendix A).
//!
//! Each of their messages names no signer, or names him where nothing is signed, so that not one is
//! of the form which we accept. What is judged by them is therefore three things: that we believe
//! the same *signatures*; that every message, as it stands, is refused for what it is; and that
//! their ways of breaking a message are refused in a message of our form, too.

use super::*;
use crate::compact::Compact;
use crate::crypto::KeyedCrypto;
use crate::evidence::{Claims, Lifecycle};
use crate::id::from_hex;
use crate::soft::{Soft, SoftKey};
use std::vec::Vec;

/// The group's key `11`.
const X: &str = "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff";
const Y: &str = "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e";
const SECRET: &str = "57c92077664146e876760c9520d054aa93c3afb04e306705db6090308507b4d3";

/// What all of the group's messages say.
const CONTENT: &[u8] = b"This is the content.";
/// What is signed after the protected header: nothing external, and the content.
const SIGNED_END: &str = "4054546869732069732074686520636f6e74656e742e";

/// Of RFC 9052 C.2.1, which is `sign-pass-03`, too: over `{1: -7}`.
const PLAIN: &str = "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e\
                     2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36";
/// Of `ecdsa-sig-01`: over `{1: -7, 3: 0}`.
const TYPED: &str = "6520bbaf2081d7e0ed0f95f76eb0733d667005f7467cec4b87b9381a6ba1ede8\
                     e00df29f32a37230f39a842a54821fdd223092819d7728efb9d3a0080b75380b";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
    pairs.map(|pair| from_hex::<1>(pair).unwrap()[0]).collect()
}

fn key() -> PublicKey {
    PublicKey([from_hex::<32>(X).unwrap(), from_hex(Y).unwrap()].concat().try_into().unwrap())
}

/// What both implementations say of a signature over a protected header, with nothing external.
fn said(protected: &str, key: &PublicKey, payload: &[u8], signature: &str) -> Result<()> {
    let (protected, signature) = (bytes(protected), from_hex(signature).unwrap());
    let signature = Bytes::Es256(&signature);
    let sign1 = Sign1 { protected: &protected, payload: None, signature, key_id: &[0; 8] };
    let said = sign1.verify(&Soft, Kind::DiceCertificate, key, &[payload]);
    assert_eq!(said, sign1.verify(&Compact, Kind::DiceCertificate, key, &[payload]));
    said
}

#[test]
fn the_working_groups_signatures_are_judged_as_it_says() {
    let wrong = Err(Error::SignatureInvalid);
    for (name, protected, signature, expected) in [
        ("RFC 9052 C.2.1, sign-pass-03", "a10126", PLAIN, Ok(())),
        ("ecdsa-sig-01", "a201260300", TYPED, Ok(())),
        ("sign-fail-03: change sign algorithm", "a1013903e6", PLAIN, wrong),
        ("sign-fail-04: change sign algorithm", "a10167756e6b6e6f776e", PLAIN, wrong),
        ("sign-fail-06: add protected attribute", "a201260300", PLAIN, wrong),
        ("sign-fail-07: remove protected attribute", "a10126", TYPED, wrong),
    ] {
        assert_eq!(said(protected, &key(), CONTENT, signature), expected, "{name}");
    }
    let changed = said("a10126", &key(), b"This is the content/", PLAIN);
    assert_eq!(changed, wrong, "sign-fail-02: change signature");
}

/// What comes of the parts of a Sig_structure over the content.
fn of_parts<T>(protected: &str, of: impl Fn(&[&[u8]]) -> T) -> T {
    let mut made = None;
    over(&bytes(protected), Kind::DiceCertificate, &[CONTENT], &mut |parts| {
        made = Some(of(parts));
        Ok(())
    })
    .unwrap();
    made.unwrap()
}

#[test]
fn what_is_signed_is_what_the_working_group_signs() {
    // The last is that of HSS/LMS (`hsssig-sig-01`).
    for (protected, written) in
        [("a10126", "43a10126"), ("a201260300", "45a201260300"), ("a101382d", "44a101382d")]
    {
        let expected = ["846a5369676e617475726531", written, SIGNED_END].concat();
        let ours = of_parts(protected, |parts| parts.concat());
        assert_eq!(ours, bytes(&expected));
    }
}

#[test]
fn the_working_groups_key_signs_the_same_bytes_here() {
    fn signed(key: &impl Signer) -> Signature {
        assert_eq!(key.public_key(), self::key());
        of_parts("a10126", |parts| key.sign(parts).unwrap())
    }
    let secret = from_hex(SECRET).unwrap();
    let expected = from_hex(PLAIN).unwrap();
    assert_eq!(signed(&Soft.key(&secret).unwrap()), expected);
    assert_eq!(signed(&Compact.key(&secret).unwrap()), expected);
}

/// A message of theirs: what stands before the content, and the signature.
fn message(head: &str, signature: &str) -> Vec<u8> {
    [bytes(head), bytes("54"), CONTENT.to_vec(), bytes("5840"), bytes(signature)].concat()
}

#[test]
fn a_message_that_names_no_signer_under_the_signature_is_refused_for_what_it_is() {
    let (tagged, shape) = (Error::CborNotCanonical, Error::CoseShape);
    for (name, head, expected) in [
        ("C.2.1: tag 18", "d28443a10126a104423131", tagged),
        ("sign-fail-01: tag 998", "d903e68443a10126a104423131", tagged),
        ("sign-pass-03: no tag", "8443a10126a104423131", shape),
        ("sign-pass-01: nothing protected, its tag removed", "8441a0a2012604423131", shape),
        ("RFC 9783 A.1, its tag removed: no signer named", "8443a10126a0", shape),
    ] {
        assert_eq!(Sign1::parse(&message(head, PLAIN)).err(), Some(expected), "{name}");
    }
}

/// A message of our form, by the group's key over the group's content.
fn ours() -> Vec<u8> {
    let signer = SoftKey::from_bytes(&from_hex(SECRET).unwrap()).unwrap();
    let mut room = [0; 128];
    let made = sign_attached(&Soft, &signer, Kind::Evidence, CONTENT, &mut room).unwrap();
    made.to_vec()
}

/// What is said of a message of our form.
fn believed(message: &[u8]) -> Result<&[u8]> {
    Sign1::parse(message)?.verify_attached(&Compact, Kind::Evidence, &key())
}

/// `ours` with the bytes `old` as `new`, once.
fn with(old: &[u8], new: &[u8]) -> Vec<u8> {
    let whole = ours();
    let at = whole.windows(old.len()).position(|window| window == old).unwrap();
    [&whole[..at], new, &whole[at + old.len()..]].concat()
}

#[test]
fn the_working_groups_ways_of_failing_are_refused_in_our_form_too() {
    assert_eq!(believed(&ours()), Ok(CONTENT));
    let id = key().key_id(&Soft);
    let signer = [&[0x04, 0x48], &id[..]].concat();
    let protected = |head: &[u8], end: &[u8]| {
        with(&[&[0x4d, 0xa2, 0x01, 0x26], &signer[..]].concat(), &[head, end].concat())
    };
    let unprotected = |map: &[u8]| with(&[&id[..], &[0xa0]].concat(), &[&id, map].concat());
    let (wrong, shape) = (Error::SignatureInvalid, Error::CoseShape);
    let (tagged, mismatch) = (Error::CborNotCanonical, Error::AlgorithmMismatch);
    for (name, message, expected) in [
        ("tag 18", [&[0xd2], &ours()[..]].concat(), tagged),
        ("tag 998", [&[0xd9, 0x03, 0xe6], &ours()[..]].concat(), tagged),
        ("the content", with(b"content.", b"content/"), wrong),
        ("ES384", protected(&[0x4e, 0xa2, 0x01, 0x38, 0x22], &signer), mismatch),
        (
            "an unknown algorithm",
            protected(&[0x4e, 0xa2, 0x01, 0x61, b'u'], &signer),
            Error::AlgorithmMismatch,
        ),
        ("a header added", protected(&[0x4f, 0xa3, 0x01, 0x26, 0x03, 0x00], &signer), shape),
        ("the algorithm removed", protected(&[0x4b, 0xa1], &signer), shape),
        ("the signer removed", protected(&[0x43, 0xa1, 0x01, 0x26], &[]), shape),
        ("nothing protected", protected(&[0x40], &[]), shape),
        ("an algorithm unprotected", unprotected(&[0xa1, 0x01, 0x26]), shape),
        ("a signer unprotected", unprotected(&[0xa1, 0x04, 0x42, 0x31, 0x31]), shape),
    ] {
        assert_eq!(believed(&message), Err(expected), "{name}");
    }
}

/// The public key of `hsssig-sig-01`: one level of LMS_SHA256_M32_H10, LMOTS_SHA256_N32_W4.
const HSS_KEY: &str = "000000010000000600000003d08fabd4a2091ff0a8cb4ed834e74534\
                       32a58885cd9ba0431235466bff9651c6c92124404d45fa53cf161c28f1ad5a8e";

#[test]
fn the_working_groups_hash_based_example_is_of_a_set_that_is_not_ours() {
    assert_eq!(LmsPublicKey::from_hss(&bytes(HSS_KEY)), Err(Error::LmsSetUnknown));
    // Its signature is 2 512 bytes: over no payload, and in the form that we accept.
    let header = [0x4e, 0xa2, 0x01, 0x38, 0x2d, 0x04, 0x48, 1, 2, 3, 4, 5, 6, 7, 8];
    let message = [&[0x84], &header[..], &[0xa0, 0xf6, 0x59, 0x09, 0xd0], &[0; 2512]].concat();
    assert_eq!(Sign1::parse(&message).err(), Some(Error::CoseShape));
}

/// RFC 9052 C.7.1 has this key with the id `11` and no algorithm.
#[test]
fn a_key_that_names_no_algorithm_or_more_than_one_is_refused() {
    let point = ["215820", X, "225820", Y].concat();
    for (name, head, expected) in [
        ("C.7.1", "a50102024231312001", Error::KeyInvalid),
        ("with an id", "a601020242313103262001", Error::KeyInvalid),
        ("no algorithm", "a401022001", Error::KeyInvalid),
        ("another algorithm", "a5010203272001", Error::AlgorithmMismatch),
        ("another curve", "a5010203262002", Error::KeyInvalid),
        ("another type", "a5010103262001", Error::KeyInvalid),
    ] {
        let cose = bytes(&[head, &point].concat());
        assert_eq!(PublicKey::from_cose(&cose), Err(expected), "{name}");
    }
    assert_eq!(key().to_cose()[..], bytes(&["a5010203262001", &point].concat()));
}

/// RFC 9783, appendix A.1: the key, the claims in the order that they have there, a signature.
const PSA_KEY: [&str; 2] = [
    "4e5e22099e3bceb45b446d1355fd1dc3b545947b6fd7c1c89d886798c3726e8f",
    "80d70b840b256aac34a62ede1043364f044095f003474b91e0182092afb13f2e",
];
const PSA_CLAIMS: [(&str, &str); 7] = [
    ("190100", "5821010202020202020202020202020202020202020202020202020202020202020202"),
    ("19095c", "58200000000000000000000000000000000000000000000000000000000000000000"),
    ("0a", "58200101010101010101010101010101010101010101010101010101010101010101"),
    ("19095a", "1a7fffffff"),
    ("19095b", "193000"),
    ("190109", "78217461673a7073616365727469666965642e6f72672c323032333a7073612374666d"),
    ("19010c", "480000000000000000"),
];
const PSA_COMPONENT: [&str; 3] = [
    "0558200404040404040404040404040404040404040404040404040404040404040404",
    "0258200303030303030303030303030303030303030303030303030303030303030303",
    "016450526f54",
];
const PSA_SIGNED: &str = "786e937a4c42667af3847399319ca95c7e7dbabdc9b50fdb8de3f6bff4ab82ff\
                          80c42140e2a488000219e3e10663193da69c75f52b798ea10b2f7041a90e8e5a";

/// A PSA token is a signature that we believe over claims that are not ours: their order is open
/// in RFC 9783, and they have another profile, a client id, and a signer for each component.
#[test]
fn the_token_of_rfc_9783_is_signed_as_ours_are_and_says_something_else() {
    let claims = |list: &[(&str, &str)], component: &[&str]| {
        let pairs = list.iter().flat_map(|(key, value)| [*key, *value]);
        let all = ["a8"].into_iter().chain(pairs).chain(["19095f", "81a3"]);
        bytes(&all.chain(component.iter().copied()).collect::<Vec<_>>().concat())
    };
    let psa = PublicKey(from_hex(&PSA_KEY.concat()).unwrap());
    let there = claims(&PSA_CLAIMS, &PSA_COMPONENT);
    assert_eq!(said("a10126", &psa, &there, PSA_SIGNED), Ok(()));
    assert_eq!(said("a10126", &key(), &there, PSA_SIGNED), Err(Error::SignatureInvalid));
    assert_eq!(Claims::parse(&there).err(), Some(Error::CborNotCanonical));
    let (mut sorted, mut component) = (PSA_CLAIMS, PSA_COMPONENT);
    sorted.sort_unstable();
    component.sort_unstable();
    let sorted = claims(&sorted, &component);
    assert_eq!(crate::cbor::canonical(&sorted), Ok(()));
    assert_eq!(Claims::parse(&sorted).err(), Some(Error::FieldInvalid));
    assert_eq!(Lifecycle::from_number(0x3000), Ok(Lifecycle::DeviceComplete), "secured");
}
