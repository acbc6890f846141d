//! The service is away: nobody is reverted, nobody blames a release.

use super::{NO_RULE, scene_of};
use craton_fleet::{Behaviour, Event};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_the_middle_of_a_rollout_reverts_and_blames_nobody() {
    for seed in [11, 12] {
        let mut scene = scene_of(seed, 30).await;
        let first = scene.publish(1, Behaviour::default()).await.unwrap();
        scene.deploy(first, Vec::new(), NO_RULE).await.unwrap();
        scene.day().await.unwrap();
        let second = scene.publish(2, Behaviour::default()).await.unwrap();
        scene.deploy(second, Vec::new(), NO_RULE).await.unwrap();
        // Some have armed the second release, some are on trial, some have not asked yet.
        scene.part_of_day(60).await.unwrap();
        let before = scene.confirmed_on(second);
        scene.house.stop().await;
        for _ in 0..3 {
            scene.day().await.unwrap();
        }
        let excused = scene.trace.iter().filter(|(_, event)| matches!(event, Event::Excused(_)));
        assert!(excused.count() > 0, "seed {seed}: nobody was on trial when the service went");
        assert_eq!(scene.confirmed_on(second), before);
        assert_eq!(scene.confirmed_on(first), 30 - before);
        assert!(scene.devices.iter().all(|device| device.slots().failed.is_none()));
        scene.house.start().await.unwrap();
        for _ in 0..2 {
            scene.day().await.unwrap();
        }
        assert_eq!(scene.confirmed_on(second), 30, "seed {seed}");
        let deployment = scene.deployed().await.unwrap();
        assert_eq!((deployment.confirmed, deployment.failed), (30, 0));
        scene.close().await;
    }
}
