use std::sync::atomic::Ordering;

use craton_api::operator::{Deployment, DeploymentList, DeploymentState, DeviceId, ImageSetId};
use craton_trust::set::Purpose;
use serde_json::{Value, json};

use crate::app::deployments::record_outcome;
use crate::rollout::Outcome;
use crate::store::OutcomeRecord;
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
    let outcome = if failed { Outcome::Failed } else { Outcome::Confirmed };
    let record = OutcomeRecord { device, wave: 0, outcome, at_s: NOW_S };
    let work = move |db: &crate::store::WriteTx<'_>| record_outcome(db, catalog, id, &record);
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
    assert!(reason.starts_with("2 of the last 3 devices failed"), "{reason}");
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

/// The gate as its words say it: every device once, by its newest outcome, the newest devices last.
#[derive(Default)]
struct Naive {
    outcomes: Vec<(DeviceId, bool)>,
    from: usize,
}

impl Naive {
    /// Whether the outcome pauses an active deployment.
    fn take(&mut self, device: DeviceId, failed: bool, failures: usize, outcomes: usize) -> bool {
        let known = self.outcomes.iter().position(|(known, _)| *known == device);
        match known {
            Some(at) if self.outcomes[at].1 == failed => return false,
            Some(at) => {
                self.outcomes.remove(at);
                self.from -= usize::from(at < self.from);
            }
            None => {}
        }
        self.outcomes.push((device, failed));
        let newest = self.outcomes[self.from..].iter().rev().take(outcomes);
        failed && newest.filter(|(_, failed)| *failed).count() >= failures
    }
}

#[tokio::test]
async fn gate_2_a_random_history_pauses_exactly_when_the_newest_outcomes_say_so() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let set = bench.admitted(id, "1.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise % below
    };
    for (failures, outcomes) in [(1usize, 1usize), (1, 5), (2, 3), (3, 8)] {
        let rule = json!({"pause_rule": {"failures": failures, "outcomes": outcomes}});
        let deployment = started(&bench, &path, set, rule).await;
        let resume = format!("{path}/{}/resume", deployment.id);
        let (mut naive, mut pauses) = (Naive::default(), 0);
        for step in 0..120 {
            let (who, failed) = (device(next(20) as u8), next(3) == 0);
            let expected = naive.take(who, failed, failures, outcomes);
            let paused = outcome(&bench, id, &deployment, who, failed).await.is_some();
            assert_eq!(paused, expected, "step {step} of {failures} of {outcomes}");
            if paused {
                pauses += 1;
                bench.post(&resume, &json!({})).await.json::<Deployment>();
                naive.from = naive.outcomes.len();
            }
        }
        assert!(pauses > 3, "{failures} of {outcomes}: {pauses}");
    }
}

#[tokio::test]
async fn gate_2_a_failure_pauses_after_a_hundred_good_devices_and_after_a_resume() {
    let bench = Bench::new().await;
    let id = bench.catalog(false).await;
    bench.product(id).await;
    let set = bench.admitted(id, "1.0").await;
    let path = format!("/v1/catalogs/{id}/deployments");
    let deployment = started(&bench, &path, set, json!({})).await;
    for number in 0..=100 {
        assert_eq!(outcome(&bench, id, &deployment, device(number), false).await, None);
    }
    // One that confirmed long ago, and a new one.
    assert!(outcome(&bench, id, &deployment, device(0), true).await.is_some());
    let own = format!("{path}/{}", deployment.id);
    bench.post(&format!("{own}/resume"), &json!({})).await.json::<Deployment>();
    assert!(outcome(&bench, id, &deployment, device(7), true).await.is_some());
    let shown: Deployment = bench.get(&own).await.json();
    assert_eq!((shown.confirmed, shown.failed), (99, 2));
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
async fn gate_4_waves_advance_by_a_person_or_by_soak_and_a_confirmation() {
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
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 1, "nobody has shown anything");
    confirm_in_wave(&bench, id, &deployment, 0).await;
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 1, "of the wave before");
    confirm_in_wave(&bench, id, &deployment, 1).await;
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty());
    assert!(crate::app::reconcile::round(&bench.app).await.is_empty(), "twice does no harm");
    assert_eq!(bench.get(&own).await.json::<Deployment>().wave, 2);
    let last = bench.post(&format!("{own}/advance"), &json!({})).await;
    assert_eq!(last.code(), 4229, "LastWave");
}

async fn confirm_in_wave(
    bench: &Bench,
    catalog: craton_api::operator::CatalogId,
    deployment: &Deployment,
    wave: u32,
) {
    let (id, device) = (deployment.id, device(wave as u8));
    let record = OutcomeRecord { device, wave, outcome: Outcome::Confirmed, at_s: NOW_S };
    let work = move |db: &crate::store::WriteTx<'_>| record_outcome(db, catalog, id, &record);
    bench.app.store.write(work).await.unwrap();
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
