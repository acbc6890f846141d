//! Merkle tree proofs (RFC 6962 §2.1) and the checkpoint that they lead to.
//!
//! Rules: LOG-1 a set is believed only with its inclusion under a checkpoint; LOG-2 a checkpoint is
//! never smaller than the last one believed; LOG-3 two checkpoints are of one log only by a
//! consistency proof.

use crate::cbor::{Reader, Writer};
use crate::copy::copy;
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{CatalogId, Digest, SetId};
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};

/// The longest proof: a tree of 2⁶³ leaves.
pub const PATH_MAX: usize = 63;

/// The log's entry for an admitted image set: the kind of fact (1), then the set's id.
#[must_use]
pub fn image_set_entry(set: SetId) -> [u8; 33] {
    let mut entry = [1; 33];
    let (_, id) = entry.split_at_mut(1);
    copy(id, &set.0);
    entry
}

/// The hash of a leaf.
#[must_use]
pub fn leaf(crypto: &impl Crypto, entry: &[u8]) -> Digest {
    crypto.sha256(&[&[0], entry])
}

/// The hash of two subtrees.
#[must_use]
pub fn node(crypto: &impl Crypto, left: &Digest, right: &Digest) -> Digest {
    crypto.sha256(&[&[1], &left.0, &right.0])
}

/// Refuses unless `leaf` is entry `index` of the tree of `size` entries with this root (RFC 9162
/// §2.1.3.2).
///
/// # Errors
/// `NotLogged`.
pub fn inclusion(
    crypto: &impl Crypto,
    leaf: Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<()> {
    if index >= size || path.len() > PATH_MAX {
        return Err(Error::NotLogged);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return Err(Error::NotLogged);
        }
        if at & 1 == 1 || at == last {
            hash = node(crypto, sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(crypto, &hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(Error::NotLogged) }
}

/// Refuses unless the tree `old` is a beginning of the tree `new` (RFC 9162 §2.1.4.2).
///
/// # Errors
/// `CheckpointShrank`, `LogForked`.
pub fn consistency(
    crypto: &impl Crypto,
    old: (u64, Digest),
    new: (u64, Digest),
    path: &[Digest],
) -> Result<()> {
    if new.0 < old.0 {
        return Err(Error::CheckpointShrank);
    }
    if old.0 == 0 || old.0 == new.0 {
        let same = path.is_empty() && (old.0 == 0 || old.1 == new.1);
        return if same { Ok(()) } else { Err(Error::LogForked) };
    }
    let (mut at, mut last) = (old.0 - 1, new.0 - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let mut rest = path.iter();
    let seed = if old.0.is_power_of_two() { Some(&old.1) } else { rest.next() };
    let seed = *seed.ok_or(Error::LogForked)?;
    let (mut first, mut second) = (seed, seed);
    for sibling in rest {
        if last == 0 {
            return Err(Error::LogForked);
        }
        if at & 1 == 1 || at == last {
            first = node(crypto, sibling, &first);
            second = node(crypto, sibling, &second);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            second = node(crypto, &second, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && first == old.1 && second == new.1 { Ok(()) } else { Err(Error::LogForked) }
}

/// The state of a catalog's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log.
    pub catalog: CatalogId,
    /// How many entries.
    pub size: u64,
    /// The root of the tree.
    pub root: Digest,
}

impl Checkpoint {
    /// Reads `[1, catalog, size, root]`.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(4)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let catalog = CatalogId(reader.fixed()?);
        let checkpoint = Self { catalog, size: reader.u64()?, root: reader.digest()? };
        reader.end()?;
        Ok(checkpoint)
    }

    /// Writes the checkpoint into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(4)?.u64(1)?.bytes(&self.catalog.0)?.u64(self.size)?.bytes(&self.root.0)?;
        writer.written()
    }

    /// Verifies a checkpoint by the log's key and by the witnesses, if the section has any.
    ///
    /// # Errors
    /// `SectionKind` (STORE-5), those of [`Signed::verify`]; `OtherCatalog`; `CheckpointShrank`
    /// (LOG-2).
    pub fn verify(
        crypto: &impl Crypto,
        section: &Section<'_>,
        catalog: CatalogId,
        size_least: u64,
        signed: &Signed<'_>,
    ) -> Result<Verified<Self>> {
        section.require(SectionKind::Owner)?;
        let (log, witness) = (section.role(Role::Log), section.role(Role::Witness));
        let both = [log, witness];
        let roles = if witness.is_empty() { &both[..1] } else { &both[..] };
        let checkpoint = signed.verify(crypto, Kind::Checkpoint, roles, Self::parse)?;
        if checkpoint.catalog != catalog {
            return Err(Error::OtherCatalog);
        }
        if checkpoint.size < size_least {
            return Err(Error::CheckpointShrank); // LOG-2
        }
        Ok(checkpoint)
    }
}
