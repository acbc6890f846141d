//! A virtual device: made, claimed, run as `craton device run`, and looked at while it rests.

use crate::maker::{CLASS, GROUP, Maker, Own, seal};
use crate::power::{Interrupt, Power};
use crate::processes::{self, until};
use crate::service::{CRATON, log_file, read_log};
use craton_api::operator::{Base64, DeviceClaim, DeviceId};
use craton_device::believed::Believed;
use craton_device::folder::{ENDORSEMENT_FILE, ROT_FILE};
use craton_device::installed;
use craton_device::monitor::DeviceStatus;
use craton_device::slot_file::SlotFile;
use craton_rot::platform::file::FilePlatform;
use craton_rot::{Action, Engine, Manufacture, Order, RootOfTrust as _, SECTION_MAX, Start};
use craton_trust::cose::Kind;
use craton_trust::crypto::Crypto as _;
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::evidence::Lifecycle;
use craton_trust::slots::Slots;
use craton_trust::soft::Soft;
use craton_trust::store::{KeptSection, SectionKind};
use craton_trust::{SetId, Signed};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// What a device writes for its readers only: believed by nobody, and written all the time.
pub const STATUS: &[&str] = &["status.new", "status.json"];

/// How a device is run.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub service: SocketAddr,
    pub steady_s: u64,
    pub trial_s: u64,
    pub environment: &'a [(&'a str, String)],
}

impl Run<'_> {
    /// Quick trials.
    pub fn quick(service: SocketAddr) -> Self {
        Self { service, steady_s: 0, trial_s: 60, environment: &[] }
    }
}

/// A device that was made and claimed.
pub struct Device {
    /// Its folder.
    pub folder: PathBuf,
    /// What it said on standard error.
    pub log: PathBuf,
    /// Its id.
    pub id: DeviceId,
}

/// What a device at rest is.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Its slots.
    pub slots: Slots,
    /// What its root of trust says.
    pub rot: craton_rot::Status,
}

impl Device {
    /// Makes a device in `folder` and has it claimed for the maker's catalog.
    pub fn make(maker: &Maker, folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let (platform, owner) = &maker.sections;
        let code = b"drill";
        let claim_code = Soft.sha256(&[code]);
        let with = Manufacture { platform_section: platform, claim_code, class: CLASS };
        let file = FilePlatform::create(&folder.join(ROT_FILE)).unwrap();
        let mut rot = Engine::manufacture(file, Soft, &with).unwrap();
        let manufacturer = Own::Manufacturer.key();
        let action = Action::Lifecycle(Lifecycle::Module1Complete);
        let order = Order { device: rot.device(), epoch: rot.status().unwrap().epoch, action };
        let mut room = [0u8; 512];
        let order = seal(Kind::Lifecycle, order.encode(&mut room).unwrap(), &manufacturer);
        rot.advance_lifecycle(&order).unwrap();
        let (identity, class) = (rot.identity(), RotClass::Software);
        let endorsement = Endorsement { identity, rot: class, class: CLASS, claim_code };
        let endorsement = endorsement.encode(&mut room).unwrap();
        let endorsement = seal(Kind::Endorsement, endorsement, &manufacturer);
        fs::write(folder.join(ENDORSEMENT_FILE), &endorsement).unwrap();
        let id = DeviceId(rot.device().0);
        let mut rot = rot.restart(Start::Normal).unwrap();
        rot.claim(code, owner).unwrap();
        drop(rot);
        let claim =
            DeviceClaim { device: id, endorsement: Base64(endorsement), group: Some(GROUP.into()) };
        let _: craton_api::operator::Device =
            maker.operator.post(&maker.path("devices"), &claim).unwrap();
        Self { log: folder.with_extension("log"), folder, id }
    }

    /// The command that runs it.
    pub fn command(&self, run: &Run<'_>) -> Command {
        let mut command = Command::new(CRATON);
        command.args(["device", "run", "--service", &run.service.to_string()]);
        command.args(["--steady-s", &run.steady_s.to_string()]);
        command.args(["--trial-s", &run.trial_s.to_string()]);
        command.arg("--folder").arg(&self.folder);
        command.envs(run.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file(&self.log));
        command
    }

    /// Starts it.
    pub fn run(&self, run: &Run<'_>) -> Running {
        Running(self.command(run).spawn().unwrap())
    }

    /// Starts it on a power switch.
    pub fn run_on(&self, run: &Run<'_>, interrupt: Interrupt) -> Power {
        Power::start(self.command(run), &self.folder, STATUS, interrupt)
    }

    /// What it says of itself.
    pub fn status(&self) -> Option<DeviceStatus> {
        DeviceStatus::read(&self.folder)
    }

    /// Whether it runs `set`, confirmed, by the words of the monitor of this process.
    pub fn runs_confirmed(&self, monitor: u32, set: SetId) -> bool {
        self.status().is_some_and(|status| {
            let set_runs = !status.trial && status.set == Some(set.to_string());
            status.pid == monitor && set_runs && status.apps.iter().all(|app| app.up_ms.is_some())
        })
    }

    /// Waits until it runs `set`, confirmed.
    pub fn until_confirmed(&self, running: &Running, set: SetId) {
        let monitor = running.pid();
        self.until("a confirmed set", || self.runs_confirmed(monitor, set).then_some(()));
    }

    /// Waits; its log is shown if nothing comes.
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(what, look)));
        waited.unwrap_or_else(|_| {
            panic!("{what} did not come. {:?}\n{}", self.status(), read_log(&self.log))
        })
    }

    /// The slots on its disk.
    pub fn slots(&self) -> Slots {
        SlotFile::of(&self.folder).read().unwrap()
    }

    /// Looks at the device while it does not run: slots and root of trust can be read, and the
    /// confirmed set is whole, by the same check that every boot makes.
    pub fn rest(&self) -> Rest {
        let slots = self.slots();
        let path = self.folder.join(ROT_FILE);
        // A role that nobody killed ends with its input, a moment after its monitor.
        let rot = until("the root of trust", || match Engine::open(&path, Soft, Start::Normal) {
            Err(craton_rot::Error::StorageLocked) => None,
            opened => Some(opened.unwrap()),
        });
        let status = rot.status().unwrap();
        let mut room = vec![0u8; SECTION_MAX];
        let owner = rot.section(SectionKind::Owner, &mut room).unwrap();
        let payload = Signed::parse(owner).unwrap().unchecked_payload();
        let owner = KeptSection::parse(payload.to_vec()).unwrap();
        let believed = Believed {
            owner,
            catalog: status.owner.unwrap(),
            class: CLASS,
            development: true,
            debug: false,
            floors: status.floors,
        };
        if let Some(confirmed) = slots.confirmed() {
            installed::open(&self.folder, confirmed, &believed).unwrap();
        }
        Rest { slots, rot: status }
    }
}

impl Rest {
    /// Whether no floor, time or counter is lower than it was.
    pub fn is_not_below(&self, before: &Rest) -> bool {
        let (now, then) = (&self.rot, &before.rot);
        then.floors.iter().all(|(component, floor)| now.floors.of(component) >= floor)
            && now.time_floor >= then.time_floor
            && now.checkpoint_size >= then.checkpoint_size
            && (now.boot, now.check_in) >= (then.boot, then.check_in)
    }

    /// The set that failed its trial last.
    pub fn failed(&self) -> Option<SetId> {
        self.slots.failed
    }
}

/// A device that runs.
pub struct Running(Child);

impl Running {
    /// A device that was started in another way.
    pub fn of(child: Child) -> Self {
        Self(child)
    }

    /// The monitor's process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// `SIGTERM`, and its end.
    pub fn stop(mut self) -> ExitStatus {
        processes::terminate(&mut self.0)
    }

    /// The power goes.
    pub fn cut(mut self) {
        processes::cut(&mut self.0);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        processes::cut(&mut self.0);
    }
}

/// A folder whose name others may pass through, as the users that apps run as must.
pub fn passage() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// The folder of a device below `folder`.
pub fn device_folder(folder: &Path) -> PathBuf {
    folder.join("lamp-1")
}
