//! What a sandboxed app can do, and ways out of it that we know of, tried.

mod sandbox_app;

use sandbox_app::{App, Outcome, full_isolation};
use std::net::TcpListener;

#[test]
fn an_app_runs_and_its_exit_code_is_reported() {
    let app = App::new().run(&["exit", "7"]);
    assert_eq!(app.ended.code, Some(7));
}

/// The attempt was answered by an error, or ended the app: never by success.
#[track_caller]
fn stopped(what: &[&str], outcome: &Outcome) {
    let said = outcome.output.trim();
    let answered = said.starts_with("errno ");
    let ended = outcome.ended.signal == Some(libc::SIGSYS) && said.is_empty();
    assert!(answered || ended, "{what:?}: {said} {:?}", outcome.ended);
}

/// System calls that no app needs, in both kinds of isolation.
const CALLS: [&str; 35] = [
    "mmap-rwx",
    "mprotect-rx",
    "mprotect-rwx",
    "memfd",
    "self-mem",
    "unshare",
    "clone-ns",
    "clone3",
    "io-uring",
    "mount",
    "bpf",
    "keyctl",
    "setuid",
    "ptrace",
    "vm-read",
    "personality",
    "tiocsti",
    "socket-raw",
    "socket-packet",
    "socket-netlink",
    "socket-vsock",
    "prlimit",
    "userfaultfd",
    "perf",
    "add-key",
    "request-key",
    "pidfd-getfd",
    "io-uring-enter",
    "pipe-size",
    "shmget",
    "mq-open",
    "shared-memory",
    "shared-zero",
    "grows-down",
    "reserve",
];

#[test]
fn no_call_that_leads_out_succeeds_under_full_isolation() {
    if !full_isolation() {
        return;
    }
    for call in CALLS {
        stopped(&[call], &App::new().run(&[call, "1"]));
    }
}

#[test]
fn no_call_that_leads_out_succeeds_under_reduced_isolation() {
    for call in CALLS {
        stopped(&[call], &App::reduced().run(&[call, "1"]));
    }
    for socket in ["socket-tcp", "socket-udp"] {
        stopped(&[socket], &App::reduced().run(&[socket]));
    }
}

#[test]
fn the_package_cannot_be_written_and_the_host_not_read() {
    let attempts: [&[&str]; 8] = [
        &["read", "/etc/passwd"],
        &["read", "/home"],
        &["write", "/bin/app"],
        &["create", "/bin/other"],
        &["truncate", "/data.txt"],
        &["unlink", "/data.txt"],
        &["chmod", "/bin/app"],
        &["mknod", "/dev/mem2"],
    ];
    for attempt in attempts {
        stopped(attempt, &App::new().run(attempt));
        stopped(attempt, &App::reduced().run(attempt));
    }
}

#[test]
fn a_service_of_the_host_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let dial = ["dial", "127.0.0.1", &port];
    stopped(&dial, &App::new().run(&dial));
}
