//! The app in user, pid and mount namespaces of its own, the watch outside them: as deployed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::apps::{Panic, about, crasher, functions, in_order};
use craton_device::trace::{Ending, TraceRecord, Watch};

/// Starts a shell that is not the namespace's first process and waits to become the crasher;
/// `None` where this host lets no ordinary user make namespaces.
fn enclosed(kind: &str) -> Option<(Child, i32)> {
    let mut child = Command::new("unshare")
        .args(["-Urpf", "--mount-proc", "sh", "-c"])
        .arg("sh -c 'echo ready; read go; exec \"$0\" \"$@\"' \"$0\" \"$@\"; exit 0")
        .arg(crasher(Panic::Abort))
        .arg(kind)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut()?).read_line(&mut ready).ok()?;
    if ready != "ready\n" {
        child.wait().ok()?;
        return None;
    }
    let first = only_child(child.id() as i32)?;
    let app = only_child(first)?;
    Some((child, app))
}

fn only_child(pid: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.trim().parse().ok()
}

fn crash(kind: &str) -> Option<TraceRecord> {
    let Some((mut child, app)) = enclosed(kind) else {
        eprintln!("not run: this host refuses user namespaces");
        return None;
    };
    let watch = Watch::seize(app, about()).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let ended = watch.ending().unwrap();
    assert!(child.wait().unwrap().success(), "the namespace's init sees the end too");
    match ended.ending {
        Ending::Crashed(record) => Some(*record),
        other => panic!("{kind}: {other:?}"),
    }
}

#[test]
fn crashes_inside_namespaces_are_traced_from_outside() {
    for (kind, signal) in [
        ("abort", libc::SIGABRT),
        ("panic", libc::SIGABRT),
        ("null", libc::SIGSEGV),
        ("refused-kill", libc::SIGSYS),
    ] {
        let Some(record) = crash(kind) else { return };
        assert_eq!(i32::from(record.signal), signal, "{kind}");
        let names = functions(Panic::Abort, &record.frames);
        assert!(in_order(&names, &["inner", "middle", "outer", "main"]), "{kind}: {names:#?}");
        assert!(record.complete);
    }
}

#[test]
fn a_stack_overflow_inside_namespaces_is_the_fault_itself() {
    let Some(record) = crash("overflow") else { return };
    assert_eq!(i32::from(record.signal), libc::SIGSEGV);
    let names = functions(Panic::Abort, &record.frames);
    assert!(names.iter().all(|name| name.contains("recurse")), "{names:#?}");
}
