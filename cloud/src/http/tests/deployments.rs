use std::sync::atomic::Ordering;

use craton_api::operator::{Deployment, DeploymentList, DeploymentState, DeviceId, ImageSetId};
use craton_trust::set::Purpose;
use serde_json::{Value, json};

use crate::app::deployments::record_outcome;
use crate::testing::*;

fn device(number: u8) -> DeviceId {
    DeviceId([number; 32])
}

async fn started(bench: &Bench, path: &str, set: ImageSetId, more: Value) -> Deployment {
    let mut asked = json!({"group": "meter/Production", "image_set": set});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.post(path, &asked).await.json()
}

async fn outcome(
    bench: &Bench,
    catalog: craton_api::operator::CatalogId,
    deployment: &Deployment,
    device: DeviceId,
    failed: bool,
) -> Option<String> {
    let id = deployment.id;
    let work = move |db: &crate::store::WriteTx<'_>| {
        record_outcome(db, catalog, id, device, failed, NOW_S)
    };
    bench.app.store.write(work).await.unwrap()
}

#[tokio::test]
async fn a_deployment_pauses_by_itself_resumes_by_a_person_and_counts_anew() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let set = bench.admitted(id, "1.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let rule = json!({"pause_rule": {"failures": 2, "outcomes": 10}});
    let deployment = started(&bench, &path, set, rule).await;
    assert_eq!(outcome(&bench, id, &deployment, device(1), false).await, None);
    assert_eq!(outcome(&bench, id, &deployment, device(2), true).await, None);
    assert_eq!(outcome(&bench, id, &deployment, device(2), true).await, None, "counts once");
    let reason = outcome(&bench, id, &deployment, device(3), true).await.unwrap();
    assert!(reason.starts_with("2 of the first 3 devices failed"), "{reason}");
    let own = format!("{path}/{}", deployment.id);
    let shown: Deployment = bench.get(&own).await.json();
    assert_eq!((shown.state, shown.confirmed, shown.failed), (DeploymentState::Paused, 1, 2));
    assert_eq!(shown.reason.as_deref(), Some(reason.as_str()));
    let pause = bench.post(&format!("{own}/pause"), &json!({})).await;
    assert_eq!((pause.status.as_u16(), pause.code()), (409, 4226), "DeploymentNotActive");
    let advance = bench.post(&format!("{own}/advance"), &json!({})).await;
    assert_eq!(advance.code(), 4226, "DeploymentNotActive");
    let resumed: Deployment = bench.post(&format!("{own}/resume"), &json!({})).await.json();
    assert_eq!((resumed.state, resumed.reason), (DeploymentState::Active, None));
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    let shown: Deployment = bench.get(&own).await.json();
    assert_eq!(shown.state, DeploymentState::Active, "the failures before are known");
    assert_eq!(outcome(&bench, id, &deployment, device(4), true).await, None);
    assert!(outcome(&bench, id, &deployment, device(5), true).await.is_some());
}

#[tokio::test]
async fn a_failure_after_a_confirmation_counts_and_the_reverse_does_not() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let set = bench.admitted(id, "1.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let deployment = started(&bench, &path, set, json!({})).await;
    assert_eq!(outcome(&bench, id, &deployment, device(1), false).await, None);
    assert!(outcome(&bench, id, &deployment, device(1), true).await.is_some());
    assert_eq!(outcome(&bench, id, &deployment, device(1), false).await, None);
    let shown: Deployment = bench.get(&format!("{path}/{}", deployment.id)).await.json();
    assert_eq!((shown.confirmed, shown.failed), (0, 1));
}

#[tokio::test]
async fn a_person_pauses_and_reverts_to_the_set_before() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let (one, two) = (bench.admitted(id, "1.0").await, bench.admitted(id, "2.0").await);
    let path = format!("/v1/catalogs/{id}/deployments");
    let first = started(&bench, &path, one, json!({})).await;
    assert_eq!(first.previous_set, None);
    let revert = bench.post(&format!("{path}/{}/revert", first.id), &json!({})).await;
    assert_eq!((revert.status.as_u16(), revert.code()), (409, 4228), "NothingToRevert");
    let second = started(&bench, &path, two, json!({})).await;
    assert_eq!(second.previous_set, Some(one));
    let shown: Deployment = bench.get(&format!("{path}/{}", first.id)).await.json();
    assert_eq!(shown.state, DeploymentState::Superseded);
    let own = format!("{path}/{}", second.id);
    let long = bench.post(&format!("{own}/pause"), &json!({"reason": "x".repeat(501)})).await;
    assert_eq!(long.code(), 4230, "ReasonTooLong");
    let paused: Deployment =
        bench.post(&format!("{own}/pause"), &json!({"reason": "smoke"})).await.json();
    assert_eq!(paused.reason.as_deref(), Some("smoke (operator-token)"));
    let back = bench.post(&format!("{own}/revert"), &json!({})).await;
    assert_eq!(back.status, 201);
    let back: Deployment = back.json();
    assert_eq!((back.image_set, back.previous_set), (one, None));
    let superseded = bench.post(&format!("{own}/revert"), &json!({})).await;
    assert_eq!(superseded.code(), 4228, "NothingToRevert");
    let resume = bench.post(&format!("{path}/{}/resume", back.id), &json!({})).await;
    assert_eq!(resume.code(), 4227, "DeploymentNotPaused");
    let list: DeploymentList = bench.get(&format!("{path}?group=meter/Production")).await.json();
    assert_eq!(list.items.len(), 3);
    let list: DeploymentList = bench.get(&format!("{path}?group=meter/FieldTest")).await.json();
    assert!(list.items.is_empty());
}

#[tokio::test]
async fn what_follows_a_paused_deployment_falls_back_to_the_good_set() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let (good, bad) = (bench.admitted(id, "1.0").await, bench.admitted(id, "2.0").await);
    let mended = bench.admitted(id, "3.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    started(&bench, &path, good, json!({})).await;
    let second = started(&bench, &path, bad, json!({})).await;
    bench.post(&format!("{path}/{}/pause", second.id), &json!({})).await.json::<Deployment>();
    assert_eq!(started(&bench, &path, mended, json!({})).await.previous_set, Some(good));
}

#[tokio::test]
async fn waves_advance_by_a_person_or_by_their_soak() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let set = bench.admitted(id, "1.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let waves =
        json!({"waves": [{"percent": 5}, {"percent": 25, "soak_s": 600}, {"percent": 100}]});
    let deployment = started(&bench, &path, set, waves).await;
    let own = format!("{path}/{}", deployment.id);
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 0);
    let advanced: Deployment = bench.post(&format!("{own}/advance"), &json!({})).await.json();
    assert_eq!(advanced.wave, 1);
    bench.clock.0.store(NOW_S + 599, Ordering::SeqCst);
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 1);
    bench.clock.0.store(NOW_S + 600, Ordering::SeqCst);
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty(), "twice does no harm");
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 2);
    let last = bench.post(&format!("{own}/advance"), &json!({})).await;
    assert_eq!(last.code(), 4229, "LastWave");
}

#[tokio::test]
async fn deployments_of_unadmitted_foreign_or_development_sets_are_refused() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let uploaded = bench.set(id, "1.0", Purpose::Production).await;
    let development = bench.set(id, "2.0", Purpose::Development).await;
    let refuse = async |asked: Value| bench.post(&path, &asked).await.code();
    let to = |group: &str, set: ImageSetId| json!({"group": group, "image_set": set});
    assert_eq!(refuse(to("meter/Production", uploaded)).await, 4224, "SetNotAdmitted");
    assert_eq!(refuse(to("meter/Production", development)).await, 4225, "SetPurposeMismatch");
    assert_eq!(refuse(to("meter", development)).await, 4155, "GroupPathInvalid");
    assert_eq!(refuse(to("meter/Lab", development)).await, 4154, "GroupUnknown");
    let unknown = to("meter/Production", ImageSetId([0; 32]));
    assert_eq!(refuse(unknown).await, 4164, "SetUnknown");
    let mut waves = to("meter/Development", development);
    waves["waves"] = json!([{"percent": 50}, {"percent": 10}]);
    assert_eq!(refuse(waves).await, 4222, "WavesInvalid");
    let mut rule = to("meter/Development", development);
    rule["pause_rule"] = json!({"failures": 5, "outcomes": 1});
    assert_eq!(refuse(rule).await, 4223, "PauseRuleInvalid");
    assert_eq!(bench.post(&path, &to("meter/Development", development)).await.status, 201);
    let nothing = bench.get(&format!("{path}/{}", "0".repeat(32))).await;
    assert_eq!((nothing.status.as_u16(), nothing.code()), (404, 4221), "DeploymentUnknown");
}
