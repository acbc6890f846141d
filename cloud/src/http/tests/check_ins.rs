//! Check-ins with real evidence, and what they do to a rollout.

use axum::body::Body;
use axum::http::Request;
use craton_api::device::{CHECK_IN_PATH, CheckIn, Isolation, Status, Storage};
use craton_api::operator::{
    CatalogId, Deployment, DeploymentState, Device, DeviceId, ImageSetId, TrialOutcome,
};

use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::dice::{self, Inputs, Layer, Mode};
use craton_trust::evidence::{
    Claims, EVIDENCE_MAX, IMAGE_SET, Lifecycle, Measured, Measurements, Purpose, TRUST_STORE,
    check_in_nonce, trust_store_digest,
};
use craton_trust::rollback::Floors;
use craton_trust::set::ImageSet;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::suit::ImageType;
use craton_trust::{ComponentId, Digest, SetId, Signed};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::app::check_in::{Issuer, LastReply, Policy};
use crate::authority::{FileKey, IssuingCa};
use crate::http::{Exporter, api_router, device};
use crate::testing::*;

/// A catalog for development with a group of virtual devices.
pub(super) struct Fleet {
    pub(super) bench: Bench,
    pub(super) catalog: CatalogId,
    router: axum::Router,
    group: &'static str,
}

/// What a device says at a check-in.
#[derive(Clone, Copy, Default)]
pub(super) struct Says {
    pub(super) attested: Option<ImageSetId>,
    pub(super) trial: bool,
    pub(super) failed: Option<ImageSetId>,
    /// Successors of the platform section that it took.
    pub(super) successors: usize,
    /// The payload of its runtime, if it is another one than [`runtime`].
    pub(super) runtime: Option<Digest>,
}

impl Fleet {
    pub(super) async fn new() -> Self {
        let bench = Bench::new().await;
        let catalog = bench.catalog(true).await;
        bench.product(catalog).await;
        let ca = IssuingCa::new(&FileKey::generate().unwrap()).unwrap();
        let issuer = std::sync::Arc::new(Issuer { ca, policy: Policy::default() });
        let router = api_router(bench.app.clone(), device::router(issuer));
        let fleet = Self { bench, catalog, router, group: "meter/Development" };
        fleet.publish(&runtime()).await;
        fleet
    }

    pub(super) async fn publish(&self, package: &Package) {
        self.bench.put_blob(self.catalog, &package.payload).await;
        let images = format!("/v1/catalogs/{}/images", self.catalog);
        let answer = self.bench.bring("POST", &images, &package.envelope).await;
        assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
    }

    /// A claimed device that has checked in once.
    pub(super) async fn device(&self, seed: u8) -> DeviceId {
        let id = self.bench.device(self.catalog, seed, self.group).await;
        self.says(seed, 1, Says::default()).await;
        id
    }

    async fn shown(&self, device: DeviceId) -> Device {
        self.bench.get(&format!("/v1/catalogs/{}/devices/{device}", self.catalog)).await.json()
    }

    async fn deploy(&self, set: ImageSetId) -> Deployment {
        let asked = json!({"group": self.group, "image_set": set});
        self.bench.post(&format!("/v1/catalogs/{}/deployments", self.catalog), &asked).await.json()
    }

    async fn deployment(&self, deployment: &Deployment) -> Deployment {
        let path = format!("/v1/catalogs/{}/deployments/{}", self.catalog, deployment.id);
        self.bench.get(&path).await.json()
    }

    /// One check-in; it must be answered.
    async fn says(&self, seed: u8, boot: u64, says: Says) {
        let answer = self.answers(seed, boot, says).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// One check-in.
    pub(super) async fn answers(&self, seed: u8, boot: u64, says: Says) -> Answer {
        let exporter = [boot as u8; 32];
        let body = self.check_in(seed, boot, says, exporter);
        let request = Request::post(CHECK_IN_PATH).extension(Exporter(exporter));
        let request = request.extension(LastReply::default());
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await;
        let answer = answer.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }

    fn check_in(&self, seed: u8, boot: u64, says: Says, exporter: [u8; 32]) -> Vec<u8> {
        let identity = key(seed);
        let device = identity.public_key().device_id(&Soft);
        let catalog = craton_trust::CatalogId::from(self.catalog);
        let client_key = key(100).public_key();
        let status = Status {
            running: says.attested.map(|set| SetId(set.0)),
            trial: says.trial,
            failed: says.failed.map(|set| SetId(set.0)),
            isolation: Isolation::Full,
            storage: Storage::Unpacked,
            checkpoint: 0,
        };
        let request = craton_api::device::Request { catalog, device, epoch: 0, client_key, status };
        let request = request.encode().unwrap();
        let digest = Soft.sha256(&[&request]);
        let claims = Claims {
            client_key,
            nonce: check_in_nonce(&Soft, &catalog, &exporter, &digest),
            device,
            implementation: Digest([0; 32]),
            lifecycle: Lifecycle::Module1Complete,
            mode: Mode::Normal,
            purpose: Purpose::CheckIn,
            audience: catalog,
            epoch: 0,
            boot,
            check_in: 1,
            floors: Floors::default(),
            measured: self.measured(says),
        };
        let evidence = evidence(&identity, &claims, self.platform());
        CheckIn { request: &request, evidence: &evidence }.encode().unwrap()
    }

    fn measured(&self, says: Says) -> Measurements {
        let platform = self.section(0, says.successors);
        let store = trust_store_digest(&Soft, platform, Some(self.section(1, 0)));
        let mut measured = Measurements::default();
        let mut push = |component, digest| measured.push(Measured { component, digest }).unwrap();
        push(TRUST_STORE, store);
        push(RUNTIME, says.runtime.unwrap_or_else(|| Soft.sha256(&[&runtime().payload])));
        if let Some(set) = says.attested {
            push(IMAGE_SET, Digest(set.0));
            let store = &self.bench.app.store;
            let signed =
                store.read(|db| db.image_set_admitted(self.catalog, set)).unwrap().unwrap();
            let signed = Signed::parse(&signed).unwrap();
            let set = ImageSet::parse(signed.unchecked_payload()).unwrap();
            set.members().for_each(|member| push(member.component, member.payload));
        }
        measured
    }

    /// Digest of a section, by its place after the first: 0 is the platform's, 1 the owner's.
    fn section(&self, section: i64, place: usize) -> Digest {
        let store = &self.bench.app.store;
        store.read(|db| db.trust_store_digests(self.catalog, section)).unwrap()[place].into()
    }

    /// Digest of the first version of the platform's section.
    pub(super) fn platform(&self) -> Digest {
        self.section(0, 0)
    }
}

/// The component of a runtime that [`package_of`] makes.
pub(super) const RUNTIME: ComponentId = ComponentId([ImageType::Runtime as u8; 16]);

pub(super) fn runtime() -> Package {
    package_of(ImageType::Runtime, "runtime", &[PUBLISHER], &[], &[])
}

pub(super) fn evidence(identity: &SoftKey, claims: &Claims, platform: Digest) -> Vec<u8> {
    let mut configuration = [0; 64];
    configuration[0] = 1;
    configuration[1..3].copy_from_slice(&(claims.lifecycle as u16).to_be_bytes());
    configuration[3..19].copy_from_slice(&CLASS.0);
    let inputs = Inputs {
        code: [1; 64],
        configuration,
        authority: Soft.sha512(&[&platform.0]),
        mode: claims.mode as u8,
        hidden: [0; 64],
    };
    let attester = Layer::of_uds(&[9; 32]).next(&Soft, &inputs);
    let attester = attester.private_key(&Soft, SoftKey::from_bytes).unwrap();
    let mut link = [0u8; dice::CERTIFICATE_MAX];
    let public = attester.public_key();
    let link = dice::certify(&Soft, identity, &inputs, &public, &mut link).unwrap();
    let mut out = vec![0u8; EVIDENCE_MAX];
    claims.sign(&Soft, &attester, &[link], &mut out).unwrap().to_vec()
}

#[tokio::test]
async fn gate_1_a_device_pauses_only_a_rollout_whose_set_it_was_assigned() {
    let fleet = Fleet::new().await;
    let device = fleet.device(20).await;
    let set = fleet.bench.set(fleet.catalog, "1.0", craton_trust::set::Purpose::Development).await;
    let deployment = fleet.deploy(set).await;
    let claim = Says { failed: Some(set), ..Says::default() };
    // It was never offered the set: its word says nothing, nor does what it pretends to run.
    fleet.says(20, 2, claim).await;
    let shown = fleet.deployment(&deployment).await;
    assert_eq!((shown.state, shown.failed), (DeploymentState::Active, 0));
    assert_eq!(fleet.shown(device).await.assigned_set, Some(set));
    let early = fleet.bench.device(fleet.catalog, 21, fleet.group).await;
    fleet.says(21, 1, Says { attested: Some(set), ..Says::default() }).await;
    assert_eq!(fleet.deployment(&deployment).await.confirmed, 0);
    assert_eq!(fleet.shown(early).await.trial, None);
}

#[tokio::test]
async fn gate_3_the_pause_is_in_the_commit_of_the_check_in_that_causes_it() {
    let fleet = Fleet::new().await;
    let (fails, waits) = (fleet.device(20).await, fleet.device(21).await);
    let old = fleet.bench.set(fleet.catalog, "1.0", craton_trust::set::Purpose::Development).await;
    fleet.deploy(old).await;
    let set = fleet.bench.set(fleet.catalog, "2.0", craton_trust::set::Purpose::Development).await;
    let deployment = fleet.deploy(set).await;
    fleet.says(20, 2, Says { attested: Some(old), ..Says::default() }).await;
    fleet.says(20, 3, Says { attested: Some(set), trial: true, ..Says::default() }).await;
    assert_eq!(fleet.shown(fails).await.trial, Some(TrialOutcome::OnTrial));
    fleet.says(20, 4, Says { attested: Some(old), failed: Some(set), ..Says::default() }).await;
    // No reconciler has run: the very next device is not offered the set any more.
    let shown = fleet.deployment(&deployment).await;
    assert_eq!((shown.state, shown.failed), (DeploymentState::Paused, 1));
    assert!(shown.reason.unwrap().starts_with("1 of the last 1 devices failed"));
    assert_eq!(fleet.shown(fails).await.trial, Some(TrialOutcome::FellBack));
    fleet.says(21, 2, Says { attested: Some(old), ..Says::default() }).await;
    assert_eq!(fleet.shown(waits).await.assigned_set, Some(old));
}

#[tokio::test]
async fn a_set_that_every_device_refuses_pauses_its_rollout() {
    let fleet = Fleet::new().await;
    fleet.device(20).await;
    let old = fleet.bench.set(fleet.catalog, "1.0", craton_trust::set::Purpose::Development).await;
    fleet.deploy(old).await;
    let set = fleet.bench.set(fleet.catalog, "2.0", craton_trust::set::Purpose::Development).await;
    let deployment = fleet.deploy(set).await;
    fleet.says(20, 2, Says { attested: Some(old), ..Says::default() }).await;
    assert_eq!(fleet.deployment(&deployment).await.state, DeploymentState::Active);
    // Fetched and refused, never started: the evidence still shows the old set.
    fleet.says(20, 3, Says { attested: Some(old), failed: Some(set), ..Says::default() }).await;
    let shown = fleet.deployment(&deployment).await;
    assert_eq!((shown.state, shown.failed), (DeploymentState::Paused, 1));
}

#[tokio::test]
async fn gate_4_a_step_that_adds_no_device_is_passed_over_and_one_that_does_waits() {
    use std::sync::atomic::Ordering;
    let fleet = Fleet::new().await;
    let set = fleet.bench.set(fleet.catalog, "1.0", craton_trust::set::Purpose::Development).await;
    let waves = json!([{"percent": 1, "soak_s": 60}, {"percent": 99, "soak_s": 60},
        {"percent": 100}]);
    let asked = json!({"group": fleet.group, "image_set": set, "waves": waves});
    let path = format!("/v1/catalogs/{}/deployments", fleet.catalog);
    let deployment: Deployment = fleet.bench.post(&path, &asked).await.json();
    let round = async |after_s: u64| {
        fleet.bench.clock.0.store(NOW_S + after_s, Ordering::SeqCst);
        assert!(crate::app::reconcile::round(&fleet.bench.app).await.is_empty());
        fleet.deployment(&deployment).await.wave
    };
    assert_eq!(round(60).await, 0, "a group without devices waits");
    // Where the devices stand is the catalog's secret: take one of the second step.
    let secret = fleet.bench.app.store.read(|db| db.wave_secret(fleet.catalog)).unwrap().unwrap();
    let of_second = |seed: &u8| {
        let id = key(*seed).public_key().device_id(&Soft).into();
        let position = crate::rollout::Position::of(&secret, set, id);
        crate::rollout::wave_of(&deployment.waves, position) == 1
    };
    let seed = (20..90).find(of_second).unwrap();
    fleet.device(seed).await;
    assert_eq!(round(61).await, 1, "the first step adds nobody");
    assert_eq!(round(1_000).await, 1, "time alone shows nothing");
    fleet.says(seed, 2, Says::default()).await;
    fleet.says(seed, 3, Says { attested: Some(set), ..Says::default() }).await;
    assert_eq!(round(1_001).await, 2);
}

#[tokio::test]
async fn what_an_operator_changed_the_very_next_check_in_sees() {
    let fleet = Fleet::new().await;
    let device = fleet.device(20).await;
    let catalog = format!("/v1/catalogs/{}", fleet.catalog);
    let boots = std::cell::Cell::new(1);
    let assigned = async || {
        boots.set(boots.get() + 1);
        fleet.says(20, boots.get(), Says::default()).await;
        fleet.shown(device).await.assigned_set
    };
    assert_eq!(assigned().await, None, "nothing is deployed");
    let old = fleet.bench.set(fleet.catalog, "1.0", craton_trust::set::Purpose::Development).await;
    fleet.deploy(old).await;
    assert_eq!(assigned().await, Some(old));
    let set = fleet.bench.set(fleet.catalog, "2.0", craton_trust::set::Purpose::Development).await;
    let deployment = fleet.deploy(set).await;
    assert_eq!(assigned().await, Some(set));
    let path = format!("{catalog}/deployments/{}/pause", deployment.id);
    assert!(fleet.bench.post(&path, &json!({})).await.status.is_success());
    assert_eq!(assigned().await, Some(old), "paused");
    let path = format!("{catalog}/devices/{device}");
    let group = Some(("application/json", br#"{"group":"meter/Production"}"#.to_vec()));
    let moved = fleet.bench.ask_as(&fleet.bench.token, "PATCH", &path, group).await;
    assert!(moved.status.is_success());
    assert_eq!(assigned().await, None, "in a group without a deployment");
}
