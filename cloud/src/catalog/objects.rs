//! Every signed object that an operator brings: one function each, bytes in, believed facts out.

use craton_api::operator::{
    Capability, CapabilityId, CatalogId, DeviceId, Digest, Image, ImageSetId, Purpose, RotClass,
};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer};
use craton_trust::lot::Lot;
use craton_trust::set::{ImageSet, Member};
use craton_trust::store::{self, KeptSection, Role, Section, SectionKind};
use craton_trust::suit::{self, ImageType};
use craton_trust::{Signed, Verified, endorsement, signed};

use super::{CatalogError, merged};
use crate::crypto::AwsLc;

/// The largest object with all its signatures, bytes.
const OBJECT_MAX: usize = signed::PAYLOAD_MAX + 1024;

/// The beginning of a catalog, as its two first sections say.
pub struct Genesis {
    /// The catalog's id.
    pub catalog: CatalogId,
    /// Whether its root is for development only.
    pub dev: bool,
    /// Digest of the `owner` section.
    pub owner: Digest,
    /// Digest of the `platform` section.
    pub platform: Digest,
}

/// Believes the two first sections of a catalog.
///
/// # Errors
/// `ObjectRefused`, `SectionMixed`, `DevMixed`.
pub fn genesis(owner: &[u8], platform: &[u8]) -> Result<Genesis, CatalogError> {
    let believed = |bytes, what| {
        let refused = |why| CatalogError::ObjectRefused { what, why };
        let signed = Signed::parse(bytes).map_err(refused)?;
        store::accept_genesis(&AwsLc, &signed).map_err(refused)
    };
    let owner = believed(owner, "owner section")?;
    let platform = believed(platform, "platform section")?;
    if owner.kind != SectionKind::Owner || platform.kind != SectionKind::Platform {
        return Err(CatalogError::SectionMixed);
    }
    if owner.dev != platform.dev {
        return Err(CatalogError::DevMixed);
    }
    Ok(Genesis {
        catalog: store::catalog_id(owner.digest()).into(),
        dev: owner.dev,
        owner: owner.digest().into(),
        platform: platform.digest().into(),
    })
}

/// The section inside a signed object that the store has kept, that is, believed before.
///
/// # Errors
/// `ObjectRefused` only if the store gave back something else than it was given.
pub fn section_of(kept: &[u8]) -> Result<KeptSection<Vec<u8>>, CatalogError> {
    let section = Signed::parse(kept)
        .and_then(|signed| KeptSection::parse(signed.unchecked_payload().to_vec()));
    section.map_err(|why| CatalogError::ObjectRefused { what: "section", why })
}

/// Believes the successor of a section.
///
/// # Errors
/// `ObjectRefused`.
pub fn successor<'b>(
    newest: &Section<'_>,
    genesis: Digest,
    candidate: &'b [u8],
) -> Result<Verified<Section<'b>>, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "successor", why };
    let signed = Signed::parse(candidate).map_err(refused)?;
    store::accept_successor(&AwsLc, newest, genesis.into(), &signed).map_err(refused)
}

/// Believes an envelope by the publisher of the section that its type belongs to: `platform` for
/// the runtime, `owner` for applications.
///
/// # Errors
/// `ObjectRefused`.
pub fn image(
    owner: &Section<'_>,
    platform: &Section<'_>,
    envelope: &[u8],
    now_s: u64,
) -> Result<(Image, ImageType), CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "image envelope", why };
    let (_, claimed) = suit::unchecked_parse(&AwsLc, envelope).map_err(refused)?;
    let section = match claimed.image_type.section() {
        SectionKind::Platform => platform,
        SectionKind::Owner => owner,
    };
    let image = suit::verify_by(&AwsLc, section, envelope).map_err(refused)?;
    let image_type = image.image_type;
    let image = Image {
        id: craton_trust::ImageId(image.digest().0).into(),
        envelope: AwsLc.sha256(&[envelope]).into(),
        envelope_size: envelope.len() as u64,
        component: image.component.into(),
        version: image.version.to_owned(),
        security_version: image.security_version,
        payload: image.payload.into(),
        payload_size: image.payload_size,
        created_s: now_s,
    };
    Ok((image, image_type))
}

/// Whether an envelope is by the publisher of a section, up to its ceiling. A forged signature
/// beside his own says nothing: who may upload could add one that names his next key (IMG-6).
#[must_use]
pub fn is_published(section: &Section<'_>, envelope: &[u8]) -> bool {
    let clean = merged(std::slice::from_ref(section), envelope, envelope);
    clean.is_ok_and(|clean| suit::verify_by(&AwsLc, section, &clean).is_ok())
}

/// A set that its publisher signed.
pub struct AdmissibleSet {
    /// SHA-256 of the signed bytes.
    pub id: ImageSetId,
    /// For people.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Its components.
    pub members: Vec<Member>,
}

/// Believes a set by the owner's publisher.
///
/// # Errors
/// `ObjectRefused`.
pub fn image_set(
    owner: &Section<'_>,
    catalog: CatalogId,
    object: &[u8],
) -> Result<AdmissibleSet, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "image set", why };
    let signed = Signed::parse(object).map_err(refused)?;
    let publisher = [owner.role(Role::Publisher)];
    let set = signed.verify(&AwsLc, Kind::ImageSet, &publisher, ImageSet::parse);
    let set = set.map_err(refused)?;
    if CatalogId::from(set.catalog) != catalog {
        return Err(refused(craton_trust::Error::OtherCatalog));
    }
    Ok(AdmissibleSet {
        id: craton_trust::SetId(set.digest().0).into(),
        name: set.name.to_owned(),
        purpose: match set.purpose {
            craton_trust::set::Purpose::Development => Purpose::Development,
            craton_trust::set::Purpose::Production => Purpose::Production,
        },
        members: set.members().collect(),
    })
}

/// Believes an approval: an object of kind `Approval` over exactly the bytes that the publisher
/// signed, by a threshold of approvers. No approver is a publisher: STORE-6 refuses such a section.
///
/// # Errors
/// `ObjectRefused`, `ApprovalMismatch`.
pub fn approve(owner: &Section<'_>, object: &[u8], approval: &[u8]) -> Result<(), CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "approval", why };
    let object = Signed::parse(object).map_err(refused)?;
    let approval = Signed::parse(approval).map_err(refused)?;
    if object.unchecked_payload() != approval.unchecked_payload() {
        return Err(CatalogError::ApprovalMismatch);
    }
    let approvers = [owner.role(Role::Approver)];
    let believed = approval.verify(&AwsLc, Kind::Approval, &approvers, |_| Ok(()));
    believed.map(|_| ()).map_err(refused)
}

/// Adds the catalog's signature to an object.
///
/// # Errors
/// `ObjectRefused` if the key does not sign.
pub fn countersign(
    kind: Kind,
    object: &[u8],
    catalog_key: &dyn Signer,
) -> Result<Vec<u8>, CatalogError> {
    let mut room = vec![0; OBJECT_MAX];
    let signed = signed::countersign(&AwsLc, kind, object, catalog_key, &mut room);
    let refused = |why| CatalogError::ObjectRefused { what: "countersignature", why };
    signed.map(<[u8]>::to_vec).map_err(refused)
}

/// What a believed endorsement says.
pub struct Endorsed {
    /// The class of the root of trust.
    pub rot: RotClass,
    /// The identity key as a COSE_Key.
    pub identity_key: Vec<u8>,
}

/// Believes an endorsement of a device by the platform's manufacturer.
///
/// # Errors
/// `ObjectRefused`, `EndorsementMismatch`.
pub fn endorsement(
    platform: &Section<'_>,
    device: DeviceId,
    object: &[u8],
) -> Result<Endorsed, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "endorsement", why };
    let signed = Signed::parse(object).map_err(refused)?;
    let endorsed = endorsement::Endorsement::verify(&AwsLc, platform, &signed);
    let endorsed = endorsed.map_err(refused)?;
    if DeviceId::from(endorsed.identity.device_id(&AwsLc)) != device {
        return Err(CatalogError::EndorsementMismatch);
    }
    let rot = match endorsed.rot {
        endorsement::RotClass::Software => RotClass::Software,
        endorsement::RotClass::Firmware => RotClass::Firmware,
        endorsement::RotClass::Tpm => RotClass::Tpm,
        endorsement::RotClass::Silicon => RotClass::Silicon,
    };
    Ok(Endorsed { rot, identity_key: endorsed.identity.to_cose().to_vec() })
}

/// Believes a lot by the platform's manufacturer; its devices are believed one by one.
///
/// # Errors
/// `ObjectRefused`.
pub fn lot<'b>(
    platform: &Section<'_>,
    object: &'b [u8],
) -> Result<Verified<Lot<'b>>, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "lot", why };
    let signed = Signed::parse(object).map_err(refused)?;
    Lot::verify(&AwsLc, platform, &signed).map_err(refused)
}

/// Believes a capability by the owner's publisher; it is not approved yet.
///
/// # Errors
/// `ObjectRefused`.
pub fn capability(
    owner: &Section<'_>,
    catalog: CatalogId,
    device: DeviceId,
    object: &[u8],
    now_s: u64,
) -> Result<Capability, CatalogError> {
    let refused = |why| CatalogError::ObjectRefused { what: "capability", why };
    let signed = Signed::parse(object).map_err(refused)?;
    let publisher = [owner.role(Role::Publisher)];
    let parse = craton_trust::capability::Capability::parse;
    let capability = signed.verify(&AwsLc, Kind::Capability, &publisher, parse);
    let capability = capability.map_err(refused)?;
    if CatalogId::from(capability.address.catalog) != catalog {
        return Err(refused(craton_trust::Error::OtherCatalog));
    }
    if DeviceId::from(capability.address.device) != device {
        return Err(refused(craton_trust::Error::OtherDevice));
    }
    let permits = match capability.permission {
        craton_trust::capability::Permission::AppDevelopment => "appDevelopment",
    };
    Ok(Capability {
        id: CapabilityId(capability.digest().0),
        device,
        permits: vec![permits.to_owned()],
        approved: false,
        created_s: now_s,
    })
}
