//! A device maker: keys, a catalog, sample apps built by plain `rustc`, sets signed and deployed.

use crate::service::{CRATON, Failed, Operator};
use craton_api::operator::{
    Base64, Blob, Catalog, CatalogCreate, CatalogId, Deployment, DeploymentCreate, DeviceId,
    ImageSet, PauseRule, Product, ProductCreate, RotClass, ServiceInfo, Wave,
};
use craton_image::delta;
use craton_image::pack::{Facts, MANIFEST_NAME, Packed};
use craton_image::package::{Package, compress, sha256};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::set::{self, Member, Transport};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind};
use craton_trust::suit::{Abi, Abis, Image, ImageType};
use craton_trust::{ClassId, Digest, PublicKey, signed};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The class of virtual devices.
pub const CLASS: ClassId = ClassId(*b"craton/virtual-1");
/// The group of every drilled device.
pub const GROUP: &str = "Lamp/Development";
/// No security version is above this.
pub const CEILING: u64 = craton_trust::rollback::SECURITY_VERSION_MAX;

/// The keys that never leave the maker.
pub enum Own {
    OwnerRoot = 1,
    Publisher = 2,
    Approver = 3,
    PlatformRoot = 4,
    Manufacturer = 5,
    PlatformPublisher = 6,
}

impl Own {
    /// The key.
    pub fn key(self) -> SoftKey {
        SoftKey::from_bytes(&[self as u8; 32]).unwrap()
    }
}

fn public(own: Own) -> RoleKeysBuilder {
    RoleKeysBuilder::of(own.key().public_key())
}

/// Signs a payload as an object of a kind.
pub fn seal(kind: Kind, payload: &[u8], signer: &dyn Signer) -> Vec<u8> {
    let mut object = vec![0u8; payload.len() + 1024];
    signed::seal(&Soft, kind, payload, &[signer], &mut object).unwrap().to_vec()
}

fn seal_section(section: &SectionBuilder, root: &dyn Signer) -> Vec<u8> {
    let mut room = vec![0u8; 8192];
    seal(Kind::TrustStore, section.encode(&mut room).unwrap(), root)
}

/// A sample app, packed: every version of it is signed anew from the same payload.
pub struct Sample {
    packed: Packed,
    /// The payload, compressed.
    whole: Vec<u8>,
}

/// `samples/blink`: 1 and 2 work, 3 crashes after a second.
pub fn blink(number: usize) -> &'static Sample {
    static BUILT: [OnceLock<Sample>; 3] = [const { OnceLock::new() }; 3];
    BUILT[number - 1].get_or_init(|| {
        let packed = build(&format!("blink/v{number}"));
        let whole = compress(&packed.payload).unwrap();
        Sample { packed, whole }
    })
}

fn build(sample: &str) -> Packed {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let source = fs::canonicalize(samples.join(sample)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (linked, app) = (folder.path().join("linked"), folder.path().join("app"));
    fs::create_dir_all(app.join("bin")).unwrap();
    fs::copy(source.join(MANIFEST_NAME), app.join(MANIFEST_NAME)).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.arg(format!("@{}", samples.join("rustc.args").display()));
    rustc.args(["--crate-name", "blink", "-o"]).arg(&linked).arg(source.join("src/main.rs"));
    assert!(rustc.status().unwrap().success());
    let program = app.join("bin/app");
    let strip = Command::new("strip").arg("-o").args([&program, &linked]).status().unwrap();
    assert!(strip.success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    Packed::of(&app).unwrap()
}

/// The smallest way from one sample's payload to another's.
fn delta_between(from: usize, to: usize) -> &'static [u8] {
    static MADE: [OnceLock<Vec<u8>>; 9] = [const { OnceLock::new() }; 9];
    MADE[(from - 1) * 3 + to - 1].get_or_init(|| {
        delta::make(&blink(from).packed.payload, &blink(to).packed.payload).unwrap()
    })
}

/// A maker with a catalog in one service.
pub struct Maker {
    /// What he asks the service with.
    pub operator: Operator,
    /// His catalog.
    pub catalog: CatalogId,
    /// The signed sections of its trust store: platform, owner.
    pub sections: (Vec<u8>, Vec<u8>),
    published: u64,
}

impl Maker {
    /// Makes a catalog marked `dev`, a product with its groups, and publishes this very program as
    /// the runtime.
    pub fn begin(operator: Operator) -> Self {
        let info: ServiceInfo = operator.get("/v1/service").unwrap();
        let (owner, platform) = (owner_section(&info), platform_section());
        let body = CatalogCreate {
            name: "drill".into(),
            owner_section: Base64(owner.clone()),
            platform_section: Base64(platform.clone()),
        };
        let catalog: Catalog = operator.post("/v1/catalogs", &body).unwrap();
        let product = ProductCreate {
            name: "Lamp".into(),
            description: String::new(),
            least_class: RotClass::Software,
            default_groups: true,
        };
        let path = format!("/v1/catalogs/{}/products", catalog.id);
        let _: Product = operator.post(&path, &product).unwrap();
        let maker =
            Self { operator, catalog: catalog.id, sections: (platform, owner), published: 0 };
        maker.publish_runtime();
        maker
    }

    /// A path of the catalog.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/catalogs/{}/{below}", self.catalog)
    }

    fn publish_runtime(&self) {
        let image = Image {
            component: craton_device::auth::RUNTIME,
            image_type: ImageType::Runtime,
            vendor: *b"craton/runtime-1",
            class: CLASS,
            sequence: 1,
            security_version: 1,
            name: "craton",
            version: "1",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: None,
            provides: Abis::new(&[Abi { id: 1, version: 1 }]).unwrap(),
            depends: Abis::new(&[]).unwrap(),
            sbom: Digest([0; 32]),
            support_until: 1_924_992_000,
        };
        let program = fs::read(CRATON).unwrap();
        let signer = Own::PlatformPublisher.key();
        let package = Package::sign(program, &image, &[&signer]).unwrap();
        self.upload(package.payload()).unwrap();
        let images = self.path("images");
        let _: craton_api::operator::Image =
            self.operator.post_object(&images, package.envelope()).unwrap();
    }

    /// Uploads bytes under their digest.
    pub fn upload(&self, bytes: &[u8]) -> Result<Blob, Failed> {
        self.operator.put(&self.path(&format!("blobs/{}", sha256(bytes))), bytes)
    }

    /// Publishes a set of one sample, with a delta from `before` if there is one; each has a higher
    /// security version than the one before it.
    pub fn publish(&mut self, number: usize, before: Option<usize>) -> Result<ImageSet, Failed> {
        self.published += 1;
        let version = self.published;
        let sample = blink(number);
        let facts = Facts {
            version: format!("{number}.0.{version}"),
            security_version: version,
            sequence: version,
            vendor: *b"craton/samples-1",
            class: CLASS,
            sbom: Digest([0; 32]),
            support_until: 1_924_992_000,
        };
        let publisher = Own::Publisher.key();
        let image = sample.packed.image(&facts).unwrap();
        let package = Package::sign(sample.packed.payload.clone(), &image, &[&publisher]).unwrap();
        self.upload(package.payload())?;
        let images = self.path("images");
        let _: craton_api::operator::Image =
            self.operator.post_object(&images, package.envelope())?;
        self.upload(package.envelope())?;
        self.upload(&sample.whole)?;
        let (id, image) = package.image().unwrap();
        let size = package.envelope().len() as u64;
        let mut member = Member::of(id, &image, sha256(package.envelope()), size);
        let way = |bytes: &[u8], base| {
            let size = bytes.len() as u64;
            Transport { digest: sha256(bytes), size, base }
        };
        member.push(way(&sample.whole, None)).unwrap();
        if let Some(before) = before {
            let delta = delta_between(before, number);
            self.upload(delta)?;
            let base = sha256(&blink(before).packed.payload);
            member.push(way(delta, Some(base))).unwrap();
        }
        let catalog = craton_trust::CatalogId(self.catalog.0);
        let purpose = set::Purpose::Development;
        let mut set = set::ImageSetBuilder::new(catalog, purpose, version, "drill");
        set.push(member).unwrap();
        let mut room = vec![0u8; 8192];
        let signed = seal(Kind::ImageSet, set.encode(&mut room).unwrap(), &publisher);
        self.operator.post_object(&self.path("image-sets"), &signed)
    }

    /// Deploys a set to the group.
    pub fn deploy(&self, set: &ImageSet, waves: Vec<Wave>) -> Result<Deployment, Failed> {
        let body = DeploymentCreate {
            group: GROUP.into(),
            image_set: set.id,
            waves,
            pause_rule: PauseRule { failures: 0, outcomes: 0 },
        };
        self.operator.post(&self.path("deployments"), &body)
    }

    /// Publishes and deploys to the whole group at once.
    pub fn ship(&mut self, number: usize, before: Option<usize>) -> craton_trust::SetId {
        let set = self.publish(number, before).unwrap();
        self.deploy(&set, Vec::new()).unwrap();
        craton_trust::SetId(set.id.0)
    }

    /// A device as the service sees it.
    pub fn device(&self, id: DeviceId) -> Result<craton_api::operator::Device, Failed> {
        self.operator.get(&self.path(&format!("devices/{id}")))
    }
}

fn owner_section(info: &ServiceInfo) -> Vec<u8> {
    let service = |role: &str| {
        let key = info.keys.iter().find(|key| key.role == role).unwrap();
        RoleKeysBuilder::of(PublicKey::from_sec1(&key.key.0).unwrap())
    };
    let mut section = SectionBuilder::genesis(SectionKind::Owner, true, CEILING);
    section.set_role(Role::Root, public(Own::OwnerRoot));
    section.set_role(Role::Publisher, public(Own::Publisher));
    section.set_role(Role::Approver, public(Own::Approver));
    for (role, name) in [
        (Role::Catalog, "catalog"),
        (Role::Online, "online"),
        (Role::Service, "service"),
        (Role::Log, "log"),
    ] {
        section.set_role(role, service(name));
    }
    seal_section(&section, &Own::OwnerRoot.key())
}

fn platform_section() -> Vec<u8> {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, true, CEILING);
    section.set_role(Role::Root, public(Own::PlatformRoot));
    section.set_role(Role::Manufacturer, public(Own::Manufacturer));
    section.set_role(Role::Publisher, public(Own::PlatformPublisher));
    seal_section(&section, &Own::PlatformRoot.key())
}
