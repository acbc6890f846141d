//! The apps role as the monitor runs it: a process of its own that starts what verified manifests
//! order, starts it again, counts what it was refused, and stops it.

mod sandbox_app;

use craton_device::installed::{self, AppPayload, InstalledApp};
use craton_device::ipc::{Role, RoleProgram, event};
use craton_device::roles::{AppOrder, AppStatus, AppsAnswer, AppsEvent, AppsQuestion};
use craton_image::erofs::{self, Tree};
use craton_image::{app_manifest, package::sha256};
use craton_trust::failure::{Failure, FailureKind};
use craton_trust::{ComponentId, ImageId};
use sandbox_app::{full_isolation, package, say};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A device's folder with an apps role at work.
struct Apps {
    role: Role,
    events: Receiver<String>,
    folder: tempfile::TempDir,
}

impl Apps {
    fn new() -> Apps {
        let folder = tempfile::tempdir().expect("a temporary folder");
        sandbox_app::open_to_all(folder.path());
        install(folder.path());
        let program = env!("CARGO_BIN_EXE_craton-apps").into();
        let program = RoleProgram { program, arguments: Vec::new() };
        let (sender, events) = channel();
        let role = Role::start(&program, "apps", folder.path(), Some(sender));
        Apps { role: role.expect("the role starts"), events, folder }
    }

    /// An app of that number, as its manifest with these arguments and capabilities orders it.
    fn order(&self, number: u8, arguments: &[&str], capabilities: &str) -> AppOrder {
        let text = format!(
            "{{\"SchemaVersion\": 1, \"Name\": \"app{number}\", \"EntryPoint\": \"/bin/app\", \
             \"ComponentId\": \"00000000-0000-0000-0000-0000000000{number:02x}\", \
             \"CmdArgs\": {arguments:?}, \"Capabilities\": {{{capabilities}}}}}"
        );
        let manifest = app_manifest::parse(text.as_bytes()).expect("a manifest");
        AppOrder::of(&InstalledApp {
            component: ComponentId([number; 16]),
            image: ImageId([number; 32]),
            payload: payload(self.folder.path()),
            root: self.folder.path().join("package"),
            manifest,
        })
    }

    fn start(&mut self, apps: Vec<AppOrder>) -> AppsAnswer {
        self.ask(&AppsQuestion::Start { apps, set: [1; 32], boot: 1 })
    }

    fn ask(&mut self, question: &AppsQuestion) -> AppsAnswer {
        self.role.ask(question, PATIENCE).expect("an answer")
    }

    /// The state of the only app, once `wanted` is true of it.
    fn await_app(&mut self, wanted: impl Fn(&AppStatus) -> bool) -> AppStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            let state = self.ask(&AppsQuestion::State);
            let app = state.apps.into_iter().next().expect("an app");
            if wanted(&app) {
                return app;
            }
            assert!(Instant::now() < until, "{app:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the next failed app's event says.
    fn failure(&self) -> String {
        self.failed().0
    }

    /// The words of the next failed app's event, and the kind and the signal of its record.
    fn failed(&self) -> (String, FailureKind, u8) {
        let line = self.events.recv_timeout(PATIENCE).expect("an event");
        let Some(AppsEvent::Failed { what, record, .. }) = event(&line) else { panic!("{line}") };
        let failure = Failure::parse(&record).expect("a record");
        (what, failure.kind, failure.signal)
    }
}

/// The package as an update leaves it: a payload, and its files unpacked beside it.
fn install(folder: &Path) {
    package(&folder.join("built"));
    let read = |path: &str| fs::read(folder.join("built").join(path)).expect("a file");
    let mut tree = Tree::new();
    tree.insert_directory("bin").expect("a folder");
    tree.insert_file("bin/app", read("bin/app"), true).expect("the program");
    tree.insert_file("data.txt", read("data.txt"), false).expect("a file");
    fs::write(folder.join("payload"), erofs::write(&tree)).expect("the payload");
    installed::unpack(&tree, &folder.join("package")).expect("the files");
}

fn payload(folder: &Path) -> AppPayload {
    let path = folder.join("payload");
    let bytes = fs::read(&path).expect("the payload");
    let size = bytes.len() as u64;
    AppPayload { path, digest: sha256(&bytes).0, size, data_size: size }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_manifests_server_port_is_open_while_its_app_runs() {
    if !full_isolation() {
        return;
    }
    let mut apps = Apps::new();
    let port = free_port();
    let listed = format!("\"AllowedTcpServerPorts\": [{port}]");
    let order = apps.order(1, &["serve", &port.to_string()], &listed);
    apps.start(vec![order]);
    let until = Instant::now() + PATIENCE;
    // The app may not listen yet; then the connection is closed without a word.
    let mut said = String::new();
    while said.is_empty() {
        assert!(Instant::now() < until, "nobody answers");
        if let Ok(mut client) = TcpStream::connect(("127.0.0.1", port)) {
            // A connection that is reset is tried again.
            let _ = client.read_to_string(&mut said);
        }
    }
    assert_eq!(said, "hello from inside");
    assert!(apps.ask(&AppsQuestion::Stop).apps.is_empty());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port stays open");
}

#[test]
fn what_the_proxy_refuses_is_counted_with_host_and_reason() {
    if !full_isolation() {
        return;
    }
    let mut apps = Apps::new();
    let listed = "\"AllowedConnections\": [\"example.com\"]";
    let order = apps.order(1, &["proxy-and-sleep", "evil.example", "443"], listed);
    apps.start(vec![order]);
    let app = apps.await_app(|app| app.refused > 0);
    let why = app.last_refusal.expect("the reason");
    assert!(app.refused == 1 && why.contains("E5120") && why.contains("evil.example:443"), "{why}");
}

#[test]
fn an_app_that_ends_is_started_again_after_a_growing_while() {
    let mut apps = Apps::new();
    let order = apps.order(1, &["exit", "", "3"], "");
    apps.start(vec![order]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        assert_eq!(apps.failure(), "ended with status 3");
        seen.push(Instant::now());
    }
    let waits: Vec<Duration> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // One second, then two; the first event may have been read late, never early.
    assert!(waits[1] > Duration::from_millis(1500), "{waits:?}");
}

#[test]
fn a_file_that_changed_between_two_starts_is_app_damaged_and_not_run() {
    let mut apps = Apps::new();
    let order = apps.order(1, &["exit", "", "3"], "");
    apps.start(vec![order]);
    assert_eq!(apps.failure(), "ended with status 3");
    let data = apps.folder.path().join("package/data.txt");
    fs::remove_file(&data).expect("the file goes");
    let mut failure = apps.failure();
    // One start may have been under way.
    if failure == "ended with status 3" {
        failure = apps.failure();
    }
    assert!(failure.starts_with("E5304"), "{failure}");
    assert!(apps.failure().starts_with("E5304"), "it is never run again");
}

#[test]
fn a_stubborn_app_gets_its_ten_seconds_and_is_killed() {
    let mut apps = Apps::new();
    let listed = "\"MutableStorage\": {\"SizeKB\": 1}";
    let order = apps.order(1, &["stubborn-and-tell"], listed);
    apps.start(vec![order]);
    let told = apps.folder.path().join("storage").join(ComponentId([1; 16]).to_string());
    let until = Instant::now() + PATIENCE;
    while !std::fs::metadata(&told).is_ok_and(|file| file.len() > 0) {
        assert!(Instant::now() < until, "it never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Instant::now();
    assert!(apps.ask(&AppsQuestion::Stop).apps.is_empty());
    assert!(asked.elapsed() >= Duration::from_secs(10), "{:?}", asked.elapsed());
    let (what, kind, signal) = apps.failed();
    assert_eq!((kind, signal), (FailureKind::Watchdog, 9), "{what}");
}

/// The process that runs the app with this argument, as the host sees it.
fn process_with(argument: &str) -> rustix::process::Pid {
    let until = Instant::now() + PATIENCE;
    // Under reduced isolation the path begins in the package's folder.
    let wanted = format!("/bin/app\0sleep\0{argument}\0");
    loop {
        for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.ends_with(wanted.as_bytes()) {
                let number = entry.file_name().to_string_lossy().parse().expect("a number");
                return rustix::process::Pid::from_raw(number).expect("a process");
            }
        }
        assert!(Instant::now() < until, "no process has {argument}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_app_killed_by_a_stranger_is_killed_and_neither_crashed_nor_hung() {
    let mut apps = Apps::new();
    let mark = format!("mark-{}", std::process::id());
    let order = apps.order(1, &["sleep", &mark], "");
    apps.start(vec![order]);
    let process = process_with(&mark);
    rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("a signal");
    let (what, kind, signal) = apps.failed();
    // Memory may run out beside us; then that is said.
    let known = [FailureKind::Killed, FailureKind::OutOfMemory];
    assert!(known.contains(&kind) && signal == 9, "{what}");
}

#[test]
fn an_app_that_ends_when_it_is_asked_to_is_no_failure() {
    let mut apps = Apps::new();
    let mark = format!("asked-{}", std::process::id());
    let order = apps.order(1, &["sleep", &mark], "");
    apps.start(vec![order]);
    process_with(&mark);
    assert!(apps.ask(&AppsQuestion::Stop).apps.is_empty());
    let told = apps.events.try_recv();
    assert!(told.is_err(), "{told:?}");
}

#[test]
fn each_app_has_a_user_of_its_own_where_the_role_is_root() {
    if !rustix::process::geteuid().is_root() {
        say("not root here: every app runs as this user, and its own uid is not looked at");
        return;
    }
    let mut apps = Apps::new();
    let listed = "\"MutableStorage\": {\"SizeKB\": 1}";
    let orders = [1, 2].map(|number| apps.order(number, &["sleep"], listed));
    apps.start(orders.into());
    let until = Instant::now() + PATIENCE;
    let owners = loop {
        let state = apps.ask(&AppsQuestion::State);
        if state.apps.len() == 2 && state.apps.iter().all(|app| app.up_ms.is_some()) {
            let storage = apps.folder.path().join("storage");
            break [1, 2].map(|number| {
                let file = storage.join(ComponentId([number; 16]).to_string());
                std::fs::metadata(file).expect("its storage").uid()
            });
        }
        assert!(Instant::now() < until, "{:?}", state.apps);
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(owners[0] != owners[1] && !owners.contains(&0), "{owners:?}");
}
