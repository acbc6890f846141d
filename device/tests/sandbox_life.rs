//! An app's life in its sandbox: what it sees, what it may use up, how it is stopped, and every
//! refusal to start it.

mod sandbox_app;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use craton_device::apps::sandbox::{Accept, Isolation, SandboxError, Spec, Zygote, probe, spawn};
use craton_device::sys::ptrace::{Change, Tracee};
use sandbox_app::{App, full_isolation, init_program};

const QUOTA_KIB: u32 = 64;

fn both() -> [fn() -> App; 2] {
    [App::new, App::reduced]
}

/// The refusal to start this app.
#[track_caller]
fn refusal(spec: &Spec) -> SandboxError {
    let mut running = match spawn(spec) {
        Err(refusal) => return refusal,
        Ok(running) => running,
    };
    running.release().expect_err("the app must not start")
}

#[test]
fn the_app_sees_its_package_and_nothing_else() {
    if !full_isolation() {
        return;
    }
    let listed = App::new().with_storage(QUOTA_KIB).run(&["list", "/"]);
    let mut names: Vec<&str> = listed.output.split_whitespace().collect();
    names.sort_unstable();
    assert_eq!(names, ["bin", "data.txt", "dev", "mutable", "proc"]);
    let devices = App::new().run(&["list", "/dev"]);
    let mut names: Vec<&str> = devices.output.split_whitespace().collect();
    names.sort_unstable();
    assert_eq!(names, ["null", "urandom"]);
}

#[test]
fn the_app_has_no_privileges_environment_or_descriptors_of_ours() {
    if !full_isolation() {
        return;
    }
    let facts = App::new().with_storage(QUOTA_KIB).run(&["facts"]).output;
    assert!(facts.contains("pid 2 ppid 1 uid 1000 euid 1000 gid 1000 sid 1"), "{facts}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(facts.contains(&format!("{set}:\t0000000000000000")), "{set}: {facts}");
    }
    assert!(facts.contains("NoNewPrivs:\t1"), "{facts}");
    assert!(facts.contains("Seccomp:\t2"), "{facts}");
    let descriptors = facts.lines().filter(|line| line.starts_with("fd ")).count();
    assert_eq!(descriptors, 3, "{facts}");
    let mut environment: Vec<&str> =
        facts.lines().filter_map(|line| line.strip_prefix("env ")).collect();
    environment.sort_unstable();
    let ours = [
        "ALL_PROXY=socks5h://127.0.0.1:1080",
        "CRATON_STORAGE=/mutable/storage",
        "HTTPS_PROXY=http://127.0.0.1:1080",
    ];
    assert_eq!(environment, ours);
}

#[test]
fn with_reduced_isolation_only_the_storage_descriptor_is_added() {
    let facts = App::reduced().with_storage(QUOTA_KIB).run(&["facts"]).output;
    let descriptors = facts.lines().filter(|line| line.starts_with("fd ")).count();
    assert_eq!(descriptors, 4, "{facts}");
    let environment: Vec<&str> =
        facts.lines().filter_map(|line| line.strip_prefix("env ")).collect();
    assert_eq!(environment.len(), 1, "{facts}");
    assert!(environment.concat().starts_with("CRATON_STORAGE=/proc/self/fd/"), "{facts}");
}

#[test]
fn storage_takes_its_quota_and_not_a_byte_more() {
    for make in both() {
        let app = make().with_storage(QUOTA_KIB);
        let filled = app.run(&["fill", "0", "200"]);
        let expected = format!("wrote 64 KiB\nerrno {}", libc::EFBIG);
        assert_eq!(filled.output.trim(), expected, "{:?}", filled.ended);
    }
}

#[test]
fn over_its_processor_time_an_app_ends_by_a_signal_that_says_so() {
    for make in both() {
        let mut app = make();
        app.spec.limits.cpu_seconds = Some(1);
        let ended = app.run(&["spin"]).ended;
        assert_eq!(ended.signal, Some(libc::SIGXCPU), "{ended:?}");
    }
}

#[test]
fn storage_outlives_the_app_and_cannot_be_executed_or_mapped_so() {
    for make in both() {
        let mut app = make().with_storage(QUOTA_KIB);
        let (mut running, _pipe) = app.start(&["fill", "0", "3"]);
        running.wait(None).expect("it ends");
        drop(running);
        assert_eq!(fs::metadata(app.storage_file()).expect("the file").len(), 3 * 1024);
        let (mut running, mut pipe) = app.start(&["storage-exec"]);
        running.wait(None).expect("it ends");
        let said = std::io::read_to_string(&mut pipe).expect("text");
        assert!(said.starts_with("errno"), "{said}");
    }
}

#[test]
fn nothing_but_storage_can_be_created() {
    let places = ["/new", "/mutable/new", "/dev/new", "/proc/new", "/tmp/new", "/bin/new"];
    for make in both() {
        for place in places {
            let tried = make().with_storage(QUOTA_KIB).run(&["create", place]);
            assert!(tried.output.starts_with("errno"), "{place}: {}", tried.output);
            let tried = make().with_storage(QUOTA_KIB).run(&["mkdir", place]);
            assert!(tried.output.starts_with("errno"), "{place}: {}", tried.output);
        }
    }
}

#[test]
fn reduced_isolation_cannot_read_write_or_empty_a_file_of_the_same_user() {
    let app = App::reduced();
    let victim = app.folder.path().join("victim");
    fs::write(&victim, "precious").expect("a file");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o666)).expect("permissions");
    let path = victim.to_str().expect("text").to_owned();
    let mut app = app;
    for attempt in ["read", "write", "truncate", "read-truncate", "chmod", "unlink", "exec"] {
        let (mut running, mut pipe) = app.start(&[attempt, &path]);
        running.wait(None).expect("it ends");
        let said = std::io::read_to_string(&mut pipe).expect("text");
        assert!(said.starts_with("errno"), "{attempt}: {said}");
    }
    assert_eq!(fs::read_to_string(&victim).expect("still there"), "precious");
}

#[test]
fn the_packages_own_files_cannot_be_emptied_by_reading() {
    for make in both() {
        let mut app = make();
        let data = app.spec.root.join("data.txt");
        fs::set_permissions(&data, fs::Permissions::from_mode(0o666)).expect("permissions");
        for path in ["/data.txt", "data.txt"] {
            let (mut running, _pipe) = app.start(&["read-truncate", path]);
            running.wait(None).expect("it ends");
        }
        assert_eq!(fs::read_to_string(&data).expect("text"), "data of the package");
    }
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    let reduced = App::reduced().run(&["fork"]);
    reduced.refused(libc::EPERM);
    if !full_isolation() {
        return;
    }
    let mut app = App::new();
    app.spec.limits.processes = 10;
    let bomb = app.run(&["bomb"]);
    let said = bomb.output.trim();
    assert_eq!(said, format!("children 9 errno {}", libc::EAGAIN), "{:?}", bomb.ended);
}

#[test]
fn threads_stop_at_the_limit_in_both_modes() {
    for make in both() {
        let mut app = make();
        app.spec.limits.processes = 10;
        let said = app.run(&["threads"]).output;
        let count: u32 = said.trim().trim_start_matches("threads ").parse().expect("a count");
        assert!((1..=40).contains(&count), "{said}");
    }
}

#[test]
fn memory_stops_at_the_limit() {
    for make in both() {
        let mut app = make();
        app.spec.limits.memory_kib = 8 * 1024;
        let said = app.run(&["eat", "64"]).output;
        let mib: u32 = said.trim().trim_start_matches("mib ").parse().expect("a count");
        assert!((4..=8).contains(&mib), "{said}");
    }
}

#[test]
fn a_process_of_the_host_can_be_neither_seen_nor_signalled() {
    let ours = std::process::id().to_string();
    for make in both() {
        for attempt in ["kill", "tgkill", "prlimit", "owner"] {
            let tried = make().run(&[attempt, &ours]);
            assert!(tried.output.starts_with("errno"), "{attempt}: {}", tried.output);
        }
        make().run(&["ptrace", &ours]).trapped();
        make().run(&["vm-read", &ours]).trapped();
    }
    if !full_isolation() {
        return;
    }
    let seen = App::new().run(&["list", "/proc"]).output;
    let processes: Vec<&str> = seen
        .split_whitespace()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert!(!processes.contains(&ours.as_str()) && processes.len() <= 2, "{seen}");
}

#[test]
fn a_setuid_program_gives_nothing() {
    if !full_isolation() {
        return;
    }
    let mut app = App::new();
    let program = app.spec.root.join("bin/setuid");
    fs::copy(app.spec.root.join("bin/app"), &program).expect("a copy");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("setuid");
    let (mut running, mut pipe) = app.start(&["exec-setuid", "/bin/setuid"]);
    running.wait(None).expect("it ends");
    let said = std::io::read_to_string(&mut pipe).expect("text");
    assert!(said.contains("uid 1000 euid 1000"), "{said}");
}

#[test]
fn stop_asks_first_and_kills_a_stubborn_app_after_the_grace() {
    for make in both() {
        let mut app = make();
        let (mut running, pipe) = app.start(&["sleep"]);
        await_line(pipe);
        let ended = running.stop().expect("it ends");
        assert_eq!(ended.signal, Some(libc::SIGTERM));
        let (mut running, pipe) = app.start(&["stubborn"]);
        await_line(pipe);
        let grace = Duration::from_millis(300);
        let asked = Instant::now();
        let ended = running.stop_within(grace).expect("it ends");
        assert_eq!(ended.signal, Some(libc::SIGKILL));
        assert!(asked.elapsed() >= grace);
    }
}

#[test]
fn what_an_app_leaves_running_ends_with_it() {
    if !full_isolation() {
        return;
    }
    let mut app = App::new();
    let (mut running, mut pipe) = app.start(&["daemon"]);
    assert_eq!(running.wait(None).expect("it ends").code, Some(0));
    drop(running);
    // The orphan held the pipe open; its end means that the orphan is gone.
    assert_eq!(std::io::read_to_string(&mut pipe).expect("an end"), "ok\n");
}

#[test]
fn dropping_a_running_app_ends_it() {
    for make in both() {
        let mut app = make();
        let (running, mut pipe) = app.start(&["sleep"]);
        drop(running);
        // The app itself held the other end.
        std::io::read_to_string(&mut pipe).expect("an end");
    }
}

#[test]
fn an_app_that_was_never_released_leaves_nothing() {
    for make in both() {
        let running = spawn(&make().spec).expect("it waits");
        let pid = running.app_pid();
        drop(running);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}

#[test]
fn a_supervisor_can_seize_the_app_before_its_exec() {
    for make in both() {
        let mut app = make();
        app.spec.args = vec!["exit".to_owned(), "5".to_owned()];
        let mut running = spawn(&app.spec).expect("it waits");
        let pid = running.app_pid().as_raw_nonzero().get();
        let tracer = std::thread::spawn(move || follow(pid));
        tracer_is_there(pid);
        running.release().expect("executed");
        assert_eq!(tracer.join().expect("followed"), 5);
        assert_eq!(running.wait(None).expect("it ends").code, Some(5));
    }
}

#[test]
fn a_tracer_that_does_not_collect_cannot_hold_the_supervisor_for_good() {
    let (told, heard) = std::sync::mpsc::channel();
    let tracer = std::thread::spawn(move || {
        let mut app = App::new();
        let (running, _pipe) = app.start(&["sleep"]);
        let pid = running.app_pid().as_raw_nonzero().get();
        let _tracee = Tracee::seize(pid).expect("seized");
        drop(running);
        told.send(()).expect("someone listens");
    });
    heard.recv_timeout(Duration::from_secs(30)).expect("dropping returns");
    tracer.join().expect("it ends");
}

#[test]
fn probing_tells_what_an_app_would_get() {
    if !full_isolation() {
        return;
    }
    assert_eq!(probe(&App::new().spec), Ok(Isolation::Full));
}

#[test]
fn reduced_isolation_says_why_and_how_to_allow_more() {
    let running = spawn(&App::reduced().spec).expect("it waits");
    let Isolation::Reduced { reason, how_to_allow } = running.isolation() else {
        panic!("full isolation");
    };
    assert!(reason.contains("asked for") && !how_to_allow.is_empty());
    assert_eq!(running.isolation().word(), "reduced");
}

/// A sandbox program for whom the kernel makes no user namespace.
fn refused_namespaces(app: &mut App) {
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" \"$@\"";
    let mut words = ["/usr/bin/unshare", "-U", "--map-user=1001", "--map-group=1001"].to_vec();
    words.extend(["--keep-caps", "/bin/sh", "-c", script]);
    let words = words.into_iter().map(Into::into).chain(init_program()).collect();
    app.spec.zygote = Arc::new(Zygote::new(words));
}

#[test]
fn where_namespaces_are_refused_the_app_runs_reduced() {
    let mut app = App::new();
    // Where the host refuses by itself it shall be that refusal.
    if full_isolation() {
        refused_namespaces(&mut app);
    }
    app.spec.accept = Accept::Best;
    let outcome = app.run(&["exit", "3"]);
    assert_eq!(outcome.ended.code, Some(3));
    assert_eq!(outcome.isolation.word(), "reduced");
}

#[test]
fn where_only_full_isolation_will_do_namespaces_refused_is_said() {
    if !full_isolation() {
        return;
    }
    let mut app = App::new();
    refused_namespaces(&mut app);
    let refusal = refusal(&app.spec);
    assert!(matches!(refusal, SandboxError::NamespacesRefused { .. }), "{refusal}");
}

#[test]
fn a_missing_sandbox_program_is_init_not_started() {
    let mut app = App::new();
    app.spec.zygote = Arc::new(Zygote::new(vec!["/nowhere/craton".into()]));
    assert!(matches!(refusal(&app.spec), SandboxError::InitNotStarted { .. }));
}

#[test]
fn a_program_that_is_no_sandbox_program_is_init_silent() {
    let mut app = App::new();
    app.spec.zygote = Arc::new(Zygote::new(vec!["/bin/true".into()]));
    let refusal = refusal(&app.spec);
    let silent = matches!(refusal, SandboxError::InitSilent { .. });
    // It may be gone before the order is sent.
    assert!(silent || matches!(refusal, SandboxError::InitNotStarted { .. }), "{refusal}");
}

#[test]
fn an_entry_point_that_cannot_run_is_entry_point_not_executable() {
    for make in both() {
        for entry in ["/bin/none", "/data.txt", "../../bin/sh", ""] {
            let mut app = make();
            app.spec.entry_point = entry.to_owned();
            let refusal = refusal(&app.spec);
            let named = matches!(refusal, SandboxError::EntryPointNotExecutable { .. });
            assert!(named, "{entry}: {refusal}");
        }
    }
}

#[test]
fn a_package_that_is_missing_or_claims_our_names_is_package_unusable() {
    for make in both() {
        let mut app = make();
        app.spec.root = app.folder.path().join("none");
        assert!(matches!(refusal(&app.spec), SandboxError::PackageUnusable { .. }));
    }
    for make in both() {
        for name in ["dev", "proc", "mutable"] {
            let app = make();
            fs::create_dir(app.spec.root.join(name)).expect("a folder");
            assert!(matches!(refusal(&app.spec), SandboxError::PackageUnusable { .. }), "{name}");
        }
    }
}

#[test]
fn storage_that_is_a_folder_link_or_twin_is_storage_unusable() {
    let app = App::new().with_storage(QUOTA_KIB);
    let file = app.storage_file();
    fs::create_dir(&file).expect("a folder");
    assert!(matches!(refusal(&app.spec), SandboxError::StorageUnusable { .. }));
    fs::remove_dir(&file).expect("removed");
    let other = app.folder.path().join("other");
    fs::write(&other, "").expect("a file");
    std::os::unix::fs::symlink(&other, &file).expect("a link");
    assert!(matches!(refusal(&app.spec), SandboxError::StorageUnusable { .. }));
    fs::remove_file(&file).expect("removed");
    fs::hard_link(&other, &file).expect("a twin");
    assert!(matches!(refusal(&app.spec), SandboxError::StorageUnusable { .. }));
}

#[test]
fn udp_server_ports_are_refused_not_ignored() {
    let mut app = App::new();
    app.spec.udp_server_ports = vec![5000];
    assert_eq!(refusal(&app.spec), SandboxError::UdpServerPorts);
}

#[test]
fn a_port_that_is_in_use_is_server_port_taken() {
    let holder = TcpListener::bind("0.0.0.0:0").expect("a port");
    let mut app = App::new();
    app.spec.tcp_server_ports = vec![holder.local_addr().expect("an address").port()];
    assert!(matches!(refusal(&app.spec), SandboxError::ServerPortTaken { .. }));
}

#[test]
fn a_log_that_would_count_as_storage_is_log_is_file() {
    let mut app = App::new();
    let log = fs::File::create(app.folder.path().join("log")).expect("a file");
    app.spec.stdout = Some(log.into());
    assert_eq!(refusal(&app.spec), SandboxError::LogIsFile);
}

#[test]
fn more_arguments_than_a_message_holds_are_arguments_too_long() {
    let mut app = App::new();
    app.spec.args = vec!["x".repeat(64 * 1024)];
    assert!(matches!(refusal(&app.spec), SandboxError::ArgumentsTooLong { .. }));
}

#[test]
fn an_impossible_limit_still_binds() {
    let mut app = App::new();
    app.spec.limits.open_files = 0;
    let refusal = refusal(&app.spec);
    assert!(matches!(refusal, SandboxError::SetupFailed { .. }), "{refusal}");
}

/// Traces a process to its end; returns its exit code.
fn follow(pid: i32) -> i32 {
    let tracee = Tracee::seize(pid).expect("seized");
    loop {
        match tracee.wait().expect("a change") {
            Change::Stopped(thread, _) => tracee.resume(thread, 0).expect("it runs on"),
            Change::Exited(of, code) if of == pid => return code,
            other => panic!("{other:?}"),
        }
    }
}

fn tracer_is_there(pid: i32) {
    let status = || fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    while status().contains("TracerPid:\t0\n") {
        std::thread::yield_now();
    }
}

fn await_line(pipe: fs::File) {
    let mut line = String::new();
    BufReader::new(pipe).read_line(&mut line).expect("a line");
    assert_eq!(line, "ok\n");
}
