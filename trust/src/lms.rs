//! Verifies HSS/LMS signatures (RFC 8554, RFC 8778), which a quantum computer does not forge.
//!
//! One set of parameters is believed, of one level: SHA-256 cut to 24 bytes, a tree of 1024 leaves,
//! digits of 4 bits (`LMS_SHA256_M24_H10` and `LMOTS_SHA256_N24_W4`; RFC 9858, SP 800-208). Every
//! other one is refused when its key is read (`LmsSetUnknown`), so that keys and signatures have
//! one size each, and no code waits for others:
//! - 24 bytes: a signature is 1 504 bytes, and 2 512 with 32; two of the first, with which a role
//!   changes its key, fit into an envelope beside a manifest, two of the second do not.
//! - 4 bits: a chip verifies in some 400 hashes; with 8 bits it is 3 300, which alone is more than
//!   a chip may take to verify a whole program.
//! - 1024 leaves: one for each release of many years. A higher tree is a larger signature.
//! - one level: a second one would be a second signature in each signature.
//!
//! The steps are generic over a [`Set`], so that the vectors of RFC 8554 and RFC 9858, which are of
//! other sets, go through the same lines. A verifier never has all ends of a leaf's chains at once
//! (1 224 bytes): each goes into a running hash as it is found.
//!
//! A key signs only as often as its tree has leaves, and never twice with one: who has two
//! signatures of one leaf can forge others. Whoever signs keeps that count; a verifier cannot tell.
//! That is why LMS stands only beside ES256, never in its place (STORE-8).

use crate::copy::join;
use crate::crypto::RunningSha256;
use crate::error::{Error, Result};
use crate::key::LmsPublicKey;

/// Bytes of a tree's identifier.
pub const ID_SIZE: usize = 16;
/// Bytes of the root of a tree of the believed set.
pub const ROOT_SIZE: usize = 24;
/// Bytes of an HSS key of the believed set.
pub const KEY_SIZE: usize = SET.len() + ID_SIZE + ROOT_SIZE;
/// Bytes of an HSS signature of the believed set.
pub const SIGNATURE_SIZE: usize = 4 + tree_signature_size::<M24H10W4>();
/// How often a key of the believed set signs.
pub const LEAVES: u32 = 1 << M24H10W4::HEIGHT;

/// The top of a tree of the believed set.
pub type Root = [u8; ROOT_SIZE];
/// A signature of the believed set.
pub type Signature = [u8; SIGNATURE_SIZE];

/// What an HSS key of the believed set begins with: one level, the types of tree and chains.
pub const SET: [u8; 12] = [0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 7];

/// Bytes of a hash before it is cut.
const WHOLE: usize = 32;

/// A set of parameters: of a tree (RFC 8554 §5.1) and of its leaves' chains (§4.1).
pub trait Set {
    /// The tree's type, as it stands in keys and signatures.
    const TREE: u32;
    /// The chains' type.
    const CHAIN: u32;
    /// Bytes of a hash, at most 32.
    const HASH_SIZE: usize;
    /// Levels of the tree.
    const HEIGHT: u32;
    /// Bits of a digit: 4 or 8.
    const BITS: u32;
}

/// The set that is believed.
#[derive(Clone, Copy, Debug)]
pub struct M24H10W4;

impl Set for M24H10W4 {
    const TREE: u32 = 11;
    const CHAIN: u32 = 7;
    const HASH_SIZE: usize = ROOT_SIZE;
    const HEIGHT: u32 = 10;
    const BITS: u32 = 4;
}

/// Digits of a checksum: as many as the highest one needs (§4.4).
const fn checksum_digits<S: Set>() -> u32 {
    if S::BITS == 4 { 3 } else { 2 }
}

/// Chains of a leaf: one for each digit of a hash and of its checksum.
#[must_use]
pub const fn chains<S: Set>() -> usize {
    S::HASH_SIZE * 8 / S::BITS as usize + checksum_digits::<S>() as usize
}

/// The highest digit: the end of a chain.
#[must_use]
pub const fn highest<S: Set>() -> u8 {
    if S::BITS == 4 { 15 } else { 255 }
}

/// Leaf, type, randomizer and chains, type, path.
const fn tree_signature_size<S: Set>() -> usize {
    4 + 4 + S::HASH_SIZE * (1 + chains::<S>()) + 4 + S::HASH_SIZE * S::HEIGHT as usize
}

/// The root that a signature of the believed set leads to.
///
/// # Errors
/// `SignatureInvalid` for bytes that no signature of the set is.
pub fn root<H: RunningSha256>(
    key: &LmsPublicKey,
    message: &[&[u8]],
    signature: &Signature,
) -> Result<Root> {
    let (no_more_levels, signature) = take_number(signature).ok_or(Error::SignatureInvalid)?;
    let root = tree_root::<M24H10W4, H>(&key.id, message, signature);
    let root = root.filter(|_| no_more_levels == 0).ok_or(Error::SignatureInvalid)?;
    root.first_chunk().copied().ok_or(Error::SignatureInvalid)
}

/// The root, at the beginning of 32 bytes, that a signature by one tree of a set leads to
/// (§5.4.2a); `None` for bytes that no signature of the set is.
pub fn tree_root<S: Set, H: RunningSha256>(
    id: &[u8; ID_SIZE],
    message: &[&[u8]],
    signature: &[u8],
) -> Option<[u8; WHOLE]> {
    let (leaf, rest) = take_number(signature)?;
    let (chain_type, rest) = take_number(rest)?;
    let (randomizer, rest) = rest.split_at_checked(S::HASH_SIZE)?;
    let (chains, rest) = rest.split_at_checked(S::HASH_SIZE * chains::<S>())?;
    let (tree_type, path) = take_number(rest)?;
    let whole = path.len() == S::HASH_SIZE * S::HEIGHT as usize && leaf < 1 << S::HEIGHT;
    if !whole || chain_type != S::CHAIN || tree_type != S::TREE {
        return None;
    }
    let tree = Hashes { id };
    let digits = Digits::of::<S, H>(&tree, leaf, randomizer, message);
    let mut ends = tree.begin::<H>(leaf, PUBLIC);
    for ((i, digit), from) in (0..).zip(digits.all::<S>()).zip(chains.chunks_exact(S::HASH_SIZE)) {
        let mut value = [0; WHOLE];
        join(&mut value, &[from]);
        ends.update(cut::<S>(&tree.chain::<S, H>(leaf, i, digit..highest::<S>(), value)));
    }
    let mut node = leaf | 1 << S::HEIGHT;
    let mut value = tree.leaf::<S, H>(node, &ends.finish());
    for sibling in path.chunks_exact(S::HASH_SIZE) {
        let own = cut::<S>(&value);
        let (left, right) = if node & 1 == 1 { (sibling, own) } else { (own, sibling) };
        node /= 2;
        value = tree.interior::<H>(node, left, right);
    }
    Some(value)
}

/// What a hash is of, after the tree and the leaf or node (§7.1): no input of one kind is one of
/// another.
const PUBLIC: [u8; 2] = [0x80, 0x80];
const MESSAGE: [u8; 2] = [0x81, 0x81];
const LEAF: [u8; 2] = [0x82, 0x82];
const INTERIOR: [u8; 2] = [0x83, 0x83];

/// The hashes of one tree, for who verifies and for who signs.
#[derive(Clone, Copy, Debug)]
pub struct Hashes<'i> {
    /// The tree's identifier.
    pub id: &'i [u8; ID_SIZE],
}

impl Hashes<'_> {
    /// A hash that begins with the tree, a leaf or node, and what it is of.
    #[must_use]
    pub fn begin<H: RunningSha256>(&self, number: u32, of: [u8; 2]) -> H {
        let mut hash = H::new();
        hash.update(self.id);
        hash.update(&number.to_be_bytes());
        hash.update(&of);
        hash
    }

    /// The value after the steps `places` of a chain (§4.5, §4.6).
    #[must_use]
    pub fn chain<S: Set, H: RunningSha256>(
        &self,
        leaf: u32,
        chain: u16,
        places: core::ops::Range<u8>,
        from: [u8; WHOLE],
    ) -> [u8; WHOLE] {
        places.fold(from, |value, place| {
            let mut hash = self.begin::<H>(leaf, chain.to_be_bytes());
            hash.update(&[place]);
            hash.update(cut::<S>(&value));
            hash.finish()
        })
    }

    /// A leaf's node, from the hash of its chains' ends (§5.3).
    #[must_use]
    pub fn leaf<S: Set, H: RunningSha256>(&self, node: u32, key: &[u8; WHOLE]) -> [u8; WHOLE] {
        let mut hash = self.begin::<H>(node, LEAF);
        hash.update(cut::<S>(key));
        hash.finish()
    }

    /// A node above two others.
    #[must_use]
    pub fn interior<H: RunningSha256>(&self, node: u32, left: &[u8], right: &[u8]) -> [u8; WHOLE] {
        let mut hash = self.begin::<H>(node, INTERIOR);
        hash.update(left);
        hash.update(right);
        hash.finish()
    }

    /// What the ends of a leaf's chains go into, one after another.
    #[must_use]
    pub fn ends<H: RunningSha256>(&self, leaf: u32) -> H {
        self.begin(leaf, PUBLIC)
    }
}

/// The bytes of a hash that a set keeps.
#[must_use]
pub fn cut<S: Set>(value: &[u8; WHOLE]) -> &[u8] {
    value.split_at(S::HASH_SIZE).0
}

/// A message's hash and its checksum, digit by digit: one to a chain.
#[derive(Clone, Copy, Debug)]
pub struct Digits([u8; WHOLE + 2]);

impl Digits {
    /// Those of a message (§4.4, §4.5).
    #[must_use]
    pub fn of<S: Set, H: RunningSha256>(
        tree: &Hashes<'_>,
        leaf: u32,
        randomizer: &[u8],
        message: &[&[u8]],
    ) -> Self {
        let mut hash = tree.begin::<H>(leaf, MESSAGE);
        hash.update(randomizer);
        message.iter().for_each(|part| hash.update(part));
        let hash = hash.finish();
        let mut digits = Self([0; WHOLE + 2]);
        join(&mut digits.0, &[cut::<S>(&hash)]);
        // What the digits lack to the highest, so that they cannot all rise.
        let count = chains::<S>() - checksum_digits::<S>() as usize;
        let lacking = digits.all::<S>().take(count);
        let lacking: u16 = lacking.map(|digit| u16::from(highest::<S>() - digit)).sum();
        let lacking = lacking << (16 - checksum_digits::<S>() * S::BITS);
        let (_, checksum) = digits.0.split_at_mut(S::HASH_SIZE);
        join(checksum, &[&lacking.to_be_bytes()]);
        digits
    }

    /// The digits, as many as there are chains.
    pub fn all<S: Set>(&self) -> impl Iterator<Item = u8> + use<'_, S> {
        let digit = |i: usize| match S::BITS {
            4 => self.0.get(i / 2).map_or(0, |byte| if i & 1 == 0 { byte >> 4 } else { byte & 15 }),
            _ => self.0.get(i).copied().unwrap_or(0),
        };
        (0..chains::<S>()).map(digit)
    }
}

/// The number that begins the bytes, and the rest.
fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}
