//! The leaves that objects show: a signature says which leaf it is by.

use crate::keys::AnyKey;
use craton_trust::cbor::{Reader, Writer};
use craton_trust::cose::{Kind, Sign1};
use craton_trust::error::{Error, Result};
use craton_trust::key::{KEY_ID_SIZE, LmsPublicKey};
use craton_trust::lms;
use craton_trust::signed::{PAYLOAD_MAX, SIGNATURES_MAX};
use craton_trust::soft::Soft;
use craton_trust::suit;

/// The signatures of an object, and what they are over.
struct Signatures<'b> {
    kind: Kind,
    payload: &'b [u8],
    /// Each a COSE_Sign1.
    all: Vec<&'b [u8]>,
}

impl<'b> Signatures<'b> {
    /// Those of a signed object.
    fn of_object(object: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(object)?;
        reader.array(2)?;
        let payload = reader.bytes(PAYLOAD_MAX)?;
        let count = reader.list(SIGNATURES_MAX)?;
        let all = (0..count).map(|_| reader.bytes(object.len())).collect::<Result<_>>()?;
        Ok(Self { kind: Kind::TrustStore, payload, all })
    }

    /// Those of an envelope, behind the digest that they are over.
    fn of_envelope(envelope: &'b [u8]) -> Result<Self> {
        let (payload, all) = suit::unchecked_signatures(envelope)?;
        let all = all.collect();
        Ok(Self { kind: Kind::Image, payload, all })
    }

    /// Those of a section or envelope; `None` of anything else.
    fn of(bytes: &'b [u8]) -> Option<Self> {
        Self::of_object(bytes).or_else(|_| Self::of_envelope(bytes)).ok()
    }

    /// The leaf by which a key signed; `None` if it did not: nobody else may make it skip leaves.
    fn leaf(&self, key: &LmsPublicKey) -> Option<u32> {
        let sign1 = self.by(key.key_id(&Soft))?;
        let verdict = Sign1::parse(sign1).ok()?.verify_lms(&Soft, self.kind, key, &[self.payload]);
        verdict.and_then(|()| leaf(sign1)).ok()
    }

    /// Whether this key made one of them.
    fn are_by(&self, key: AnyKey) -> bool {
        let (kind, payload) = (self.kind, [self.payload]);
        let sign1 = self.by(key.key_id()).and_then(|bytes| Sign1::parse(bytes).ok());
        let verdict = sign1.map(|sign1| match key {
            AnyKey::Es256(key) => sign1.verify(&Soft, kind, &key, &payload),
            AnyKey::Lms(key) => sign1.verify_lms(&Soft, kind, &key, &payload),
        });
        verdict == Some(Ok(()))
    }

    /// The signature that names a key.
    fn by(&self, key: [u8; KEY_ID_SIZE]) -> Option<&'b [u8]> {
        let names = |sign1: &&[u8]| Sign1::parse(sign1).is_ok_and(|it| *it.key_id == key);
        self.all.iter().copied().find(names)
    }
}

/// The highest leaf by which a key signed one of these sections and envelopes.
#[must_use]
pub fn highest_leaf<'b>(
    key: &LmsPublicKey,
    objects: impl IntoIterator<Item = &'b [u8]>,
) -> Option<u32> {
    objects.into_iter().filter_map(|object| Signatures::of(object)?.leaf(key)).max()
}

/// Whether a key signed an object: a signature that only names it says nothing, whoever keeps the
/// object may have put it there.
#[must_use]
pub fn is_signed_by(object: &[u8], key: AnyKey) -> bool {
    Signatures::of(object).is_some_and(|signatures| signatures.are_by(key))
}

/// A signed section without the signature that names a key and is not by it; where nothing else
/// signed, its payload alone. What needs no change, and what is not signed, is as it was.
///
/// # Errors
/// Those of the encoding.
pub fn without_forged(object: &[u8], key: AnyKey) -> Result<Vec<u8>> {
    let Ok(signatures) = Signatures::of_object(object) else { return Ok(object.to_vec()) };
    let forged = signatures.by(key.key_id());
    if forged.is_none() || signatures.are_by(key) {
        return Ok(object.to_vec());
    }
    let others = signatures.all.iter().filter(|bytes| Some(**bytes) != forged);
    let count = others.clone().count();
    if count == 0 {
        return Ok(signatures.payload.to_vec());
    }
    let mut out = vec![0; object.len()];
    let mut writer = Writer::new(&mut out);
    writer.array(2)?.bytes(signatures.payload)?.array(count)?;
    { others }.try_for_each(|bytes| writer.bytes(bytes).map(|_| ()))?;
    writer.written().map(<[u8]>::to_vec)
}

/// The leaf of one signature: what follows the number of levels (RFC 8554 §5.4, §6.2).
fn leaf(sign1: &[u8]) -> Result<u32> {
    let mut reader = Reader::new(sign1)?;
    reader.array(4)?;
    reader.raw()?;
    reader.raw()?;
    reader.raw()?;
    let signature: &[u8; lms::SIGNATURE_SIZE] = reader.fixed_in_place()?;
    let leaf = signature.split_at(4).1.first_chunk().ok_or(Error::CoseShape)?;
    Ok(u32::from_be_bytes(*leaf))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lms::tree::Tree;
    use craton_trust::crypto::{By, LmsSigner, Signer as _};
    use craton_trust::lms::M24H10W4;
    use craton_trust::signed::{countersign_by, seal};
    use craton_trust::soft::SoftKey;

    /// One leaf of a tree.
    struct Leaf<'t>(&'t Tree<M24H10W4>, u32);

    impl LmsSigner for Leaf<'_> {
        fn public_key(&self) -> LmsPublicKey {
            LmsPublicKey { id: self.0.id(), root: self.0.root().try_into().unwrap() }
        }

        fn sign(&self, parts: &[&[u8]]) -> Result<lms::Signature> {
            let signature = self.0.sign(self.1, &[0; 24], parts).unwrap();
            Ok([&[0; 4], &signature[..]].concat().try_into().unwrap())
        }
    }

    fn es256() -> SoftKey {
        SoftKey::from_bytes(&[1; 32]).unwrap()
    }

    fn object(by: &Leaf<'_>) -> Vec<u8> {
        let (mut first, mut both) = ([0; 256], vec![0; 4096]);
        let first = seal(&Soft, Kind::TrustStore, b"section", &[&es256()], &mut first).unwrap();
        countersign_by(&Soft, Kind::TrustStore, first, By::Lms(by), &mut both).unwrap().to_vec()
    }

    fn envelope(by: &Leaf<'_>) -> Vec<u8> {
        let (mut first, mut both) = ([0; 512], vec![0; 4096]);
        // Any item stands for a manifest: who reads leaves does not look at it.
        let first = suit::sign(&Soft, &[0xa0], &[&es256()], &mut first).unwrap();
        suit::countersign(&Soft, first, By::Lms(by), &mut both).unwrap().to_vec()
    }

    #[test]
    fn an_object_shows_who_signed_it_and_by_which_leaf() {
        let [tree, other] = [7, 8].map(|seed| Tree::grow([seed; 16], &[seed; 24]));
        let (key, other) = (Leaf(&tree, 0).public_key(), Leaf(&other, 0).public_key());
        let objects = [
            object(&Leaf(&tree, 7)),
            envelope(&Leaf(&tree, 300)),
            b"nothing".to_vec(),
            object(&Leaf(&tree, 20)),
        ];
        let all = || objects.iter().map(Vec::as_slice);
        assert_eq!(highest_leaf(&key, all()), Some(300));
        assert_eq!(highest_leaf(&other, all()), None);
        assert!(is_signed_by(&objects[0], AnyKey::Es256(es256().public_key())));
        assert!(is_signed_by(&objects[1], AnyKey::Lms(key)));
        assert!(!is_signed_by(&objects[0], AnyKey::Lms(other)));
        for length in 0..objects[1].len() {
            assert_eq!(highest_leaf(&key, [&objects[1][..length]]), None, "{length}");
        }
    }

    /// A service that shows a later leaf than any that signed would have the key spend all.
    #[test]
    fn a_leaf_that_did_not_sign_is_not_seen() {
        let tree = Tree::grow([7; 16], &[7; 24]);
        let (key, mut forged) = (Leaf(&tree, 0).public_key(), object(&Leaf(&tree, 7)));
        let at = forged.windows(8).position(|it| it == [0, 0, 0, 7, 0, 0, 0, 7]).unwrap();
        assert_eq!(highest_leaf(&key, [&forged[..]]), Some(7));
        forged[at + 2] = 3;
        assert!(!is_signed_by(&forged, AnyKey::Lms(key)));
        assert_eq!(highest_leaf(&key, [&forged[..]]), None);
    }
}
