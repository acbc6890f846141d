//! `craton quickstart` where something is in its way: no namespaces, a taken port, a full disk, an
//! impatient person.

use crate::device::{Run, Running};
use crate::notify::{Held, Listener, Verdict, listen};
use crate::power::{Interrupt, Power};
use crate::processes::until;
use crate::service::CRATON;
use crate::soak;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

/// A newcomer's home. Root has one data folder for all, so one newcomer comes after the other.
struct Newcomer {
    home: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Newcomer {
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { home: crate::passage(), _alone: alone }
    }

    /// Where quickstart keeps everything.
    fn data(&self) -> PathBuf {
        let root = rustix::process::geteuid().is_root();
        if root { "/var/lib/craton".into() } else { self.home.path().join("craton") }
    }

    fn quickstart(&self) -> Command {
        self.quickstart_at(["127.0.0.1:0", "127.0.0.1:0"])
    }

    fn quickstart_at(&self, [devices, dashboard]: [&str; 2]) -> Command {
        let mut command = Command::new(CRATON);
        command.args(["quickstart", "--listen", devices, "--dashboard", dashboard]);
        command.env("XDG_DATA_HOME", self.home.path()).env("XDG_CONFIG_HOME", self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn words(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// A failure that a person can act on: one numbered line, and no panic.
fn is_said(words: &str) -> bool {
    let number = |word: &str| {
        word.strip_prefix('E').is_some_and(|rest| {
            rest.len() >= 4 && rest.bytes().take(4).all(|byte| byte.is_ascii_digit())
        })
    };
    words.split([' ', '\n']).any(number) && !words.contains("panicked")
}

/// A host that refuses something of what the sandbox asks.
#[derive(Clone, Copy)]
struct Refusing {
    calls: &'static [libc::c_long],
    verdict: fn(&Held) -> Verdict,
}

/// No new user namespace; what may ask for one out of sight is not there, and C libraries then ask
/// in the old way.
const NAMESPACES: Refusing = Refusing {
    calls: &[libc::SYS_unshare, libc::SYS_clone, libc::SYS_clone3],
    verdict: |held| match held.number {
        libc::SYS_clone3 => Verdict::Fails(libc::ENOSYS),
        _ if held.arguments[0] & libc::CLONE_NEWUSER as u64 != 0 => Verdict::Fails(libc::EPERM),
        _ => Verdict::Through,
    },
};

/// Ubuntu's AppArmor since 23.10: a new user namespace is given, and no capability in it.
const CAPABILITIES: Refusing = Refusing {
    calls: &[libc::SYS_ioctl, libc::SYS_sethostname, libc::SYS_mount, libc::SYS_pivot_root],
    verdict: |held| match held.number {
        libc::SYS_ioctl if held.arguments[1] != libc::SIOCSIFFLAGS => Verdict::Through,
        libc::SYS_mount => Verdict::Fails(libc::EACCES),
        _ => Verdict::Fails(libc::EPERM),
    },
};

/// The same, had it nothing against the network: the first mount is refused.
const MOUNTS: Refusing =
    Refusing { calls: &[libc::SYS_mount], verdict: |_| Verdict::Fails(libc::EACCES) };

/// Runs `command` on such a host.
fn on_host(refusing: Refusing, mut command: Command) -> Child {
    let (to_server, from_starter) = mpsc::channel::<Listener>();
    std::thread::spawn(move || {
        let Ok(listener) = from_starter.recv() else { return };
        while let Some(held) = listener.next().unwrap() {
            listener.answer(&held, (refusing.verdict)(&held));
        }
    });
    let start = move || {
        to_server.send(listen(refusing.calls).unwrap()).unwrap();
        command.spawn().unwrap()
    };
    std::thread::spawn(start).join().unwrap()
}

#[test]
fn quickstart_goes_through_where_namespaces_are_refused_and_says_so() {
    goes_through(NAMESPACES);
}

#[test]
fn quickstart_goes_through_where_a_user_namespace_has_no_capability_and_says_so() {
    goes_through(CAPABILITIES);
    if soak() {
        goes_through(MOUNTS);
    }
}

fn goes_through(refusing: Refusing) {
    let newcomer = Newcomer::new();
    let output = on_host(refusing, newcomer.quickstart()).wait_with_output().unwrap();
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    for expected in [
        "deploy 1.0.0: whole",
        "deploy 2.0.0: delta",
        "fell back to 2.0.0 by itself",
        "SIGABRT in blink::brightness (src/main.rs:33)",
        "paused by itself",
        "isolation: reduced",
    ] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}");
    }
    assert!(!said.contains("isolation: full"), "{said}");
}

#[test]
fn evidence_status_and_dashboard_say_reduced_and_which_line_allows_full() {
    let mut world = crate::World::begin();
    let set = world.maker.ship(2, Some(1));
    let run = Run::quick(world.service.devices);
    let monitor = Running::of(on_host(NAMESPACES, world.device.command(&run)));
    let isolation = world.device.until("reduced isolation", || {
        let status = world.device.status()?;
        world.device.runs_confirmed(monitor.pid(), set).then_some(status.isolation?)
    });
    assert_eq!(isolation.word(), "reduced");
    let how = match isolation {
        craton_device::roles::Isolation::Reduced { how_to_allow, .. } => how_to_allow,
        craton_device::roles::Isolation::Full => String::new(),
    };
    assert!(how.len() > 10 && !how.contains('\n'), "{how}");
    until("the evidence's word", || {
        let shown = world.maker.device(world.device.id).unwrap();
        (shown.isolation.as_deref() == Some("reduced")).then_some(())
    });
    let page = format!("/catalogs/drill/devices/{}", world.device.id);
    let page = crate::service::plain_get(world.service.dashboard, &page);
    assert!(page.contains("<b>reduced</b>") && page.contains("sysctl"), "{page}");
    assert!(monitor.stop().success());
}

#[test]
fn a_taken_port_is_said_with_how_to_choose_another() {
    let newcomer = Newcomer::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (at, option) in [([&taken, free], "--listen"), ([free, &taken], "--dashboard")] {
        let said = words(&newcomer.quickstart_at(at).output().unwrap());
        assert!(is_said(&said) && said.contains(&taken), "{said}");
        assert!(said.contains(option), "no {option} in: {said}");
    }
}

#[test]
fn a_full_disk_is_said_with_what_to_do_and_the_next_start_is_afresh() {
    let newcomer = Newcomer::new();
    let folder = newcomer.data();
    std::fs::create_dir_all(&folder).unwrap();
    let points: &[usize] =
        if soak() { &[0, 1, 5, 10, 20, 40, 80, 120, 160, 200, 300] } else { &[0, 30, 150] };
    for at in points {
        let said = on_a_disk_full_from(&newcomer, &folder, *at);
        assert!(is_said(&said), "{at}: {said}");
        assert!(["room", "disk", "space"].iter().any(|word| said.contains(word)), "{at}: {said}");
    }
}

fn on_a_disk_full_from(newcomer: &Newcomer, folder: &Path, at: usize) -> String {
    let mut power = Power::start(newcomer.quickstart(), folder, &[], Interrupt::Full(at));
    let mut said = String::new();
    let mut output = power.child.stdout.take().unwrap();
    let mut errors = power.child.stderr.take().unwrap();
    output.read_to_string(&mut said).unwrap();
    errors.read_to_string(&mut said).unwrap();
    let status = power.child.wait().unwrap();
    assert!(!status.success() && status.signal().is_none(), "{at}: {status} {said}");
    said
}

/// Reads what quickstart says until a step's line.
fn read_until(child: &mut Child, step: &str) {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(step) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "quickstart ended before {step}");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
}

fn runs(group: u32) -> bool {
    let Some(pid) = Pid::from_raw(group.cast_signed()) else { return false };
    rustix::process::test_kill_process_group(pid).is_ok()
}

#[test]
fn quickstart_killed_in_the_middle_leaves_nothing_running_and_starts_afresh() {
    let newcomer = Newcomer::new();
    let mut command = newcomer.quickstart();
    let mut child = command.process_group(0).spawn().unwrap();
    read_until(&mut child, "deploy 1.0.0");
    child.kill().unwrap();
    child.wait().unwrap();
    let group = child.id();
    until("the end of what it had started", || (!runs(group)).then_some(()));
    let output = newcomer.quickstart().output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
}

#[test]
fn ctrl_c_in_the_middle_of_quickstart_ends_everything_it_started() {
    let newcomer = Newcomer::new();
    let mut command = newcomer.quickstart();
    let mut child = command.process_group(0).spawn().unwrap();
    read_until(&mut child, "deploy 1.0.0");
    let group = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    let status = until("quickstart's end", || child.try_wait().unwrap());
    assert!(!status.success());
    until("the end of what it had started", || (!runs(child.id())).then_some(()));
}
