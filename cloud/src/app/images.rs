//! Images, deltas and symbols.

use axum::body::Bytes;
use craton_api::operator::{BuildId, Delta, Digest, Image, ImageId, Section, Symbols};
use craton_trust::store::SectionKind;
use craton_trust::suit::ImageType;
use object::Object as _;

use super::{AppError, Core, blobs, newest_section};
use crate::blobs::BlobError;
use crate::catalog::{self, CatalogError};
use crate::store::{ReadTx, WriteTx};
use crate::tenancy::{Permit, Publish, ReadCatalog};

// The bound of an upload is the bound of use: what is taken can be read.
pub use crate::failures::SYMBOLS_LEN_MAX;

/// The blob must be held by the catalog with this length.
pub(super) fn check_blob(
    db: &ReadTx<'_>,
    permit: &Permit<Publish>,
    sha256: Digest,
    size: u64,
) -> Result<(), AppError> {
    let blob = db.blob(permit.catalog(), sha256)?.ok_or(CatalogError::BlobUnknown(sha256))?;
    if blob.size == size { Ok(()) } else { Err(CatalogError::BlobSizeMismatch(sha256).into()) }
}

/// Registers an image by its envelope; its payload must have been uploaded. From then on a runtime
/// is a reference value for attestation; an application becomes one with an admitted set. Also
/// tells whether it is new.
///
/// # Errors
/// `ObjectRefused`, `BlobUnknown`, `BlobSizeMismatch`, `QuotaReached`, and those of the blob store.
pub async fn register(
    core: &Core,
    permit: Permit<Publish>,
    envelope: Bytes,
) -> Result<(Image, bool), AppError> {
    let (now_s, catalog) = (core.clock.now_s(), permit.catalog());
    let (image, image_type) = core.store.read(|db| verified(db, &permit, &envelope, now_s))?;
    let blob = core.blobs.put(envelope.clone()).await?;
    let quota = core.catalog_bytes_max;
    let work = move |db: &WriteTx<'_>| {
        // Again, under the trust store of this commit: a successor may have revoked the publisher,
        // and the collector taken the payload, since the snapshot.
        verified(db, &permit, &envelope, now_s)?;
        blobs::note(db, &permit, &blob, now_s, quota)?;
        let new =
            db.image_create(&permit, &image, image_type.section() == SectionKind::Platform)?;
        Ok((db.image(catalog, image.id)?.ok_or(CatalogError::ImageUnknown)?, new))
    };
    core.store.write(work).await
}

/// The image of an envelope, by a publisher in force, with its payload held.
fn verified(
    db: &ReadTx<'_>,
    permit: &Permit<Publish>,
    envelope: &[u8],
    now_s: u64,
) -> Result<(Image, ImageType), AppError> {
    let owner = newest_section(db, permit.catalog(), Section::Owner)?;
    let platform = newest_section(db, permit.catalog(), Section::Platform)?;
    let (image, image_type) =
        catalog::image(&owner.section(), &platform.section(), envelope, now_s)?;
    check_blob(db, permit, image.payload, image.payload_size)?;
    Ok((image, image_type))
}

/// One image.
///
/// # Errors
/// `ImageUnknown`.
pub fn show(core: &Core, permit: &Permit<ReadCatalog>, id: ImageId) -> Result<Image, AppError> {
    let image = core.store.read(|db| db.image(permit.catalog(), id))?;
    image.ok_or_else(|| CatalogError::ImageUnknown.into())
}

/// Notes a delta between two payloads; its blob must have been uploaded. It is never believed: a
/// device that rebuilds other bytes from it takes the whole payload.
///
/// # Errors
/// `BlobUnknown`.
pub async fn put_delta(
    core: &Core,
    permit: Permit<Publish>,
    mut delta: Delta,
) -> Result<Delta, AppError> {
    let work = move |db: &WriteTx<'_>| {
        for sha256 in [delta.to_payload, delta.blob] {
            let blob = db.blob(permit.catalog(), sha256)?;
            delta.size = blob.ok_or(CatalogError::BlobUnknown(sha256))?.size;
        }
        db.delta_put(&permit, &delta)?;
        Ok(delta)
    };
    core.store.write(work).await
}

/// Keeps an ELF file with debug information under its build id.
///
/// # Errors
/// `SymbolsFileUnreadable`, `SymbolsMismatch`, and those of the blob store.
pub async fn put_symbols(
    core: &Core,
    permit: Permit<Publish>,
    build_id: BuildId,
    elf: Bytes,
) -> Result<Symbols, AppError> {
    let inside = elf.clone();
    let found = tokio::task::spawn_blocking(move || build_id_of(&inside)).await;
    let found = found.unwrap_or(None).ok_or(CatalogError::SymbolsFileUnreadable)?;
    if found != build_id {
        return Err(CatalogError::SymbolsMismatch.into());
    }
    let now_s = core.clock.now_s();
    let blob = core.blobs.put(elf).await?;
    let symbols = Symbols { build_id, sha256: blob.sha256, size: blob.size };
    let quota = core.catalog_bytes_max;
    let work = move |db: &WriteTx<'_>| {
        blobs::note(db, &permit, &blob, now_s, quota)?;
        db.symbols_put(&permit, &symbols)?;
        Ok(symbols)
    };
    core.store.write(work).await
}

/// The bytes of the symbols of a build id, for the symboliser.
///
/// # Errors
/// Those of store and blobs; a file that has gone missing is `None`.
pub fn symbols_of(
    core: &Core,
    catalog: craton_api::operator::CatalogId,
    build_id: &BuildId,
) -> Result<Option<Vec<u8>>, AppError> {
    let Some(symbols) = core.store.read(|db| db.symbols(catalog, build_id))? else {
        return Ok(None);
    };
    match core.blobs.read(symbols.sha256, core.blobs.size_max()) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(BlobError::BlobMissing(_)) => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

fn build_id_of(elf: &[u8]) -> Option<BuildId> {
    let file = object::File::parse(elf).ok()?;
    BuildId::from_bytes(file.build_id().ok()??)
}
