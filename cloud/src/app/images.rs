//! Images, deltas and symbols.

use axum::body::Bytes;
use craton_api::operator::{
    BuildId, CatalogId, Delta, Digest, Image, ImageId, Section, Symbols, TrustStoreSection,
};
use craton_trust::store::{KeptSection, SectionKind};
use craton_trust::suit::{ENVELOPE_MAX, ImageType};
use object::Object as _;

use super::{AppError, Blobs, Core, blobs, newest_section};
use crate::blobs::BlobError;
use crate::catalog::{self, CatalogError};
use crate::crypto::sha256;
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
/// is a reference value for attestation; an application becomes one with an admitted set. An image
/// that is known keeps the signatures it has (IMG-6). Also tells whether it is new.
///
/// # Errors
/// `ObjectRefused`, `BlobUnknown`, `BlobSizeMismatch`, `QuotaReached`, `ImageOvertaken`, and those
/// of the blob store.
pub async fn register(
    core: &Core,
    permit: Permit<Publish>,
    uploaded: Bytes,
) -> Result<(Image, bool), AppError> {
    let (now_s, catalog) = (core.clock.now_s(), permit.catalog());
    let to_keep = core.store.read(|db| to_keep(db, &core.blobs, &permit, &uploaded, now_s))?;
    let blob = core.blobs.put(to_keep.envelope.into()).await?;
    let (quota, blobs) = (core.catalog_bytes_max, core.blobs.clone());
    let work = move |db: &WriteTx<'_>| {
        // Again, under the trust store of this commit: a successor may have revoked the publisher,
        // and the collector taken the payload, since the snapshot.
        let ToKeep { image, image_type, .. } =
            self::to_keep(db, &blobs, &permit, &uploaded, now_s)?;
        if image.envelope != blob.sha256 {
            return Err(CatalogError::ImageOvertaken(image.id).into());
        }
        blobs::note(db, &permit, &blob, now_s, quota)?;
        let new =
            db.image_create(&permit, &image, image_type.section() == SectionKind::Platform)?;
        Ok((db.image(catalog, image.id)?.ok_or(CatalogError::ImageUnknown)?, new))
    };
    core.store.write(work).await
}

/// What an upload leaves of its image.
struct ToKeep {
    image: Image,
    image_type: ImageType,
    envelope: Vec<u8>,
}

/// The image of an envelope, by a publisher in force, with its payload held, and with the
/// signatures that are kept of it.
fn to_keep(
    db: &ReadTx<'_>,
    blobs: &Blobs,
    permit: &Permit<Publish>,
    uploaded: &[u8],
    now_s: u64,
) -> Result<ToKeep, AppError> {
    let catalog = permit.catalog();
    let (image, image_type) = verified(db, catalog, uploaded, now_s)?;
    check_blob(db, permit, image.payload, image.payload_size)?;
    let known = db.image(catalog, image.id)?.filter(|known| known.envelope != image.envelope);
    // A file that is gone holds nothing back.
    let kept = known.and_then(|known| blobs.read(known.envelope, ENVELOPE_MAX as u64).ok());
    let envelope = match kept {
        Some(kept) => {
            let sections = sections_of(db, catalog, image_type.section())?;
            let sections: Vec<_> = sections.iter().map(KeptSection::section).collect();
            catalog::merged(&sections, &kept, uploaded)?
        }
        None => uploaded.to_vec(),
    };
    let image =
        Image { envelope: sha256(&envelope), envelope_size: envelope.len() as u64, ..image };
    Ok(ToKeep { image, image_type, envelope })
}

/// The image of an envelope, by a publisher in force.
pub(super) fn verified(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    envelope: &[u8],
    now_s: u64,
) -> Result<(Image, ImageType), AppError> {
    let owner = newest_section(db, catalog, Section::Owner)?;
    let platform = newest_section(db, catalog, Section::Platform)?;
    Ok(catalog::image(&owner.section(), &platform.section(), envelope, now_s)?)
}

/// All versions of a section, the newest first.
fn sections_of(
    db: &ReadTx<'_>,
    catalog: CatalogId,
    kind: SectionKind,
) -> Result<Vec<KeptSection<Vec<u8>>>, AppError> {
    let half = match kind {
        SectionKind::Platform => Section::Platform,
        SectionKind::Owner => Section::Owner,
    };
    let versions = db.trust_store(catalog)?.into_iter().filter(|it| it.section == half);
    let section = |it: TrustStoreSection| {
        let signed = db.trust_store_section(catalog, half, it.version)?;
        Ok(catalog::section_of(&signed.ok_or(CatalogError::SectionUnknown)?)?)
    };
    versions.rev().map(section).collect()
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
    catalog: CatalogId,
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
