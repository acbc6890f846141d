//! The zygote: the sandbox program, executed once, which forks itself at every start of an app.
//!
//! A fork costs a fraction of executing and linking again a program of twenty megabytes, as
//! `craton` is. What is forked never ran anything of an app, has one thread, and is our child.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::control::{Received, pair, receive, send};
use super::{SandboxError, init};
use crate::sys::process::{Fork, Lineage, exit_now, fork, inherited};

/// Asks the zygote for a copy of itself; with it come the copy's control line and the app's
/// standard output and error.
const FORK_PLEASE: &[u8] = b"fork";

/// The supervisor's side. It starts the program at the first use, and again if it has ended.
#[derive(Debug)]
pub struct Zygote {
    program: Vec<OsString>,
    running: Mutex<Option<Line>>,
}

#[derive(Debug)]
struct Line {
    /// `None` only while it is dropped.
    socket: Option<OwnedFd>,
    process: Child,
}

impl Zygote {
    /// How to run [`super::sandbox_init_main`] in a new process: program, then arguments.
    pub fn new(program: Vec<OsString>) -> Zygote {
        Zygote { program, running: Mutex::new(None) }
    }

    /// A new copy that waits for its order on `control`.
    pub(super) fn fork(&self, fds: [BorrowedFd<'_>; 3]) -> Result<Pid, SandboxError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(pid)) = running.as_ref().map(|line| line.fork(fds)) {
            return Ok(pid);
        }
        // None yet, or one that has ended: a new one, whose failure is told.
        let started = Line::start(&self.program);
        let line = running.insert(started.map_err(|why| self.not_started(&why))?);
        let forked = line.fork(fds);
        if forked.is_err() {
            *running = None;
        }
        forked.map_err(|why| self.not_started(&why))
    }

    fn not_started(&self, why: &io::Error) -> SandboxError {
        let program = self.program.first().cloned().unwrap_or_default();
        SandboxError::InitNotStarted {
            program: program.to_string_lossy().into_owned(),
            why: why.to_string(),
        }
    }
}

impl Line {
    fn start(program: &[OsString]) -> io::Result<Line> {
        let (ours, theirs) = pair()?;
        let mut command = Command::new(program.first().cloned().unwrap_or_default());
        command.args(program.iter().skip(1)).env_clear();
        command.stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let process = command.spawn()?;
        // Closes our copy of their end, so that their death is an end of the line.
        drop(command);
        Ok(Line { socket: Some(ours), process })
    }

    fn fork(&self, fds: [BorrowedFd<'_>; 3]) -> io::Result<Pid> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        send(socket, FORK_PLEASE, &fds)?;
        let answer = receive(socket)?.bytes;
        let number = answer.as_slice().try_into().map(i32::from_ne_bytes);
        // A negative number is an errno.
        match number.map_err(|_| io::Error::other("it ended"))? {
            failed if failed < 0 => Err(io::Error::from_raw_os_error(-failed)),
            pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("it forked nothing")),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Without its line it ends by itself; one that does not was never a zygote.
        drop(self.socket.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The zygote's side and the whole life of the sandbox program. The line comes as standard input.
pub fn sandbox_init_main() -> ! {
    // Ctrl-C at a terminal is for the supervisor, which then ends us.
    let _ = rustix::process::setsid();
    let Ok(line) = take_line() else { exit_now(init::EXIT_FAULT) };
    loop {
        let Ok(asked) = receive(&line) else { exit_now(init::EXIT_FAULT) };
        if asked.bytes != FORK_PLEASE {
            exit_now(if asked.bytes.is_empty() { 0 } else { init::EXIT_FAULT });
        }
        let answer = match fork(Lineage::Sibling) {
            Ok(Fork::Child) => {
                drop(line);
                become_init(asked)
            }
            Ok(Fork::Parent(copy)) => copy.as_raw_nonzero().get(),
            Err(errno) => -errno.raw_os_error(),
        };
        // A supervisor that is gone shows at the next receive.
        let _ = send(&line, &answer.to_ne_bytes(), &[]);
    }
}

/// Moves the line away from standard input, where an app's will be.
fn take_line() -> Result<OwnedFd, Errno> {
    let given = inherited(0).ok_or(Errno::BADF)?;
    let line = rustix::io::fcntl_dupfd_cloexec(&given, 3)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    // `given` keeps number 0, which from here on is the null device.
    dup2_stdin(&null)?;
    std::mem::forget(given);
    Ok(line)
}

fn become_init(asked: Received) -> ! {
    let Ok([control, stdout, stderr]) = <[OwnedFd; 3]>::try_from(asked.fds) else {
        exit_now(init::EXIT_FAULT)
    };
    if dup2_stdout(stdout.as_fd()).and_then(|()| dup2_stderr(stderr.as_fd())).is_err() {
        exit_now(init::EXIT_FAULT)
    }
    drop((stdout, stderr));
    init::init_main(control)
}
