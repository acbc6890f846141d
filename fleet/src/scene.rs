//! A whole scene: service, catalog, maker, devices, and the order in which they act.

use crate::clock::SimClock;
use crate::device::{Device, Event, World};
use crate::house::{House, Setting};
use crate::maker::Maker;
use crate::operator::Operator;
use crate::release::{self, Edition, Release};
use crate::seed::{Seed, Stream};
use crate::watch::Watch;
use anyhow::{Result, bail};
use craton_api::operator::{
    Base64, Catalog, CatalogCreate, CatalogId, Deployment, DeploymentCreate, DeviceClaim, DeviceId,
    ImageSetId, PauseRule, Product, ProductCreate, RotClass, ServiceInfo, Wave,
};
use craton_cloud::app::check_in::Policy;
use craton_trust::{Digest, SetId};
use std::ops::Range;
use std::time::Duration;
use tempfile::TempDir;

/// The group that every device is in.
pub const GROUP: &str = "Meter/Production";

/// When scenes begin, Unix seconds.
const BEGIN_S: u64 = 1_900_000_000;

/// The most seconds between two steps.
const STEP_S_MAX: u64 = 20;

/// The most steps that one device may need in a day.
const STEPS_MAX: usize = 40;

/// What a scene is made of.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Draws everything.
    pub seed: Seed,
    /// How many devices.
    pub devices: u64,
}

/// A scene.
pub struct Scene {
    /// The clock of service and scene.
    pub clock: SimClock,
    /// The service.
    pub house: House,
    /// The maker's keys.
    pub maker: Maker,
    /// The catalog.
    pub catalog: CatalogId,
    /// The devices.
    pub devices: Vec<Device>,
    /// What is published.
    pub releases: Vec<Release>,
    /// What must hold after every step.
    pub watch: Watch,
    /// What happened, step by step.
    pub trace: Vec<(u64, Event)>,
    /// The newest deployment.
    pub deployment: Option<Deployment>,
    seed: Seed,
    schedule: Stream,
    _data: TempDir,
}

impl Scene {
    /// The service, a catalog with a product, and claimed devices that are off.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn open(plan: Plan) -> Result<Self> {
        let (data, clock) = (tempfile::tempdir()?, SimClock::at(BEGIN_S));
        let day = Duration::from_secs(24 * 3600);
        let policy = Policy { certificate: day, check_in_every: day };
        let folder = data.path().to_owned();
        let setting = Setting { seed: plan.seed, clock: clock.clone(), policy, data: folder };
        let house = House::open(setting).await?;
        let maker = Maker::of(plan.seed);
        let operator = house.operator()?;
        let catalog = create_catalog(&operator, &maker).await?;
        let runtime = release::publish_runtime(&operator, catalog, &maker).await?;
        let made = Made { operator: &operator, catalog, maker: &maker, runtime };
        let devices = made.devices(plan.seed, 0..plan.devices).await?;
        Ok(Self {
            clock,
            catalog,
            house,
            maker,
            devices,
            releases: Vec::new(),
            watch: Watch::default(),
            trace: Vec::new(),
            deployment: None,
            seed: plan.seed,
            schedule: plan.seed.stream("schedule", 0),
            _data: data,
        })
    }

    /// Publishes a release after the newest one, with a delta from it.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn publish(
        &mut self,
        security_version: u64,
        behaviour: crate::Behaviour,
    ) -> Result<SetId> {
        let operator = self.house.operator()?;
        let version = 1 + self.releases.len() as u64;
        let before = self.releases.last();
        let edition = Edition { version, security_version, before, behaviour };
        let published =
            release::publish(&operator, self.catalog, &self.maker, self.seed, edition).await?;
        self.watch.admitted.insert(published.set);
        let set = published.set;
        self.releases.push(published);
        Ok(set)
    }

    /// Deploys a set to the group.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn deploy(
        &mut self,
        set: SetId,
        waves: Vec<Wave>,
        pause_rule: PauseRule,
    ) -> Result<()> {
        let (group, image_set) = (GROUP.to_owned(), ImageSetId(set.0));
        let asked = DeploymentCreate { group, image_set, waves, pause_rule };
        let path = format!("/v1/catalogs/{}/deployments", self.catalog);
        self.deployment = Some(self.house.operator()?.post(&path, &asked).await?);
        Ok(())
    }

    /// Does one thing to the newest deployment: `advance`, `resume`, `revert`.
    ///
    /// # Errors
    /// The service's refusals; without a deployment.
    pub async fn act(&mut self, what: &str) -> Result<()> {
        let Some(deployment) = &self.deployment else { bail!("nothing is deployed") };
        let path = format!("/v1/catalogs/{}/deployments/{}/{what}", self.catalog, deployment.id);
        self.deployment = Some(self.house.operator()?.act(&path).await?);
        Ok(())
    }

    /// The newest deployment as the service shows it now.
    ///
    /// # Errors
    /// The service's refusals; without a deployment.
    pub async fn deployed(&mut self) -> Result<Deployment> {
        let Some(deployment) = &self.deployment else { bail!("nothing is deployed") };
        let path = format!("/v1/catalogs/{}/deployments/{}", self.catalog, deployment.id);
        let shown: Deployment = self.house.operator()?.get(&path).await?;
        self.deployment = Some(shown.clone());
        Ok(shown)
    }

    /// One day: every device wakes, and devices act in a drawn order until all are quiet. Then
    /// comes the night.
    ///
    /// # Errors
    /// An invariant that does not hold, or a device that never gets quiet.
    pub async fn day(&mut self) -> Result<()> {
        self.part_of_day(usize::MAX).await
    }

    /// The first `steps` steps of a day; the rest of it does not happen.
    ///
    /// # Errors
    /// As [`Scene::day`].
    pub async fn part_of_day(&mut self, steps: usize) -> Result<()> {
        self.house.work().await?;
        self.devices.iter_mut().for_each(Device::wake);
        let mut busy: Vec<usize> = (0..self.devices.len()).collect();
        let mut left = STEPS_MAX * self.devices.len();
        let mut done = 0;
        while !busy.is_empty() && done < steps {
            let at = self.schedule.below(busy.len() as u64) as usize;
            if self.step(busy[at]).await? == Event::Quiet {
                busy.swap_remove(at);
            }
            done += 1;
            left -= 1;
            if left == 0 {
                bail!("devices {busy:?} do not get quiet");
            }
        }
        self.clock.pass(24 * 3600);
        Ok(())
    }

    /// One step of one device, the service's background work after it, and every invariant.
    async fn step(&mut self, at: usize) -> Result<Event> {
        self.clock.pass(self.schedule.below(STEP_S_MAX + 1));
        let peer = self.house.peer().clone();
        let world = World { peer: &peer, releases: &self.releases, seed: self.seed };
        let device = &mut self.devices[at];
        let before = self.watch.before(device, &self.house, self.catalog)?;
        let event = device.step(&world).await?;
        self.watch.after(before, device, &event, &self.house, self.catalog)?;
        self.house.work().await?;
        self.trace.push((at as u64, event.clone()));
        Ok(event)
    }

    /// How many devices run a set, confirmed.
    #[must_use]
    pub fn confirmed_on(&self, set: SetId) -> usize {
        let on = |device: &&Device| device.slots().confirmed() == Some(set);
        self.devices.iter().filter(on).count()
    }

    /// Ends the scene.
    pub async fn close(mut self) {
        self.house.stop().await;
    }
}

/// A catalog with a product, and who made it.
///
/// # Errors
/// The service's refusals.
pub async fn create_catalog(operator: &Operator, maker: &Maker) -> Result<CatalogId> {
    let info: ServiceInfo = operator.get("/v1/service").await?;
    let asked = CatalogCreate {
        name: "simulated".into(),
        owner_section: Base64(maker.owner_section(&info)?),
        platform_section: Base64(maker.platform_section()?),
    };
    let catalog: Catalog = operator.post("/v1/catalogs", &asked).await?;
    let product = ProductCreate {
        name: "Meter".into(),
        description: "simulated".into(),
        least_class: RotClass::Software,
        default_groups: true,
    };
    let path = format!("/v1/catalogs/{}/products", catalog.id);
    let _: Product = operator.post(&path, &product).await?;
    Ok(catalog.id)
}

/// What devices are made with.
pub struct Made<'m> {
    /// Who claims them.
    pub operator: &'m Operator,
    /// Their catalog.
    pub catalog: CatalogId,
    /// Whose keys they believe.
    pub maker: &'m Maker,
    /// Their runtime's digest.
    pub runtime: Digest,
}

impl Made<'_> {
    /// Manufactures devices and claims them into [`GROUP`]; they are off.
    ///
    /// # Errors
    /// The service's refusals, and the root of trust's.
    pub async fn devices(&self, seed: Seed, numbers: Range<u64>) -> Result<Vec<Device>> {
        let info: ServiceInfo = self.operator.get("/v1/service").await?;
        let owner = self.maker.owner_section(&info)?;
        let platform = self.maker.platform_section()?;
        let path = format!("/v1/catalogs/{}/devices", self.catalog);
        let mut devices = Vec::new();
        for number in numbers {
            let mut device = Device::manufacture(seed, number, self.maker, &platform)?;
            let claim = DeviceClaim {
                device: DeviceId(device.id.0),
                endorsement: Base64(device.endorsement.clone()),
                group: Some(GROUP.to_owned()),
            };
            let _: craton_api::operator::Device = self.operator.post(&path, &claim).await?;
            device.claim(&owner, self.runtime)?;
            devices.push(device);
        }
        Ok(devices)
    }
}
