//! Blobs of a catalog.

use std::fs::File;

use craton_api::operator::{Blob, Digest};

use super::{AppError, Core, Permit, Publish, ReadCatalog};
use crate::blobs::{BlobError, Upload};

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
    let (blob, now_s) = (upload.finish().await?, core.clock.now_s());
    let kept = blob.clone();
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
