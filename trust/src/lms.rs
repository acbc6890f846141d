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
use crate::crypto::{Mixed, RunningSha256};
use crate::error::{Error, Result};
use crate::key::LmsPublicKey;
use core::hint::black_box;

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

/// Where the first chain of the first leaf of the tree with id 0 ends, from zeros and place 13 on.
const STEPPED: Root = [
    0x64, 0xcb, 0x9f, 0xd7, 0xc1, 0x49, 0xf5, 0x67, 0x39, 0x09, 0x8d, 0xab, 0x30, 0xb6, 0x5f, 0x5a,
    0x3f, 0xec, 0xdb, 0xe6, 0x1d, 0x57, 0xd5, 0x75,
];

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

/// The root, in the first bytes, that a signature of the believed set leads to, by a hash of
/// nothing yet.
///
/// # Errors
/// `SignatureInvalid` for bytes that no signature of the set is.
pub fn root<H: RunningSha256>(
    empty: H,
    key: &LmsPublicKey,
    message: &[&[u8]],
    signature: &Signature,
) -> Result<Mixed> {
    let (no_more_levels, signature) = take_number(signature).ok_or(Error::SignatureInvalid)?;
    let tree = Hashes { id: &key.id, empty };
    if !tree.steps() {
        return Err(Error::SignatureInvalid);
    }
    let root = tree_root::<M24H10W4, H>(&tree, message, signature);
    root.filter(|_| no_more_levels == 0).ok_or(Error::SignatureInvalid)
}

/// The root alone.
#[must_use]
pub fn root_of(mixed: &Mixed) -> Root {
    let mut root = [0; ROOT_SIZE];
    join(&mut root, &[&mixed.to_bytes()]);
    root
}

/// The root, at the beginning of 32 bytes, that a signature by one tree of a set leads to
/// (§5.4.2a); `None` for bytes that no signature of the set is.
pub fn tree_root<S: Set, H: RunningSha256>(
    tree: &Hashes<'_, H>,
    message: &[&[u8]],
    signature: &[u8],
) -> Option<Mixed> {
    let (leaf, rest) = take_number(signature)?;
    let (chain_type, rest) = take_number(rest)?;
    let (randomizer, rest) = rest.split_at_checked(S::HASH_SIZE)?;
    let (chains, rest) = rest.split_at_checked(S::HASH_SIZE * chains::<S>())?;
    let (tree_type, path) = take_number(rest)?;
    let whole = path.len() == S::HASH_SIZE * S::HEIGHT as usize && leaf < 1 << S::HEIGHT;
    if !whole || chain_type != S::CHAIN || tree_type != S::TREE {
        return None;
    }
    let digits = Digits::of::<S, H>(tree, leaf, randomizer, message);
    let mut ends = tree.ends(leaf);
    let mut used = Used::default();
    for ((i, digit), from) in (0..).zip(digits.all::<S>()).zip(chains.chunks_exact(S::HASH_SIZE)) {
        let walk = || tree.walk::<S>(leaf, i, digit..highest::<S>(), from);
        let (end, steps) = walk();
        // What the signature has is hashed where it is (ROT-25), and counts as no step.
        let twice = match &end {
            Some(end) => {
                ends.update_mixed(end, S::HASH_SIZE);
                used.take::<S>(i, black_box(steps))
            }
            None => {
                ends.update(from);
                used.take::<S>(i, black_box(0))
            }
        };
        if twice {
            used.compare(end.as_ref(), walk().0.as_ref());
        }
    }
    let mut node = (leaf | 1 << S::HEIGHT) ^ used.doubt();
    let mut value = tree.leaf::<S>(node, &ends.finish_mixed());
    for sibling in path.chunks_exact(S::HASH_SIZE) {
        let is_right = node & 1 == 1;
        node /= 2;
        let mut above = tree.begin(node, INTERIOR);
        if is_right {
            above.update(sibling);
        }
        above.update_mixed(&value, S::HASH_SIZE);
        if !is_right {
            above.update(sibling);
        }
        value = above.finish_mixed();
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
pub struct Hashes<'i, H> {
    /// The tree's identifier.
    pub id: &'i [u8; ID_SIZE],
    /// What each begins with: a hash of nothing yet.
    pub empty: H,
}

impl<H: RunningSha256> Hashes<'_, H> {
    /// A hash that begins with the tree, a leaf or node, and what it is of.
    #[must_use]
    pub fn begin(&self, number: u32, of: [u8; 2]) -> H {
        let mut hash = self.empty.clone();
        hash.update(self.id);
        hash.update(&number.to_be_bytes());
        hash.update(&of);
        hash
    }

    /// The value after the steps `places` of a chain (§4.5, §4.6); `None` if there are none.
    #[must_use]
    pub fn chain<S: Set>(
        &self,
        leaf: u32,
        chain: u16,
        places: core::ops::Range<u8>,
        from: &[u8],
    ) -> Option<Mixed> {
        self.walk::<S>(leaf, chain, places, from).0
    }

    /// As [`Hashes::chain`], with how many steps there were.
    fn walk<S: Set>(
        &self,
        leaf: u32,
        chain: u16,
        places: core::ops::Range<u8>,
        from: &[u8],
    ) -> (Option<Mixed>, u32) {
        let mut steps = 0u32;
        let end = places.fold(None, |value: Option<Mixed>, place| {
            let mut hash = self.begin(leaf, chain.to_be_bytes());
            hash.update(&[place]);
            match value {
                Some(value) => hash.update_mixed(&value, S::HASH_SIZE),
                None => hash.update(from),
            }
            steps = black_box(steps.wrapping_add(1)); // so that it is counted, and not concluded
            Some(hash.finish_mixed())
        });
        (end, steps)
    }

    /// Whether chains are walked as they should, from the first step to the last: one without all
    /// of its steps, always, would be a digit's that is too low (ROT-18).
    fn steps(&self) -> bool {
        let tree = Hashes { id: &[0; ID_SIZE], empty: self.empty.clone() };
        let end = tree.chain::<M24H10W4>(0, 0, black_box(13)..15, &[0; ROOT_SIZE]);
        end.is_some_and(|end| end.is(&STEPPED))
    }

    /// A leaf's node, from the hash of its chains' ends (§5.3).
    #[must_use]
    pub fn leaf<S: Set>(&self, node: u32, key: &Mixed) -> Mixed {
        let mut hash = self.begin(node, LEAF);
        hash.update_mixed(key, S::HASH_SIZE);
        hash.finish_mixed()
    }

    /// A node above two others.
    #[must_use]
    pub fn interior(&self, node: u32, left: &[u8], right: &[u8]) -> [u8; WHOLE] {
        let mut hash = self.begin(node, INTERIOR);
        hash.update(left);
        hash.update(right);
        hash.finish()
    }

    /// What the ends of a leaf's chains go into, one after another.
    #[must_use]
    pub fn ends(&self, leaf: u32) -> H {
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
pub struct Digits {
    hash: Mixed,
    checksum: [u8; 2],
}

impl Digits {
    /// Those of a message (§4.4, §4.5).
    #[must_use]
    pub fn of<S: Set, H: RunningSha256>(
        tree: &Hashes<'_, H>,
        leaf: u32,
        randomizer: &[u8],
        message: &[&[u8]],
    ) -> Self {
        let mut hash = tree.begin(leaf, MESSAGE);
        hash.update(randomizer);
        message.iter().for_each(|part| hash.update(part));
        let mut digits = Self { hash: hash.finish_mixed(), checksum: [0; 2] };
        // What the digits lack to the highest, so that they cannot all rise.
        let count = chains::<S>() - checksum_digits::<S>() as usize;
        let lacking = digits.all::<S>().take(count);
        let lacking: u16 = lacking.map(|digit| u16::from(highest::<S>() - digit)).sum();
        let lacking = lacking << (16 - checksum_digits::<S>() * S::BITS);
        digits.checksum = lacking.to_be_bytes();
        digits
    }

    /// The digits, as many as there are chains.
    pub fn all<S: Set>(&self) -> impl Iterator<Item = u8> + use<'_, S> {
        let byte = |i: usize| match i.checked_sub(S::HASH_SIZE) {
            Some(behind) => self.checksum.get(behind).copied().unwrap_or(0),
            None => self.hash.byte(i),
        };
        let digit = move |i: usize| match S::BITS {
            4 if i & 1 == 0 => byte(i / 2) >> 4,
            4 => byte(i / 2) & 15,
            _ => byte(i),
        };
        (0..chains::<S>()).map(digit)
    }
}

/// The digits that chains were walked by, for who verifies: what each lacks to the highest is how
/// many steps were taken. Where a skipped instruction changed one of the checksum, the others need
/// not be those of a message that was signed; and with none at all the ends of an old signature
/// would be that of everything (ROT-18).
#[derive(Default)]
struct Used {
    /// Steps along the chains of the hash.
    steps: u32,
    /// What the digits of the checksum say.
    lacking: u32,
    /// Between two walks along a chain of the checksum.
    difference: u32,
}

impl Used {
    /// Takes the steps along a chain; whether that is to be walked twice. A digit of the checksum
    /// counts for as many steps of others as leave nothing of them, but for the last.
    fn take<S: Set>(&mut self, chain: u16, steps: u32) -> bool {
        let is_checksum = usize::from(chain) >= chains::<S>() - checksum_digits::<S>() as usize;
        if is_checksum {
            let digit = u32::from(highest::<S>()).wrapping_sub(steps);
            self.lacking = (self.lacking << S::BITS).wrapping_add(digit);
        } else {
            self.steps = self.steps.wrapping_add(steps);
        }
        is_checksum && usize::from(chain) + 1 < chains::<S>()
    }

    /// Takes where two walks led.
    fn compare(&mut self, first: Option<&Mixed>, second: Option<&Mixed>) {
        self.difference |= match (first, second) {
            (Some(first), Some(second)) => first.unlike(second),
            (first, second) => u32::from(first.is_some() ^ second.is_some()),
        };
    }

    /// 0 if as many steps were taken as the checksum says that the digits of the hash lack.
    fn doubt(&self) -> u32 {
        self.difference | black_box(self.steps) ^ self.lacking
    }
}

/// The number that begins the bytes, and the rest.
fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(digits: &[u8]) -> Used {
        let mut used = Used::default();
        for (chain, digit) in (0..).zip(digits) {
            let twice = used.take::<M24H10W4>(chain, u32::from(15 - digit));
            assert_eq!(twice, chain == 48 || chain == 49);
        }
        used
    }

    #[test]
    fn rot_18_digits_that_do_not_lack_what_their_checksum_says_are_a_doubt() {
        for digits in [[0; 48], [15; 48], core::array::from_fn(|i| i as u8 % 16)] {
            let lacking: u32 = digits.iter().map(|digit| 15 - u32::from(*digit)).sum();
            let checksum = [8, 4, 0].map(|shift| (lacking >> shift) as u8 & 15);
            let right = [&digits[..], &checksum].concat();
            assert_eq!(used(&right).doubt(), 0);
            for place in 0..51 {
                for other in (0..16).filter(|other| *other != right[place]) {
                    let mut wrong = right.clone();
                    wrong[place] = other;
                    assert_ne!(used(&wrong).doubt(), 0, "{place}: {other}");
                }
            }
        }
    }

    #[test]
    fn rot_18_a_chain_that_leads_elsewhere_the_second_time_is_a_doubt() {
        let (one, mut other) = (Mixed::open(&[7; 32]), [7; 32]);
        other[5] ^= 4;
        let other = Mixed::open(&other);
        let against = |first: Option<&Mixed>, second: Option<&Mixed>| {
            let mut used = Used::default();
            used.compare(first, second);
            used.doubt() != 0
        };
        assert!(!against(Some(&one), Some(&one)) && !against(None, None));
        assert!(against(Some(&one), Some(&other)));
        assert!(against(Some(&one), None) && against(None, Some(&one)));
    }
}
