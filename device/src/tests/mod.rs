//! What the tests of several roles need: an owner and his keys, packages, sets, a device in a
//! folder, and a service to reach.

mod server;

pub use server::{Asked, Server, answer};

use crate::believed::Believed;
use crate::folder::{ENDORSEMENT_FILE, ROT_FILE};
use crate::installed::{self, Installed};
use crate::link::{Link, Peer};
use crate::rot::{self, Place};
use crate::update::{Base, UpdateError, fetch};
use craton_api::device::{BLOBS_PATH, SETS_PATH};
use craton_image::package::{Package, compress, sha256};
use craton_image::{erofs, verity};
use craton_rot::mailbox::board::Board;
use craton_rot::mailbox::client::Address;
use craton_rot::mailbox::{self, EngineChip};
use craton_rot::platform::file::FilePlatform;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Action, ChipFailure, ChipFailureKind, Engine, Manufacture, Order};
use craton_rot::{RootOfTrust as _, Stage, Start};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::evidence::Lifecycle;
use craton_trust::rollback::Floors;
use craton_trust::set::{ImageSetBuilder, Member, Purpose, Transport};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{
    KeptSection, Role, RoleKeysBuilder, SectionBuilder, SectionKind, catalog_id,
};
use craton_trust::suit::{Abi, Abis, Image, ImageType, Verity};
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest, SetId, Signed, signed};
use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub const ROOT: u8 = 1;
pub const MANUFACTURER: u8 = 2;
pub const PUBLISHER: u8 = 3;
pub const CATALOG: u8 = 4;
pub const ONLINE: u8 = 5;
pub const LOG: u8 = 6;
pub const PLATFORM_PUBLISHER: u8 = 7;
pub const CLASS: ClassId = ClassId([7; 16]);
pub const APP: ComponentId = ComponentId(*b"the tests' app 1");
pub const CLAIM_CODE: &[u8] = b"claim me";

pub fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap()
}

pub fn seal(kind: Kind, payload: &[u8], seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = seeds.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn Signer> = keys.iter().map(|key| key as &dyn Signer).collect();
    let mut room = vec![0; payload.len() + 1024];
    signed::seal(&Soft, kind, payload, &signers, &mut room).unwrap().to_vec()
}

fn section(
    kind: SectionKind,
    roles: &[(Role, u8)],
    change: impl FnOnce(&mut SectionBuilder),
) -> Vec<u8> {
    let mut section = SectionBuilder::genesis(kind, true, 1000);
    for (role, seed) in roles {
        section.set_role(*role, RoleKeysBuilder::of(key(*seed).public_key()));
    }
    change(&mut section);
    seal(Kind::TrustStore, section.encode(&mut [0; 8192]).unwrap(), &[ROOT])
}

pub fn platform_section() -> Vec<u8> {
    let roles = [
        (Role::Root, ROOT),
        (Role::Manufacturer, MANUFACTURER),
        (Role::Publisher, PLATFORM_PUBLISHER),
    ];
    section(SectionKind::Platform, &roles, |_| {})
}

/// The owner's first section; the service has the keys of `server`, if there is one.
pub fn owner_section(server: Option<&Server>) -> Vec<u8> {
    let roles = [
        (Role::Root, ROOT),
        (Role::Publisher, PUBLISHER),
        (Role::Catalog, CATALOG),
        (Role::Online, ONLINE),
        (Role::Log, LOG),
    ];
    section(SectionKind::Owner, &roles, |section| {
        if let Some(server) = server {
            section.set_role(Role::Service, RoleKeysBuilder::of(server.key));
        }
    })
}

pub fn catalog() -> CatalogId {
    catalog_id(Signed::parse(&owner_section(None)).unwrap().digest(&Soft))
}

pub fn believed() -> Believed {
    let section = owner_section(None);
    let payload = Signed::parse(&section).unwrap().unchecked_payload();
    let owner = KeptSection::parse(payload.to_vec()).unwrap();
    Believed {
        owner,
        catalog: catalog(),
        class: CLASS,
        development: true,
        debug: false,
        floors: Floors::default(),
    }
}

const MANIFEST: &str = r#"{"SchemaVersion": 1, "Name": "app", "EntryPoint": "/bin/app",
    "ComponentId": "5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21", "CmdArgs": [],
    "ApplicationType": "Default", "Capabilities": {}}"#;

/// How an app's package is made; the good one by default.
#[derive(Clone, Copy)]
pub struct Recipe {
    pub version: u64,
    pub class: ClassId,
    pub manifest: bool,
    pub signer: u8,
}

impl Recipe {
    pub const GOOD: Self = Self { version: 1, class: CLASS, manifest: true, signer: PUBLISHER };

    pub fn package(self) -> Package {
        let mut tree = erofs::Tree::new();
        if self.manifest {
            tree.insert_file("app_manifest.json", MANIFEST.as_bytes(), false).unwrap();
        }
        let program = vec![self.version as u8; 9000];
        tree.insert_file("bin/app", program, true).unwrap();
        let mut payload = erofs::write(&tree);
        let data_size = payload.len() as u64;
        let (stored, root) = verity::tree(&payload).unwrap();
        payload.extend_from_slice(&stored);
        let image = Image {
            component: APP,
            image_type: ImageType::Application,
            vendor: [8; 16],
            class: self.class,
            sequence: self.version,
            security_version: self.version,
            name: "app",
            version: "1",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: Some(Verity { data_size, root: Digest(root) }),
            provides: Abis::new(&[]).unwrap(),
            depends: Abis::new(&[Abi { id: 1, version: 1 }]).unwrap(),
            sbom: Digest([9; 32]),
            support_until: 0,
        };
        Package::sign(payload, &image, &[&key(self.signer)]).unwrap()
    }
}

/// What a service would have of one release: the signed set, and every object by its path.
pub struct Release {
    pub set: SetId,
    pub signed: Vec<u8>,
    pub objects: BTreeMap<String, Vec<u8>>,
}

impl Release {
    /// A release whose payload travels whole.
    pub fn of(package: &Package) -> Self {
        Self::by(package, &[(None, compress(package.payload()).unwrap())])
    }

    /// A release whose payload travels as these objects: the base of each, and its bytes.
    pub fn by(package: &Package, ways: &[(Option<Digest>, Vec<u8>)]) -> Self {
        let (id, image) = package.image().unwrap();
        let envelope = package.envelope();
        let mut member = Member::of(id, &image, sha256(envelope), envelope.len() as u64);
        let mut objects = BTreeMap::from([(blob(&sha256(envelope)), envelope.to_vec())]);
        for (base, object) in ways {
            let (digest, size) = (sha256(object), object.len() as u64);
            member.push(Transport { digest, size, base: *base }).unwrap();
            objects.insert(blob(&digest), object.clone());
        }
        let mut set = ImageSetBuilder::new(catalog(), Purpose::Development, 1, "set");
        set.push(member).unwrap();
        let payload = set.encode(&mut [0; 8192]).unwrap().to_vec();
        let signed = seal(Kind::ImageSet, &payload, &[PUBLISHER, CATALOG]);
        let set = SetId(Signed::parse(&signed).unwrap().digest(&Soft).0);
        objects.insert(format!("{SETS_PATH}{set}"), signed.clone());
        Self { set, signed, objects }
    }

    /// The path and the bytes of the payload's first way to travel.
    pub fn transport(&mut self, object: &[u8]) -> &mut Vec<u8> {
        self.objects.get_mut(&blob(&sha256(object))).unwrap()
    }

    /// A service that has exactly these objects.
    pub fn served(&self) -> Server {
        let objects = self.objects.clone();
        Server::start(move |asked| match objects.get(&asked.path) {
            Some(object) => answer(200, object),
            None => answer(404, b"no such object"),
        })
    }
}

pub fn blob(digest: &Digest) -> String {
    format!("{BLOBS_PATH}{digest}")
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Fetches and stages a set over a real connection, as the update role does.
pub fn fetched(
    server: &Server,
    device: &Path,
    set: SetId,
    bases: &[Base],
) -> Result<SetId, UpdateError> {
    block_on(async {
        let mut link = Link::connect(&server.peer(), None).await?;
        Ok(fetch(&mut link, device, set, &believed(), bases).await?.set())
    })
}

/// Installs a good release; the device runs nothing else yet.
pub fn install(device: &Path) -> Release {
    let release = Release::of(&Recipe::GOOD.package());
    fetched(&release.served(), device, release.set, &[]).unwrap();
    release
}

pub fn opened(device: &Path, release: &Release) -> Installed {
    installed::open(device, release.set, &believed()).unwrap()
}

/// A device in this folder that was manufactured and has no owner.
pub fn manufacture(folder: &Path) -> Engine<FilePlatform, Soft> {
    let claim_code = sha256(CLAIM_CODE);
    let platform_section = platform_section();
    let with = Manufacture { platform_section: &platform_section, claim_code, class: CLASS };
    let platform = FilePlatform::create(&folder.join(ROT_FILE)).unwrap();
    let mut rot = Engine::manufacture(platform, Soft, &with).unwrap();
    let action = Action::Lifecycle(Lifecycle::Module1Complete);
    let order = Order { device: rot.device(), epoch: 0, action };
    let order = seal(Kind::Lifecycle, order.encode(&mut [0; 128]).unwrap(), &[MANUFACTURER]);
    rot.advance_lifecycle(&order).unwrap();
    let endorsement =
        Endorsement { identity: rot.identity(), rot: RotClass::Software, class: CLASS, claim_code };
    let payload = endorsement.encode(&mut [0; 256]).unwrap().to_vec();
    let endorsement = seal(Kind::Endorsement, &payload, &[MANUFACTURER]);
    std::fs::write(folder.join(ENDORSEMENT_FILE), endorsement).unwrap();
    rot
}

/// A board whose mailbox is a socket in a device's folder: an engine in memory, served by the
/// halves of the mailbox that run on a chip.
pub struct Behind {
    folder: PathBuf,
    place: Place,
}

struct InMemory(MemoryPlatform, Option<ChipFailure>);

/// What the board in memory tells of, once.
pub const FAILURE: ChipFailure = ChipFailure {
    stage: Stage::Runtime,
    kind: ChipFailureKind::Fault,
    resets: 1,
    pc: Some(0x1234),
    lr: Some(0x100),
    status: 1 << 16,
    secure_status: 0,
    component: Some(ComponentId([0xbb; 16])),
    program: Some([6; 16]),
};

impl mailbox::Place for InMemory {
    type Platform = MemoryPlatform;
    type Crypto = Soft;

    fn parts(&mut self) -> (MemoryPlatform, Soft) {
        (self.0.clone(), Soft)
    }

    fn stir(&mut self, _: &[u8; mailbox::ENTROPY_SIZE]) -> craton_rot::Result<()> {
        Ok(())
    }

    fn take_failure(&mut self) -> Option<ChipFailure> {
        self.1.take()
    }
}

impl Behind {
    /// Gives power to a blank board.
    pub fn mailbox(folder: &Path) -> Self {
        let socket = folder.join("mailbox");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let chip =
                EngineChip::start(InMemory(MemoryPlatform::new(), Some(FAILURE)), Start::Normal);
            Board::new(chip).listen(&listener);
        });
        Self { folder: folder.to_owned(), place: Place::Mailbox(Address::Unix(socket)) }
    }

    /// Manufactures it as the device of the folder.
    pub fn manufacture(&self) -> DeviceId {
        let (claim_code, platform) = (sha256(CLAIM_CODE), platform_section());
        let with = Manufacture { platform_section: &platform, claim_code, class: CLASS };
        let (rot, class) = rot::manufacture(&self.folder, &self.place, &with).unwrap();
        assert_eq!(class, RotClass::Software, "as the engine in memory says");
        rot.device()
    }
}

/// A device of the owner whose service is `server`.
pub fn owned(folder: &Path, server: &Server) {
    drop(manufacture(folder));
    let platform = FilePlatform::open(&folder.join(ROT_FILE)).unwrap();
    let mut rot = Engine::reset(platform, Soft, Start::Normal).unwrap();
    rot.claim(CLAIM_CODE, &owner_section(Some(server))).unwrap();
}

/// Every file below a folder with its bytes, to see that nothing changed.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(&below).unwrap() {
            let path = entry.unwrap().path();
            if std::fs::symlink_metadata(&path).unwrap().is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// A peer that nobody answers for.
pub fn nobody() -> Peer {
    Peer { address: "127.0.0.1:1".into(), keys: Vec::new() }
}
