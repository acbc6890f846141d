//! The steps, in order.

use super::build::{BLINK, Built, Sample, build};
use super::ui::Steps;
use super::{Quickstart, RotKind};
use crate::board::Board;
use crate::boot_approval::{Chosen, Generation, approve_own};
use crate::client::{Access, Client};
use crate::error::CliError;
use crate::home::{Home, Profile, make_passage};
use crate::keys::Unlock;
use crate::owner::Plan;
use crate::platform::Publisher;
use crate::publish::Part;
use crate::swtpm::Swtpm;
use crate::{owner, publish, up, virtual_device};
use anyhow::{Context as _, Result};
use craton_api::operator::{
    CatalogId, Deployment, DeploymentState, Device, DeviceId, FailureGroup, FailureGroupList,
    ImageSet, ImageSetId, PauseRule, Product, ProductCreate, Purpose, RotClass, Symbols,
    TrialOutcome,
};
use craton_cloud::app::check_in::Policy;
use craton_cloud::{Config, Service};
use craton_device::rot::Place;
use craton_image::package::Package;
use craton_trust::soft::SoftKey;
use rustix::fs::{FlockOperation, flock};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The group that the virtual device is in.
const GROUP: &str = "Lamp/Development";
/// How often the device checks in; a real one comes once a day.
const CHECK_IN_EVERY: Duration = Duration::from_secs(1);
/// How long a trial's apps must be steady.
const STEADY_S: &str = "2";
/// How long one step may take before quickstart gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the steps share.
struct Stage {
    home: Home,
    folder: PathBuf,
    service: Service,
    client: Client,
    catalog: CatalogId,
    device: Option<(DeviceId, Running)>,
    with: Quickstart,
    chip: Option<Chip>,
}

/// What the device's root of trust is in, if that is not the device's process. It ends with us.
#[expect(dead_code, reason = "held until it is dropped")]
enum Chip {
    Board(Board),
    Tpm(Swtpm),
}

impl Stage {
    fn key(&self, name: &str) -> Result<SoftKey> {
        self.home.catalog(self.catalog).key(name, &Unlock::default())
    }
}

fn late(what: &str) -> anyhow::Error {
    CliError::StepLate { what: what.to_owned(), seconds: PATIENCE.as_secs() }.into()
}

/// The device's process; it ends with us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first: the monitor stops its apps in order.
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + Duration::from_secs(12);
        while Instant::now() < until && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs quickstart from a clean beginning to its end.
///
/// # Errors
/// The first step's that fails, with what to do.
pub async fn run(with: &Quickstart, home: &Home) -> Result<()> {
    let folder = home.quickstart();
    let _alone = alone(folder.parent().unwrap_or(&folder))?;
    clear(&folder)?;
    make_passage(&folder)?;
    println!("\nCraton quickstart: the main job on this machine\n");
    let mut steps = Steps::new();
    let mut stage = begin(&mut steps, with, &folder).await?;
    let outcome = journey(&mut steps, &mut stage).await;
    if let Err(error) = &outcome {
        show_log(&stage.folder, error);
    }
    if let (Ok(group), true) = (&outcome, with.keep) {
        summary(&steps, &stage, group);
        println!("\nIt runs until you press Ctrl-C.");
        up::stopped().await?;
    } else if let Ok(group) = &outcome {
        summary(&steps, &stage, group);
    }
    let Stage { service, device, chip, client, .. } = stage;
    drop(client);
    tokio::task::block_in_place(|| drop((device, chip)));
    service.shutdown().await;
    if !with.keep && outcome.is_ok() {
        std::fs::remove_dir_all(&folder)?;
    }
    outcome.map(|_| ())
}

/// Locks the folder that quickstarts are made in, for as long as the returned value lives: a second
/// one would clear away what the first one runs on.
fn alone(data: &Path) -> Result<std::fs::File> {
    make_passage(data)?;
    let lock = std::fs::File::open(data)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| CliError::QuickstartRuns(data.to_owned()))?;
    Ok(lock)
}

fn clear(folder: &Path) -> Result<(), CliError> {
    if !folder.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(folder)
        .map_err(|error| CliError::QuickstartBusy(folder.to_owned(), error))
}

fn show_log(folder: &Path, error: &anyhow::Error) {
    eprintln!("\n{error:#}\n\nWhat the device said last ({}/device.log):", folder.display());
    let log = std::fs::read_to_string(folder.join("device.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(12)) {
        eprintln!("  {line}");
    }
}

async fn begin(steps: &mut Steps, with: &Quickstart, folder: &Path) -> Result<Stage> {
    let home = Home::below(folder);
    let data = home.service();
    let config = Config {
        device_listen: with.listen,
        dashboard_listen: with.dashboard,
        work_every_s: 1,
        ..Config::on_loopback(data.clone())
    };
    let policy = Policy { check_in_every: CHECK_IN_EVERY, ..Policy::default() };
    let master_key = up::master_key_of(&data);
    let service = steps
        .step("service", async {
            let service = up::start(&up::Up { config, master_key, policy }).await?;
            let (devices, _) = service.addresses();
            Ok((service, format!("https://{devices}, SQLite inside")))
        })
        .await?;
    let access = access(&service, &data)?;
    let mut client = Client::connect(&access).await?;
    let catalog = steps
        .step("catalog", async {
            let plan = Plan::dev();
            let catalog = owner::create(&mut client, &home, "quickstart", &plan).await?.catalog;
            let product = ProductCreate {
                name: "Lamp".into(),
                description: "The sample".into(),
                least_class: RotClass::Software,
                default_groups: true,
            };
            let path = format!("/v1/catalogs/{}/products", catalog.id);
            let _: Product = client.post(&path, &product).await?;
            Ok((catalog.id, format!("{:.8}…, root marked dev", catalog.id.to_string())))
        })
        .await?;
    home.write_profile(&Profile {
        service: access.address.clone(),
        service_key: access.service_key.0.iter().map(|byte| format!("{byte:02x}")).collect(),
        token: access.token,
        catalog: Some(catalog.to_string()),
    })?;
    let (folder, with) = (folder.to_owned(), with.clone());
    Ok(Stage { home, folder, service, client, catalog, device: None, with, chip: None })
}

/// The first token, and the key that is pinned: read from the data folder, which only its owner
/// can.
fn access(service: &Service, data: &Path) -> Result<Access> {
    let token = std::fs::read_to_string(data.join("operator-token"))?.trim().to_owned();
    let service_key = service.app().keys.service;
    let (address, _) = service.addresses();
    Ok(Access { address: address.to_string(), service_key, token })
}

async fn journey(steps: &mut Steps, stage: &mut Stage) -> Result<FailureGroup> {
    steps.step("device", make_device(stage)).await?;
    let publisher = stage.key("publisher")?;
    let builds = stage.folder.join("samples");
    let [one, two, three] = &BLINK;
    let make = |sample: &Sample| build(sample, &builds, &publisher);
    let v1 = steps
        .step("blink 1.0.0", async {
            let built = make(one)?;
            let said = format!("built, packed, signed ({} KiB)", kib(built.package.payload()));
            Ok((built, said))
        })
        .await?;
    steps.step("deploy 1.0.0", deploy_and_confirm(stage, &v1, None)).await?;
    let v2 = steps
        .step("blink 2.0.0", async {
            let built = make(two)?;
            Ok((built, "built, packed, signed".to_owned()))
        })
        .await?;
    let set2 =
        steps.step("deploy 2.0.0", deploy_and_confirm(stage, &v2, Some(&v1.package))).await?;
    let v3 = steps
        .step("blink 3.0.0", async {
            let built = make(three)?;
            Ok((built, "built, packed, signed; it has a mistake".to_owned()))
        })
        .await?;
    let deployed = steps.step("deploy 3.0.0", fall_back(stage, &v3, &v2.package, set2)).await?;
    let group = steps.step("failure", failure_group(stage)).await?;
    steps.step("rollout", paused(stage, deployed)).await?;
    Ok(group)
}

fn kib(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(1024)
}

async fn make_device(stage: &mut Stage) -> Result<((), String)> {
    let manufacturer = stage.key("manufacturer")?;
    let runtime = Publisher::of(stage.key("platform-publisher")?);
    let folder = stage.home.device("lamp-1");
    let place = place(stage, &folder, &runtime)?;
    let (client, catalog) = (&mut stage.client, stage.catalog);
    publish::publish_runtime(client, catalog, &runtime).await?;
    let section = craton_api::operator::Section::Platform;
    let platform = virtual_device::section(client, catalog, section).await?;
    let (made, rot) = virtual_device::manufacture(&manufacturer, &folder, &place, None, &platform)?;
    virtual_device::claim(client, catalog, Some(GROUP), &folder, &made).await?;
    let (service, _) = stage.service.addresses();
    let log = std::fs::File::create(stage.folder.join("device.log"))?;
    let child = Command::new(std::env::current_exe()?)
        .args(["device", "run", "--service", &service.to_string(), "--steady-s", STEADY_S])
        .arg("--until-input-ends")
        .arg("--folder")
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("the device could not be started")?;
    let id = DeviceId(made.device.0);
    stage.device = Some((id, Running(child)));
    let device = until(stage, "the first check-in", |device| device.last_seen_s.is_some()).await?;
    let isolation = device.isolation.as_deref().unwrap_or("idle");
    let (id, rot) = (id.to_string(), rot.name());
    let said = format!("{id:.8}…, rot: {rot}, attested ({isolation})");
    Ok(((), said))
}

/// Starts what the device's root of trust is in; the platform's publisher signs what is below it.
fn place(stage: &mut Stage, device: &Path, publisher: &Publisher) -> Result<Place> {
    let (place, chip) = match stage.with.rot {
        RotKind::Engine => return Ok(Place::Engine),
        RotKind::Firmware => {
            let (board, firmware) = (stage.folder.join("board"), &stage.with.firmware);
            Board::make(&board, firmware, publisher)?;
            let board = Board::power_on(&board, firmware)?;
            (Place::Mailbox(board.address().parse()?), Chip::Board(board))
        }
        RotKind::Tpm => {
            let tpm = Swtpm::start(&stage.folder.join("tpm"))?;
            let approver = publisher.es256();
            let (all, first) = (Chosen::of_firmware(), Generation::FIRST);
            approve_own(device, &tpm.address(), &all, first, approver)?;
            (Place::Tpm(tpm.address()), Chip::Tpm(tpm))
        }
    };
    stage.chip = Some(chip);
    Ok(place)
}

/// Waits until the device, as the service sees it, is as `wanted`.
async fn until(stage: &mut Stage, what: &str, wanted: impl Fn(&Device) -> bool) -> Result<Device> {
    let (id, _) = stage.device.as_ref().context("there is no device yet")?;
    let path = format!("/v1/catalogs/{}/devices/{id}", stage.catalog);
    let since = Instant::now();
    loop {
        let device: Device = stage.client.get(&path).await?;
        if wanted(&device) {
            return Ok(device);
        }
        if since.elapsed() > PATIENCE {
            return Err(late(what));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn publish_and_deploy(
    stage: &mut Stage,
    built: &Built,
    before: Option<&Package>,
) -> Result<(ImageSet, publish::Sizes, Deployment)> {
    let publisher = stage.key("publisher")?;
    let (client, catalog) = (&mut stage.client, stage.catalog);
    let path = format!("/v1/catalogs/{catalog}/symbols/{}", built.build_id);
    let _: Symbols = client.put_bytes(&path, built.symbols.clone()).await?;
    let purpose = Purpose::Development;
    let parts = [Part { package: &built.package, before }];
    let published = publish::publish_set(client, catalog, &parts, purpose, &publisher).await;
    let (set, sizes) = published?;
    let rule = PauseRule { failures: 1, outcomes: 1 };
    let deployment = publish::deploy(client, catalog, GROUP, &set, rule).await?;
    Ok((set, sizes, deployment))
}

async fn deploy_and_confirm(
    stage: &mut Stage,
    built: &Built,
    before: Option<&Package>,
) -> Result<(ImageSetId, String)> {
    let (set, sizes, _) = publish_and_deploy(stage, built, before).await?;
    let confirmed = |device: &Device| {
        device.attested_set == Some(set.id) && device.trial == Some(TrialOutcome::Confirmed)
    };
    let device = until(stage, "the confirmed update", confirmed).await?;
    let isolation = device.isolation.as_deref().unwrap_or("idle");
    let sent = match sizes.delta {
        Some(delta) => format!("delta {} KiB of {} KiB", delta / 1024, sizes.whole / 1024),
        None => format!("whole, {} KiB", sizes.whole / 1024),
    };
    Ok((set.id, format!("{sent}, tried, confirmed, isolation: {isolation}")))
}

async fn fall_back(
    stage: &mut Stage,
    built: &Built,
    before: &Package,
    old: ImageSetId,
) -> Result<(Deployment, String)> {
    let (_, _, deployment) = publish_and_deploy(stage, built, Some(before)).await?;
    let back = |device: &Device| {
        device.attested_set == Some(old) && device.trial == Some(TrialOutcome::FellBack)
    };
    until(stage, "the fallback", back).await?;
    Ok((deployment, "crashed on trial, fell back to 2.0.0 by itself".to_owned()))
}

async fn failure_group(stage: &mut Stage) -> Result<(FailureGroup, String)> {
    let path = format!("/v1/catalogs/{}/failures/groups", stage.catalog);
    let since = Instant::now();
    loop {
        let groups: FailureGroupList = stage.client.get(&path).await?;
        let crash = groups.items.into_iter().find(|group| group.title.contains("SIG"));
        if let Some(group) = crash {
            let said = group.title.clone();
            return Ok((group, said));
        }
        if since.elapsed() > PATIENCE {
            return Err(late("the failure report"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn paused(stage: &mut Stage, deployed: Deployment) -> Result<((), String)> {
    let path = format!("/v1/catalogs/{}/deployments/{}", stage.catalog, deployed.id);
    let since = Instant::now();
    loop {
        let deployment: Deployment = stage.client.get(&path).await?;
        if deployment.state == DeploymentState::Paused {
            let reason = deployment.reason.unwrap_or_default();
            return Ok(((), format!("paused by itself: {reason}")));
        }
        if since.elapsed() > PATIENCE {
            return Err(late("the rollout's pause"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn summary(steps: &Steps, stage: &Stage, group: &FailureGroup) {
    let (_, dashboard) = stage.service.addresses();
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["what", "came of it"]);
    for (what, said) in steps.rows() {
        table.add_row([what, said]);
    }
    println!("\n{table}");
    println!("\nAll five steps in {:.1} s.", steps.elapsed().as_secs_f64());
    println!("The crash, symbolised: {}", group.title);
    println!("\ndashboard  http://{dashboard}/");
    println!("next       craton quickstart --keep   leaves it running, to look around");
    println!("           craton up                  starts a service of your own");
    println!("           craton --help              lists everything else");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_cleared_is_quickstart_busy() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("quickstart");
        std::fs::write(&in_the_way, "").unwrap();
        assert!(matches!(clear(&in_the_way), Err(CliError::QuickstartBusy(..))));
        assert!(clear(&folder.path().join("none")).is_ok());
    }

    #[test]
    fn a_second_quickstart_is_quickstart_runs_until_the_first_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let first = alone(folder.path()).unwrap();
        let second: CliError = alone(folder.path()).unwrap_err().downcast().unwrap();
        assert!(matches!(second, CliError::QuickstartRuns(_)), "{second}");
        drop(first);
        assert!(alone(folder.path()).is_ok());
    }

    #[test]
    fn what_does_not_happen_in_time_is_step_late_and_says_where_to_look() {
        let late: CliError = late("the fallback").downcast().unwrap();
        assert!(matches!(late, CliError::StepLate { seconds: 60, .. }));
        assert!(late.to_string().contains("the fallback did not happen in 60 s"));
    }
}
