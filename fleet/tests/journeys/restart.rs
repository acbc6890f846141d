//! The service ends and comes up on the same data in the middle of a rollout: nothing is lost.

use super::{scene_of, waves};
use craton_api::operator::{Device as Shown, DeviceList, PauseRule};
use craton_fleet::{Behaviour, Scene};

async fn rows(scene: &Scene) -> Vec<Shown> {
    let path = format!("/v1/catalogs/{}/devices?limit=100", scene.catalog);
    let list: DeviceList = scene.house.operator().unwrap().get(&path).await.unwrap();
    list.items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_restarted_in_the_middle_of_a_rollout_has_lost_nothing() {
    let mut scene = scene_of(21, 40).await;
    let first = scene.publish(1, Behaviour::default()).await.unwrap();
    let rule = PauseRule { failures: 20, outcomes: 40 };
    scene.deploy(first, waves(&[20, 60, 100]), rule).await.unwrap();
    for steps in [70, 90, 130, 170] {
        scene.part_of_day(steps).await.unwrap();
        // A service does what is due when it starts: let nothing be due.
        scene.house.work().await.unwrap();
        let (devices, deployment) = (rows(&scene).await, scene.deployed().await.unwrap());
        scene.house.stop().await;
        scene.house.start().await.unwrap();
        assert_eq!(rows(&scene).await, devices);
        assert_eq!(scene.deployed().await.unwrap(), deployment);
    }
    for _ in 0..2 {
        scene.day().await.unwrap();
    }
    assert_eq!(scene.confirmed_on(first), 40);
    assert_eq!(scene.deployed().await.unwrap().confirmed, 40);
    scene.close().await;
}
