//! Making and listing catalogs.

use craton_api::operator::{Catalog, CatalogCreate, Section, ServiceInfo, TrustStoreSection};

use super::{AppError, Core, log};
use crate::audit::{Leaf, LeafKind};
use crate::catalog::{CatalogError, checked_name, genesis};
use crate::store::{CatalogRow, WriteTx};
use crate::tenancy::{Caller, Permit, ReadCatalog, ServicePermit, TenancyError};

/// What the service is and which keys it acts with.
#[must_use]
pub fn service_info(core: &Core) -> ServiceInfo {
    let tls_key = craton_api::operator::Base64(core.keys.service.to_sec1().to_vec());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    ServiceInfo { version, tls_key, keys: core.keys.public() }
}

/// Makes a catalog from its two first sections. The same two again give the same catalog.
///
/// # Errors
/// `NameInvalid`, `NameTaken`, `PlatformOther`, `SectionMixed`, `DevMixed`, `ObjectRefused`.
pub async fn create(
    core: &Core,
    permit: ServicePermit,
    asked: CatalogCreate,
) -> Result<Catalog, AppError> {
    checked_name(&asked.name)?;
    let (owner, platform) = (asked.owner_section.0, asked.platform_section.0);
    let genesis = genesis(&owner, &platform)?;
    let (now_s, keys) = (core.clock.now_s(), core.keys.clone());
    let row = CatalogRow {
        id: genesis.catalog,
        name: asked.name,
        dev: genesis.dev,
        wave_secret: crate::crypto::drawn(&*core.random),
        created_s: now_s,
    };
    let sections =
        [(Section::Platform, genesis.platform, platform), (Section::Owner, genesis.owner, owner)];
    let work = move |db: &WriteTx<'_>| {
        if let Some(same) = db.catalog(row.id)?.filter(|known| known.name == row.name) {
            let first = db.trust_store(row.id)?;
            let known = |it: &TrustStoreSection| it.version == 1 && it.digest == genesis.platform;
            let same_platform = first.iter().any(|it| it.section == Section::Platform && known(it));
            return if same_platform { Ok(same) } else { Err(CatalogError::PlatformOther.into()) };
        }
        if db.catalog_exists(row.id)? || db.catalog_name_taken(&row.name)? {
            return Err(CatalogError::NameTaken.into());
        }
        db.catalog_create(&permit, &row)?;
        for (section, digest, signed) in &sections {
            let (section, digest) = (*section, *digest);
            let first = TrustStoreSection { section, version: 1, digest, accepted_s: now_s };
            db.trust_store_begin(&permit, row.id, &first, signed)?;
            let leaf = Leaf { kind: LeafKind::TrustStore, fact: digest };
            log::append(db, &*keys.log, row.id, leaf, now_s)?;
        }
        db.catalog(row.id)?.ok_or_else(|| TenancyError::CatalogUnknown.into())
    };
    core.store.write(work).await
}

/// The catalogs that a caller may see, by name.
///
/// # Errors
/// Those of the store.
pub fn list(core: &Core, caller: &Caller) -> Result<Vec<Catalog>, AppError> {
    let mut all = core.store.read(|db| db.catalogs())?;
    if let Some(own) = caller.confined_to() {
        all.retain(|catalog| catalog.id == own);
    }
    Ok(all)
}

/// One catalog.
///
/// # Errors
/// `CatalogUnknown`.
pub fn show(core: &Core, permit: &Permit<ReadCatalog>) -> Result<Catalog, AppError> {
    let catalog = core.store.read(|db| db.catalog(permit.catalog()))?;
    catalog.ok_or_else(|| TenancyError::CatalogUnknown.into())
}
