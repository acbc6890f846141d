//! A service in memory-like conditions for tests: a temporary folder, known keys, a clock that is
//! set, and the documents that a publisher, an approver and a manufacturer would bring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use craton_api::operator::{
    Base64, Catalog, CatalogCreate, CatalogId, DeviceId, Digest, ImageId, ImageSetId, Role as Rank,
    TokenCreated,
};
use craton_trust::assignment::Address;
use craton_trust::capability::{Capability, Permission};
use craton_trust::cose::Kind;
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::set::{ImageSetBuilder, Member, Purpose};
use craton_trust::soft::SoftKey;
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind};
use craton_trust::suit::{self, Abis, ImageType};
use craton_trust::{ClassId, ComponentId, signed};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::app::{App, Core, Counted, Views, tokens};
use crate::blobs::{Blobs, RealDisk};
use crate::clock::Clock;
use crate::crypto::{AwsLc, SystemRandom, sha256};
use crate::http::api_router;
use crate::keys::Keys;
use crate::store::Store;

pub const NOW_S: u64 = 1_800_000_000;
pub const CBOR: &str = "application/cbor";
pub const OCTETS: &str = "application/octet-stream";
pub const CLASS: ClassId = ClassId([7; 16]);

/// A clock that a test sets.
#[derive(Clone)]
pub struct SetClock(pub Arc<AtomicU64>);

impl Clock for SetClock {
    fn now_s(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub fn key(seed: u8) -> SoftKey {
    SoftKey::from_bytes(&[seed; 32]).unwrap()
}

pub const ROOT: u8 = 1;
pub const PUBLISHER: u8 = 2;
pub const APPROVER: u8 = 3;
pub const MANUFACTURER: u8 = 4;
pub const WITNESS: u8 = 5;
const CATALOG_KEY: u8 = 10;
const ONLINE_KEY: u8 = 11;
const LOG_KEY: u8 = 12;
const SERVICE_KEY: u8 = 13;

pub fn keys() -> Keys {
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(pair.serialize_der());
    let tls_key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der.into()).unwrap();
    let chain = vec![certificate.der().clone()];
    Keys {
        catalog: Arc::new(key(CATALOG_KEY)),
        online: Arc::new(key(ONLINE_KEY)),
        log: Arc::new(key(LOG_KEY)),
        service: key(SERVICE_KEY).public_key(),
        tls: Arc::new(rustls::sign::CertifiedKey::new(chain, tls_key)),
        client_verifier: rustls::server::WebPkiClientVerifier::no_client_auth(),
    }
}

/// A section of version 1, or of another with the genesis given, signed by `signers`.
pub fn section(
    kind: SectionKind,
    dev: bool,
    next: Option<(u64, Digest)>,
    roles: &[(Role, &[u8])],
    signers: &[u8],
) -> Vec<u8> {
    let mut section = SectionBuilder::genesis(kind, dev, 1_000);
    if let Some((version, genesis)) = next {
        (section.version, section.genesis) = (version, Some(genesis.into()));
    }
    for (role, seeds) in roles {
        let mut keys = RoleKeysBuilder::new(1);
        seeds.iter().for_each(|seed| keys.push(key(*seed).public_key()).unwrap());
        section.set_role(*role, keys);
    }
    let mut payload = vec![0; 8192];
    let payload = section.encode(&mut payload).unwrap().to_vec();
    seal(Kind::TrustStore, &payload, signers)
}

pub fn seal(kind: Kind, payload: &[u8], signers: &[u8]) -> Vec<u8> {
    let keys: Vec<SoftKey> = signers.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn craton_trust::crypto::Signer> =
        keys.iter().map(|key| key as &dyn craton_trust::crypto::Signer).collect();
    let mut room = vec![0; payload.len() + 1024];
    signed::seal(&AwsLc, kind, payload, &signers, &mut room).unwrap().to_vec()
}

pub const OWNER_ROLES: &[(Role, &[u8])] = &[
    (Role::Root, &[ROOT]),
    (Role::Publisher, &[PUBLISHER]),
    (Role::Approver, &[APPROVER]),
    (Role::Catalog, &[CATALOG_KEY]),
    (Role::Online, &[ONLINE_KEY]),
    (Role::Log, &[LOG_KEY]),
    (Role::Service, &[SERVICE_KEY]),
];

pub const PLATFORM_ROLES: &[(Role, &[u8])] = &[
    (Role::Root, &[ROOT]),
    (Role::Publisher, &[PUBLISHER]),
    (Role::Manufacturer, &[MANUFACTURER]),
];

pub fn owner_section(dev: bool) -> Vec<u8> {
    section(SectionKind::Owner, dev, None, OWNER_ROLES, &[ROOT])
}

pub fn platform_section(dev: bool) -> Vec<u8> {
    section(SectionKind::Platform, dev, None, PLATFORM_ROLES, &[ROOT])
}

/// One answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let text = String::from_utf8_lossy(&self.body);
        assert!(self.status.is_success(), "{}: {text}", self.status);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The error number of a refusal.
    #[track_caller]
    pub fn code(&self) -> u64 {
        let problem: Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: not a problem", self.status));
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_u64().unwrap()
    }
}

/// A service with its router, and the token of its owner.
pub struct Bench {
    pub app: App,
    pub router: Router,
    pub token: String,
    pub clock: SetClock,
    pub folder: TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        tokens::first_start(&store, folder.path(), NOW_S).await.unwrap();
        let disk = Arc::new(RealDisk);
        let blobs = Blobs::open(&folder.path().join("blobs"), 1 << 20, disk).unwrap();
        let token = std::fs::read_to_string(folder.path().join("operator-token")).unwrap();
        let clock = SetClock(Arc::new(AtomicU64::new(NOW_S)));
        let app: App = Arc::new(Core {
            store,
            blobs,
            keys: Arc::new(keys()),
            clock: Arc::new(clock.clone()),
            random: Box::new(SystemRandom),
            wake: Notify::new(),
            views: Views::default(),
            patience: crate::app::Patience::default(),
            catalog_bytes_max: 1 << 20,
            collected_s: AtomicU64::new(0),
            counted: Counted::default(),
            grouped_to: std::sync::Mutex::default(),
        });
        let router = api_router(app.clone(), Router::new());
        Self { app, router, token: token.trim().to_owned(), clock, folder }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }

    pub async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some((media_type, bytes)) => {
                request.header(header::CONTENT_TYPE, media_type).body(Body::from(bytes))
            }
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask_as(&self.token, "GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        let bytes = serde_json::to_vec(body).unwrap();
        self.ask_as(&self.token, "POST", path, Some(("application/json", bytes))).await
    }

    pub async fn bring(&self, method: &str, path: &str, object: &[u8]) -> Answer {
        self.ask_as(&self.token, method, path, Some((CBOR, object.to_vec()))).await
    }

    pub async fn catalog(&self, dev: bool) -> CatalogId {
        let asked = CatalogCreate {
            name: if dev { "dev".into() } else { "acme".into() },
            owner_section: Base64(owner_section(dev)),
            platform_section: Base64(platform_section(dev)),
        };
        self.post("/v1/catalogs", &asked).await.json::<Catalog>().id
    }

    pub async fn token_of(&self, catalog: CatalogId, role: Rank) -> String {
        let path = format!("/v1/catalogs/{catalog}/tokens");
        let asked = json!({"name": role.as_str(), "role": role.as_str()});
        self.post(&path, &asked).await.json::<TokenCreated>().secret
    }

    pub async fn put_blob(&self, catalog: CatalogId, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        let path = format!("/v1/catalogs/{catalog}/blobs/{digest}");
        let body = Some((OCTETS, bytes.to_vec()));
        let answer = self.ask_as(&self.token, "PUT", &path, body).await;
        assert!(answer.status.is_success(), "{}", answer.status);
        digest
    }

    /// A published image set of one application image; its purpose as asked.
    pub async fn set(
        &self,
        catalog: CatalogId,
        version: &str,
        purpose: impl SignedPurpose,
    ) -> ImageSetId {
        let purpose = purpose.signed();
        let package = package(version, &[PUBLISHER]);
        self.put_blob(catalog, &package.payload).await;
        let images = format!("/v1/catalogs/{catalog}/images");
        assert!(self.bring("POST", &images, &package.envelope).await.status.is_success());
        let object = set_of(catalog, purpose, &[&package], &[PUBLISHER]);
        let sets = format!("/v1/catalogs/{catalog}/image-sets");
        let set = self.bring("POST", &sets, &object).await;
        set.json::<craton_api::operator::ImageSet>().id
    }

    /// The same, approved and admitted for production.
    pub async fn admitted(&self, catalog: CatalogId, version: &str) -> ImageSetId {
        let id = self.set(catalog, version, Purpose::Production).await;
        let path = format!("/v1/catalogs/{catalog}/image-sets/{id}");
        let signed: craton_api::operator::ImageSetSigned =
            self.get(&format!("{path}/signed")).await.json();
        let approval = approval_of(&signed.signed.0, &[APPROVER]);
        let approved = self.bring("PUT", &format!("{path}/approval"), &approval).await;
        assert!(approved.status.is_success());
        let admitted = self.ask_as(&self.token, "PUT", &format!("{path}/admission"), None).await;
        assert!(admitted.status.is_success());
        id
    }

    /// A product `meter` with its default groups.
    pub async fn product(&self, catalog: CatalogId) {
        let path = format!("/v1/catalogs/{catalog}/products");
        assert!(self.post(&path, &json!({"name": "meter"})).await.status.is_success());
    }

    /// A claimed device.
    pub async fn device(&self, catalog: CatalogId, seed: u8, group: &str) -> DeviceId {
        let (device, endorsement) = endorsement_of(seed, RotClass::Software, &[MANUFACTURER]);
        let claim = json!({"device": device, "endorsement": Base64(endorsement), "group": group});
        let answer = self.post(&format!("/v1/catalogs/{catalog}/devices"), &claim).await;
        answer.json::<craton_api::operator::Device>().id
    }
}

/// A purpose in the words of either crate.
pub trait SignedPurpose {
    fn signed(self) -> Purpose;
}

impl SignedPurpose for Purpose {
    fn signed(self) -> Purpose {
        self
    }
}

impl SignedPurpose for craton_api::operator::Purpose {
    fn signed(self) -> Purpose {
        match self {
            Self::Development => Purpose::Development,
            Self::Production => Purpose::Production,
        }
    }
}

/// What a publisher makes of one version of an application.
pub struct Package {
    pub payload: Vec<u8>,
    pub envelope: Vec<u8>,
    pub image: ImageId,
}

pub fn package(version: &str, signers: &[u8]) -> Package {
    package_of(ImageType::Application, version, signers, &[], &[])
}

pub fn package_of(
    image_type: ImageType,
    version: &str,
    signers: &[u8],
    provides: &[suit::Abi],
    depends: &[suit::Abi],
) -> Package {
    let payload = format!("the payload of {version}").into_bytes();
    let image = suit::Image {
        component: ComponentId([image_type as u8; 16]),
        image_type,
        vendor: [6; 16],
        class: CLASS,
        sequence: 1,
        security_version: 1,
        name: "blink",
        version,
        payload: sha256(&payload).into(),
        payload_size: payload.len() as u64,
        verity: None,
        provides: Abis::new(provides).unwrap(),
        depends: Abis::new(depends).unwrap(),
        sbom: sha256(b"sbom").into(),
        support_until: 2_000_000_000,
    };
    let mut manifest = [0; suit::MANIFEST_MAX];
    let manifest = image.encode(&mut manifest).unwrap();
    let keys: Vec<SoftKey> = signers.iter().map(|seed| key(*seed)).collect();
    let signers: Vec<&dyn craton_trust::crypto::Signer> =
        keys.iter().map(|key| key as &dyn craton_trust::crypto::Signer).collect();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::sign(&AwsLc, manifest, &signers, &mut room).unwrap().to_vec();
    let (image, _) = suit::unchecked_parse(&AwsLc, &envelope).unwrap();
    Package { payload, envelope, image: image.into() }
}

pub fn member_of(package: &Package) -> Member {
    let (id, image) = suit::unchecked_parse(&AwsLc, &package.envelope).unwrap();
    let envelope = AwsLc.sha256(&[&package.envelope]);
    Member::of(id, &image, envelope, package.envelope.len() as u64)
}

pub fn set_of(
    catalog: CatalogId,
    purpose: Purpose,
    packages: &[&Package],
    signers: &[u8],
) -> Vec<u8> {
    let mut set = ImageSetBuilder::new(catalog.into(), purpose, 1, "blink");
    packages.iter().for_each(|package| set.push(member_of(package)).unwrap());
    seal(Kind::ImageSet, &encoded(&set), signers)
}

pub fn encoded(set: &ImageSetBuilder<'_>) -> Vec<u8> {
    let mut payload = vec![0; 8192];
    set.encode(&mut payload).unwrap().to_vec()
}

/// An approver's object over the payload of a signed one.
pub fn approval_of(object: &[u8], signers: &[u8]) -> Vec<u8> {
    let payload = craton_trust::Signed::parse(object).unwrap().unchecked_payload();
    seal(Kind::Approval, payload, signers)
}

pub fn endorsement_of(seed: u8, rot: RotClass, signers: &[u8]) -> (DeviceId, Vec<u8>) {
    let identity = key(seed).public_key();
    let claim_code = sha256(b"claim code").into();
    let endorsement = Endorsement { identity, rot, class: CLASS, claim_code };
    let mut payload = [0; 512];
    let payload = endorsement.encode(&mut payload).unwrap().to_vec();
    (identity.device_id(&AwsLc).into(), seal(Kind::Endorsement, &payload, signers))
}

pub fn capability_of(catalog: CatalogId, device: DeviceId, signers: &[u8]) -> Vec<u8> {
    let request = sha256(b"challenge").into();
    let address = Address { catalog: catalog.into(), device: device.into(), epoch: 0, request };
    let capability = Capability { address, permission: Permission::AppDevelopment };
    let mut payload = [0; 512];
    seal(Kind::Capability, capability.encode(&mut payload).unwrap(), signers)
}

/// The payload of a lot, unchecked: also of one that no station writes.
pub fn lot_payload(rows: &[(DeviceId, Vec<u8>)]) -> Vec<u8> {
    let mut payload = vec![0; 64 * 1024];
    let mut writer = craton_trust::cbor::Writer::new(&mut payload);
    writer.array(2).unwrap().u64(1).unwrap().array(rows.len()).unwrap();
    for (_, row) in rows {
        writer.bytes(row).unwrap();
    }
    let length = writer.length();
    payload.truncate(length);
    payload
}

pub fn lot_of(rows: &[(DeviceId, Vec<u8>)], signers: &[u8]) -> Vec<u8> {
    let mut rows = rows.to_vec();
    rows.sort();
    seal(Kind::Lot, &lot_payload(&rows), signers)
}
