//! Image sets: upload, approval, admission.
//!
//! A token may upload, never admit by itself: the catalog's key signs a production set only after
//! an approver's. Development sets are admitted at once, and go only to groups for development.

use craton_api::operator::{
    CatalogId, Digest, ImageSet, ImageSetId, ImageSetSigned, ImageSetState, Purpose, Section,
};
use craton_trust::cose::Kind;
use craton_trust::set::{self, Member};
use craton_trust::suit;

use super::images::{self, check_blob};
use super::{AppError, Blobs, Core, log, newest_section};
use crate::audit::{Leaf, LeafKind};
use crate::catalog::{self, AdmissibleSet, CatalogError};
use crate::crypto::AwsLc;
use crate::store::{ImageSetRow, ReadTx, SetSignatures, Store, StoreError, WriteTx};
use crate::tenancy::{AdmitSets, Permit, Publish, ReadCatalog};

/// Takes a set that its publisher signed. The same set again gives what is known of it. Also tells
/// whether it is new.
///
/// # Errors
/// `ObjectRefused`, `MemberUnknown`, `MemberMismatch`, `BlobUnknown`, `BlobSizeMismatch`.
pub async fn upload(
    core: &Core,
    permit: Permit<Publish>,
    object: Vec<u8>,
) -> Result<(ImageSet, bool), AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let parsed = core.store.read(|db| {
        let owner = newest_section(db, catalog, Section::Owner)?;
        Ok::<_, AppError>(catalog::image_set(&owner.section(), catalog, &object)?)
    })?;
    let envelopes = envelopes_of(core, &permit, &parsed)?;
    check_abis(core, catalog, &envelopes)?;
    let blobs = core.blobs.clone();
    let work = move |db: &WriteTx<'_>| {
        if let Some(known) = db.image_set(catalog, parsed.id)? {
            return Ok((known.set, false));
        }
        // Under the trust store of this commit: a successor may have revoked the publisher, and the
        // collector taken a blob, since the snapshot.
        let owner = newest_section(db, catalog, Section::Owner)?;
        catalog::image_set(&owner.section(), catalog, &object)?;
        let check = |member| check_member(db, &blobs, &permit, member);
        parsed.members.iter().try_for_each(check)?;
        let mut row = uploaded(&parsed, object, now_s);
        if parsed.purpose == Purpose::Development {
            let signed =
                catalog::countersign(Kind::ImageSet, &row.signatures.signed, &*keys.catalog)?;
            let leaf = Leaf { kind: LeafKind::ImageSet, fact: Digest(parsed.id.0) };
            row.set.log_index = Some(log::append(db, &*keys.log, catalog, leaf, now_s)?);
            (row.signatures.signed, row.set.state) = (signed, ImageSetState::Admitted);
        }
        db.image_set_create(&permit, &row)?;
        db.image_set_blobs_put(catalog, row.set.id, &blobs_of(&parsed.members))?;
        Ok((row.set, true))
    };
    core.store.write(work).await
}

/// Every blob that a device with the set may fetch.
fn blobs_of(members: &[Member]) -> Vec<Digest> {
    let of_member = |member: &Member| {
        let transports = member.transports().map(|transport| transport.digest.into());
        [member.envelope.into(), member.payload.into()].into_iter().chain(transports).collect()
    };
    members.iter().flat_map(|member| -> Vec<Digest> { of_member(member) }).collect()
}

/// Notes the blobs of sets that an earlier version took without. Run at every start.
///
/// # Errors
/// Those of the store.
pub async fn index_blobs(store: &Store) -> Result<(), StoreError> {
    let work = |db: &WriteTx<'_>| {
        for (catalog, id, signed) in db.image_sets_without_blobs()? {
            let unreadable = |_| StoreError::RowUnreadable { table: "image_sets" };
            let object = craton_trust::Signed::parse(&signed).map_err(unreadable)?;
            let set = set::ImageSet::parse(object.unchecked_payload()).map_err(unreadable)?;
            let members: Vec<Member> = set.members().collect();
            db.image_set_blobs_put(catalog, id, &blobs_of(&members))?;
        }
        Ok(())
    };
    store.write(work).await
}

/// Takes an approver's signature over a set. Approving twice changes nothing.
///
/// # Errors
/// `SetUnknown`, `ObjectRefused`, `ApprovalMismatch`.
pub async fn approve(
    core: &Core,
    permit: Permit<AdmitSets>,
    id: ImageSetId,
    approval: Vec<u8>,
) -> Result<ImageSet, AppError> {
    let catalog = permit.catalog();
    let work = move |db: &WriteTx<'_>| {
        let known = db.image_set(catalog, id)?.ok_or(CatalogError::SetUnknown)?;
        let owner = newest_section(db, catalog, Section::Owner)?;
        catalog::approve(&owner.section(), &known.signatures.signed, &approval)?;
        db.image_set_approve(&permit, id, &approval)?;
        shown(db, catalog, id)
    };
    core.store.write(work).await
}

/// Countersigns an approved set and logs it: from now on it can be deployed. The approval is
/// verified again, under the trust store of this moment.
///
/// # Errors
/// `SetUnknown`, `SetNotApproved`, `ObjectRefused`.
pub async fn admit(
    core: &Core,
    permit: Permit<AdmitSets>,
    id: ImageSetId,
) -> Result<ImageSet, AppError> {
    let (now_s, keys, catalog) = (core.clock.now_s(), core.keys.clone(), permit.catalog());
    let work = move |db: &WriteTx<'_>| {
        let known = db.image_set(catalog, id)?.ok_or(CatalogError::SetUnknown)?;
        if known.set.state == ImageSetState::Admitted {
            return Ok(known.set);
        }
        let approval = known.signatures.approval.ok_or(CatalogError::SetNotApproved)?;
        let owner = newest_section(db, catalog, Section::Owner)?;
        catalog::image_set(&owner.section(), catalog, &known.signatures.signed)?;
        catalog::approve(&owner.section(), &known.signatures.signed, &approval)?;
        let signed =
            catalog::countersign(Kind::ImageSet, &known.signatures.signed, &*keys.catalog)?;
        let leaf = Leaf { kind: LeafKind::ImageSet, fact: Digest(id.0) };
        let index = log::append(db, &*keys.log, catalog, leaf, now_s)?;
        db.image_set_admit(&permit, id, &signed, index)?;
        shown(db, catalog, id)
    };
    core.store.write(work).await
}

/// One set.
///
/// # Errors
/// `SetUnknown`.
pub fn show(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    id: ImageSetId,
) -> Result<ImageSet, AppError> {
    core.store.read(|db| shown(db, permit.catalog(), id))
}

/// A set with every signature on it.
///
/// # Errors
/// `SetUnknown`.
pub fn signed(
    core: &Core,
    permit: &Permit<ReadCatalog>,
    id: ImageSetId,
) -> Result<ImageSetSigned, AppError> {
    let known = core.store.read(|db| db.image_set(permit.catalog(), id))?;
    let SetSignatures { signed, approval } = known.ok_or(CatalogError::SetUnknown)?.signatures;
    use craton_api::operator::Base64;
    Ok(ImageSetSigned { id, signed: Base64(signed), approval: approval.map(Base64) })
}

fn shown(db: &ReadTx<'_>, catalog: CatalogId, id: ImageSetId) -> Result<ImageSet, AppError> {
    Ok(db.image_set(catalog, id)?.ok_or(CatalogError::SetUnknown)?.set)
}

fn uploaded(parsed: &AdmissibleSet, object: Vec<u8>, now_s: u64) -> ImageSetRow {
    let set = ImageSet {
        id: parsed.id,
        name: parsed.name.clone(),
        purpose: parsed.purpose,
        state: ImageSetState::Uploaded,
        images: parsed.members.iter().map(|member| member.image.into()).collect(),
        log_index: None,
        created_s: now_s,
    };
    ImageSetRow { set, signatures: SetSignatures { signed: object, approval: None } }
}

/// The envelopes of all members, each registered and just as the set describes it, with every blob
/// that a device will ask for.
fn envelopes_of(
    core: &Core,
    permit: &Permit<Publish>,
    parsed: &AdmissibleSet,
) -> Result<Vec<Vec<u8>>, AppError> {
    core.store.read(|db| {
        for member in &parsed.members {
            check_member(db, &core.blobs, permit, member)?;
        }
        Ok::<_, AppError>(())
    })?;
    let envelope =
        |member: &Member| Ok(core.blobs.read(member.envelope.into(), suit::ENVELOPE_MAX as u64)?);
    parsed.members.iter().map(envelope).collect()
}

/// The image of a member must be registered and be as the set says. Its envelope may be another one
/// than the service keeps, with fewer signatures: it must be held, and be by a publisher in force.
fn check_member(
    db: &ReadTx<'_>,
    blobs: &Blobs,
    permit: &Permit<Publish>,
    member: &Member,
) -> Result<(), AppError> {
    let (id, catalog) = (member.image.into(), permit.catalog());
    let mut image = db.image(catalog, id)?.ok_or(CatalogError::MemberUnknown(id))?;
    if image.envelope != member.envelope.into() {
        check_blob(db, permit, member.envelope.into(), member.envelope_size)?;
        let envelope = blobs.read(member.envelope.into(), suit::ENVELOPE_MAX as u64)?;
        (image, _) = images::verified(db, catalog, &envelope, image.created_s)?;
    }
    let same = image.id == id
        && image.component == member.component.into()
        && image.envelope_size == member.envelope_size
        && image.security_version == member.security_version
        && image.payload == member.payload.into()
        && image.payload_size == member.payload_size;
    if !same {
        return Err(CatalogError::MemberMismatch(id).into());
    }
    for transport in member.transports() {
        check_blob(db, permit, transport.digest.into(), transport.size)?;
    }
    Ok(())
}

/// The set's needs must be met by the set, or by a runtime that this catalog has published.
fn check_abis(core: &Core, catalog: CatalogId, envelopes: &[Vec<u8>]) -> Result<(), AppError> {
    let refused = |why| CatalogError::ObjectRefused { what: "image set", why };
    let images: Result<Vec<_>, _> = envelopes.iter().map(|bytes| unverified(bytes)).collect();
    let images = images.map_err(refused)?;
    if set::check_abis(&images, &[]).is_ok() {
        return Ok(());
    }
    let mut platform = Vec::new();
    for image in core.store.read(|db| db.images(catalog, None))? {
        let envelope = core.blobs.read(image.envelope, suit::ENVELOPE_MAX as u64)?;
        let published = unverified(&envelope).map_err(refused)?;
        if published.image_type == suit::ImageType::Runtime {
            platform.extend_from_slice(published.provides.list());
        }
    }
    Ok(set::check_abis(&images, &platform).map_err(refused)?)
}

/// The image of an envelope that was verified when it was registered.
fn unverified(envelope: &[u8]) -> Result<suit::Image<'_>, craton_trust::Error> {
    suit::unchecked_parse(&AwsLc, envelope).map(|(_, image)| image)
}
