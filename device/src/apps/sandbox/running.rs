//! A started app and its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};

use super::control::{Ended, GO, Report, receive, send};
use super::inbound::Inbound;
use super::start::Names;
use super::{Isolation, SandboxError};
use crate::apps::proxy::{Proxy, Tally};

/// From SIGTERM to SIGKILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long the kernel may take to clear away what was killed.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// One app in its sandbox. Dropping it kills the app.
#[derive(Debug)]
pub struct Running {
    parts: Parts,
    isolation: Isolation,
    proxy: Option<Proxy>,
    _inbound: Inbound,
    ended: Option<Ended>,
}

/// Processes and descriptors of a start.
#[derive(Debug)]
pub struct Parts {
    pub control: OwnedFd,
    /// The program that made the namespaces and has ended since; to be reaped.
    pub helper: Option<Pid>,
    pub init_pid: Pid,
    pub init: OwnedFd,
    pub app_pid: Pid,
    pub app: OwnedFd,
    pub names: Names,
}

impl Running {
    pub(super) fn new(
        parts: Parts,
        isolation: Isolation,
        proxy: Option<Proxy>,
        inbound: Inbound,
    ) -> Running {
        Running { parts, isolation, proxy, _inbound: inbound, ended: None }
    }

    /// The app's pid as this process sees it; valid until [`Running::wait`] has returned an end.
    pub fn app_pid(&self) -> Pid {
        self.parts.app_pid
    }

    /// A descriptor for the app's main process, readable once that has ended.
    pub fn app_pidfd(&self) -> BorrowedFd<'_> {
        self.parts.app.as_fd()
    }

    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// What the app's proxy dialed and refused so far; nothing in reduced mode.
    pub fn network(&self) -> Tally {
        self.proxy.as_ref().map(Proxy::tally).unwrap_or_default()
    }

    /// How many connections that proxy refused so far.
    pub fn refused(&self) -> u64 {
        self.proxy.as_ref().map_or(0, Proxy::refused)
    }

    /// Lets the app proceed to its exec and waits for that.
    pub fn release(&mut self) -> Result<(), SandboxError> {
        let silent = |during: String| SandboxError::InitSilent { during };
        if let Some(helper) = self.parts.helper.take() {
            reap(helper);
        }
        let control = &self.parts.control;
        send(control, GO, &[]).map_err(|errno| silent(errno.to_string()))?;
        let word = receive(control).map_err(|errno| silent(errno.to_string()))?;
        match word.report() {
            Some(Report::Running) => Ok(()),
            Some(Report::Failed(fault)) => Err(self.parts.names.refusal(fault)),
            _ => Err(silent("waiting for the exec".to_owned())),
        }
    }

    /// Waits for the app's end, at most `limit`; `None` means it still runs. Ends everything the
    /// app has started. Returns the same end again when called again.
    pub fn wait(&mut self, limit: Option<Duration>) -> Option<Ended> {
        if self.ended.is_none() && is_readable(&self.parts.control, limit) {
            self.ended = Some(self.last_word());
        }
        self.ended
    }

    /// SIGTERM, ten seconds, SIGKILL. `None` only if the kernel cannot end the app, as when a
    /// tracer does not collect it.
    pub fn stop(&mut self) -> Option<Ended> {
        self.stop_within(GRACE)
    }

    pub fn stop_within(&mut self, grace: Duration) -> Option<Ended> {
        self.signal(Signal::TERM);
        if let Some(ended) = self.wait(Some(grace)) {
            return Some(ended);
        }
        self.signal(Signal::KILL);
        self.wait(Some(KILL_WAIT))
    }

    /// Signals the app's main process; one that has ended needs none.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.parts.app, signal);
    }

    /// The init's report of the end, or what follows from its silence: it was killed itself.
    fn last_word(&self) -> Ended {
        let killed = Ended { code: None, signal: Some(libc::SIGKILL) };
        let ended = loop {
            match receive(&self.parts.control).ok().and_then(|word| word.report()) {
                Some(Report::Ended(ended)) => break ended,
                // Killed before its exec, the app looks as if it had run.
                Some(Report::Running) => {}
                _ => break killed,
            }
        };
        // An init waits for a tracer that has not collected its app yet; we do not.
        if is_readable(&self.parts.init, Some(KILL_WAIT)) {
            reap(self.parts.init_pid);
        }
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(helper) = self.parts.helper.take() {
            reap(helper);
        }
        if self.ended.is_some() {
            return;
        }
        // The app first, so that its init collects it where no pid namespace would.
        self.signal(Signal::KILL);
        if self.wait(Some(KILL_WAIT)).is_none() {
            let _ = pidfd_send_signal(&self.parts.init, Signal::KILL);
            self.wait(Some(KILL_WAIT));
        }
    }
}

fn is_readable(fd: &OwnedFd, limit: Option<Duration>) -> bool {
    let until = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            outcome => return outcome.is_ok_and(|ready| ready > 0),
        }
    }
}

/// Collects a child of ours that has ended or is about to.
pub fn reap(child: Pid) {
    while matches!(waitpid(Some(child), WaitOptions::empty()), Err(Errno::INTR)) {}
}
