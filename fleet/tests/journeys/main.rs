//! The three journeys, for a whole fleet and several seeds. After every step of every device the
//! scene checks its invariants (`craton_fleet::Watch`): nothing runs that was not admitted and
//! logged; floors and (boot, check-in) pairs never fall; a paused rollout is for nobody new and an
//! active one for nobody outside its wave; an outage reverts and blames nobody.

mod check_in;
mod failure;
mod outage;
mod restart;
mod seeds;
mod update;

use craton_api::operator::{PauseRule, Wave};
use craton_fleet::{Plan, Scene, Seed};

/// Devices of a scene.
const DEVICES: u64 = 50;

/// The seeds that every journey is run for.
const SEEDS: [u64; 3] = [1, 20, 300];

async fn scene(seed: u64) -> Scene {
    scene_of(seed, DEVICES).await
}

async fn scene_of(seed: u64, devices: u64) -> Scene {
    Scene::open(Plan { seed: Seed(seed), devices }).await.unwrap()
}

/// Everybody at once, and no pause.
const NO_RULE: PauseRule = PauseRule { failures: 0, outcomes: 0 };

/// Waves that advance at every next day.
fn waves(percents: &[u8]) -> Vec<Wave> {
    percents.iter().map(|percent| Wave { percent: *percent, soak_s: 12 * 3600 }).collect()
}
