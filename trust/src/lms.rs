//! Verifies HSS/LMS signatures (RFC 8554), which a quantum computer does not forge: as COSE has
//! them (RFC 8778), of one level, and of two. Nothing signs with it here, and no kind of object is
//! believed by it yet.
//!
//! The sets are those of SHA-256 with 32 bytes: trees of height 5, 10, 15 and 20, digits of 4 and
//! of 8 bits. Four are for chips: 67 chains of at most 15 hashes, where 8 bits have 34 of at most
//! 255. All steps are bounded by the key's types, and nothing here can panic.
//!
//! Measured on the Cortex-M33 of QEMU's mps2-an505 (opt-level "s", fat LTO, sha2's compact
//! back-end), one level: 4 bits, height 10, in 2.97 M instructions and 3.2 KB of stack; 8 bits,
//! height 5, in 22.4 M and 2.1 KB; 2.1 KB of code. One end of each chain is 2 144 and 1 088 bytes
//! of that stack, because `Crypto` hashes only what is all there.
//!
//! A key signs only as often as its tree has leaves, and never twice with one: whoever signs keeps
//! that count. A verifier cannot tell.

use crate::copy::copy;
use crate::crypto::Crypto;
use crate::error::{Error, Result};

/// Bytes of an HSS public key: levels, then the key of the top tree.
pub const KEY_SIZE: usize = 4 + TREE_KEY_SIZE;
/// Levels that a key may have.
pub const LEVELS_MAX: u32 = 2;
/// Parts that a message may have.
pub const PARTS_MAX: usize = 12;

const TREE_KEY_SIZE: usize = 56;
const HASH_SIZE: usize = 32;
type Hash = [u8; HASH_SIZE];

/// What is hashed (RFC 8554 §7.1): no input of one kind is one of another.
const PUBLIC: [u8; 2] = [0x80, 0x80];
const MESSAGE: [u8; 2] = [0x81, 0x81];
const LEAF: [u8; 2] = [0x82, 0x82];
const INTERIOR: [u8; 2] = [0x83, 0x83];

/// Verifies an HSS signature (§6.3) over the parts.
///
/// # Errors
/// `KeyInvalid` for a key of another size, more levels or another set; `FieldTooLong` for a message
/// of too many parts; `SignatureInvalid` otherwise.
pub fn verify(crypto: &impl Crypto, key: &[u8], message: &[&[u8]], signature: &[u8]) -> Result<()> {
    let (levels, tree) = take_number(key).ok_or(Error::KeyInvalid)?;
    let tree = Tree::parse(tree).filter(|_| (1..=LEVELS_MAX).contains(&levels));
    let tree = tree.ok_or(Error::KeyInvalid)?;
    if message.len() > PARTS_MAX {
        return Err(Error::FieldTooLong);
    }
    verified(crypto, tree, levels, message, signature).ok_or(Error::SignatureInvalid)
}

fn verified<'b>(
    crypto: &impl Crypto,
    mut tree: Tree<'b>,
    levels: u32,
    message: &[&[u8]],
    signature: &'b [u8],
) -> Option<()> {
    let (signed_keys, mut rest) = take_number(signature)?;
    if signed_keys.checked_add(1) != Some(levels) {
        return None;
    }
    for _ in 0..signed_keys {
        let (own, after) = rest.split_at_checked(tree.signature_size())?;
        let (key, after) = after.split_at_checked(TREE_KEY_SIZE)?;
        tree.verify(crypto, &[key], own)?;
        (tree, rest) = (Tree::parse(key)?, after);
    }
    tree.verify(crypto, message, rest)
}

/// How a hash is cut into digits, one to a chain (§4.1).
#[derive(Clone, Copy)]
enum Digits {
    Bits4,
    Bits8,
}

impl Digits {
    /// The one of the type, as it stands in keys and signatures.
    fn of_type(kind: u32) -> Option<Self> {
        match kind {
            3 => Some(Self::Bits4),
            4 => Some(Self::Bits8),
            _ => None,
        }
    }

    /// Chains: one for each digit of a hash and of its checksum.
    const fn chains(self) -> usize {
        match self {
            Self::Bits4 => 67,
            Self::Bits8 => 34,
        }
    }

    /// The highest digit: the end of a chain.
    const fn highest(self) -> u8 {
        match self {
            Self::Bits4 => 15,
            Self::Bits8 => 255,
        }
    }

    fn digit(self, bytes: &[u8], i: usize) -> Option<u8> {
        match self {
            Self::Bits4 => {
                bytes.get(i / 2).map(|byte| if i & 1 == 0 { byte >> 4 } else { byte & 15 })
            }
            Self::Bits8 => bytes.get(i).copied(),
        }
    }

    /// What the digits of a hash lack to the highest (§4.4), so that digits cannot all rise.
    fn checksum(self, hash: &Hash) -> [u8; 2] {
        let digits = (0..).map_while(|i| self.digit(hash, i));
        let lacking: u16 = digits.map(|digit| u16::from(self.highest() - digit)).sum();
        let shift = match self {
            Self::Bits4 => 4,
            Self::Bits8 => 0,
        };
        (lacking << shift).to_be_bytes()
    }
}

/// The height of a tree of the type, as it stands in keys and signatures (§5.1).
fn height_of_type(kind: u32) -> Option<usize> {
    match kind {
        5 => Some(5),
        6 => Some(10),
        7 => Some(15),
        8 => Some(20),
        _ => None,
    }
}

/// One tree's public key (§5.3).
#[derive(Clone, Copy)]
struct Tree<'b> {
    height: usize,
    digits: Digits,
    /// Both types, as bytes: a signature has the same.
    tree_type: &'b [u8],
    chain_type: &'b [u8],
    id: &'b [u8],
    root: &'b [u8],
}

impl<'b> Tree<'b> {
    fn parse(key: &'b [u8]) -> Option<Self> {
        let (tree_type, rest) = key.split_at_checked(4)?;
        let (chain_type, rest) = rest.split_at_checked(4)?;
        let (id, root) = rest.split_at_checked(16)?;
        let height = height_of_type(take_number(tree_type)?.0)?;
        let digits = Digits::of_type(take_number(chain_type)?.0)?;
        (root.len() == HASH_SIZE).then_some(Self {
            height,
            digits,
            tree_type,
            chain_type,
            id,
            root,
        })
    }

    /// Leaf, type, randomizer and chains, type, path.
    const fn signature_size(&self) -> usize {
        4 + 4 + HASH_SIZE * (1 + self.digits.chains()) + 4 + HASH_SIZE * self.height
    }

    /// §5.4.2.
    fn verify(&self, crypto: &impl Crypto, message: &[&[u8]], signature: &[u8]) -> Option<()> {
        let (leaf, rest) = signature.split_at_checked(4)?;
        let (chain_type, rest) = rest.split_at_checked(4)?;
        let (randomizer, rest) = rest.split_at_checked(HASH_SIZE)?;
        let (chains, rest) = rest.split_at_checked(HASH_SIZE * self.digits.chains())?;
        let (tree_type, path) = rest.split_at_checked(4)?;
        let number = take_number(leaf)?.0;
        let whole = path.len() == HASH_SIZE * self.height && number < 1 << self.height;
        if !whole || chain_type != self.chain_type || tree_type != self.tree_type {
            return None;
        }
        let hash = self.message_hash(crypto, leaf, randomizer, message)?;
        let leaf_key = match self.digits {
            Digits::Bits4 => self.leaf_key::<67>(crypto, leaf, &hash, chains)?,
            Digits::Bits8 => self.leaf_key::<34>(crypto, leaf, &hash, chains)?,
        };
        let mut node = number | 1 << self.height;
        let mut value = crypto.sha256(&[self.id, &node.to_be_bytes(), &LEAF, &leaf_key]).0;
        for sibling in path.chunks_exact(HASH_SIZE) {
            let pair = if node & 1 == 1 { [sibling, &value] } else { [&value, sibling] };
            node /= 2;
            let [left, right] = pair;
            value = crypto.sha256(&[self.id, &node.to_be_bytes(), &INTERIOR, left, right]).0;
        }
        (value == self.root).then_some(())
    }

    fn message_hash(
        &self,
        crypto: &impl Crypto,
        leaf: &[u8],
        randomizer: &[u8],
        message: &[&[u8]],
    ) -> Option<Hash> {
        let mut parts: [&[u8]; 4 + PARTS_MAX] = [&[]; 4 + PARTS_MAX];
        let (head, tail) = parts.split_first_chunk_mut()?;
        *head = [self.id, leaf, &MESSAGE, randomizer];
        copy(tail.get_mut(..message.len())?, message);
        Some(crypto.sha256(&parts).0)
    }

    /// The leaf's public key that a signature of `hash` leads to (§4.6).
    #[inline(never)]
    fn leaf_key<const CHAINS: usize>(
        &self,
        crypto: &impl Crypto,
        leaf: &[u8],
        hash: &Hash,
        chains: &[u8],
    ) -> Option<Hash> {
        let mut digits = [0; HASH_SIZE + 2];
        let (message, checksum) = digits.split_at_mut(HASH_SIZE);
        copy(message, hash);
        copy(checksum, &self.digits.checksum(hash));
        let mut ends = [[0; HASH_SIZE]; CHAINS];
        for ((chain, end), from) in (0u16..).zip(&mut ends).zip(chains.chunks_exact(HASH_SIZE)) {
            copy(end, from);
            for place in self.digits.digit(&digits, chain.into())?..self.digits.highest() {
                let place = [place];
                *end = crypto.sha256(&[self.id, leaf, &chain.to_be_bytes(), &place, end]).0;
            }
        }
        Some(crypto.sha256(&[self.id, leaf, &PUBLIC, ends.as_flattened()]).0)
    }
}

/// The number that begins the bytes, and the rest.
fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}
