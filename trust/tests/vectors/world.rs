//! One deterministic world: its keys (ES256 is deterministic after RFC 6979), its sections, and one
//! good object of each kind.

use crate::value::Value;
use craton_trust::assignment::{Address, Assignment, Online, Target};
use craton_trust::capability::{Capability, Permission};
use craton_trust::cose::{self, Kind};
use craton_trust::crypto::{Crypto as _, Signer};
use craton_trust::dice::{self, Inputs, Layer, Mode};
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::evidence::{Claims, Lifecycle, Measured, Measurements, Purpose};
use craton_trust::failure::{Failure, FailureKind, FaultClass, Frame};
use craton_trust::lot;
use craton_trust::merkle::Checkpoint;
use craton_trust::rollback::Floors;
use craton_trust::set::{self, ImageSetBuilder, Member, Transport};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{KeptSection, Role, RoleKeysBuilder, SectionBuilder, SectionKind};
use craton_trust::suit::{self, Abi, Abis, Footer, Image, ImageType, Verity};
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest, ImageId, PublicKey, SetId};
use craton_trust::{merkle, signed};

pub const CLASS: ClassId = ClassId(*b"class of devices");
pub const APP: ComponentId = ComponentId(*b"component: app A");
pub const RUNTIME: ComponentId = ComponentId(*b"component: rt  B");
pub const PAYLOAD: &[u8] = b"a payload, whole and uncompressed";
pub const CHALLENGE: Digest = Digest([0xc4; 32]);
pub const REQUEST: Digest = Digest([0x4e; 32]);
pub const NONCE: Digest = Digest([0x9a; 32]);
pub const EPOCH: u64 = 3;
pub const CEILING: u64 = 100;

/// Seeds of the owner's roots; two of three must sign.
pub const ROOTS: [u8; 3] = [0x01, 0x02, 0x03];
pub const PLATFORM_ROOT: u8 = 0x21;
pub const PLATFORM_PUBLISHER: u8 = 0x22;
pub const MANUFACTURER: u8 = 0x23;
pub const PUBLISHER: u8 = 0x11;
pub const CATALOG: u8 = 0x12;
pub const ONLINE: u8 = 0x13;
pub const SERVICE: u8 = 0x14;
pub const LOG: u8 = 0x15;
pub const WITNESS: u8 = 0x16;
pub const APPROVER: u8 = 0x17;
pub const RECOVERY: u8 = 0x18;
pub const STRANGER: u8 = 0xee;

pub fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).expect("a key")
}

pub fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

pub fn role(threshold: u8, seeds: &[u8]) -> RoleKeysBuilder {
    let mut keys = RoleKeysBuilder::new(threshold);
    seeds.iter().for_each(|seed| keys.push(public(*seed)).expect("distinct seeds"));
    keys
}

pub fn sha256(bytes: &[u8]) -> Digest {
    Soft.sha256(&[bytes])
}

pub fn written(write: impl FnOnce(&mut [u8]) -> craton_trust::error::Result<&[u8]>) -> Vec<u8> {
    write(&mut vec![0; 1 << 17]).expect("room").to_vec()
}

/// A payload with the signatures of `seeds`.
pub fn seal(kind: Kind, payload: &[u8], seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    written(|out| signed::seal(&Soft, kind, payload, &signers, out))
}

/// One detached signature.
pub fn sign1(kind: Kind, payload: &[u8], seed: u8) -> Vec<u8> {
    written(|out| cose::sign(&Soft, &key(seed), kind, &[payload], out))
}

/// The payload of a signed object.
pub fn payload(object: &[u8]) -> Vec<u8> {
    Value::decode(object).item(0).as_bytes().to_vec()
}

/// `object` with its payload changed and signed anew.
pub fn resealed(
    kind: Kind,
    object: &[u8],
    seeds: &[u8],
    change: impl FnOnce(&mut Value),
) -> Vec<u8> {
    let mut value = Value::decode(&payload(object));
    change(&mut value);
    seal(kind, &value.encode(), seeds)
}

/// The owner's section, first version: a production root of two of three.
pub fn owner() -> SectionBuilder {
    let mut section = SectionBuilder::genesis(SectionKind::Owner, false, CEILING);
    section.set_role(Role::Root, role(2, &ROOTS));
    let one = [
        (Role::Publisher, PUBLISHER),
        (Role::Catalog, CATALOG),
        (Role::Online, ONLINE),
        (Role::Service, SERVICE),
        (Role::Log, LOG),
        (Role::Witness, WITNESS),
        (Role::Approver, APPROVER),
        (Role::Recovery, RECOVERY),
    ];
    one.into_iter().for_each(|(name, seed)| section.set_role(name, role(1, &[seed])));
    section
}

/// The platform's section. Its publisher and catalog are others than the owner's.
pub fn platform() -> SectionBuilder {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, false, CEILING);
    let one = [
        (Role::Root, PLATFORM_ROOT),
        (Role::Publisher, PLATFORM_PUBLISHER),
        (Role::Manufacturer, MANUFACTURER),
    ];
    one.into_iter().for_each(|(name, seed)| section.set_role(name, role(1, &[seed])));
    section
}

pub fn encoded(section: &SectionBuilder) -> Vec<u8> {
    written(|out| section.encode(out))
}

pub fn kept(section: &SectionBuilder) -> KeptSection<Vec<u8>> {
    KeptSection::parse(encoded(section)).expect("a good section")
}

pub fn owner_genesis() -> Vec<u8> {
    seal(Kind::TrustStore, &encoded(&owner()), &ROOTS[..2])
}

pub fn platform_genesis() -> Vec<u8> {
    seal(Kind::TrustStore, &encoded(&platform()), &[PLATFORM_ROOT])
}

pub fn genesis() -> Digest {
    sha256(&encoded(&owner()))
}

pub fn catalog() -> CatalogId {
    craton_trust::store::catalog_id(genesis())
}

/// The second version of the owner's section, before a test changes it.
pub fn second() -> SectionBuilder {
    let mut section = owner();
    (section.genesis, section.version) = (Some(genesis()), 2);
    section
}

pub fn successor() -> Vec<u8> {
    seal(Kind::TrustStore, &encoded(&second()), &ROOTS[..2])
}

pub fn image() -> Image<'static> {
    Image {
        component: APP,
        image_type: ImageType::Application,
        vendor: *b"vendor of device",
        class: CLASS,
        sequence: 7,
        security_version: 5,
        name: "greeter",
        version: "1.2.0",
        payload: sha256(PAYLOAD),
        payload_size: PAYLOAD.len() as u64,
        verity: Some(Verity { data_size: 16, root: Digest([0x7e; 32]) }),
        provides: Abis::new(&[]).expect("none"),
        depends: Abis::new(&[Abi { id: 1, version: 2 }]).expect("one"),
        sbom: sha256(b"sbom"),
        support_until: 2_000_000_000,
    }
}

pub fn runtime() -> Image<'static> {
    Image {
        component: RUNTIME,
        image_type: ImageType::Runtime,
        name: "runtime",
        verity: None,
        provides: Abis::new(&[Abi { id: 1, version: 2 }]).expect("one"),
        depends: Abis::new(&[]).expect("none"),
        ..image()
    }
}

pub fn envelope_of(manifest: &[u8], seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    written(|out| suit::sign(&Soft, manifest, &signers, out))
}

pub fn envelope(image: &Image<'_>) -> Vec<u8> {
    envelope_of(&written(|out| image.encode(out)), &[PUBLISHER])
}

/// A whole package: payload, envelope, footer.
pub fn package() -> Vec<u8> {
    let envelope = envelope(&image());
    let (payload_size, envelope_size) = (PAYLOAD.len() as u64, envelope.len() as u64);
    let footer = Footer { payload_size, envelope_size }.encode();
    [PAYLOAD, &envelope, &footer].concat()
}

pub fn member(image: &Image<'_>) -> Member {
    let envelope = envelope(image);
    let (id, _) = suit::unchecked_parse(&Soft, &envelope).expect("a good envelope");
    let mut member = Member::of(id, image, sha256(&envelope), envelope.len() as u64);
    let base = Some(sha256(b"the payload before"));
    let delta = Transport { digest: sha256(b"delta"), size: 5, base };
    member.push(delta).expect("room");
    member
}

pub fn set_of(purpose: set::Purpose) -> ImageSetBuilder<'static> {
    let mut set = ImageSetBuilder::new(catalog(), purpose, 9, "winter");
    set.push(member(&image())).expect("room");
    set.push(member(&runtime())).expect("order");
    set
}

pub fn image_set_of(purpose: set::Purpose) -> Vec<u8> {
    let set = written(|out| set_of(purpose).encode(out));
    seal(Kind::ImageSet, &set, &[PUBLISHER, CATALOG])
}

pub fn image_set() -> Vec<u8> {
    image_set_of(set::Purpose::Production)
}

pub fn set_id() -> SetId {
    SetId(sha256(&payload(&image_set())).0)
}

/// The leaves of the log; the set is entry 2.
pub fn leaves() -> Vec<Digest> {
    let logged = |set: SetId| merkle::leaf(&Soft, &merkle::image_set_entry(set));
    let other = |n: u8| logged(SetId([n; 32]));
    vec![other(1), other(2), logged(set_id()), other(3), other(4)]
}

pub const SET_INDEX: u64 = 2;

pub fn checkpoint_of(size: u64) -> Vec<u8> {
    let leaves = leaves();
    let root = crate::proofs::root(&leaves[..usize::try_from(size).expect("small")]);
    let checkpoint = Checkpoint { catalog: catalog(), size, root };
    let bytes = written(|out| checkpoint.encode(out));
    seal(Kind::Checkpoint, &bytes, &[LOG, WITNESS])
}

pub fn checkpoint() -> Vec<u8> {
    checkpoint_of(5)
}

pub fn address() -> Address {
    let device = identity().device_id(&Soft);
    Address { catalog: catalog(), device, epoch: EPOCH, request: REQUEST }
}

/// A good assignment, changed by `change`, and signed by the online key.
pub fn assignment_with(change: impl FnOnce(&mut Assignment<'_>)) -> Vec<u8> {
    let checkpoint = checkpoint();
    let path = crate::proofs::inclusion(&leaves(), 2);
    let target = Target::new(set_id(), SET_INDEX, &checkpoint, &path).expect("short");
    let online = Some(Online { time: 1_800_000_000, certificate: b"a certificate" });
    let mut assignment =
        Assignment { address: address(), online, next_check_in_s: 86_400, target: Some(target) };
    change(&mut assignment);
    seal(Kind::Assignment, &written(|out| assignment.encode(out)), &[ONLINE])
}

pub fn assignment() -> Vec<u8> {
    assignment_with(|_| ())
}

pub fn capability() -> Vec<u8> {
    let address = Address { request: CHALLENGE, ..address() };
    let capability = Capability { address, permission: Permission::AppDevelopment };
    let bytes = written(|out| capability.encode(out));
    seal(Kind::Capability, &bytes, &[PUBLISHER, CATALOG])
}

pub fn endorsement() -> Vec<u8> {
    let claim_code = sha256(b"claim code");
    let endorsement =
        Endorsement { identity: identity(), rot: RotClass::Software, class: CLASS, claim_code };
    seal(Kind::Endorsement, &written(|out| endorsement.encode(out)), &[MANUFACTURER])
}

/// Signed endorsements of so many devices, in the order of their ids.
pub fn lot_rows(count: usize) -> Vec<Vec<u8>> {
    let mut rows: Vec<_> = (1..=count).map(endorsement_of).collect();
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

fn endorsement_of(number: usize) -> (DeviceId, Vec<u8>) {
    let mut secret = [0; 32];
    secret[24..].copy_from_slice(&(number as u64).to_be_bytes());
    let identity = SoftKey::from_bytes(&secret).expect("a key").public_key();
    let claim_code = sha256(&secret);
    let rot = RotClass::Firmware;
    let endorsement = Endorsement { identity, rot, class: CLASS, claim_code };
    let bytes = written(|out| endorsement.encode(out));
    (identity.device_id(&Soft), seal(Kind::Endorsement, &bytes, &[MANUFACTURER]))
}

pub fn lot() -> Vec<u8> {
    let rows = lot_rows(3);
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    seal(Kind::Lot, &written(|out| lot::encode(&Soft, &rows, out)), &[MANUFACTURER])
}

/// The inputs of the layer at `place`, told apart by their code.
pub fn inputs(place: u8, mode: Mode) -> Inputs {
    Inputs {
        code: [place; 64],
        configuration: [0xcf; 64],
        authority: [0xa0; 64],
        mode: mode as u8,
        hidden: [0; 64],
    }
}

fn layer_key(layer: &Layer) -> SoftKey {
    layer.private_key(&Soft, SoftKey::from_bytes).expect("a key")
}

fn uds() -> Layer {
    Layer::of_uds(&[0x31; 32])
}

pub fn identity_key() -> SoftKey {
    layer_key(&uds())
}

pub fn identity() -> PublicKey {
    identity_key().public_key()
}

/// A chain with one certificate for each mode, and the key of the last layer.
pub fn chain(modes: &[Mode]) -> (Vec<Vec<u8>>, SoftKey) {
    let mut layer = uds();
    let mut links = Vec::new();
    for (place, mode) in (1..).zip(modes) {
        let inputs = inputs(place, *mode);
        let next = layer.next(&Soft, &inputs);
        let (issuer, subject) = (layer_key(&layer), layer_key(&next).public_key());
        links.push(written(|out| dice::certify(&Soft, &issuer, &inputs, &subject, out)));
        layer = next;
    }
    (links, layer_key(&layer))
}

pub const NORMAL: [Mode; 2] = [Mode::Normal; 2];

pub fn claims() -> Claims {
    let mut measured = Measurements::default();
    for (component, digest) in [(APP, 1), (RUNTIME, 2)] {
        let digest = Digest([digest; 32]);
        measured.push(Measured { component, digest }).expect("room");
    }
    let mut floors = Floors::default();
    floors.raise(APP, 5).expect("room");
    Claims {
        client_key: public(0x41),
        nonce: NONCE,
        device: identity().device_id(&Soft),
        implementation: sha256(b"engine"),
        lifecycle: Lifecycle::DeviceComplete,
        mode: Mode::Normal,
        purpose: Purpose::CheckIn,
        audience: catalog(),
        epoch: EPOCH,
        boot: 12,
        check_in: 4,
        floors,
        measured,
    }
}

pub fn evidence_of(claims: &Claims, modes: &[Mode]) -> Vec<u8> {
    let (links, attester) = chain(modes);
    let links: Vec<&[u8]> = links.iter().map(Vec::as_slice).collect();
    written(|out| claims.sign(&Soft, &attester, &links, out))
}

pub fn evidence() -> Vec<u8> {
    evidence_of(&claims(), &NORMAL)
}

/// Good evidence with its claims changed and signed anew by the attester.
pub fn evidence_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = Value::decode(&evidence());
    let mut token = Value::decode(value.item(1).as_bytes());
    let mut claims = Value::decode(token.item(2).as_bytes());
    change(&mut claims);
    *value.item(1) = Value::bytes(token_of(Kind::Evidence, &claims.encode(), &chain(&NORMAL).1));
    value.encode()
}

pub fn token_of(kind: Kind, claims: &[u8], attester: &SoftKey) -> Vec<u8> {
    written(|out| cose::sign_attached(&Soft, attester, kind, claims, out))
}

pub fn failure() -> Vec<u8> {
    let (image, set) = (ImageId([0x1d; 32]), Digest([0x5e; 32]));
    let mut failure = Failure::new(FailureKind::Crash, APP, image, set);
    (failure.number, failure.signal, failure.code, failure.boot) = (8, 11, 1, 12);
    (failure.fault, failure.uptime_ms) = (FaultClass::Null, 1500);
    failure.push(Frame { build_id: &[0xb1; 20], pc: 0x1234 }).expect("room");
    written(|out| failure.encode(out))
}

pub fn other_device() -> DeviceId {
    DeviceId([0x0d; 32])
}
