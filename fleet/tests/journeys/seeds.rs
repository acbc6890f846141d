//! Seed and commit reproduce plan, outcomes and order.

use super::{scene_of, waves};
use craton_api::operator::PauseRule;
use craton_fleet::{Behaviour, Event};

async fn trace(seed: u64) -> Vec<(u64, Event)> {
    let mut scene = scene_of(seed, 15).await;
    let rule = PauseRule { failures: 3, outcomes: 15 };
    let behaviour = Behaviour { crash_percent: 20, hang_percent: 20 };
    for security_version in 1..=2 {
        let set = scene.publish(security_version, behaviour).await.unwrap();
        scene.deploy(set, waves(&[50, 100]), rule).await.unwrap();
        scene.day().await.unwrap();
        scene.day().await.unwrap();
    }
    let trace = std::mem::take(&mut scene.trace);
    scene.close().await;
    trace
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_seed_gives_one_trace_and_another_seed_another() {
    let (one, again, other) = (trace(31).await, trace(31).await, trace(32).await);
    assert!(one.len() > 100);
    assert_eq!(one, again);
    assert_ne!(one, other);
}
