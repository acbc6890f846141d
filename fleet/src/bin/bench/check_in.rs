//! Check-ins over TLS: how many, and what the service pays for one beside its cryptography.

use crate::Size;
use crate::bare::Bare;
use crate::cpu::median;
use crate::report::Report;
use crate::serve::Served;
use anyhow::{Context as _, Result, bail};
use craton_api::operator::{Deployment, DeploymentCreate, ImageSetId, PauseRule};
use craton_device::link::Peer;
use craton_fleet::{
    Behaviour, Device, Edition, Event, GROUP, Made, Maker, Release, Seed, World, create_catalog,
    publish, publish_runtime,
};
use std::time::Instant;
use tokio::runtime::Runtime;

/// How busy the service is kept.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections open at once.
    lanes: usize,
    /// Whether the devices come first, so that the service is always behind.
    pub behind: bool,
}

/// More than two cores answer as fast as they come: what a service at its limit spends.
const FULL: Load = Load { lanes: 128, behind: true };

/// The service waits for devices most of the time, and pays for falling asleep and waking up.
const LIGHT: Load = Load { lanes: 16, behind: false };

const SEED: Seed = Seed(2026);

/// Devices that run a confirmed set, and the service that they check in at.
pub struct Stage {
    /// The service's process.
    pub served: Served,
    /// The devices, booted.
    pub devices: Vec<Device>,
    runtime: Runtime,
    lanes: usize,
}

impl Stage {
    /// Claims devices, brings one through its first update over the network, and gives the others
    /// the same set.
    pub fn open(data: &std::path::Path, devices: u64, load: Load) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let served = Served::start(data, SEED.0, load.behind)?;
        let devices = runtime.block_on(settled(&served, devices))?;
        Ok(Self { served, devices, runtime, lanes: load.lanes })
    }

    /// Lets each device of `which` check in once; seconds of wall time, and microseconds of the
    /// service's CPU, of all.
    pub fn round(&mut self, which: std::ops::Range<usize>) -> Result<(f64, f64)> {
        let peer = self.served.operator.peer.clone();
        let cpu = self.served.cpu_us()?;
        let begun = Instant::now();
        let mut rest = self.devices.split_off(which.start);
        let after = rest.split_off(which.len());
        let done = self.runtime.block_on(all_check_in(rest, &peer, self.lanes))?;
        self.devices.extend(done);
        self.devices.extend(after);
        Ok((begun.elapsed().as_secs_f64(), self.served.cpu_us()? - cpu))
    }
}

async fn settled(served: &Served, count: u64) -> Result<Vec<Device>> {
    let (operator, maker) = (&served.operator, Maker::of(SEED));
    let catalog = create_catalog(operator, &maker).await?;
    let runtime = publish_runtime(operator, catalog, &maker).await?;
    let made = Made { operator, catalog, maker: &maker, runtime };
    let mut devices = made.devices(SEED, 0..count).await?;
    let behaviour = Behaviour::default();
    let edition = Edition { version: 1, security_version: 1, before: None, behaviour };
    let release = publish(operator, catalog, &maker, SEED, edition).await?;
    let rule = PauseRule { failures: 0, outcomes: 0 };
    let (group, image_set) = (GROUP.to_owned(), ImageSetId(release.set.0));
    let asked = DeploymentCreate { group, image_set, waves: Vec::new(), pause_rule: rule };
    let path = format!("/v1/catalogs/{catalog}/deployments");
    let _: Deployment = operator.post(&path, &asked).await?;
    let (first, others) = devices.split_first_mut().context("at least one device")?;
    update(first, &operator.peer, &release).await?;
    others.iter_mut().try_for_each(|other| other.install_like(first))?;
    Ok(devices)
}

/// The first update of one device, over the network.
async fn update(device: &mut Device, peer: &Peer, release: &Release) -> Result<()> {
    let releases = std::slice::from_ref(release);
    let world = World { peer, releases, seed: SEED };
    for _ in 0..20 {
        if device.step(&world).await? == Event::Quiet {
            break;
        }
    }
    if device.slots().confirmed() != Some(release.set) {
        bail!("the first device did not confirm its first set");
    }
    Ok(())
}

async fn all_check_in(devices: Vec<Device>, peer: &Peer, count: usize) -> Result<Vec<Device>> {
    let mut lanes: Vec<Vec<Device>> = (0..count).map(|_| Vec::new()).collect();
    for (place, device) in devices.into_iter().enumerate() {
        lanes[place % count].push(device);
    }
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|mut lane| {
            let peer = peer.clone();
            tokio::spawn(async move {
                for device in &mut lane {
                    if device.check_in(&peer).await?.is_err() {
                        bail!("device {} was refused", device.number);
                    }
                }
                Ok(lane)
            })
        })
        .collect();
    let mut done = Vec::new();
    for lane in lanes {
        done.extend(lane.await??);
    }
    done.sort_by_key(|device| device.number);
    Ok(done)
}

/// Medians of the rounds.
struct Figures {
    rate: f64,
    service_us: f64,
    bare_us: f64,
    ratio: f64,
    verifies: usize,
}

/// Rounds of check-ins, in turns with rounds of their bare cryptography.
fn rounds(size: Size, load: Load) -> Result<Figures> {
    let data = tempfile::tempdir()?;
    let mut stage = Stage::open(data.path(), size.devices, load)?;
    let bare = Bare::of(&stage.devices[0].prepare(&[7; 32])?)?;
    let all = size.devices as usize;
    stage.round(0..all)?;
    let (mut rates, mut costs, mut bares, mut ratios) = (vec![], vec![], vec![], vec![]);
    for _ in 0..size.rounds {
        let before = bare.each_us(size.loops);
        let (wall_s, cpu_us) = stage.round(0..all)?;
        let bare_us = (before + bare.each_us(size.loops)) / 2.0;
        let each_us = cpu_us / all as f64;
        rates.push(all as f64 / wall_s);
        costs.push(each_us);
        bares.push(bare_us);
        ratios.push(each_us / bare_us);
    }
    Ok(Figures {
        rate: median(rates),
        service_us: median(costs),
        bare_us: median(bares),
        ratio: median(ratios),
        verifies: bare.verifies(),
    })
}

/// Check-ins at the service's limit, and below it. Returns the CPU of one at the limit,
/// microseconds.
pub fn measure(report: &mut Report, size: Size) -> Result<f64> {
    let full = rounds(size, FULL)?;
    let registered = format!("{} registered devices, {} at once", size.devices, FULL.lanes);
    let rate = format!("check-ins over TLS, devices on the same machine; {registered}");
    report.add("check-ins", rate, full.rate, "/s");
    let what = "CPU of the service for one check-in";
    report.add("check-in-service", what, full.service_us, "us");
    let verifies = full.verifies;
    let what = format!("its bare cryptography: key exchange, 3 signatures, {verifies} verified");
    report.add("check-in-bare", what, full.bare_us, "us");
    let what = "CPU of the service / CPU of its bare cryptography";
    report.promise("check-in-cpu", what, full.ratio, "x", "<= 2");
    let light = rounds(size, LIGHT)?;
    let what = format!("the same of a service that waits for devices, {} at once", LIGHT.lanes);
    report.add("check-in-light", what, light.ratio, "x");
    Ok(full.service_us)
}
