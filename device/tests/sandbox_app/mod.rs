//! A package with the attack program in it, and running it.
#![allow(dead_code)] // each test file uses the part that it needs

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use craton_device::apps::proxy::Tally;
use craton_device::apps::sandbox::{
    Accept, Ended, Isolation, Running, Spec, Storage, Zygote, probe, spawn,
};

/// One package, built as the test wishes.
pub struct App {
    pub spec: Spec,
    pub folder: tempfile::TempDir,
}

/// What a run left behind.
pub struct Outcome {
    pub ended: Ended,
    pub output: String,
    pub network: Tally,
    pub isolation: Isolation,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl App {
    /// With full isolation where the host gives it, and otherwise reduced, which is said.
    pub fn new() -> App {
        let folder = tempfile::tempdir().expect("a temporary folder");
        open_to_all(folder.path());
        let root = folder.path().join("package");
        package(&root);
        let mut spec = Spec::new(Arc::new(Zygote::new(init_program())), root, "/bin/app");
        if full_isolation() {
            spec.accept = Accept::FullOnly;
        }
        App { spec, folder }
    }

    pub fn reduced() -> App {
        let mut app = App::new();
        app.spec.accept = Accept::Reduced;
        app
    }

    pub fn with_storage(mut self, quota_kib: u32) -> App {
        self.spec.storage = Some(Storage { file: self.storage_file(), quota_kib });
        self
    }

    pub fn allowing(mut self, hosts: &[&str]) -> App {
        self.spec.allowed_connections = hosts.iter().map(|host| (*host).to_owned()).collect();
        self
    }

    pub fn storage_file(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    /// Starts the app; its output can be read from the returned file.
    pub fn start(&mut self, args: &[&str]) -> (Running, File) {
        self.spec.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (read, write) = std::io::pipe().expect("a pipe");
        self.spec.stdout = Some(write.try_clone().expect("a second handle").into());
        self.spec.stderr = Some(write.into());
        let mut running = spawn(&self.spec).expect("the app starts");
        (self.spec.stdout, self.spec.stderr) = (None, None);
        running.release().expect("the app is executed");
        (running, File::from(OwnedFd::from(read)))
    }

    pub fn run(mut self, args: &[&str]) -> Outcome {
        let (mut running, mut pipe) = self.start(args);
        let ended = running.wait(Some(PATIENCE)).expect("the app ends");
        let mut output = String::new();
        pipe.read_to_string(&mut output).expect("text");
        let (network, isolation) = (running.network(), running.isolation().clone());
        Outcome { ended, output, network, isolation }
    }
}

/// Whether this host gives full isolation. Where it does not, says so for the calling test, past
/// the test harness: never silently.
pub fn full_isolation() -> bool {
    static FOUND: OnceLock<Isolation> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let zygote = Arc::new(Zygote::new(init_program()));
        probe(&Spec::new(zygote, folder.path(), "/none")).expect("a probe")
    });
    let Isolation::Reduced { reason, how_to_allow } = found else { return true };
    static SAID_FOR: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    if !SAID_FOR.lock().expect("no test panics in here").insert(test.clone()) {
        return false;
    }
    say(&format!(
        "{test}: this host refuses full isolation ({reason}), so it runs reduced, or not at all \
         where only full isolation is meant. To allow full: {how_to_allow}"
    ));
    false
}

/// Says why a test does not apply, past the harness, which keeps what a passing test prints.
pub fn say(why: &str) {
    writeln!(std::io::stderr(), "{why}").expect("standard error");
}

/// The unpacked package, in a new folder.
pub fn package(root: &Path) {
    let program = root.join("bin/app");
    fs::create_dir_all(root.join("bin")).expect("the package folder");
    fs::copy(program_built(), &program).expect("the program");
    fs::write(root.join("data.txt"), "data of the package").expect("a file");
    for path in [root, &root.join("bin"), &program] {
        open_to_all(path);
    }
}

/// How the sandbox program is started.
pub fn init_program() -> Vec<OsString> {
    vec![env!("CARGO_BIN_EXE_craton-apps").into(), "sandbox-init".into()]
}

impl Outcome {
    /// The call answered with this errno.
    #[track_caller]
    pub fn refused(&self, errno: i32) {
        assert_eq!(self.output.trim(), format!("errno {errno}"), "{:?}", self.ended);
    }

    /// The call ended the app with SIGSYS, which becomes a failure report.
    #[track_caller]
    pub fn trapped(&self) {
        assert_eq!(self.ended.signal, Some(libc::SIGSYS), "{}", self.output);
        assert_eq!(self.output, "");
    }
}

pub fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Built once per test program, beside it.
fn program_built() -> &'static Path {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("attacks");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox_app/attacks.c");
        let status = Command::new("cc")
            .args(["-O1", "-static-pie", "-Wall", "-o"])
            .arg(&program)
            .arg(source)
            .status()
            .expect("a C compiler");
        assert!(status.success(), "the attack program compiles");
        (folder, program)
    });
    program
}
