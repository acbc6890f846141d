//! What a leaf says.

use aws_lc_rs::hmac;
use craton_api::operator::Digest;
use craton_trust::crypto::Crypto as _;

use crate::crypto::AwsLc;

/// What kind of fact a leaf records. Its number is the leaf's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeafKind {
    /// An admitted image set: its id.
    ImageSet = 1,
    /// A deployment: digest of group and set.
    Deployment = 2,
    /// A claimed device: a commitment.
    Claim = 3,
    /// A countersigned capability: a commitment.
    Capability = 4,
    /// A token given or taken back: a commitment.
    Grant = 5,
    /// A version of a trust-store section: its digest.
    TrustStore = 6,
    /// Another boot of a device than its baseline, or an operator's word for it: a commitment.
    Boot = 7,
}

impl LeafKind {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageSet => "image-set",
            Self::Deployment => "deployment",
            Self::Claim => "claim",
            Self::Capability => "capability",
            Self::Grant => "grant",
            Self::TrustStore => "trust-store",
            Self::Boot => "boot",
        }
    }
}

/// A leaf: its kind, then 32 bytes that name the fact or commit to it. A device computes the leaf
/// of its own set from the set's id alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// What it records.
    pub kind: LeafKind,
    /// The fact.
    pub fact: Digest,
}

impl Leaf {
    /// The bytes that are hashed into the log.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 33] {
        let mut bytes = [self.kind as u8; 33];
        bytes[1..].copy_from_slice(&self.fact.0);
        bytes
    }
}

/// Commits to a fact that the log must not tell: SHA-256 over a salt that only the catalog can
/// compute, and the fact. To open it, the catalog reveals that one salt.
#[must_use]
pub fn commitment(catalog_secret: &[u8; 32], fact: &[&[u8]]) -> Digest {
    let key = hmac::Key::new(hmac::HMAC_SHA256, catalog_secret);
    let mut salt = hmac::Context::with_key(&key);
    salt.update(b"craton/1/commitment");
    fact.iter().for_each(|part| salt.update(part));
    let salt = salt.sign();
    let parts: Vec<&[u8]> = std::iter::once(salt.as_ref()).chain(fact.iter().copied()).collect();
    AwsLc.sha256(&parts).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_depends_on_the_catalogs_secret_and_on_the_fact() {
        let one = commitment(&[1; 32], &[b"device"]);
        assert_eq!(one, commitment(&[1; 32], &[b"device"]));
        assert_ne!(one, commitment(&[2; 32], &[b"device"]));
        assert_ne!(one, commitment(&[1; 32], &[b"other"]));
    }

    #[test]
    fn leaves_of_two_kinds_never_have_the_same_bytes() {
        let fact = Digest([7; 32]);
        let set = Leaf { kind: LeafKind::ImageSet, fact }.to_bytes();
        let deployment = Leaf { kind: LeafKind::Deployment, fact }.to_bytes();
        assert_ne!(set, deployment);
        assert_eq!(set[1..], deployment[1..]);
    }
}
