//! A copy of the zygote: it makes the namespaces and becomes their tiny init, so that the app is
//! not process 1. It runs single-threaded from its first line.

use std::net::{Ipv4Addr, TcpListener};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode as FileMode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Pid, Uid};
use rustix::thread::UnshareFlags;

use super::control::{
    Area, Ended, Fault, MESSAGE_BYTES_MAX, Mode, Order, Report, receive, send_report,
};
use super::{app, limits, tree, watch};
use crate::apps::proxy::PROXY_PORT;
use crate::sys::loopback::loopback_up;
use crate::sys::process::{Fork, Lineage, exit_now, fork, unshare};

/// The app's uid and gid inside its user namespace. Not 0, so that exec grants nothing.
const INSIDE_ID: u32 = 1000;

/// Exit code of the sandbox program when it could not do its work; the report says why.
pub const EXIT_FAULT: i32 = 125;

/// What the init holds on to: its line to the supervisor and the channel for sockets.
#[derive(Debug)]
pub struct Lines {
    pub control: OwnedFd,
    pub sockets: Option<OwnedFd>,
}

/// The whole life of a copy. The order comes over `control`; standard output and error become the
/// app's.
pub fn init_main(control: OwnedFd) -> ! {
    let Some((order, sockets)) = take_order(&control) else { exit_now(EXIT_FAULT) };
    let lines = Lines { control, sockets };
    let outcome = match order.mode {
        Mode::Full | Mode::Probe => full(&order, &lines),
        Mode::Reduced => reduced(&order, &lines),
    };
    let code = match outcome {
        Ok(code) => code,
        Err(fault) => {
            // A supervisor that is gone needs no report.
            let _ = send_report(&lines.control, &Report::Failed(fault), None);
            EXIT_FAULT
        }
    };
    exit_now(code)
}

fn take_order(control: &OwnedFd) -> Option<(Order, Option<OwnedFd>)> {
    let mut message = receive(control).ok()?;
    debug_assert!(message.bytes.len() <= MESSAGE_BYTES_MAX);
    Some((serde_json::from_slice(&message.bytes).ok()?, message.fds.pop()))
}

/// New namespaces, and in them an init that is our sibling: the supervisor is its parent and
/// the app's ancestor, which Yama asks of a tracer.
fn full(order: &Order, lines: &Lines) -> Result<i32, Fault> {
    let early = if rustix::process::geteuid().is_root() {
        let sources = tree::Sources::open(order)?;
        become_user(order.run_as)?;
        Some(sources)
    } else {
        None
    };
    new_namespaces()?;
    let sources = match early {
        Some(sources) => sources,
        None => tree::Sources::open(order)?,
    };
    match fork(Lineage::Sibling).map_err(|errno| Fault::in_namespace("start the init", errno))? {
        Fork::Parent(_) => Ok(0),
        Fork::Child => init(order, lines, sources),
    }
}

fn new_namespaces() -> Result<(), Fault> {
    let refused = |step: &'static str| move |errno| Fault::new(Area::Namespaces, step, errno);
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    unshare(all).map_err(refused("unshare"))?;
    // gid_map may be written by us only once setgroups is denied (user_namespaces(7)).
    write_proc("/proc/self/setgroups", "deny").map_err(refused("deny setgroups"))?;
    let line = |outside: u32| format!("{INSIDE_ID} {outside} 1");
    write_proc("/proc/self/uid_map", &line(uid.as_raw())).map_err(refused("map the uid"))?;
    write_proc("/proc/self/gid_map", &line(gid.as_raw())).map_err(refused("map the gid"))
}

/// Process 1 of the new pid namespace.
fn init(order: &Order, lines: &Lines, sources: tree::Sources) -> Result<i32, Fault> {
    let step = |step: &'static str| move |errno| Fault::in_namespace(step, errno);
    loopback_up().map_err(step("bring up loopback"))?;
    rustix::system::sethostname(b"app").map_err(step("set the host name"))?;
    if order.tcp_server_ports.iter().any(|port| *port < 1024) {
        write_proc("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
            .map_err(step("open low ports"))?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY_PORT))
        .map_err(|why| Fault::in_namespace("listen for the proxy", errno_of(&why)))?;
    tree::enter(sources)?;
    limits::drop_privileges().map_err(step("drop privileges"))?;
    report(lines, &Report::Init, Some(listener.as_fd()))?;
    drop(listener);
    if order.mode == Mode::Probe {
        return Ok(0);
    }
    start_app(order, lines, None)
}

/// Without namespaces we stay where we are and are the app's parent.
fn reduced(order: &Order, lines: &Lines) -> Result<i32, Fault> {
    let setup = |step: &'static str| move |errno| Fault::new(Area::Setup, step, errno);
    // Opened while we may still reach it; the app opens it again by its descriptor.
    let storage = order.storage.as_ref().map(open_storage).transpose()?;
    rustix::process::chdir(&order.root)
        .map_err(|errno| Fault::new(Area::Package, "enter the package folder", errno))?;
    if rustix::process::geteuid().is_root() {
        become_user(order.run_as)?;
    }
    limits::drop_privileges().map_err(setup("drop privileges"))?;
    report(lines, &Report::Init, None)?;
    start_app(order, lines, storage)
}

fn start_app(order: &Order, lines: &Lines, storage: Option<OwnedFd>) -> Result<i32, Fault> {
    let setup = |step: &'static str| move |errno| Fault::new(Area::Setup, step, errno);
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (read, write) = pipe.map_err(setup("make a pipe"))?;
    // So that the app cannot look into us where there is no Landlock to stop it. Before it is
    // there: it might run before we do.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(setup("hide from the app"))?;
    match fork(Lineage::Child).map_err(setup("start the app"))? {
        Fork::Child => {
            drop(read);
            app::become_app(order, &lines.control, write, storage)
        }
        Fork::Parent(app) => {
            drop((write, storage));
            oversee(lines, app, &read)
        }
    }
}

/// Waits for the app's exec, then watches it. Returns the exit code for the init itself.
fn oversee(lines: &Lines, app: Pid, exec: &OwnedFd) -> Result<i32, Fault> {
    let mut fault = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match rustix::io::read(exec, &mut buffer) {
            Ok(0) => break,
            Ok(count) => fault.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Fault::new(Area::Setup, "await the app", errno)),
        }
    }
    if let Ok(fault) = serde_json::from_slice(&fault) {
        return Err(fault);
    }
    report(lines, &Report::Running, None)?;
    let ended = watch::watch(lines, app)
        .map_err(|errno| Fault::new(Area::Setup, "watch the app", errno))?;
    report(lines, &Report::Ended(ended), None)?;
    Ok(exit_code(ended))
}

fn exit_code(ended: Ended) -> i32 {
    ended.code.or(ended.signal.map(|signal| 128 + signal)).unwrap_or(EXIT_FAULT)
}

fn report(
    lines: &Lines,
    what: &Report,
    fd: Option<rustix::fd::BorrowedFd<'_>>,
) -> Result<(), Fault> {
    send_report(&lines.control, what, fd)
        .map_err(|errno| Fault::new(Area::Setup, "report to the supervisor", errno))
}

fn open_storage(storage: &super::control::StorageOrder) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(&storage.file, flags, FileMode::empty())
        .map_err(|errno| Fault::new(Area::Storage, "open the storage file", errno))
}

/// Root gives its uid, gid and groups away for good.
fn become_user(id: u32) -> Result<(), Fault> {
    let setup = |step: &'static str| move |errno| Fault::new(Area::Setup, step, errno);
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[]).map_err(setup("drop groups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(setup("change gid"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(setup("change uid"))?;
    // Changing uid made us undumpable, and our own /proc files root's.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(setup("stay traceable"))
}

fn write_proc(path: &str, text: &str) -> Result<(), Errno> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, FileMode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(|_| ())
}

fn errno_of(why: &std::io::Error) -> Errno {
    Errno::from_io_error(why).unwrap_or(Errno::IO)
}
