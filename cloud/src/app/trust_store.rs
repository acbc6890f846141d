//! The trust store of a catalog, as the service keeps it for devices to fetch.

use std::collections::BTreeMap;

use craton_api::operator::{CatalogId, Digest, Section, TrustStore, TrustStoreSection};
use craton_trust::Signed;
use craton_trust::set::ImageSet;
use craton_trust::store::{self, SectionKind};
use craton_trust::suit::ENVELOPE_MAX;

use super::{AppError, Blobs, Core, log};
use crate::audit::{Leaf, LeafKind};
use crate::catalog::{CatalogError, is_published, section_of, successor};
use crate::crypto::AwsLc;
use crate::store::{SetInUse, WriteTx};
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

/// Takes the successor of a section, signed by the old root and its own, if every device can: it
/// refuses what a device would.
///
/// # Errors
/// `ObjectRefused` with the rule that it breaks; `SetOrphaned`, `ProgramOrphaned` (STORE-4).
pub async fn succeed(
    core: &Core,
    permit: Permit<ManageTrustStore>,
    section: Section,
    signed: Vec<u8>,
) -> Result<TrustStoreSection, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let blobs = core.blobs.clone();
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
        let newest = section_of(&newest)?;
        let next = successor(&newest.section(), genesis, &signed)?;
        let (version, digest) = (next.version, next.digest().into());
        // In the transaction that takes it: no set is deployed or attested in between.
        for set in db.image_sets_in_use(catalog)? {
            check_kept(&blobs, &next, &set)?; // STORE-4
        }
        if section == Section::Platform {
            check_programs(db, &blobs, catalog, (&newest.section(), &next))?;
        }
        let accepted = TrustStoreSection { section, version, digest, accepted_s: now_s };
        db.trust_store_succeed(&permit, &accepted, &signed)?;
        if section == Section::Owner {
            db.catalog_set_dev(&permit, next.dev)?;
        }
        let leaf = Leaf { kind: LeafKind::TrustStore, fact: digest };
        log::append(db, &*keys.log, catalog, leaf, now_s)?;
        Ok(accepted)
    };
    core.store.write(work).await
}

/// Refuses a successor under which a device could not boot a set that it runs or is assigned.
fn check_kept(blobs: &Blobs, next: &store::Section<'_>, set: &SetInUse) -> Result<(), AppError> {
    let orphaned = |_| CatalogError::SetOrphaned(set.id);
    if next.kind == SectionKind::Owner {
        store::keeps_installed(&AwsLc, next, [&set.signed[..]]).map_err(orphaned)?;
    }
    let parsed = Signed::parse(&set.signed)
        .and_then(|signed| ImageSet::parse(signed.unchecked_payload()))
        .map_err(orphaned)?;
    for member in parsed.members() {
        let envelope = blobs.read(member.envelope.into(), ENVELOPE_MAX as u64)?;
        store::keeps_images(&AwsLc, next, [&envelope[..]]).map_err(orphaned)?;
    }
    Ok(())
}

/// Refuses a platform's successor under which a component that a device showed has no program left
/// that is a reference value, or none has one. A device takes the successor before it checks in;
/// with its program refused, it would be told of no other one. Which version each device runs is
/// not known here: that one of them stays is the least. A component that no device showed, which a
/// publisher who is to be revoked could invent, holds nothing back, and nor does an envelope that
/// cannot be read: it makes no reference value.
fn check_programs(
    db: &WriteTx<'_>,
    blobs: &Blobs,
    catalog: CatalogId,
    (newest, next): (&store::Section<'_>, &store::Section<'_>),
) -> Result<(), AppError> {
    let mut kept = BTreeMap::new();
    for (component, envelope) in db.runtime_envelopes(catalog)? {
        let Ok(envelope) = blobs.read(envelope, ENVELOPE_MAX as u64) else { continue };
        if is_published(newest, &envelope) {
            *kept.entry(component).or_insert(false) |= is_published(next, &envelope);
        }
    }
    let (shown, is_any_kept) = (db.programs_shown(catalog)?, kept.values().any(|kept| *kept));
    kept.retain(|component, _| !is_any_kept || shown.contains(component));
    match kept.into_iter().find(|(_, is_kept)| !is_kept) {
        Some((component, _)) => Err(CatalogError::ProgramOrphaned(component).into()),
        None => Ok(()),
    }
}
