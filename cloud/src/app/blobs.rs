//! Blobs of a catalog.

use std::fs::File;

use craton_api::operator::{Blob, Digest};

use super::{Action, AppError, Core, Permit, Place, Publish, ReadCatalog, StreamOwner};
use crate::blobs::{BlobError, Upload};
use crate::catalog::CatalogError;
use crate::store::WriteTx;

/// A place for one transfer of whoever has the permit.
///
/// # Errors
/// `StreamsBusy`.
pub fn place<A: Action>(core: &Core, permit: &Permit<A>) -> Result<Place, AppError> {
    let owner = StreamOwner::Token(permit.catalog(), permit.by().to_owned());
    Ok(core.blobs.place(owner)?)
}

/// Notes that the catalog holds what was uploaded, once it is on disk. Also tells whether it is new
/// to the catalog.
///
/// # Errors
/// Those of `Upload::finish`, and of the store; `QuotaReached`.
pub async fn keep(
    core: &Core,
    permit: Permit<Publish>,
    upload: Upload,
) -> Result<(Blob, bool), AppError> {
    let (kept, now_s) = (upload.finish().await?, core.clock.now_s());
    let (blob, quota) = (Blob::clone(&kept), core.catalog_bytes_max);
    let sha256 = blob.sha256;
    let work = move |db: &WriteTx<'_>| note(db, &permit, &kept, now_s, quota);
    match core.store.write(work).await {
        Ok(new) => Ok((blob, new)),
        Err(refused) => {
            // Nothing notes the file: it goes at once, not after a day.
            core.blobs.collect(sha256, || unnoted(core, sha256))?;
            Err(refused)
        }
    }
}

/// Refuses an upload to a catalog that is full, before a byte of it is taken.
///
/// # Errors
/// `QuotaReached`.
pub fn check_room(core: &Core, permit: &Permit<Publish>) -> Result<(), AppError> {
    let most = core.catalog_bytes_max;
    let held = core.store.read(|db| db.blobs_size(permit.catalog()))?;
    if held < most { Ok(()) } else { Err(CatalogError::QuotaReached { most }.into()) }
}

/// Notes that the catalog holds a blob, if it has room for it; whether it is new.
pub(super) fn note(
    db: &WriteTx<'_>,
    permit: &Permit<Publish>,
    blob: &Blob,
    now_s: u64,
    most: u64,
) -> Result<bool, AppError> {
    let new = db.blob_create(permit, blob, now_s)?;
    if new && db.blobs_size(permit.catalog())? > most {
        return Err(CatalogError::QuotaReached { most }.into());
    }
    Ok(new)
}

/// Whether no catalog holds the blob.
pub(super) fn unnoted(core: &Core, sha256: Digest) -> Result<bool, AppError> {
    Ok(!core.store.read(|db| db.blob_held(sha256))?)
}

/// The file of a blob that the catalog holds, and its length. A blob of another catalog is as
/// missing as one that nobody has.
///
/// # Errors
/// `BlobMissing`.
pub fn open(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    sha256: Digest,
) -> Result<(File, u64), AppError> {
    let known = core.store.read(|db| db.blob(permit.catalog(), sha256))?;
    known.ok_or(BlobError::BlobMissing(sha256))?;
    Ok(core.blobs.open_blob(sha256)?)
}
