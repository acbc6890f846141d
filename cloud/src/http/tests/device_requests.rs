//! What a device asks beside the check-in. The certificate is put where the listener would put it;
//! that TLS checks it is the listener's test.

use axum::body::Body;
use axum::http::Request;
use craton_api::device::{BLOBS_PATH, BOOT_LOG_PATH, FAILURES_PATH, REPORTS_SIZE_MAX, SETS_PATH};
use craton_api::operator::{CatalogId, DeviceId, Digest, FailureGroupList, ImageSetId};
use craton_trust::set::Purpose;
use rcgen::{CertificateParams, KeyPair, SerialNumber};
use tower::ServiceExt as _;

use crate::app::check_in::{Issuer, Policy};
use crate::authority::{FileKey, IssuingCa};
use crate::http::{PeerCertificate, api_router, device};
use crate::store::CheckInRecord;
use crate::testing::*;

/// The name in the device's certificates.
const NAME: [u8; 16] = [7; 16];

fn certificate(serial: u8) -> Vec<u8> {
    named(serial, &"07".repeat(16))
}

fn named(serial: u8, name: &str) -> Vec<u8> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.serial_number = Some(SerialNumber::from_slice(&[serial]));
    parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

pub(super) struct DeviceBench {
    pub(super) bench: Bench,
    pub(super) catalog: CatalogId,
    pub(super) device: DeviceId,
    router: axum::Router,
}

impl DeviceBench {
    /// A service with one device whose newest certificate has the serial 0x4a.
    pub(super) async fn new() -> Self {
        let bench = Bench::new().await;
        let catalog = bench.catalog(true).await;
        bench.product(catalog).await;
        let device = bench.device(catalog, 20, "meter/Production").await;
        let record = CheckInRecord {
            at_s: NOW_S,
            epoch: 0,
            boot: 1,
            check_in: 1,
            store: crate::attest::StoreVersions { platform: 1, owner: 1 },
            programs: vec![craton_api::operator::ComponentId([9; 16])],
            certificate_serial: Some("4a".into()),
            attested_set: None,
            assigned_set: None,
            isolation: None,
            storage: None,
            mode: None,
            trial: None,
            renamed: Some(NAME),
        };
        let work = move |db: &crate::store::WriteTx<'_>| {
            db.device_check_in(catalog, device, None, &record)
        };
        assert!(bench.app.store.write(work).await.unwrap());
        let ca = IssuingCa::new(&FileKey::generate().unwrap()).unwrap();
        let issuer = std::sync::Arc::new(Issuer { ca, policy: Policy::default() });
        let router = api_router(bench.app.clone(), device::router(issuer));
        Self { bench, catalog, device, router }
    }

    pub(super) async fn ask(
        &self,
        peer: Option<u8>,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Answer {
        self.ask_by(peer.map(certificate), method, path, body).await
    }

    async fn ask_by(
        &self,
        peer: Option<Vec<u8>>,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Answer {
        use http_body_util::BodyExt as _;
        let peer = PeerCertificate(peer);
        let request = Request::builder().method(method).uri(path).extension(peer);
        let answer = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await;
        let answer = answer.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }
}

#[tokio::test]
async fn certificate_missing_and_certificate_replaced_open_nothing() {
    let device = DeviceBench::new().await;
    let set = format!("{SETS_PATH}{}", ImageSetId([0; 32]));
    let blob = format!("{BLOBS_PATH}{}", Digest([0; 32]));
    let log = format!("{BOOT_LOG_PATH}/{}", Digest([0; 32]));
    let gets = [&set, &blob, &log].map(|path| ("GET", path.as_str()));
    let posts = [FAILURES_PATH, BOOT_LOG_PATH].map(|path| ("POST", path));
    for (method, path) in gets.into_iter().chain(posts) {
        let none = device.ask(None, method, path, Vec::new()).await;
        assert_eq!((none.status.as_u16(), none.code()), (401, 4109), "CertificateMissing: {path}");
        for name in ["08".repeat(16), "07".repeat(15), "+7".repeat(16), "zz".repeat(16)] {
            let other = device.ask_by(Some(named(0x4a, &name)), method, path, Vec::new()).await;
            assert_eq!(other.code(), 4110, "CertificateReplaced: {name} on {path}");
        }
        let old = device.ask(Some(0x49), method, path, Vec::new()).await;
        assert_eq!((old.status.as_u16(), old.code()), (401, 4110), "CertificateReplaced: {path}");
    }
}

#[tokio::test]
async fn a_device_fetches_only_admitted_sets_and_blobs_of_its_own_catalog() {
    let device = DeviceBench::new().await;
    let (bench, own) = (&device.bench, device.catalog);
    let other = bench.catalog(false).await;
    let offered = bench.admitted(own, "1.0").await;
    let waiting = bench.set(own, "2.0", Purpose::Production).await;
    let of_another_product = bench.set(own, "4.0", Purpose::Development).await;
    let foreign = bench.admitted(other, "3.0").await;
    let get = async |path: String| device.ask(Some(0x4a), "GET", &path, Vec::new()).await;
    let payload = |version: &str| crate::crypto::sha256(&package(version, &[PUBLISHER]).payload);
    assert_eq!(get(format!("{SETS_PATH}{offered}")).await.code(), 4164, "not offered yet");
    assert_eq!(get(format!("{BLOBS_PATH}{}", payload("1.0"))).await.code(), 4159);
    let asked = serde_json::json!({"group": "meter/Production", "image_set": offered});
    let path = format!("/v1/catalogs/{own}/deployments");
    assert_eq!(bench.post(&path, &asked).await.status, 201);
    assert_eq!(get(format!("{SETS_PATH}{offered}")).await.status, 200);
    let fetched = get(format!("{BLOBS_PATH}{}", payload("1.0"))).await;
    assert_eq!(fetched.body, package("1.0", &[PUBLISHER]).payload);
    for hidden in [waiting, foreign, of_another_product, ImageSetId([0; 32])] {
        let answer = get(format!("{SETS_PATH}{hidden}")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, 4164), "SetUnknown");
    }
    let unnamed = bench.put_blob(own, b"uploaded and in no set").await;
    let elsewhere = bench.put_blob(other, b"not yours").await;
    for hidden in [payload("2.0"), payload("3.0"), payload("4.0"), unnamed, elsewhere] {
        assert_eq!(get(format!("{BLOBS_PATH}{hidden}")).await.code(), 4159, "BlobUnknown");
    }
    assert_eq!(get(format!("{BLOBS_PATH}../../etc/passwd")).await.code(), 4305, "RouteUnknown");
    assert_eq!(get(format!("{BLOBS_PATH}passwd")).await.code(), 4301, "PathInvalid");
}

#[tokio::test]
async fn sets_of_an_earlier_version_get_their_blobs_noted_at_the_start() {
    let bench = Bench::new().await;
    let id = bench.catalog(true).await;
    bench.set(id, "1.0", Purpose::Development).await;
    let waiting = || bench.app.store.read(|db| db.image_sets_without_blobs()).unwrap().len();
    assert_eq!(waiting(), 0);
    bench.app.store.write(|db| db.image_set_blobs_clear_for_test()).await.unwrap();
    assert_eq!(waiting(), 1);
    crate::app::image_sets::index_blobs(&bench.app.store).await.unwrap();
    assert_eq!(waiting(), 0);
}

#[tokio::test]
async fn a_malformed_or_too_long_report_is_refused_whole() {
    let device = DeviceBench::new().await;
    let send = async |body: Vec<u8>| device.ask(Some(0x4a), "POST", FAILURES_PATH, body).await;
    let broken = send(b"no cbor".to_vec()).await;
    assert_eq!(broken.status, 400);
    assert!((1001..2000).contains(&broken.code()));
    let long = send(vec![0; REPORTS_SIZE_MAX + 1]).await;
    assert_eq!(long.code(), 4303, "BodyTooLarge");
    let groups = format!("/v1/catalogs/{}/failures/groups", device.catalog);
    let list: FailureGroupList = device.bench.get(&groups).await.json();
    assert_eq!(list.ungrouped, 0);
}
