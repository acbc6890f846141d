//! Publish → admit → deploy in waves → whole, then delta → confirm → the next.

use super::{DEVICES, NO_RULE, SEEDS, scene, waves};
use craton_fleet::{Behaviour, Event, Scene};
use craton_trust::SetId;

fn armed(scene: &Scene, set: SetId) -> Vec<bool> {
    let armed = scene.trace.iter().filter_map(|(_, event)| match event {
        Event::Armed(to, by_delta) if *to == set => Some(*by_delta),
        _ => None,
    });
    armed.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_reaches_the_fleet_wave_by_wave_whole_then_as_a_delta() {
    for seed in SEEDS {
        let mut scene = scene(seed).await;
        let good = Behaviour::default();
        let first = scene.publish(1, good).await.unwrap();
        scene.deploy(first, Vec::new(), NO_RULE).await.unwrap();
        scene.day().await.unwrap();
        assert_eq!(scene.confirmed_on(first), DEVICES as usize);
        let by_delta = armed(&scene, first);
        assert_eq!(by_delta, vec![false; DEVICES as usize], "the first comes whole");

        let second = scene.publish(2, good).await.unwrap();
        let (whole, delta) = scene.releases[1].sizes;
        assert!(delta.unwrap() < whole / 4, "{delta:?} of {whole}");
        scene.deploy(second, waves(&[10, 50, 100]), NO_RULE).await.unwrap();
        let mut reached = vec![0];
        for wave in 1..=3 {
            // A wave's soak ends with the night before the next day.
            if wave > 1 {
                assert_eq!(scene.deployed().await.unwrap().wave, wave - 2);
            }
            scene.day().await.unwrap();
            reached.push(scene.confirmed_on(second));
        }
        scene.day().await.unwrap();
        reached.push(scene.confirmed_on(second));
        assert!(reached.is_sorted(), "seed {seed}: {reached:?}");
        assert!(reached[1] < DEVICES as usize, "seed {seed}: {reached:?}");
        assert_eq!(reached.last(), Some(&(DEVICES as usize)));
        assert!(armed(&scene, second).iter().all(|by_delta| *by_delta), "the next as a delta");
        for device in &scene.devices {
            let floors = device.status().unwrap().floors;
            assert_eq!(floors.of(scene.releases[1].component), 2, "confirmed: the floor rose");
        }
        let deployment = scene.deployed().await.unwrap();
        assert_eq!((deployment.confirmed, deployment.failed), (DEVICES, 0));
        scene.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_lost_power_anywhere_comes_back_to_what_it_should_run() {
    let mut scene = super::scene_of(8, 12).await;
    let first = scene.publish(1, Behaviour::default()).await.unwrap();
    scene.deploy(first, Vec::new(), NO_RULE).await.unwrap();
    for steps in [5, 17, 31, 44] {
        scene.part_of_day(steps).await.unwrap();
        scene.devices.iter_mut().step_by(2).for_each(craton_fleet::Device::cut_power);
    }
    scene.day().await.unwrap();
    assert_eq!(scene.confirmed_on(first), 12);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watch_sees_a_device_that_runs_what_was_not_admitted() {
    let mut scene = super::scene_of(9, 3).await;
    let first = scene.publish(1, Behaviour::default()).await.unwrap();
    scene.deploy(first, Vec::new(), NO_RULE).await.unwrap();
    scene.watch.admitted.clear();
    let why = scene.day().await.unwrap_err().to_string();
    assert!(why.contains("which was not admitted"), "{why}");
    scene.close().await;
}
