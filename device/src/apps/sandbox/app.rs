//! The last steps of the process that becomes the app: bind itself, wait, exec.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Signal};

use super::control::{Area, Fault, GO, Mode, Order, Report, receive, send_report};
use super::fence::Fence;
use super::tree::STORAGE_INSIDE;
use super::{filter, limits};
use crate::apps::proxy::PROXY_PORT;
use crate::sys::process::{close_from, exit_now, ignore_signal};
use crate::sys::seccomp::bind_to;

/// Where the app finds its storage file: a path, in both modes.
pub const STORAGE_VARIABLE: &str = "CRATON_STORAGE";

const EXIT_NOT_EXECUTED: i32 = 126;

/// Never returns: either the app runs, or the fault goes up `exec` and this process ends.
pub fn become_app(order: &Order, control: &OwnedFd, exec: OwnedFd, storage: Option<OwnedFd>) -> ! {
    let Err(fault) = bind_and_exec(order, control, &exec, storage.as_ref());
    let report = serde_json::to_vec(&fault).unwrap_or_default();
    // The exec pipe holds far more than one fault; a closed one means nobody listens.
    let _ = std::fs::File::from(exec).write_all(&report);
    exit_now(EXIT_NOT_EXECUTED)
}

fn bind_and_exec(
    order: &Order,
    control: &OwnedFd,
    exec: &OwnedFd,
    storage: Option<&OwnedFd>,
) -> Result<std::convert::Infallible, Fault> {
    let setup = |step: &'static str| move |errno| Fault::new(Area::Setup, step, errno);
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(setup("let the supervisor trace"))?;
    rustix::process::setsid().map_err(setup("start a session"))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(setup("die with the init"))?;
    let mut keep = vec![control.as_raw_fd(), exec.as_raw_fd()];
    if let Some(storage) = storage {
        keep.push(storage.as_raw_fd());
        rustix::io::fcntl_setfd(storage, rustix::io::FdFlags::empty())
            .map_err(setup("keep the storage file"))?;
    }
    close_from(3, &keep).map_err(setup("close descriptors"))?;
    let mut command = command(order, storage);
    let program = filter::program(order.mode, std::process::id());
    volunteer_for_oom();
    // After the filter is built: it may need more memory than the app is granted.
    impose_limits(order)?;
    close_fence(order, storage)?;
    await_go(control)?;
    // A write past the quota then says EFBIG instead of killing the app.
    ignore_signal(libc::SIGXFSZ);
    bind_to(&program).map_err(setup("install the seccomp filter"))?;
    let why = command.exec();
    let errno = Errno::from_io_error(&why).unwrap_or(Errno::IO);
    Err(Fault::new(Area::EntryPoint, "exec", errno))
}

/// When memory runs out the kernel ends the app before any program of ours. Without a /proc the
/// kernel chooses as it does for everyone.
fn volunteer_for_oom() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

fn impose_limits(order: &Order) -> Result<(), Fault> {
    let storage_kib = order.storage.as_ref().map_or(0, |storage| storage.quota_kib);
    let counted_before = match order.mode {
        // In its own user namespace there are only the init and the app itself.
        Mode::Full | Mode::Probe => 1,
        Mode::Reduced => limits::threads_of(rustix::process::getuid().as_raw()),
    };
    order
        .limits
        .impose(storage_kib, counted_before)
        .map_err(|errno| Fault::new(Area::Setup, "set limits", errno))
}

/// With Landlock missing the private tree still confines; without namespaces nothing would.
fn close_fence(order: &Order, storage: Option<&OwnedFd>) -> Result<(), Fault> {
    let fault = |errno| Fault::new(Area::Setup, "write Landlock rules", errno);
    let mut fence = Fence::default().readable(Path::new(folder(order))).map_err(fault)?;
    fence = fence.writable(Path::new("/dev/null")).map_err(fault)?;
    if order.mode == Mode::Reduced {
        fence = fence.readable(Path::new("/dev/urandom")).map_err(fault)?;
        if let Some(storage) = storage {
            let file = rustix::io::fcntl_dupfd_cloexec(storage, 3).map_err(fault)?;
            fence = fence.writable_file(file);
        }
    } else {
        let reachable = [order.tcp_server_ports.as_slice(), &[PROXY_PORT]].concat();
        fence = fence.ports(&reachable, &order.tcp_server_ports);
        if order.storage.is_some() {
            fence = fence.writable(Path::new(STORAGE_INSIDE)).map_err(fault)?;
        }
    }
    match fence.close() {
        Ok(false) if order.mode == Mode::Reduced => {
            Err(Fault::new(Area::NothingConfines, "Landlock", Errno::NOSYS))
        }
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::new(Area::Setup, "close the Landlock fence", Errno::INVAL)),
    }
}

/// The app's own folder: the private root, or the package folder we stand in.
fn folder(order: &Order) -> &'static str {
    if order.mode == Mode::Reduced { "." } else { "/" }
}

fn await_go(control: &OwnedFd) -> Result<(), Fault> {
    let fault = |errno| Fault::new(Area::Setup, "await the supervisor", errno);
    send_report(control, &Report::App, None).map_err(fault)?;
    let word = receive(control).map_err(fault)?;
    if word.bytes == GO { Ok(()) } else { Err(fault(Errno::CANCELED)) }
}

fn command(order: &Order, storage: Option<&OwnedFd>) -> Command {
    let program: PathBuf = Path::new(folder(order)).join(order.entry_point.trim_start_matches('/'));
    let mut command = Command::new(program);
    command.args(&order.args).env_clear().envs(order.env.iter().cloned()).stdin(Stdio::null());
    match (&order.storage, storage) {
        (None, _) => {}
        (Some(_), None) => {
            command.env(STORAGE_VARIABLE, STORAGE_INSIDE);
        }
        (Some(_), Some(file)) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            command.env(STORAGE_VARIABLE, path);
        }
    }
    command
}
