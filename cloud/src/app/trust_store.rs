//! The trust store of a catalog, as the service keeps it for devices to fetch.

use craton_api::operator::{Digest, Section, TrustStore, TrustStoreSection};

use super::{AppError, Core, log};
use crate::audit::{Leaf, LeafKind};
use crate::catalog::{CatalogError, section_of, successor};
use crate::store::WriteTx;
use crate::tenancy::{ManageTrustStore, Permit, ReadCatalog};

/// Every version of every section.
///
/// # Errors
/// Those of the store.
pub fn show(core: &Core, permit: &Permit<ReadCatalog>) -> Result<TrustStore, AppError> {
    let sections = core.store.read(|db| db.trust_store(permit.catalog()))?;
    Ok(TrustStore { sections })
}

/// The signed bytes of one version.
///
/// # Errors
/// `SectionUnknown`.
pub fn fetch(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    section: Section,
    version: u64,
) -> Result<Vec<u8>, AppError> {
    let kept = core.store.read(|db| db.trust_store_section(permit.catalog(), section, version))?;
    kept.ok_or_else(|| CatalogError::SectionUnknown.into())
}

/// Takes the successor of a section, signed by the old root and its own.
///
/// # Errors
/// `ObjectRefused` with the rule that it breaks.
pub async fn succeed(
    core: &Core,
    permit: Permit<ManageTrustStore>,
    section: Section,
    signed: Vec<u8>,
) -> Result<TrustStoreSection, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        let (_, newest) =
            db.trust_store_newest(catalog, section)?.ok_or(CatalogError::SectionUnknown)?;
        let genesis: Digest = match section {
            Section::Owner => Digest(catalog.0),
            Section::Platform => {
                let first = db.trust_store(catalog)?;
                let first = first.iter().find(|it| it.section == section && it.version == 1);
                first.ok_or(CatalogError::SectionUnknown)?.digest
            }
        };
        let (version, digest) = successor(&section_of(&newest)?, genesis, &signed)?;
        let accepted = TrustStoreSection { section, version, digest, accepted_s: now_s };
        db.trust_store_succeed(&permit, &accepted, &signed)?;
        let leaf = Leaf { kind: LeafKind::TrustStore, fact: digest };
        log::append(db, &*keys.log, catalog, leaf, now_s)?;
        Ok(accepted)
    };
    core.store.write(work).await
}
