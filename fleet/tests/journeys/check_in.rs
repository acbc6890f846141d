//! Claim → attested → certificate → a request by mTLS.

use super::{SEEDS, scene};
use craton_api::device::{CHECK_IN_PATH, FAILURES_PATH, Reports, SETS_PATH};
use craton_api::operator::{Device as Shown, DeviceState};
use craton_device::link::{Link, LinkError};
use craton_fleet::{Event, Scene};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use std::collections::BTreeSet;
use std::time::Duration;

async fn shown(scene: &Scene, at: usize) -> Shown {
    let path = format!("/v1/catalogs/{}/devices/{}", scene.catalog, scene.devices[at].id);
    scene.house.operator().unwrap().get(&path).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claimed_fleet_is_pending_until_its_evidence_then_asks_by_certificate() {
    for seed in SEEDS {
        let mut scene = scene(seed).await;
        for at in [0, 49] {
            assert_eq!(shown(&scene, at).await.state, DeviceState::Pending);
        }
        scene.day().await.unwrap();
        let mut serials = BTreeSet::new();
        for at in 0..scene.devices.len() {
            let device = shown(&scene, at).await;
            assert_eq!(device.state, DeviceState::Claimed);
            assert_eq!((device.last_boot, device.last_check_in), (Some(1), Some(1)));
            assert_eq!(device.rot.map(|rot| format!("{rot:?}")).as_deref(), Some("Software"));
            serials.insert(device.certificate_serial.unwrap());
        }
        assert_eq!(serials.len(), scene.devices.len());
        asks_by_certificate(&mut scene).await;
        scene.close().await;
    }
}

async fn asks_by_certificate(scene: &mut Scene) {
    let peer = scene.house.peer().clone();
    let device = &mut scene.devices[7];
    let old = device.check_in(&peer).await.unwrap().ok().unwrap().credential;
    let new = device.check_in(&peer).await.unwrap().ok().unwrap().credential;
    let report = || Reports(Vec::new()).encode().unwrap();
    let link = Link::connect(&peer, Some(&new)).await.unwrap();
    link.post(FAILURES_PATH, report(), 4096).await.unwrap();
    // A later check-in replaced the old certificate, and without one nothing is answered.
    for credential in [Some(&old), None] {
        let mut link = Link::connect(&peer, credential).await.unwrap();
        let refused = link.get(&format!("{SETS_PATH}{}", "0".repeat(64)), 4096).await;
        assert!(matches!(refused, Err(LinkError::ServiceRefused(401, ..))));
        let refused = link.post(FAILURES_PATH, report(), 4096).await.unwrap_err();
        assert!(matches!(refused, LinkError::ServiceRefused(401, ..)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_ends_with_the_services_clock_and_the_next_check_in_brings_another() {
    let mut scene = super::scene_of(5, 4).await;
    scene.day().await.unwrap();
    let peer = scene.house.peer().clone();
    let credential = scene.devices[0].check_in(&peer).await.unwrap().ok().unwrap().credential;
    let body = Reports(Vec::new()).encode().unwrap();
    scene.clock.pass(24 * 3600 + 1);
    // TLS 1.3 tells the client of a refused certificate only when it reads.
    let outcome = async {
        let link = Link::connect(&peer, Some(&credential)).await?;
        link.post(FAILURES_PATH, body.clone(), 4096).await
    };
    assert!(outcome.await.is_err(), "an expired certificate was taken");
    let fresh = scene.devices[0].check_in(&peer).await.unwrap().ok().unwrap().credential;
    let link = Link::connect(&peer, Some(&fresh)).await.unwrap();
    link.post(FAILURES_PATH, body, 4096).await.unwrap();
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_without_a_deployment_assigns_nothing() {
    let mut scene = super::scene_of(6, 10).await;
    scene.day().await.unwrap();
    let assigned = scene.trace.iter().any(|(_, event)| matches!(event, Event::CheckedIn(Some(_))));
    assert!(!assigned);
    scene.close().await;
}

/// A check-in on a connection that goes on.
async fn sent(link: &mut Link, body: &[u8]) -> (u16, Vec<u8>) {
    let body = Full::new(Bytes::copy_from_slice(body));
    let request = Request::post(CHECK_IN_PATH).header("host", "craton").body(body).unwrap();
    link.ask(request, 16 * 1024, Duration::ZERO).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_gets_the_same_reply_and_the_same_bytes_elsewhere_are_refused() {
    let mut scene = super::scene_of(7, 2).await;
    scene.day().await.unwrap();
    let peer = scene.house.peer().clone();
    let mut link = Link::connect(&peer, None).await.unwrap();
    let body = scene.devices[0].prepare(link.exporter()).unwrap().body().unwrap();
    let first = sent(&mut link, &body).await;
    assert_eq!(first.0, 200);
    let before = shown(&scene, 0).await;
    assert_eq!(sent(&mut link, &body).await, first);
    let next = scene.devices[0].prepare(link.exporter()).unwrap().body().unwrap();
    let (status, said) = sent(&mut link, &next).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(status == 403 && said.contains("error:4118"), "ConnectionUsed: {status} {said}");
    assert_eq!(shown(&scene, 0).await, before, "a retry changes nothing, nor does another one");
    let other = Link::connect(&peer, None).await.unwrap();
    let refused = other.post(CHECK_IN_PATH, body, 16 * 1024).await.unwrap_err();
    assert!(refused.to_string().contains("E1704"), "NonceMismatch: {refused}");
    assert_eq!(shown(&scene, 0).await, before);
    scene.close().await;
}
