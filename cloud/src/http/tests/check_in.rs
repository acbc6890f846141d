//! What a check-in leaves behind when it gets nothing: a mode, a mark. The exporter is put where
//! the listener would put it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request as HttpRequest;
use craton_api::device::{
    CHECK_IN_PATH, CheckIn, Isolation, MODE_NOT_NORMAL, Request, Status, Storage,
};
use craton_api::operator::{CatalogId, Device, DeviceId, DeviceState, Section};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::dice::Mode;
use craton_trust::evidence::{
    Claims, Lifecycle, Measured, Measurements, Purpose, TRUST_STORE, check_in_nonce,
    trust_store_digest,
};
use craton_trust::rollback::Floors;
use craton_trust::{Digest, Signed};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::check_ins::{RUNTIME, evidence, runtime};
use crate::app::check_in::{Issuer, LastReply, Policy};
use crate::authority::{FileKey, IssuingCa};
use crate::crypto::AwsLc;
use crate::http::{Exporter, api_router, device};
use crate::testing::*;

const SEED: u8 = 20;

/// A service with one listed device, which speaks for itself.
struct CheckInBench {
    bench: Bench,
    catalog: CatalogId,
    device: DeviceId,
    router: axum::Router,
}

impl CheckInBench {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let catalog = bench.catalog(true).await;
        bench.product(catalog).await;
        let device = bench.device(catalog, SEED, "meter/Production").await;
        let runtime = runtime();
        bench.put_blob(catalog, &runtime.payload).await;
        let images = format!("/v1/catalogs/{catalog}/images");
        assert!(bench.bring("POST", &images, &runtime.envelope).await.status.is_success());
        let ca = IssuingCa::new(&FileKey::generate().unwrap()).unwrap();
        let issuer = Arc::new(Issuer { ca, policy: Policy::default() });
        let router = api_router(bench.app.clone(), device::router(issuer));
        Self { bench, catalog, device, router }
    }

    /// One check-in, on a connection of its own.
    async fn check_in(&self, mode: Mode, counters: (u64, u64)) -> Answer {
        let exporter = [counters.1 as u8; 32];
        let request = Request {
            catalog: self.catalog.into(),
            device: self.device.into(),
            epoch: 1,
            client_key: key(30).public_key(),
            status: Status {
                running: None,
                trial: false,
                failed: None,
                isolation: Isolation::Idle,
                storage: Storage::Unpacked,
                checkpoint: 0,
            },
        };
        let request = request.encode().unwrap();
        let digest = AwsLc.sha256(&[&request]);
        let evidence = self.evidence(mode, counters, &exporter, &digest);
        let body = CheckIn { request: &request, evidence: &evidence }.encode().unwrap();
        let asked = HttpRequest::post(CHECK_IN_PATH).extension(Exporter(exporter));
        let asked = asked.extension(LastReply::default());
        let answer = self.router.clone().oneshot(asked.body(Body::from(body)).unwrap()).await;
        let answer = answer.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }

    fn evidence(
        &self,
        mode: Mode,
        (boot, check_in): (u64, u64),
        exporter: &[u8; 32],
        request: &Digest,
    ) -> Vec<u8> {
        let digest_of = |bytes: &[u8]| Signed::parse(bytes).unwrap().digest(&AwsLc);
        let platform = digest_of(&platform_section(true));
        let store = trust_store_digest(&AwsLc, platform, Some(digest_of(&owner_section(true))));
        let mut measured = Measurements::default();
        measured.push(Measured { component: TRUST_STORE, digest: store }).unwrap();
        let program = AwsLc.sha256(&[&runtime().payload]);
        measured.push(Measured { component: RUNTIME, digest: program }).unwrap();
        let audience = self.catalog.into();
        let claims = Claims {
            client_key: key(30).public_key(),
            nonce: check_in_nonce(&AwsLc, &audience, exporter, request),
            device: self.device.into(),
            implementation: Digest([0; 32]),
            lifecycle: Lifecycle::Module1Complete,
            mode,
            purpose: Purpose::CheckIn,
            audience,
            epoch: 1,
            boot,
            check_in,
            floors: Floors::default(),
            measured,
        };
        evidence(&key(SEED), &claims, platform)
    }

    async fn shown(&self) -> Device {
        let path = format!("/v1/catalogs/{}/devices/{}", self.catalog, self.device);
        self.bench.get(&path).await.json()
    }
}

#[tokio::test]
async fn att_4_a_debug_boot_gets_nothing_and_its_mode_is_shown_with_the_time() {
    let bench = CheckInBench::new().await;
    let refused = bench.check_in(Mode::Debug, (1, 1)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.code(), u64::from(MODE_NOT_NORMAL), "ModeNotNormal");
    let shown = bench.shown().await;
    assert_eq!((shown.mode.as_deref(), shown.mode_s), (Some("debug"), Some(NOW_S)));
    let nothing = (shown.state, shown.last_seen_s, shown.certificate_serial, shown.last_boot);
    assert_eq!(nothing, (DeviceState::Pending, None, None, None));
    let recovery = bench.check_in(Mode::Recovery, (1, 2)).await;
    assert_eq!(recovery.code(), u64::from(MODE_NOT_NORMAL));
    assert_eq!(bench.shown().await.mode.as_deref(), Some("recovery"));
    let normal = bench.check_in(Mode::Normal, (2, 1)).await;
    assert_eq!(normal.status, 200);
    let shown = bench.shown().await;
    assert_eq!((shown.mode.as_deref(), shown.state), (Some("normal"), DeviceState::Claimed));
    assert_eq!((shown.mode_s, shown.last_seen_s), (Some(NOW_S), Some(NOW_S)));
}

#[tokio::test]
async fn a_forged_debug_evidence_leaves_no_mode() {
    let mut bench = CheckInBench::new().await;
    // Endorsed with another identity than the one that signs.
    bench.device = bench.bench.device(bench.catalog, SEED + 1, "meter/Production").await;
    let refused = bench.check_in(Mode::Debug, (1, 1)).await;
    assert!((1001..2000).contains(&refused.code()), "{}", refused.code());
    assert_eq!((bench.shown().await.mode, bench.shown().await.cloned), (None, false));
}

#[tokio::test]
async fn a_pair_that_came_back_marks_a_clone_until_an_operator_clears_it() {
    let bench = CheckInBench::new().await;
    assert_eq!(bench.check_in(Mode::Normal, (2, 5)).await.status, 200);
    assert!(!bench.shown().await.cloned);
    let copy = bench.check_in(Mode::Normal, (2, 4)).await;
    assert_eq!(copy.code(), 4102, "CountersStale");
    assert!(bench.shown().await.cloned);
    assert_eq!(bench.check_in(Mode::Normal, (3, 1)).await.status, 200);
    assert!(bench.shown().await.cloned, "a check-in does not clear it");
    let path = format!("/v1/catalogs/{}/devices/{}/cloned", bench.catalog, bench.device);
    let reader = bench.bench.token_of(bench.catalog, craton_api::operator::Role::Reader).await;
    let refused = bench.bench.ask_as(&reader, "DELETE", &path, None).await;
    assert_eq!(refused.code(), 4123, "RoleInsufficient");
    assert!(bench.shown().await.cloned);
    let cleared = bench.bench.ask_as(&bench.bench.token, "DELETE", &path, None).await;
    assert!(!cleared.json::<Device>().cloned);
    assert!(!bench.shown().await.cloned);
    let nobody = format!("/v1/catalogs/{}/devices/{}/cloned", bench.catalog, DeviceId([0; 32]));
    let nobody = bench.bench.ask_as(&bench.bench.token, "DELETE", &nobody, None).await;
    assert_eq!(nobody.code(), 4168, "DeviceUnknown");
}

#[tokio::test]
async fn store_1_anyone_who_knows_the_catalog_gets_a_section_and_nothing_where_there_is_none() {
    let bench = CheckInBench::new().await;
    let ask = async |path: &str| {
        let asked = HttpRequest::get(format!("/device/v1/trust-store/{path}"));
        let answer = bench.router.clone().oneshot(asked.body(Body::empty()).unwrap()).await;
        let answer = answer.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    };
    let (own, other) = (bench.catalog, CatalogId([7; 32]));
    assert_eq!(ask(&format!("owner/1?catalog={own}")).await, (200, owner_section(true)));
    assert_eq!(ask(&format!("platform/1?catalog={own}")).await, (200, platform_section(true)));
    let none = (204, Vec::new());
    assert_eq!(ask(&format!("owner/2?catalog={own}")).await, none);
    assert_eq!(ask(&format!("owner/{}?catalog={own}", u64::MAX)).await, none);
    assert_eq!(ask(&format!("owner/1?catalog={other}")).await, none, "no catalog is told apart");
    for malformed in ["owner/1", "owner/1?catalog=00", "owner/x?catalog=", "root/1?catalog="] {
        let (status, body) = ask(malformed).await;
        assert!((400..500).contains(&status), "{malformed}: {status} {body:?}");
    }
    let newest = bench.bench.app.store.read(|db| db.trust_store_newest(own, Section::Owner));
    assert_eq!(newest.unwrap().unwrap().0, 1, "asking changes nothing");
}
