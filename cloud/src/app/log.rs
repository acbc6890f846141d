//! Putting facts into a catalog's log, and proving that they are there.

use craton_api::operator::{
    Base64, CatalogId, Checkpoint, ConsistencyProof, Digest, InclusionProof, Section,
};
use craton_trust::crypto::Signer;
use craton_trust::store::Role;

use super::{AppError, Core, newest_section};
use crate::audit::{self, AuditError, Leaf};
use crate::store::{CheckpointRow, ReadTx, WriteTx};
use crate::tenancy::{Permit, Publish, ReadCatalog};

/// The proof that a set is logged, as an assignment carries it.
#[derive(Clone, Debug)]
pub struct LoggedProof {
    /// The leaf's index.
    pub index: u64,
    /// The signed checkpoint.
    pub checkpoint: Vec<u8>,
    /// Siblings from the leaf upward.
    pub path: Vec<Digest>,
}

/// Appends a leaf and signs the checkpoint over the log with it. Both are in the caller's commit:
/// no fact is acted upon that is not logged, and no checkpoint covers what was not committed.
pub(crate) fn append(
    db: &WriteTx<'_>,
    log_key: &dyn Signer,
    catalog: CatalogId,
    leaf: Leaf,
    now_s: u64,
) -> Result<u64, AppError> {
    let place = db.log_append(catalog, leaf.kind.name(), &leaf.to_bytes(), now_s)?;
    check_point(db, log_key, catalog, place.size, now_s)?;
    Ok(place.index)
}

/// The same for any number of leaves, under one checkpoint.
pub(crate) fn append_all(
    db: &WriteTx<'_>,
    log_key: &dyn Signer,
    catalog: CatalogId,
    leaves: &[Leaf],
    now_s: u64,
) -> Result<(), AppError> {
    let mut size = None;
    for leaf in leaves {
        size = Some(db.log_append(catalog, leaf.kind.name(), &leaf.to_bytes(), now_s)?.size);
    }
    size.map_or(Ok(()), |size| check_point(db, log_key, catalog, size, now_s))
}

fn check_point(
    db: &WriteTx<'_>,
    log_key: &dyn Signer,
    catalog: CatalogId,
    size: u64,
    now_s: u64,
) -> Result<(), AppError> {
    let root = audit::root(&db.log_nodes(catalog), size)?;
    let signed = audit::sign_checkpoint(catalog, size, root, log_key)?;
    let row = CheckpointRow { size, root, signed, cosigned: false, created_s: now_s };
    Ok(db.checkpoint_put(catalog, &row)?)
}

/// The proof for the leaf at `index` under the newest checkpoint that the catalog's devices
/// believe: one that witnesses cosigned, if its trust store names witnesses. `None` until there is
/// one that covers the leaf.
///
/// # Errors
/// Those of the store.
pub fn logged_proof(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    index: u64,
    witnessed: bool,
) -> Result<Option<LoggedProof>, AppError> {
    let newest = db.checkpoint(catalog, witnessed)?;
    let Some(checkpoint) = newest.filter(|checkpoint| checkpoint.size > index) else {
        return Ok(None);
    };
    let path = audit::inclusion(&db.log_nodes(catalog), index, checkpoint.size)?;
    Ok(Some(LoggedProof { index, checkpoint: checkpoint.signed, path }))
}

/// The newest checkpoint.
///
/// # Errors
/// `CheckpointUnknown` while the log is empty.
pub fn checkpoint(core: &Core, permit: &Permit<ReadCatalog>) -> Result<Checkpoint, AppError> {
    core.store.read(|db| shown_checkpoint(db, permit.catalog()))
}

/// Takes a witness's cosignature over any checkpoint that is not below the last cosigned one: on a
/// busy catalog the newest has changed before a witness can answer.
///
/// # Errors
/// `CheckpointUnknown`, `CosignatureRefused`.
pub async fn cosign(
    core: &Core,
    permit: Permit<Publish>,
    size: u64,
    cosigned: Vec<u8>,
) -> Result<Checkpoint, AppError> {
    let catalog = permit.catalog();
    let work = move |db: &WriteTx<'_>| {
        let last = db.checkpoint(catalog, true)?.map_or(0, |last| last.size);
        let known = db.checkpoint_of(catalog, size)?.filter(|known| known.size >= last);
        let known = known.ok_or(AuditError::CheckpointUnknown)?;
        let section = newest_section(db, catalog, Section::Owner)?;
        audit::with_cosignature(&known.signed, &cosigned, &section.section())?;
        let row = CheckpointRow { signed: cosigned, cosigned: true, ..known };
        db.checkpoint_put(catalog, &row)?;
        Ok(shown(catalog, row))
    };
    core.store.write(work).await
}

/// Shows that a leaf is in the log of a size, the newest checkpoint's if none is given.
///
/// # Errors
/// `LeafUnknown`, `TreeTooSmall`.
pub fn inclusion(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    leaf_hash: Digest,
    size: Option<u64>,
) -> Result<InclusionProof, AppError> {
    let catalog = permit.catalog();
    core.store.read(|db| {
        let all = db.log_size(catalog)?;
        let size = size.unwrap_or(all);
        let index = db.log_place(catalog, leaf_hash)?.ok_or(AuditError::LeafUnknown)?;
        if size > all || index >= size {
            return Err(AuditError::TreeTooSmall { size: all }.into());
        }
        let nodes = db.log_nodes(catalog);
        let (root, path) = (audit::root(&nodes, size)?, audit::inclusion(&nodes, index, size)?);
        Ok(InclusionProof { index, size, leaf_hash, root, path })
    })
}

/// Shows that the log of size `from` is a prefix of the log of size `to`.
///
/// # Errors
/// `TreeTooSmall`.
pub fn consistency(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    from: u64,
    to: u64,
) -> Result<ConsistencyProof, AppError> {
    let catalog = permit.catalog();
    core.store.read(|db| {
        let size = db.log_size(catalog)?;
        if to > size || from > to {
            return Err(AuditError::TreeTooSmall { size }.into());
        }
        let path = audit::consistency(&db.log_nodes(catalog), from, to)?;
        Ok(ConsistencyProof { from, to, path })
    })
}

/// Whether devices of this trust store ask for witnesses.
#[must_use]
pub fn witnessed(section: &craton_trust::store::Section<'_>) -> bool {
    !section.role(Role::Witness).is_empty()
}

fn shown_checkpoint(db: &ReadTx<'_>, catalog: CatalogId) -> Result<Checkpoint, AppError> {
    let newest = db.checkpoint(catalog, false)?.ok_or(AuditError::CheckpointUnknown)?;
    Ok(shown(catalog, newest))
}

fn shown(catalog: CatalogId, row: CheckpointRow) -> Checkpoint {
    Checkpoint {
        origin: format!("craton/{catalog}"),
        size: row.size,
        root: row.root,
        signed: Base64(row.signed),
        cosigned: row.cosigned,
        created_s: row.created_s,
    }
}
