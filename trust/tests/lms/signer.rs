//! A signer of one tree (RFC 8554 §4 and §5, with the sets of RFC 9858), from a seed as in its
//! Appendix A. Only tests have it: it does not count its leaves.

use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;

/// A set of parameters, by its numbers.
#[derive(Clone, Copy)]
pub struct Numbers {
    pub tree: u32,
    pub chain: u32,
    pub size: usize,
    pub height: u32,
    pub bits: u32,
}

/// The one that is believed.
pub const BELIEVED: Numbers = Numbers { tree: 11, chain: 7, size: 24, height: 10, bits: 4 };

impl Numbers {
    fn highest(self) -> u8 {
        u8::try_from((1u32 << self.bits) - 1).unwrap()
    }

    /// The digits of a hash and of its checksum (§4.4).
    fn digits(self, hash: &[u8]) -> Vec<u8> {
        let cut = |bytes: &[u8]| -> Vec<u8> {
            match self.bits {
                4 => bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect(),
                _ => bytes.to_vec(),
            }
        };
        let mut digits = cut(hash);
        let lacking: u16 = digits.iter().map(|digit| u16::from(self.highest() - digit)).sum();
        let (checksum, count) = if self.bits == 4 { (lacking << 4, 3) } else { (lacking, 2) };
        digits.extend(&cut(&checksum.to_be_bytes())[..count]);
        digits
    }
}

pub struct Tree {
    set: Numbers,
    pub id: [u8; 16],
    seed: Vec<u8>,
    /// Node 1 is the root; the second half are the leaves.
    nodes: Vec<Vec<u8>>,
}

impl Tree {
    pub fn new(set: Numbers, seed: u8) -> Self {
        let leaves = 1u32 << set.height;
        let nodes = vec![Vec::new(); 2 << set.height];
        let mut tree = Self { set, id: [seed; 16], seed: vec![seed; set.size], nodes };
        for node in (1..2 * leaves).rev() {
            let number = node.to_be_bytes();
            let children = (2 * node as usize, 2 * node as usize + 1);
            tree.nodes[node as usize] = match node.checked_sub(leaves) {
                Some(leaf) => {
                    let ends = tree.ends(leaf);
                    let key = tree.hash(&[&leaf.to_be_bytes(), &[0x80, 0x80], &ends]);
                    tree.hash(&[&number, &[0x82, 0x82], &key])
                }
                None => {
                    let (left, right) = (&tree.nodes[children.0], &tree.nodes[children.1]);
                    tree.hash(&[&number, &[0x83, 0x83], left, right])
                }
            };
        }
        tree
    }

    pub fn root(&self) -> &[u8] {
        &self.nodes[1]
    }

    fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        let parts: Vec<&[u8]> = [&self.id[..]].iter().chain(parts).copied().collect();
        Soft.sha256(&parts).0[..self.set.size].to_vec()
    }

    /// A chain's value at a place.
    fn chain(&self, leaf: u32, chain: u16, place: u8) -> Vec<u8> {
        let (leaf, chain) = (leaf.to_be_bytes(), chain.to_be_bytes());
        let first = self.hash(&[&leaf, &chain, &[0xff], &self.seed]);
        (0..place).fold(first, |value, at| self.hash(&[&leaf, &chain, &[at], &value]))
    }

    /// Where a leaf's chains end.
    pub fn ends(&self, leaf: u32) -> Vec<u8> {
        let chains = u16::try_from(self.set.digits(&vec![0; self.set.size]).len()).unwrap();
        (0..chains).flat_map(|chain| self.chain(leaf, chain, self.set.highest())).collect()
    }

    /// The tree's public key.
    pub fn public(&self) -> Vec<u8> {
        let kinds = [self.set.tree.to_be_bytes(), self.set.chain.to_be_bytes()].concat();
        [&kinds[..], &self.id, self.root()].concat()
    }

    /// The tree's signature.
    pub fn sign(&self, leaf: u32, message: &[&[u8]]) -> Vec<u8> {
        let randomizer = vec![0x5a; self.set.size];
        let number = leaf.to_be_bytes();
        let head: [&[u8]; 3] = [&number, &[0x81, 0x81], &randomizer];
        let hash = self.hash(&[&head[..], message].concat());
        let digits = self.set.digits(&hash);
        let chains = (0..).zip(&digits).flat_map(|(chain, digit)| self.chain(leaf, chain, *digit));
        let leaf = (1 << self.set.height) + leaf;
        let path =
            (0..self.set.height).flat_map(|level| &self.nodes[((leaf >> level) ^ 1) as usize]);
        let mut signature = [number, self.set.chain.to_be_bytes()].concat();
        signature.extend(&randomizer);
        signature.extend(chains);
        signature.extend(self.set.tree.to_be_bytes());
        signature.extend(path);
        signature
    }
}
