//! What an owner brings to a stopped device as a file: successors of the trust store and
//! capabilities, each with what it refuses.

use craton_device::folder::ROT_FILE;
use craton_device::installed::{component_folder, set_folder};
use craton_device::slot_file::SlotFile;
use craton_device::stopped::{Challenge, Stopped, StoppedError};
use craton_image::package::{Package, sha256};
use craton_rot::platform::file::FilePlatform;
use craton_rot::{Action, Engine, Event, Manufacture, NextLayer, Order, RootOfTrust as _, Start};
use craton_trust::assignment::Address;
use craton_trust::capability::{Capability, Permission};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer};
use craton_trust::dice::Mode;
use craton_trust::evidence::{Measured, TRUST_STORE, trust_store_digest};
use craton_trust::set::{ImageSetBuilder, Member, Purpose};
use craton_trust::signed::seal;
use craton_trust::slots::Slots;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind, catalog_id};
use craton_trust::suit::{Abis, Image, ImageType};
use craton_trust::{
    CatalogId, ClassId, ComponentId, DeviceId, Digest, Error as Refusal, SetId, Signed,
};
use std::fs;
use tempfile::TempDir;

const CODE: &[u8] = b"claim-me";
const APP: ComponentId = ComponentId([1; 16]);
const RUNTIME: ComponentId = ComponentId([2; 16]);
const CLASS: ClassId = ClassId([7; 16]);

const PLATFORM_ROOT: u8 = 1;
const ROOT: u8 = 3;
const PUBLISHER: u8 = 4;
const CATALOG: u8 = 5;
const NEXT_PUBLISHER: u8 = 6;
const STRANGER: u8 = 9;

fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap()
}

fn sign(kind: Kind, payload: &[u8], seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    seal(&Soft, kind, payload, &signers, &mut vec![0; 64 * 1024]).unwrap().to_vec()
}

fn digest(signed: &[u8]) -> Digest {
    Signed::parse(signed).unwrap().digest(&Soft)
}

fn keys(seeds: &[u8]) -> RoleKeysBuilder {
    let mut keys = RoleKeysBuilder::new(1);
    seeds.iter().for_each(|seed| keys.push(key(*seed).public_key()).unwrap());
    keys
}

fn signed_section(section: &SectionBuilder, signers: &[u8]) -> Vec<u8> {
    sign(Kind::TrustStore, section.encode(&mut [0; 8192]).unwrap(), signers)
}

fn platform() -> Vec<u8> {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, false, 100);
    section.set_role(Role::Root, keys(&[PLATFORM_ROOT]));
    signed_section(&section, &[PLATFORM_ROOT])
}

fn first() -> SectionBuilder {
    let mut section = SectionBuilder::genesis(SectionKind::Owner, false, 100);
    section.set_role(Role::Root, keys(&[ROOT]));
    section.set_role(Role::Publisher, keys(&[PUBLISHER]));
    section.set_role(Role::Catalog, keys(&[CATALOG]));
    section
}

fn owner() -> Vec<u8> {
    signed_section(&first(), &[ROOT])
}

fn catalog() -> CatalogId {
    catalog_id(digest(&owner()))
}

/// Version `version` of the owner's section with these publishers.
fn successor(version: u64, publishers: &[u8], change: impl FnOnce(&mut SectionBuilder)) -> Vec<u8> {
    let mut section = first();
    (section.genesis, section.version) = (Some(digest(&owner())), version);
    section.set_role(Role::Publisher, keys(publishers));
    change(&mut section);
    signed_section(&section, &[ROOT])
}

/// A manufactured and claimed device that never ran.
fn device() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let platform = platform();
    let claim_code = Soft.sha256(&[CODE]);
    let with = Manufacture { platform_section: &platform, claim_code, class: CLASS };
    let file = FilePlatform::create(&folder.path().join(ROT_FILE)).unwrap();
    let mut rot = Engine::manufacture(file, Soft, &with).unwrap();
    rot.claim(CODE, &owner()).unwrap();
    folder
}

/// Puts a set of one app on the disk as an update would, and confirms it.
fn install(device: &TempDir, image_by: u8, set_by: u8) -> SetId {
    let none = Abis::new(&[]).unwrap();
    let image = Image {
        component: APP,
        image_type: ImageType::Application,
        vendor: [8; 16],
        class: CLASS,
        sequence: 1,
        security_version: 5,
        name: "app",
        version: "1",
        payload: Digest([0; 32]),
        payload_size: 0,
        verity: None,
        provides: none,
        depends: none,
        sbom: Digest([0; 32]),
        support_until: 0,
    };
    let package = Package::sign(b"the payload".to_vec(), &image, &[&key(image_by)]).unwrap();
    let (id, image) = package.image().unwrap();
    let envelope = package.envelope();
    let mut set = ImageSetBuilder::new(catalog(), Purpose::Production, 1, "set");
    set.push(Member::of(id, &image, sha256(envelope), envelope.len() as u64)).unwrap();
    let set = sign(Kind::ImageSet, set.encode(&mut [0; 8192]).unwrap(), &[set_by, CATALOG]);
    let set_id = SetId(digest(&set).0);
    let folder = set_folder(device.path(), set_id);
    let component = component_folder(&folder, APP);
    fs::create_dir_all(&component).unwrap();
    fs::write(component.join("envelope.cbor"), envelope).unwrap();
    fs::write(component.join("payload"), package.payload()).unwrap();
    fs::write(folder.join("set.cbor"), set).unwrap();
    let armed = Slots::default().stage(set_id).unwrap().arm().unwrap();
    let (slots, run) = armed.boot();
    assert!(run.is_some_and(|run| run.trial));
    SlotFile::of(device.path()).write(&slots.confirm().unwrap().finish()).unwrap();
    set_id
}

fn open(device: &TempDir) -> Stopped {
    Stopped::open(device.path()).unwrap()
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, StoppedError>) -> u16 {
    outcome.unwrap_err().code()
}

fn code(refusal: Refusal) -> u16 {
    refusal.code()
}

#[test]
fn store_1_a_stopped_device_takes_successors_in_order_by_root_signatures_alone() {
    let device = device();
    let (two, three) = (successor(2, &[PUBLISHER], |_| {}), successor(3, &[PUBLISHER], |_| {}));
    let before = open(&device).status().unwrap();
    assert_eq!(refused(open(&device).succeed(&three)), code(Refusal::SuccessorVersion));
    let mut section = first();
    (section.genesis, section.version) = (Some(digest(&owner())), 2);
    let forged = signed_section(&section, &[STRANGER]);
    assert_eq!(refused(open(&device).succeed(&forged)), code(Refusal::SignerUnknown));
    section.genesis = Some(Digest([1; 32]));
    let foreign = signed_section(&section, &[ROOT]);
    assert_eq!(refused(open(&device).succeed(&foreign)), code(Refusal::SuccessorGenesis));
    let dev = successor(2, &[PUBLISHER], |section| section.dev = true);
    assert_eq!(refused(open(&device).succeed(&dev)), code(Refusal::SuccessorDev));
    for cut in 0..two.len() {
        assert!(open(&device).succeed(&two[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(open(&device).status().unwrap(), before, "nothing has changed");
    assert_eq!(open(&device).succeed(&two).unwrap(), (SectionKind::Owner, 2));
    assert_eq!(open(&device).succeed(&three).unwrap(), (SectionKind::Owner, 3));
    assert_eq!(refused(open(&device).succeed(&two)), code(Refusal::SuccessorVersion));
    assert_eq!(open(&device).status().unwrap().sections.1, Some(digest(&three)));
}

#[test]
fn store_4_a_successor_that_orphans_an_installed_set_or_envelope_is_successor_orphans() {
    let orphans = code(Refusal::SuccessorOrphans);
    let device = device();
    install(&device, PUBLISHER, PUBLISHER);
    let alone = successor(2, &[NEXT_PUBLISHER], |_| {});
    assert_eq!(refused(open(&device).succeed(&alone)), orphans);
    let low = successor(2, &[PUBLISHER], |section| section.ceiling = 4);
    assert_eq!(refused(open(&device).succeed(&low)), orphans);
    let overlap = successor(2, &[PUBLISHER, NEXT_PUBLISHER], |_| {});
    assert_eq!(open(&device).succeed(&overlap).unwrap().1, 2);
    // A set by the new key of an image by the old one: the root of trust sees only the set.
    let device = self::device();
    open(&device).succeed(&overlap).unwrap();
    install(&device, PUBLISHER, NEXT_PUBLISHER);
    let alone = successor(3, &[NEXT_PUBLISHER], |_| {});
    assert_eq!(refused(open(&device).succeed(&alone)), orphans);
    let device = self::device();
    open(&device).succeed(&overlap).unwrap();
    install(&device, NEXT_PUBLISHER, NEXT_PUBLISHER);
    assert_eq!(open(&device).succeed(&alone).unwrap().1, 3);
}

#[test]
fn store_4_a_damaged_set_that_runs_is_not_passed_over() {
    let device = device();
    let set = install(&device, PUBLISHER, PUBLISHER);
    let path = set_folder(device.path(), set).join("set.cbor");
    let good = fs::read(&path).unwrap();
    let two = successor(2, &[PUBLISHER], |_| {});
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert!(open(&device).succeed(&two).is_err());
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, &flipped).unwrap();
    assert_eq!(refused(open(&device).succeed(&two)), code(Refusal::SuccessorOrphans));
    fs::write(&path, &good).unwrap();
    assert_eq!(open(&device).succeed(&two).unwrap().1, 2);
}

/// What a boot of the device measures as its trust store.
fn measured(rot: &Engine<FilePlatform, Soft>) -> Option<Digest> {
    let mut events = (0..).map_while(|place| rot.event(place).unwrap());
    events.find_map(|event| match event {
        Event::Measured(Measured { component: TRUST_STORE, digest }) => Some(digest),
        _ => None,
    })
}

#[test]
fn evidence_quotes_the_trust_store_that_was_in_force_at_boot() {
    let device = device();
    let path = device.path().join(ROT_FILE);
    let runtime = Measured { component: RUNTIME, digest: Digest([1; 32]) };
    let next = NextLayer { runtime, set: None, images: &[] };
    let boot = || {
        let mut rot = Engine::open(&path, Soft, Start::Normal).unwrap();
        rot.boot(&next).unwrap();
        rot
    };
    let store = |owner: &[u8]| trust_store_digest(&Soft, digest(&platform()), Some(digest(owner)));
    let two = successor(2, &[PUBLISHER], |_| {});
    let mut rot = boot();
    assert_eq!(measured(&rot), Some(store(&owner())));
    let taken = craton_device::succession::take(&mut rot, device.path(), &[], &two).unwrap();
    assert_eq!(taken, (SectionKind::Owner, 2));
    assert_eq!(measured(&rot), Some(store(&owner())), "this boot was under the one before");
    drop(rot);
    assert_eq!(measured(&boot()), Some(store(&two)));
}

fn capability(open: Challenge, signers: &[u8]) -> Vec<u8> {
    let Challenge { catalog, device, epoch, challenge } = open;
    let address = Address { catalog, device, epoch, request: challenge };
    let capability = Capability { address, permission: Permission::AppDevelopment };
    sign(Kind::Capability, capability.encode(&mut [0; 256]).unwrap(), signers)
}

const BOTH: &[u8] = &[PUBLISHER, CATALOG];

#[test]
fn cap_1_cap_2_a_stopped_device_refuses_what_trust_refuses() {
    let device = device();
    let early = Challenge {
        catalog: catalog(),
        device: DeviceId([1; 32]),
        epoch: 1,
        challenge: Digest([1; 32]),
    };
    let no_challenge = craton_rot::Error::NoChallenge.code();
    assert_eq!(refused(open(&device).apply(&capability(early, BOTH))), no_challenge);
    let void = open(&device).challenge().unwrap();
    let right = open(&device).challenge().unwrap();
    assert_eq!((right.catalog, right.epoch), (catalog(), 1));
    let cases = [
        (capability(void, BOTH), Refusal::ChallengeMismatch),
        (capability(Challenge { epoch: 2, ..right }, BOTH), Refusal::OtherEpoch),
        (capability(Challenge { device: DeviceId([1; 32]), ..right }, BOTH), Refusal::OtherDevice),
        (
            capability(Challenge { catalog: CatalogId([1; 32]), ..right }, BOTH),
            Refusal::OtherCatalog,
        ),
        (capability(right, &[PUBLISHER]), Refusal::SignerUnknown),
        (capability(right, &[CATALOG]), Refusal::SignerUnknown),
        (capability(right, &[PUBLISHER, STRANGER]), Refusal::SignerUnknown),
    ];
    for (object, refusal) in cases {
        assert_eq!(refused(open(&device).apply(&object)), code(refusal));
        assert!(!open(&device).status().unwrap().debug_next);
    }
    open(&device).apply(&capability(right, BOTH)).unwrap();
    assert!(open(&device).status().unwrap().debug_next);
    assert_eq!(refused(open(&device).apply(&capability(right, BOTH))), no_challenge, "used twice");
}

#[test]
fn cap_2_the_boot_after_a_debug_boot_is_normal_again() {
    let device = device();
    let right = open(&device).challenge().unwrap();
    open(&device).apply(&capability(right, BOTH)).unwrap();
    let runtime = Measured { component: RUNTIME, digest: Digest([1; 32]) };
    let next = NextLayer { runtime, set: None, images: &[] };
    let modes: Vec<Mode> = (0..3)
        .map(|_| {
            let path = device.path().join(ROT_FILE);
            Engine::open(&path, Soft, Start::Normal).unwrap().boot(&next).unwrap()
        })
        .collect();
    assert_eq!(modes, [Mode::Debug, Mode::Normal, Mode::Normal]);
}

fn order(device: &TempDir, epoch: u64, to: Option<Digest>, by: u8) -> Vec<u8> {
    let path = device.path().join(ROT_FILE);
    let device = Engine::open(&path, Soft, Start::Normal).unwrap().device();
    let order = Order { device, epoch, action: Action::NewEpoch(to) };
    sign(Kind::Lifecycle, order.encode(&mut [0; 128]).unwrap(), &[by])
}

fn next_owner() -> Vec<u8> {
    let mut section = first();
    section.set_role(Role::Root, keys(&[STRANGER]));
    signed_section(&section, &[STRANGER])
}

#[test]
fn a_transfer_takes_the_old_owners_order_and_leaves_nothing_of_him() {
    let device = device();
    install(&device, PUBLISHER, PUBLISHER);
    fs::create_dir_all(device.path().join("storage/app")).unwrap();
    fs::write(device.path().join("storage/app/data"), b"the old owner's").unwrap();
    let (next, to) = (next_owner(), Some(digest(&next_owner())));
    let forged = order(&device, 1, to, STRANGER);
    assert_eq!(refused(open(&device).transfer(&forged, &next)), code(Refusal::SignerUnknown));
    let old = order(&device, 0, to, ROOT);
    assert_eq!(refused(open(&device).transfer(&old, &next)), code(Refusal::OtherEpoch));
    let elsewhere = order(&self::device(), 1, to, ROOT);
    assert_eq!(refused(open(&device).transfer(&elsewhere, &next)), code(Refusal::OtherDevice));
    let staying = order(&device, 1, None, ROOT);
    let mismatch = craton_rot::Error::OrderMismatch.code();
    assert_eq!(refused(open(&device).transfer(&staying, &next)), mismatch);
    assert_eq!(open(&device).status().unwrap().owner, Some(catalog()));
    assert!(device.path().join("storage/app/data").exists(), "a refusal erases nothing");
    assert!(SlotFile::of(device.path()).read().unwrap().confirmed().is_some());
    let good = order(&device, 1, to, ROOT);
    let status = open(&device).transfer(&good, &next).unwrap();
    assert_eq!((status.owner, status.epoch), (Some(catalog_id(digest(&next))), 2));
    let mut left: Vec<_> =
        fs::read_dir(device.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lock", ROT_FILE]);
    assert_eq!(refused(open(&device).transfer(&good, &next)), code(Refusal::SignerUnknown));
}

#[test]
fn a_cut_in_a_transfer_is_finished_or_forgotten_by_the_next_holder_of_the_folder() {
    let next = next_owner();
    for committed in [false, true] {
        let device = device();
        install(&device, PUBLISHER, PUBLISHER);
        let order = order(&device, 1, Some(digest(&next)), ROOT);
        // As it is after a cut: the marker is there, the erasing has not begun.
        craton_device::transfer::begin(device.path(), 1).unwrap();
        if committed {
            let path = device.path().join(ROT_FILE);
            let mut rot = Engine::open(&path, Soft, Start::Normal).unwrap();
            rot.new_epoch(&order, Some(&next)).unwrap();
        }
        drop(open(&device));
        assert_eq!(device.path().join("sets").exists(), !committed);
        assert_eq!(device.path().join("slots.cbor").exists(), !committed);
        assert!(!device.path().join("transfer").exists());
    }
}
