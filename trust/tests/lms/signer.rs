//! A signer of one tree of 32 leaves (RFC 8554 §4 and §5), from a seed as in its Appendix A. Only
//! tests have it: it does not count its leaves.

use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;

#[derive(Clone, Copy, PartialEq)]
pub enum Chains {
    Bits4,
    Bits8,
}

impl Chains {
    fn kind(self) -> u32 {
        if self == Self::Bits4 { 3 } else { 4 }
    }

    fn count(self) -> u16 {
        if self == Self::Bits4 { 67 } else { 34 }
    }

    fn highest(self) -> u8 {
        if self == Self::Bits4 { 15 } else { 255 }
    }

    /// The digits of a hash and of its checksum.
    fn digits(self, hash: &[u8]) -> Vec<u8> {
        let cut = |bytes: &[u8]| -> Vec<u8> {
            match self {
                Self::Bits4 => bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect(),
                Self::Bits8 => bytes.to_vec(),
            }
        };
        let mut digits = cut(hash);
        let lacking: u16 = digits.iter().map(|digit| u16::from(self.highest() - digit)).sum();
        let checksum = if self == Self::Bits4 { lacking << 4 } else { lacking };
        digits.extend(cut(&checksum.to_be_bytes()));
        digits.truncate(self.count().into());
        digits
    }
}

pub struct Tree {
    chains: Chains,
    id: [u8; 16],
    seed: [u8; 32],
    /// Node 1 is the root; 32 to 63 are the leaves.
    nodes: Vec<[u8; 32]>,
}

const LEAVES: u32 = 32;

impl Tree {
    pub fn new(chains: Chains, seed: u8) -> Self {
        let mut tree = Self { chains, id: [seed; 16], seed: [seed; 32], nodes: vec![[0; 32]; 64] };
        for node in (1..2 * LEAVES).rev() {
            let number = node.to_be_bytes();
            let children = (2 * node as usize, 2 * node as usize + 1);
            tree.nodes[node as usize] = match node.checked_sub(LEAVES) {
                Some(leaf) => {
                    let ends: Vec<u8> = (0..chains.count())
                        .flat_map(|chain| tree.chain(leaf, chain, chains.highest()))
                        .collect();
                    let key = tree.hash(&[&leaf.to_be_bytes(), &[0x80, 0x80], &ends]);
                    tree.hash(&[&number, &[0x82, 0x82], &key])
                }
                None => {
                    let (left, right) = (tree.nodes[children.0], tree.nodes[children.1]);
                    tree.hash(&[&number, &[0x83, 0x83], &left, &right])
                }
            };
        }
        tree
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let parts: Vec<&[u8]> = [&self.id[..]].iter().chain(parts).copied().collect();
        Soft.sha256(&parts).0
    }

    /// A chain's value at a place.
    fn chain(&self, leaf: u32, chain: u16, place: u8) -> [u8; 32] {
        let (leaf, chain) = (leaf.to_be_bytes(), chain.to_be_bytes());
        let first = self.hash(&[&leaf, &chain, &[0xff], &self.seed]);
        (0..place).fold(first, |value, at| self.hash(&[&leaf, &chain, &[at], &value]))
    }

    pub fn public(&self) -> Vec<u8> {
        let kinds = [5u32.to_be_bytes(), self.chains.kind().to_be_bytes()].concat();
        [&kinds[..], &self.id, &self.nodes[1]].concat()
    }

    pub fn sign(&self, leaf: u32, message: &[u8]) -> Vec<u8> {
        let randomizer = [0x5a; 32];
        let number = leaf.to_be_bytes();
        let hash = self.hash(&[&number, &[0x81, 0x81], &randomizer, message]);
        let digits = self.chains.digits(&hash);
        let chains = (0..).zip(&digits).flat_map(|(chain, digit)| self.chain(leaf, chain, *digit));
        let path = (0..5).flat_map(|level| self.nodes[(((LEAVES + leaf) >> level) ^ 1) as usize]);
        let mut signature = [number, self.chains.kind().to_be_bytes()].concat();
        signature.extend(randomizer);
        signature.extend(chains);
        signature.extend(5u32.to_be_bytes());
        signature.extend(path);
        signature
    }
}
