//! One tree that signs (RFC 8554 §4 and §5), its secrets from one seed as in Appendix A.
//!
//! It does not count its leaves: whoever has it does ([`super::key`]).

use craton_cloud::crypto::Running;
use craton_trust::crypto::RunningSha256 as _;
use craton_trust::lms::{Digits, Hashes, ID_SIZE, Set, chains, cut, highest};
use std::marker::PhantomData;
use zeroize::Zeroizing;

/// A hash before it is cut.
type Node = [u8; 32];

/// A tree with its seed. The seed wipes itself.
pub struct Tree<S> {
    id: [u8; ID_SIZE],
    seed: Zeroizing<Vec<u8>>,
    /// The leaves, then what is above them, and the root alone at the end.
    levels: Vec<Vec<Node>>,
    set: PhantomData<S>,
}

impl<S: Set> Tree<S> {
    /// Grows the tree of a seed, which has as many bytes as the set's hashes.
    #[must_use]
    pub fn grow(id: [u8; ID_SIZE], seed: &[u8]) -> Self {
        let seed = Zeroizing::new(seed.to_vec());
        let mut tree = Self { id, seed, levels: Vec::new(), set: PhantomData };
        let mut below: Vec<Node> = (0..1 << S::HEIGHT).map(|leaf| tree.leaf(leaf)).collect();
        for height in (0..S::HEIGHT).rev() {
            let pairs = (1u32 << height..).zip(below.as_chunks::<2>().0);
            let above = |(node, [left, right]): (u32, &[Node; 2])| {
                tree.hashes().interior(node, cut::<S>(left), cut::<S>(right))
            };
            let above = pairs.map(above).collect();
            tree.levels.push(std::mem::replace(&mut below, above));
        }
        tree.levels.push(below);
        tree
    }

    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> [u8; ID_SIZE] {
        self.id
    }

    /// The top, as it stands in the public key.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        self.levels.last().and_then(|root| root.first()).map_or(&[], |root| cut::<S>(root))
    }

    /// Signs by a leaf; `None` beyond the tree. Two signatures by one leaf let others forge.
    #[must_use]
    pub fn sign(&self, leaf: u32, randomizer: &[u8], message: &[&[u8]]) -> Option<Vec<u8>> {
        let mut path = Vec::new();
        for (height, level) in (0..S::HEIGHT).zip(&self.levels) {
            let sibling = (leaf >> height) ^ 1;
            path.extend_from_slice(cut::<S>(level.get(usize::try_from(sibling).ok()?)?));
        }
        let mut signature = [leaf.to_be_bytes(), S::CHAIN.to_be_bytes()].concat();
        signature.extend_from_slice(randomizer);
        let digits = Digits::of::<S, _>(&self.hashes(), leaf, randomizer, message);
        for (chain, digit) in (0..).zip(digits.all::<S>()) {
            signature.extend_from_slice(cut::<S>(&self.chain(leaf, chain, digit)));
        }
        signature.extend_from_slice(&S::TREE.to_be_bytes());
        signature.extend_from_slice(&path);
        Some(signature)
    }

    fn hashes(&self) -> Hashes<'_, Running> {
        Hashes { id: &self.id, empty: Running::new() }
    }

    /// A leaf's node: from the ends of its chains.
    fn leaf(&self, leaf: u32) -> Node {
        let mut ends = self.hashes().ends(leaf);
        let count = u16::try_from(chains::<S>()).unwrap_or(u16::MAX);
        for chain in 0..count {
            ends.update(cut::<S>(&self.chain(leaf, chain, highest::<S>())));
        }
        self.hashes().leaf::<S>(leaf | 1 << S::HEIGHT, &ends.finish_mixed()).to_bytes()
    }

    /// A chain's value at a place; its beginning is a secret (Appendix A).
    fn chain(&self, leaf: u32, chain: u16, place: u8) -> Zeroizing<Node> {
        let mut secret = self.hashes().begin(leaf, chain.to_be_bytes());
        secret.update(&[0xff]);
        secret.update(&self.seed);
        let begin = Zeroizing::new(secret.finish());
        let end = self.hashes().chain::<S>(leaf, chain, 0..place, cut::<S>(&begin));
        end.map_or(begin, |end| Zeroizing::new(end.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::key::LmsPublicKey;
    use craton_trust::lms::{M24H10W4, tree_root};
    use serde::Deserialize;

    struct M32H10W4;

    impl Set for M32H10W4 {
        const TREE: u32 = 6;
        const CHAIN: u32 = 3;
        const HASH_SIZE: usize = 32;
        const HEIGHT: u32 = 10;
        const BITS: u32 = 4;
    }

    struct M32H5W8;

    impl Set for M32H5W8 {
        const TREE: u32 = 5;
        const CHAIN: u32 = 4;
        const HASH_SIZE: usize = 32;
        const HEIGHT: u32 = 5;
        const BITS: u32 = 8;
    }

    #[derive(Deserialize)]
    struct Case {
        key: String,
        message: String,
        signature: String,
        seed: Option<String>,
    }

    #[derive(Deserialize)]
    struct Cases {
        case: Vec<Case>,
    }

    fn bytes(text: &str) -> Vec<u8> {
        crate::sealed::bytes(text).unwrap()
    }

    fn cases(text: &str) -> Vec<Case> {
        let cases: Cases = toml::from_str(text).unwrap();
        cases.case
    }

    /// The tree of a seed leads to the key of the vector, and signs what the vector has by the same
    /// leaf and randomizer, byte for byte.
    fn agrees<S: Set>(key: &[u8], seed: &str, message: &[u8], signature: &[u8]) {
        let tree = Tree::<S>::grow(key[8..24].try_into().unwrap(), &bytes(seed));
        assert_eq!(tree.root(), &key[24..]);
        let leaf = u32::from_be_bytes(signature[..4].try_into().unwrap());
        let randomizer = &signature[8..8 + S::HASH_SIZE];
        assert_eq!(tree.sign(leaf, randomizer, &[message]).unwrap(), signature);
    }

    /// Test case 2, whose private keys the RFC gives (Appendix F): the tree above, which signs the
    /// key of the one below, and that one, which signs the message.
    #[test]
    fn the_trees_of_rfc_8554_sign_as_it_says() {
        let cases = cases(include_str!("../../../trust/tests/lms/rfc-8554.toml"));
        let (key, signature) = (bytes(&cases[1].key), bytes(&cases[1].signature));
        let (above, rest) = signature[4..].split_at(8 + 32 * 68 + 4 + 32 * 10);
        let (below, rest) = rest.split_at(56);
        let top = "558b8966c48ae9cb898b423c83443aae014a72f1b1ab5cc85cf1d892903b5439";
        agrees::<M32H10W4>(&key[4..], top, below, above);
        let seed = "a1c4696e2608035a886100d05cd99945eb3370731884a8235e2fb3d4d71f2547";
        agrees::<M32H5W8>(below, seed, &bytes(&cases[1].message), rest);
    }

    /// By a tree of the believed set that pyhsslms 2.0.0 grew from the same seed.
    #[test]
    fn another_implementation_signs_the_same() {
        let cases = cases(include_str!("../../../trust/tests/lms/pyhsslms.toml"));
        assert!(cases.len() >= 3);
        for case in cases {
            let (key, signature) = (bytes(&case.key), bytes(&case.signature));
            let seed = case.seed.unwrap();
            agrees::<M24H10W4>(&key[4..], &seed, &bytes(&case.message), &signature[4..]);
        }
    }

    #[test]
    fn every_leaf_leads_to_the_root_and_there_is_none_beyond() {
        let tree = Tree::<M24H10W4>::grow([7; ID_SIZE], &[9; 24]);
        let key = LmsPublicKey { id: tree.id(), root: tree.root().try_into().unwrap() };
        for leaf in 0..1024 {
            let signature = tree.sign(leaf, &[3; 24], &[b"mess", b"age"]).unwrap();
            let root = tree_root::<M24H10W4, _>(
                &Hashes { id: &key.id, empty: Running::new() },
                &[b"message"],
                &signature,
            );
            assert_eq!(root.unwrap().to_bytes()[..24], key.root, "leaf {leaf}");
        }
        assert!(tree.sign(1024, &[3; 24], &[b"message"]).is_none());
    }
}
