//! `kill -9` of the service, again and again: what it acknowledged is there after each start, and
//! what it did not is there whole or not at all.

use crate::World;
use crate::device::{Device, Run};
use crate::maker::Maker;
use crate::service::{Failed, Service};
use crate::soak;
use craton_api::operator::{
    Blob, Deployment, DeploymentId, DeploymentList, DeploymentState, ImageSet, ImageSetId,
    ImageSetList, Wave,
};
use craton_image::package::sha256;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the service has said yes to.
#[derive(Default)]
struct Acknowledged {
    blobs: Vec<Vec<u8>>,
    sets: Vec<ImageSetId>,
    deployments: Vec<(DeploymentId, u32)>,
    /// The highest (boot, check-in) that the service has shown.
    check_in: (u64, u64),
}

/// Numbers that are the same in every run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Uploads, publishes, deploys and advances without a pause, and keeps what was acknowledged.
fn work(
    maker: &mut Maker,
    id: craton_api::operator::DeviceId,
    seed: u64,
    until_over: &AtomicBool,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut seed = seed;
    while !until_over.load(Ordering::SeqCst) {
        // A request that nobody answered may have been done or not.
        let _ = one_round(maker, id, &mut seed, &mut acknowledged);
    }
    acknowledged
}

fn one_round(
    maker: &mut Maker,
    id: craton_api::operator::DeviceId,
    seed: &mut u64,
    acknowledged: &mut Acknowledged,
) -> Result<(), Failed> {
    let length = 1 + next(seed) as usize % 400_000;
    let first = next(seed);
    let bytes: Vec<u8> = (0..length as u64).map(|at| (at * at + first) as u8).collect();
    let _: Blob = maker.upload(&bytes)?;
    acknowledged.blobs.push(bytes);
    let sample = 1 + next(seed) as usize % 2;
    let set = maker.publish(sample, Some(3 - sample))?;
    acknowledged.sets.push(set.id);
    let waves = vec![Wave { percent: 50, soak_s: 0 }, Wave { percent: 100, soak_s: 0 }];
    let deployment = maker.deploy(&set, waves)?;
    acknowledged.deployments.push((deployment.id, deployment.wave));
    let path = maker.path(&format!("deployments/{}/advance", deployment.id));
    let deployment: Deployment = maker.operator.post(&path, &serde_json::json!({}))?;
    acknowledged.deployments.last_mut().unwrap().1 = deployment.wave;
    let shown = maker.device(id)?;
    let check_in = shown.last_boot.zip(shown.last_check_in).unwrap_or_default();
    acknowledged.check_in = acknowledged.check_in.max(check_in);
    Ok(())
}

/// Everything acknowledged is there, and everything there is whole.
fn compare(maker: &Maker, data: &Path, device: &Device, acknowledged: &Acknowledged) {
    let operator = &maker.operator;
    for bytes in &acknowledged.blobs {
        let path = maker.path(&format!("blobs/{}", sha256(bytes)));
        let (status, answer) = operator.ask("GET", &path, "", Vec::new()).unwrap();
        assert!(status == 200 && answer == *bytes, "a blob was lost: {status}");
    }
    let sets: ImageSetList = operator.get(&maker.path("image-sets")).unwrap();
    let listed = |id: &ImageSetId| sets.items.iter().any(|set: &ImageSet| set.id == *id);
    assert!(acknowledged.sets.iter().all(listed), "a set was lost");
    let deployments: DeploymentList = operator.get(&maker.path("deployments")).unwrap();
    for (id, wave) in &acknowledged.deployments {
        let found = deployments.items.iter().find(|deployment| deployment.id == *id);
        assert!(
            found.is_some_and(|found| found.wave >= *wave),
            "a deployment or its wave was lost"
        );
    }
    // Nothing half-done: every deployment offers a set that is there, and one is in force.
    assert!(deployments.items.iter().all(|deployment| listed(&deployment.image_set)));
    let active = |deployment: &&Deployment| deployment.state == DeploymentState::Active;
    assert_eq!(deployments.items.iter().filter(active).count(), 1);
    let shown = maker.device(device.id).unwrap();
    assert!(!shown.cloned);
    let check_in = shown.last_boot.zip(shown.last_check_in).unwrap_or_default();
    assert!(check_in >= acknowledged.check_in, "a check-in was lost");
    // Each file stands under its own digest, and no upload is left half.
    let blobs = data.join("blobs");
    for folder in std::fs::read_dir(&blobs).unwrap().flatten() {
        let incoming = folder.file_name() == "incoming";
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            assert!(!incoming, "an upload was left half");
            assert_eq!(sha256(&std::fs::read(file.path()).unwrap()).to_string(), name);
        }
    }
}

#[test]
fn a_service_killed_in_the_middle_of_anything_loses_nothing_it_acknowledged() {
    let world = World::begin();
    let World { service, mut maker, device, folder, .. } = world;
    let data = folder.path().join("service");
    let at = service.addresses();
    let running = device.run(&Run::quick(at.0));
    let mut service = Some(service);
    let rounds = if soak() { 200 } else { 12 };
    let (mut seed, mut counts) = (0x5eed_0002u64, [0usize; 3]);
    let began = Instant::now();
    for round in 0..rounds {
        let over = Arc::new(AtomicBool::new(false));
        let (worker_over, id, worker_seed) = (over.clone(), device.id, next(&mut seed));
        let worker = std::thread::spawn(move || {
            let acknowledged = work(&mut maker, id, worker_seed, &worker_over);
            (maker, acknowledged)
        });
        std::thread::sleep(Duration::from_millis(next(&mut seed) % 900));
        service.take().unwrap().kill();
        over.store(true, Ordering::SeqCst);
        let (again, acknowledged) = worker.join().unwrap();
        maker = again;
        service = Some(Service::start(&data, Some(at)));
        compare(&maker, &data, &device, &acknowledged);
        counts[0] += acknowledged.blobs.len();
        counts[1] += acknowledged.sets.len();
        counts[2] += acknowledged.deployments.len();
        assert!(began.elapsed() < Duration::from_secs(7200), "round {round}");
    }
    // The device finds its way by itself: to the last word of the service.
    let set = maker.ship(1, Some(2));
    device.until_confirmed(&running, set);
    assert!(running.stop().success());
    let [blobs, sets, deployments] = counts;
    println!(
        "{rounds} kills: {blobs} uploads, {sets} sets, {deployments} deployments acknowledged, \
         0 lost"
    );
}
