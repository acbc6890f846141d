//! Blobs of a catalog.

use std::fs::File;

use craton_api::operator::{Blob, Digest};

use super::{Action, AppError, Core, Permit, Place, Publish, ReadCatalog, StreamOwner};
use crate::blobs::{BlobError, Upload};

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
/// Those of `Upload::finish`, and of the store.
pub async fn keep(
    core: &Core,
    permit: Permit<Publish>,
    upload: Upload,
) -> Result<(Blob, bool), AppError> {
    let (kept, now_s) = (upload.finish().await?, core.clock.now_s());
    let blob = Blob::clone(&kept);
    let work = move |db: &crate::store::WriteTx<'_>| {
        Ok::<_, AppError>(db.blob_create(&permit, &kept, now_s)?)
    };
    let new = core.store.write(work).await?;
    Ok((blob, new))
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
