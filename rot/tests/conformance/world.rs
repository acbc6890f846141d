//! Keys, sections, sets and orders as their signers would make them.

use craton_rot::{Action, Order};
use craton_trust::assignment::{Address, Assignment, Online, Target};
use craton_trust::capability::{Capability, Permission};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer};
use craton_trust::evidence::Measured;
use craton_trust::merkle::Checkpoint;
use craton_trust::set::{ImageSetBuilder, Member, Purpose};
use craton_trust::signed::seal;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{
    Role, RoleKeysBuilder, Section, SectionBuilder, SectionKind, catalog_id,
};
use craton_trust::suit::{self, Abis, Footer, Image, ImageType};
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest, SetId, Signed};

pub const CODE: &[u8] = b"claim-me";
pub const RUNTIME: ComponentId = ComponentId([0xaa; 16]);
pub const APP: ComponentId = ComponentId([0x01; 16]);
pub const OTHER_APP: ComponentId = ComponentId([0x02; 16]);
pub const CLASS: ClassId = ClassId([7; 16]);
pub const CEILING: u64 = 4095;

pub const PLATFORM_ROOT: u8 = 1;
pub const MANUFACTURER: u8 = 2;
pub const OWNER_ROOT: u8 = 3;
pub const PUBLISHER: u8 = 4;
pub const CATALOG: u8 = 5;
pub const ONLINE: u8 = 6;
pub const LOG: u8 = 7;
pub const STRANGER: u8 = 9;
pub const PLATFORM_PUBLISHER: u8 = 10;

pub fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap()
}

pub fn sign(kind: Kind, payload: &[u8], seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    let mut room = vec![0; 64 * 1024];
    seal(&Soft, kind, payload, &signers, &mut room).unwrap().to_vec()
}

pub fn digest(signed: &[u8]) -> Digest {
    Signed::parse(signed).unwrap().digest(&Soft)
}

fn one(seed: u8) -> RoleKeysBuilder {
    RoleKeysBuilder::of(key(seed).public_key())
}

fn encoded(section: &SectionBuilder) -> Vec<u8> {
    section.encode(&mut [0; 8192]).unwrap().to_vec()
}

pub fn platform_section(dev: bool) -> Vec<u8> {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, dev, CEILING);
    section.set_role(Role::Root, one(PLATFORM_ROOT));
    section.set_role(Role::Manufacturer, one(MANUFACTURER));
    section.set_role(Role::Publisher, one(PLATFORM_PUBLISHER));
    sign(Kind::TrustStore, &encoded(&section), &[PLATFORM_ROOT])
}

pub fn owner_section_of(root: u8, dev: bool) -> Vec<u8> {
    let mut section = SectionBuilder::genesis(SectionKind::Owner, dev, CEILING);
    section.set_role(Role::Root, one(root));
    section.set_role(Role::Publisher, one(PUBLISHER));
    section.set_role(Role::Catalog, one(CATALOG));
    section.set_role(Role::Online, one(ONLINE));
    section.set_role(Role::Log, one(LOG));
    sign(Kind::TrustStore, &encoded(&section), &[root])
}

pub fn owner_section(dev: bool) -> Vec<u8> {
    owner_section_of(OWNER_ROOT, dev)
}

pub fn catalog(dev: bool) -> CatalogId {
    catalog_id(digest(&owner_section(dev)))
}

/// The successor of a first version, changed by `change` and signed by `root`.
pub fn successor(first: &[u8], root: u8, change: impl FnOnce(&mut SectionBuilder)) -> Vec<u8> {
    let first_version = Section::parse(Signed::parse(first).unwrap().unchecked_payload()).unwrap();
    let mut section = SectionBuilder::from(&first_version);
    (section.genesis, section.version) = (Some(digest(first)), section.version + 1);
    change(&mut section);
    sign(Kind::TrustStore, &encoded(&section), &[root])
}

pub fn signed_section(section: &SectionBuilder, root: u8) -> Vec<u8> {
    sign(Kind::TrustStore, &encoded(section), &[root])
}

pub fn payload(component: ComponentId, version: u64) -> Digest {
    let mut digest = [version as u8; 32];
    digest[..16].copy_from_slice(&component.0);
    Digest(digest)
}

pub fn measured(component: ComponentId, version: u64) -> Measured {
    Measured { component, digest: payload(component, version) }
}

pub fn image(component: ComponentId, version: u64) -> Image<'static> {
    let none = Abis::new(&[]).unwrap();
    let of_platform = component == RUNTIME;
    Image {
        component,
        image_type: if of_platform { ImageType::Runtime } else { ImageType::Application },
        vendor: [8; 16],
        class: CLASS,
        sequence: version,
        security_version: version,
        name: "app",
        version: "1",
        payload: payload(component, version),
        payload_size: 4096,
        verity: None,
        provides: none,
        depends: none,
        sbom: Digest([0; 32]),
        support_until: 0,
    }
}

/// The image's envelope as its publisher signs it: the platform's for the runtime.
pub fn envelope(component: ComponentId, version: u64) -> Vec<u8> {
    let by = if component == RUNTIME { PLATFORM_PUBLISHER } else { PUBLISHER };
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = image(component, version).encode(&mut room).unwrap().to_vec();
    suit::sign(&Soft, &manifest, &[&key(by)], &mut [0; suit::ENVELOPE_MAX]).unwrap().to_vec()
}

fn member(component: ComponentId, version: u64) -> Member {
    let envelope = envelope(component, version);
    let (id, image) = suit::unchecked_parse(&Soft, &envelope).unwrap();
    Member::of(id, &image, Soft.sha256(&[&envelope]), envelope.len() as u64)
}

/// A signed set of these components, each with its security version.
pub fn set_for(catalog: CatalogId, purpose: Purpose, members: &[(ComponentId, u64)]) -> Vec<u8> {
    let mut set = ImageSetBuilder::new(catalog, purpose, 1, "set");
    members.iter().for_each(|(id, version)| set.push(member(*id, *version)).unwrap());
    let bytes = set.encode(&mut [0; 16384]).unwrap().to_vec();
    sign(Kind::ImageSet, &bytes, &[PUBLISHER, CATALOG])
}

pub fn set(members: &[(ComponentId, u64)]) -> Vec<u8> {
    set_for(catalog(false), Purpose::Production, members)
}

/// A set with this package of the root of trust's own program, signed by these.
pub fn set_with(package: &[u8], by: &[u8]) -> Vec<u8> {
    let footer = Footer::parse(package.last_chunk().unwrap(), package.len() as u64).unwrap();
    let envelope = &package[footer.payload_size as usize..][..footer.envelope_size as usize];
    let (id, image) = suit::unchecked_parse(&Soft, envelope).unwrap();
    let mut set = ImageSetBuilder::new(catalog(false), Purpose::Production, 1, "set");
    let digest = Soft.sha256(&[envelope]);
    set.push(Member::of(id, &image, digest, envelope.len() as u64)).unwrap();
    let bytes = set.encode(&mut [0; 16384]).unwrap().to_vec();
    sign(Kind::ImageSet, &bytes, by)
}

/// The same, of the owner's publisher and catalog.
pub fn approved(package: &[u8]) -> Vec<u8> {
    set_with(package, &[PUBLISHER, CATALOG])
}

pub fn order(device: DeviceId, epoch: u64, action: Action, by: u8) -> Vec<u8> {
    let order = Order { device, epoch, action };
    let mut room = [0; craton_rot::order::ORDER_MAX];
    sign(Kind::Lifecycle, order.encode(&mut room).unwrap(), &[by])
}

pub fn capability(address: Address) -> Vec<u8> {
    let capability = Capability { address, permission: Permission::AppDevelopment };
    let mut room = [0; 256];
    sign(Kind::Capability, capability.encode(&mut room).unwrap(), &[PUBLISHER, CATALOG])
}

/// A reply with this time, and a target under a checkpoint of this size if there is one.
pub fn reply(address: Address, time: u64, size: Option<u64>) -> Vec<u8> {
    let checkpoint = size.map(|size| {
        let checkpoint = Checkpoint { catalog: address.catalog, size, root: Digest([1; 32]) };
        sign(Kind::Checkpoint, checkpoint.encode(&mut [0; 256]).unwrap(), &[LOG])
    });
    let target = checkpoint.as_deref();
    let target = target.map(|bytes| Target::new(SetId([4; 32]), 0, bytes, &[]).unwrap());
    let online = Some(Online { time, certificate: b"certificate" });
    let assignment = Assignment { address, online, next_check_in_s: 60, target };
    sign(Kind::Assignment, assignment.encode(&mut [0; 8192]).unwrap(), &[ONLINE])
}
