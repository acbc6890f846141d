//! A bad release: devices fall back by themselves, reports are grouped, the rollout pauses by
//! itself, and nobody outside the wave took it.

use super::{DEVICES, NO_RULE, SEEDS, scene, waves};
use craton_api::operator::{DeploymentState, FailureGroupList, PauseRule};
use craton_fleet::{Behaviour, Event, Scene};
use craton_trust::SetId;
use std::collections::BTreeSet;

/// Devices that ever tried a set.
fn tried(scene: &Scene, set: SetId) -> BTreeSet<u64> {
    let armed = scene.trace.iter().filter_map(|(device, event)| match event {
        Event::Armed(to, _) if *to == set => Some(*device),
        _ => None,
    });
    armed.collect()
}

/// The scene with every device confirmed on a first, good release.
async fn settled(seed: u64) -> (Scene, SetId) {
    let mut scene = scene(seed).await;
    let good = scene.publish(1, Behaviour::default()).await.unwrap();
    scene.deploy(good, Vec::new(), NO_RULE).await.unwrap();
    scene.day().await.unwrap();
    assert_eq!(scene.confirmed_on(good), DEVICES as usize);
    (scene, good)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_release_pauses_by_itself_and_the_fleet_runs_on() {
    for seed in SEEDS {
        let (mut scene, good) = settled(seed).await;
        let behaviour = Behaviour { crash_percent: 70, hang_percent: 10 };
        let bad = scene.publish(2, behaviour).await.unwrap();
        let rule = PauseRule { failures: 3, outcomes: 20 };
        scene.deploy(bad, waves(&[30, 100]), rule).await.unwrap();
        for _ in 0..3 {
            scene.day().await.unwrap();
        }
        let deployment = scene.deployed().await.unwrap();
        assert_eq!(deployment.state, DeploymentState::Paused, "seed {seed}");
        assert_eq!(deployment.wave, 0, "it paused before the next wave");
        assert!(deployment.reason.unwrap().contains("devices failed"));
        let tried = tried(&scene, bad);
        assert!(!tried.is_empty() && tried.len() < DEVICES as usize / 2, "{}", tried.len());
        let confirmed = scene.confirmed_on(bad);
        assert_eq!(scene.confirmed_on(good) + confirmed, DEVICES as usize, "none runs nothing");
        let blamed = scene.devices.iter().filter(|device| device.slots().failed == Some(bad));
        let blamed: BTreeSet<u64> = blamed.map(|device| device.number).collect();
        assert!(blamed.len() >= 3 && blamed.is_subset(&tried));
        assert_eq!(blamed.len() + confirmed, tried.len());
        for device in scene.devices.iter().filter(|device| blamed.contains(&device.number)) {
            let floors = device.status().unwrap().floors;
            assert_eq!(floors.of(scene.releases[1].component), 1, "a failed trial raises no floor");
        }
        grouped(&scene, &blamed).await;
        scene.close().await;
    }
}

async fn grouped(scene: &Scene, blamed: &BTreeSet<u64>) {
    let path = format!("/v1/catalogs/{}/failures/groups", scene.catalog);
    let groups: FailureGroupList = scene.house.operator().unwrap().get(&path).await.unwrap();
    assert_eq!(groups.ungrouped, 0);
    let crashes: Vec<_> = groups.items.iter().filter(|group| group.kind == "crash").collect();
    assert_eq!(crashes.len(), 1, "one mistake is one group");
    assert_eq!(crashes[0].count, crashes[0].devices, "each device crashed once");
    assert!(crashes[0].devices <= blamed.len() as u64 && crashes[0].devices > 0);
    let trials = groups.items.iter().filter(|group| group.kind == "trial-failed");
    let trials: u64 = trials.map(|group| group.count).sum();
    assert_eq!(trials, blamed.len() as u64, "every fallback was reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_revert_everybody_is_back_and_the_next_release_goes_on() {
    let (mut scene, good) = settled(4).await;
    let behaviour = Behaviour { crash_percent: 50, hang_percent: 0 };
    // Of the same security version: whoever confirmed it may still go back.
    let bad = scene.publish(1, behaviour).await.unwrap();
    let rule = PauseRule { failures: 4, outcomes: 50 };
    scene.deploy(bad, waves(&[40, 100]), rule).await.unwrap();
    scene.day().await.unwrap();
    assert_eq!(scene.deployed().await.unwrap().state, DeploymentState::Paused);
    scene.act("revert").await.unwrap();
    scene.day().await.unwrap();
    assert_eq!(scene.confirmed_on(good), DEVICES as usize);
    let fixed = scene.publish(2, Behaviour::default()).await.unwrap();
    scene.deploy(fixed, Vec::new(), rule).await.unwrap();
    scene.day().await.unwrap();
    assert_eq!(scene.confirmed_on(fixed), DEVICES as usize);
    let failed = tried(&scene, bad).len();
    assert!(failed > 0 && failed < DEVICES as usize);
    scene.close().await;
}
