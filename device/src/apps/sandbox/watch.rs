//! What the init does while the app runs: reap, pass SIGTERM on, hand out sockets, and end with
//! its supervisor.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process};

use super::control::{Ended, SOCKET_PLEASE, receive, send};
use super::init::Lines;
use crate::sys::process::{SIGNAL_RECORD_BYTES, signal_descriptor};

/// Returns when the app's main process has ended.
pub fn watch(lines: &Lines, app: Pid) -> Result<Ended, Errno> {
    let signals = signal_descriptor(&[libc::SIGTERM, libc::SIGCHLD])?;
    loop {
        // Before the first wait too: the app may have ended before the descriptor was there.
        if let Some(ended) = reap(app)? {
            return Ok(ended);
        }
        let ready = wait_for(&signals, lines)?;
        if ready.signal && take_signals(&signals)? {
            pass_on(app, Signal::TERM);
        }
        if ready.control {
            // The supervisor sends nothing more, so this is its end, and with it ours.
            pass_on(app, Signal::KILL);
        }
        if ready.sockets {
            hand_out_socket(lines)?;
        }
    }
}

struct Ready {
    signal: bool,
    control: bool,
    sockets: bool,
}

fn wait_for(signals: &OwnedFd, lines: &Lines) -> Result<Ready, Errno> {
    let mut fds =
        vec![PollFd::new(signals, PollFlags::IN), PollFd::new(&lines.control, PollFlags::IN)];
    if let Some(sockets) = &lines.sockets {
        fds.push(PollFd::new(sockets, PollFlags::IN));
    }
    loop {
        match poll(&mut fds, None) {
            Err(Errno::INTR) => {}
            other => break other.map(|_| ())?,
        }
    }
    let is_ready = |place: usize| fds.get(place).is_some_and(|fd| !fd.revents().is_empty());
    Ok(Ready { signal: is_ready(0), control: is_ready(1), sockets: is_ready(2) })
}

/// Drains the descriptor; true if SIGTERM was among the signals.
fn take_signals(signals: &OwnedFd) -> Result<bool, Errno> {
    let mut record = [0; SIGNAL_RECORD_BYTES];
    let mut terminate = false;
    loop {
        match rustix::io::read(signals, &mut record) {
            Err(Errno::AGAIN) => return Ok(terminate),
            Err(Errno::INTR) => {}
            other => terminate |= other.map(|_| signal_of(&record) == Some(libc::SIGTERM))?,
        }
    }
}

fn signal_of(record: &[u8; SIGNAL_RECORD_BYTES]) -> Option<i32> {
    record.first_chunk().map(|first| i32::from_ne_bytes(*first))
}

/// An app that is gone needs no signal.
fn pass_on(app: Pid, signal: Signal) {
    let _ = kill_process(app, signal);
}

fn reap(app: Pid) -> Result<Option<Ended>, Errno> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == app => return Ok(Some(ended(status))),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn ended(status: WaitStatus) -> Ended {
    Ended { code: status.exit_status(), signal: status.terminating_signal() }
}

/// A socket made here belongs to the app's network, wherever it is used.
fn hand_out_socket(lines: &Lines) -> Result<(), Errno> {
    let Some(sockets) = &lines.sockets else { return Ok(()) };
    let asked = receive(sockets)?;
    if asked.bytes != SOCKET_PLEASE {
        return Err(Errno::PROTO);
    }
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    send(sockets, SOCKET_PLEASE, &[socket.as_fd()])
}
