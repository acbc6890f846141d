//! What an owner says reaches a device, with real processes: a rotated publisher key, a refused
//! successor, a capability for one boot, a transfer.

use craton_trust::Error as Refusal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);
const GROUP: &str = "Lamp/Development";

/// A process that ends with the test, in order.
struct Running(Child);

impl Running {
    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// One user's folders, with a service and a catalog.
struct World {
    folder: TempDir,
    service: String,
    _up: Running,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A sandbox of root's runs as another user, who must pass to the app's files.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data = folder.path().join("service");
        let mut up = Command::new(env!("CARGO_BIN_EXE_craton"));
        up.args(["up", "--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"]);
        up.args(["--check-in-every-s", "1", "--data"]).arg(&data);
        let log = fs::File::create(folder.path().join("service.log")).unwrap();
        let up = Running(up.stdout(log).stdin(Stdio::null()).spawn().unwrap());
        let world = Self { folder, service: String::new(), _up: up };
        world.until("the service", || data.join("operator-token").exists());
        world.until("the login", || {
            world.craton(&["login", "--data", path(&data)]).status.success()
        });
        world.ok(&["catalog", "create", "acme", "--dev"]);
        world.ok(&["product", "create", "Lamp"]);
        let profile = fs::read(world.folder.path().join("config/craton/profile.json")).unwrap();
        let profile: Value = serde_json::from_slice(&profile).unwrap();
        let service = profile["service"].as_str().unwrap().to_owned();
        Self { service, ..world }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_craton"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command.env("XDG_DATA_HOME", self.folder.path().join("data"));
        command.stdin(Stdio::null());
        command
    }

    fn craton(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.craton(arguments);
        let erred = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {erred}{}", self.logs());
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The words of a refusal.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.craton(arguments);
        assert!(!output.status.success(), "{arguments:?} was not refused");
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let since = Instant::now();
        while !done() {
            assert!(since.elapsed() < PATIENCE, "{what} did not happen{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("device.log")).unwrap_or_default();
        format!("\nthe device said:\n{log}")
    }

    fn device_folder(&self) -> PathBuf {
        self.folder.path().join("device")
    }

    /// A device of this catalog.
    fn device(&self) -> String {
        let folder = self.device_folder();
        let made = self.json(&["device", "manufacture", "--folder", path(&folder)]);
        self.ok(&["device", "claim", "--folder", path(&folder), "--group", GROUP]);
        made["device"].as_str().unwrap().to_owned()
    }

    fn run(&self) -> Running {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("device.log"))
            .unwrap();
        let folder = self.device_folder();
        let arguments =
            ["device", "run", "--service", &self.service, "--steady-s", "1", "--folder"];
        let mut command = self.command(&arguments);
        Running(command.arg(&folder).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn said(&self, words: &str) -> bool {
        fs::read_to_string(self.folder.path().join("device.log")).unwrap().contains(words)
    }

    /// What `craton device status` shows, which is this file.
    fn status(&self) -> Value {
        let text = fs::read(self.device_folder().join("status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn shown(&self, device: &str) -> Value {
        self.json(&["device", "show", device])
    }

    /// Packs and signs one version of the sample; returns its package.
    fn package(&self, version: u64, key: Option<&str>) -> String {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
        let source = samples.join(format!("blink/v{version}"));
        let app = self.folder.path().join(format!("app-{version}"));
        fs::create_dir_all(app.join("bin")).unwrap();
        fs::copy(source.join("app_manifest.json"), app.join("app_manifest.json")).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let options = format!("@{}", samples.join("rustc.args").display());
        let mut build = Command::new(rustc);
        build.current_dir(&source).arg(options).args(["--crate-name", "blink", "-Cstrip=symbols"]);
        build.arg("-o").arg(app.join("bin/app")).arg("src/main.rs");
        assert!(build.status().unwrap().success());
        let out = self.folder.path().join(format!("out-{version}"));
        fs::create_dir_all(&out).unwrap();
        let number = format!("{version}.0.0");
        self.ok(&["image", "pack", path(&app), "--version", &number, "--out", path(&out)]);
        let packed = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
        let packed = packed.filter(|it| it.extension().is_some_and(|word| word == "unsigned"));
        let packed = packed.last().expect("a package");
        let signed = self.folder.path().join(format!("{version}.image"));
        let mut arguments = vec!["image", "sign", path(&packed), "--out", path(&signed)];
        arguments.extend(key.into_iter().flat_map(|key| ["--key", key]));
        self.ok(&arguments);
        path(&signed).to_owned()
    }

    /// Publishes a package, deploys it, and waits until the device has confirmed it.
    fn update(&self, device: &str, version: u64, key: Option<&str>) -> String {
        let package = self.package(version, key);
        let mut arguments = vec!["image-set", "create", &package];
        arguments.extend(key.into_iter().flat_map(|key| ["--key", key]));
        let set = self.ok(&arguments);
        let name = format!("blink {version}.0.0");
        assert!(set.contains(&name), "{set}");
        self.ok(&["deployment", "create", GROUP, &name]);
        let wanted = self.json(&["image-set", "show", &name])["id"].clone();
        self.until("the confirmed update", || {
            let shown = self.shown(device);
            shown["attested_set"] == wanted && shown["trial"] == "confirmed"
        });
        wanted.as_str().unwrap().to_owned()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_rotated_publisher_reaches_the_device_and_an_orphaning_successor_neither_side() {
    let world = World::new();
    let device = world.device();
    let running = world.run();
    world.update(&device, 1, None);
    let old = world.ok(&["trust-store", "show"]);
    let publisher =
        old.lines().find(|line| line.contains("owner 1 ") && line.contains(" publisher "));
    let publisher = publisher.unwrap().split_whitespace().nth(6).unwrap().to_owned();
    world.ok(&["key", "create", "next.key", "--dev"]);
    // With an overlap: both keys are believed until every device runs what the new one signed.
    world.ok(&["trust-store", "propose", "--add", "publisher=next.pub", "--out", "two"]);
    let unsigned = world.refused(&["trust-store", "submit", "two"]);
    assert!(unsigned.contains("E6162"), "{unsigned}");
    world.ok(&["trust-store", "sign", "two"]);
    world.ok(&["trust-store", "submit", "two"]);
    world.until("the successor", || world.said("1 successors of the trust store taken"));
    // A successor without the old key would leave the device without its software.
    let remove = format!("publisher={publisher}");
    world.ok(&["trust-store", "propose", "--remove", &remove, "--out", "early"]);
    world.ok(&["trust-store", "sign", "early"]);
    let service = world.refused(&["trust-store", "submit", "early"]);
    assert!(service.contains("E4182"), "SetOrphaned: {service}");
    running.stop();
    let folder = world.device_folder();
    let early = ["device", "trust-store", "apply", "--folder", path(&folder), "early"];
    let here = world.refused(&early);
    assert!(here.contains(&format!("E{}", Refusal::SuccessorOrphans.code())), "{here}");
    let running = world.run();
    // It runs on as before, and takes an update by the new key.
    let two = world.update(&device, 2, Some("next.key"));
    let attested = world.shown(&device)["attested_set"].clone();
    assert_eq!(attested.as_str(), Some(two.as_str()));
    let log = world.ok(&["audit", "leaves", "--json"]);
    // Both first versions, and the one successor that was taken.
    assert_eq!(log.matches("\"trust-store\"").count(), 3, "{log}");
    running.stop();
}

#[test]
fn a_capability_opens_one_boot_in_mode_debug_and_the_next_is_normal() {
    let world = World::new();
    let device = world.device();
    let folder = world.device_folder();
    let folder = path(&folder);
    let running = world.run();
    world.update(&device, 1, None);
    let runs = world.refused(&["device", "capability", "challenge", "--folder", folder]);
    assert!(runs.contains("E5511"), "DeviceRuns: {runs}");
    running.stop();
    world.ok(&["device", "capability", "challenge", "--folder", folder]);
    world.ok(&["device", "capability", "request", "capability.challenge"]);
    let apply = ["device", "capability", "apply", "--folder", folder, "capability.cbor"];
    world.ok(&apply);
    let twice = world.refused(&apply);
    assert!(twice.contains(&format!("E{}", craton_rot::Error::NoChallenge.code())), "{twice}");
    let before = world.shown(&device);
    let running = world.run();
    world.until("the debug boot", || world.status()["mode"] == "debug");
    world.until("its evidence", || world.shown(&device)["mode"] == "debug");
    world.until("its apps", || world.status()["apps"][0]["up_ms"].as_u64() > Some(1_500));
    let service = world.status()["service"].as_str().unwrap().to_owned();
    assert!(service.contains("no certificate to a boot in mode debug"), "{service}");
    let during = world.shown(&device);
    for field in ["certificate_serial", "last_seen_s", "attested_set", "trial"] {
        assert_eq!(during[field], before[field], "{field} is of the boot before");
    }
    running.stop();
    assert!(!world.said("falls back"), "{}", world.logs());
    let running = world.run();
    world.until("the normal boot", || world.status()["mode"] == "normal");
    world.until("a check-in", || world.shown(&device)["mode"] == "normal");
    assert_ne!(world.shown(&device)["certificate_serial"], before["certificate_serial"]);
    running.stop();
}

#[test]
fn kill_9_while_a_successor_is_taken_leaves_the_old_or_the_new_one() {
    let world = World::new();
    let device = world.device();
    world.ok(&["key", "create", "next.key", "--dev"]);
    world.ok(&["trust-store", "propose", "--add", "publisher=next.pub", "--out", "two"]);
    world.ok(&["trust-store", "sign", "two"]);
    let made = world.folder.path().join("made");
    copy_files(&world.device_folder(), &made);
    let (mut old, mut new) = (0, 0);
    for delay_ms in (0..400u64).step_by(20) {
        fs::remove_dir_all(world.device_folder()).unwrap();
        copy_files(&made, &world.device_folder());
        let folder = world.device_folder();
        let apply = ["device", "trust-store", "apply", "--folder", path(&folder), "two"];
        let mut applying = world.command(&apply).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        applying.kill().unwrap();
        applying.wait().unwrap();
        // Taken again: the old one is whole if it takes the successor, the new one if it says
        // that it is at that version.
        let again = world.craton(&apply);
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        if again.status.success() {
            old += 1;
        } else {
            assert!(said.contains(&format!("E{}", Refusal::SuccessorVersion.code())), "{said}");
            new += 1;
        }
    }
    assert_eq!(old + new, 20);
    // And it still boots, attests and checks in.
    world.ok(&["trust-store", "submit", "two"]);
    let running = world.run();
    world.until("a check-in", || world.shown(&device)["state"] == "claimed");
    running.stop();
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o711)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
