//! dm-verity hash trees: format 1, SHA-256, 4096-byte data and hash blocks, no salt, no superblock.
//!
//! The same tree as `veritysetup format --no-superblock --salt=-` makes, so a kernel can check a
//! mounted payload block by block. A salt would hinder nobody: the root hash is signed.

use sha2::{Digest, Sha256};

/// Bytes of a data block and of a hash block.
pub const BLOCK_BYTES: usize = 4096;
const DIGEST_BYTES: usize = 32;

/// SHA-256 over the tree's top block, or over the one data block there is.
pub type RootHash = [u8; DIGEST_BYTES];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerityError {
    #[error("E2260: the data is not one or more whole 4096-byte blocks. Pack it with `craton`.")]
    DataNotWholeBlocks,
    #[error("E2261: the data does not have the signed verity root hash. Fetch the image again.")]
    RootHashWrong,
    #[error("E2262: the stored hash tree does not belong to the data. Fetch the image again.")]
    HashTreeWrong,
}

impl VerityError {
    /// The stable number in `spec/errors.toml`.
    pub fn code(&self) -> u16 {
        match self {
            Self::DataNotWholeBlocks => 2260,
            Self::RootHashWrong => 2261,
            Self::HashTreeWrong => 2262,
        }
    }
}

/// The hash tree of `data`, top level first as the kernel reads it, and its root hash.
///
/// The tree is whole blocks; it is empty when `data` is a single block.
pub fn tree(data: &[u8]) -> Result<(Vec<u8>, RootHash), VerityError> {
    if data.is_empty() || !data.len().is_multiple_of(BLOCK_BYTES) {
        return Err(VerityError::DataNotWholeBlocks);
    }
    let levels: Vec<_> =
        std::iter::successors(level_above(data), |below| level_above(below)).collect();
    let root = Sha256::digest(levels.last().map_or(data, Vec::as_slice)).into();
    Ok((levels.into_iter().rev().flatten().collect(), root))
}

/// The digests of all `blocks`, filled up to whole blocks; nothing stands above a single block.
fn level_above(blocks: &[u8]) -> Option<Vec<u8>> {
    if blocks.len() <= BLOCK_BYTES {
        return None;
    }
    let mut level: Vec<u8> = blocks.chunks(BLOCK_BYTES).flat_map(Sha256::digest).collect();
    level.resize(level.len().next_multiple_of(BLOCK_BYTES), 0);
    Some(level)
}

/// Checks that `root` is the root hash of `data` and `stored` its hash tree, byte for byte.
pub fn check(data: &[u8], stored: &[u8], root: &RootHash) -> Result<(), VerityError> {
    let (tree, computed) = tree(data)?;
    if computed != *root {
        return Err(VerityError::RootHashWrong);
    }
    if tree != stored {
        return Err(VerityError::HashTreeWrong);
    }
    Ok(())
}
