//! Following a process from before its program begins until it ends, however it ends.

use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TraceError;
use super::capture::{Capture, is_crash};
use super::memory::Memory;
use super::record::{About, TraceRecord};
use crate::sys::ptrace::{Change, SignalInfo, Stop, Tracee, signal_of};

/// Signals that a program handles itself and that are still looked at, per run: a program may
/// use faults as a tool, and each look costs it a millisecond.
const HANDLED_LOOKS_MAX: u32 = 16;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Exited {
        code: u8,
    },
    /// By a signal that tells of a fault in the program, or by its own handler of one.
    Crashed(Box<TraceRecord>),
    /// By a signal that tells of none: someone stopped it, or memory ran out.
    Killed {
        signal: i32,
    },
}

/// The end of a watched process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub ending: Ending,
    /// Whether the program began (an `exec` was seen); what ended before was its preparation.
    pub began: bool,
    /// Since the program began; since the seizing, if it never did.
    pub ran: Duration,
}

/// A process under watch. Dropping it without [`Watch::ending`] leaves the watch in place.
#[derive(Debug)]
pub struct Watch {
    pid: i32,
    thread: JoinHandle<Result<Ended, TraceError>>,
}

impl Watch {
    /// Seizes `pid` (as this process sees it, whatever it is called in its own namespace)
    /// with all its threads, and watches it on a thread of its own. If this process dies, the
    /// watched one is killed. To see a program from its first instruction, seize its process
    /// before the `exec`.
    pub fn seize(pid: i32, about: About) -> Result<Watch, TraceError> {
        let (tell, told) = mpsc::channel();
        let watch = move || match Tracee::seize(pid) {
            Ok(tracee) => {
                tell.send(Ok(())).ok();
                follow(tracee, about)
            }
            Err(error) => {
                tell.send(Err(refusal(pid, error))).ok();
                Err(TraceError::TraceeLost { pid })
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("watch-{pid}"))
            .spawn(watch)
            .map_err(|source| TraceError::SeizeRefused { pid, source })?;
        told.recv().unwrap_or(Err(TraceError::TraceeLost { pid }))?;
        Ok(Watch { pid, thread })
    }

    /// Blocks until the process has ended.
    pub fn ending(self) -> Result<Ended, TraceError> {
        self.thread.join().unwrap_or(Err(TraceError::TraceeLost { pid: self.pid }))
    }
}

fn refusal(pid: i32, error: io::Error) -> TraceError {
    match error.raw_os_error() {
        Some(libc::ESRCH) => TraceError::ProcessGone { pid },
        _ => TraceError::SeizeRefused { pid, source: error },
    }
}

fn follow(tracee: Tracee, about: About) -> Result<Ended, TraceError> {
    let pid = tracee.pid();
    let mut run = Run::new(tracee);
    loop {
        match run.tracee.wait().map_err(|_| TraceError::TraceeLost { pid })? {
            Change::Stopped(thread, stop) => run.answer(thread, stop),
            Change::Exited(thread, code) if thread == pid => return Ok(run.exited(code, about)),
            Change::Killed(thread, signal) if thread == pid => return Ok(run.killed(signal, about)),
            Change::Exited(..) | Change::Killed(..) => {}
        }
    }
}

/// One run of a program, as far as it has come.
struct Run {
    tracee: Tracee,
    memory: Option<Memory>,
    began: bool,
    since: Instant,
    /// The crash to report if the process dies now.
    held: Option<Capture>,
    /// The signal at the latest look; `held` may be the fault that led to it.
    looked_at: Option<i32>,
    handled_looks: u32,
    /// The thread that crashed ended the process from inside its handler.
    ended_by_handler: bool,
}

impl Run {
    fn new(tracee: Tracee) -> Run {
        Run {
            memory: Memory::open(tracee.pid()).ok(),
            tracee,
            began: false,
            since: Instant::now(),
            held: None,
            looked_at: None,
            handled_looks: 0,
            ended_by_handler: false,
        }
    }

    /// Answers a stop. A thread that is killed meanwhile makes the answer fail; its end is
    /// then the next thing the wait reports, so the failure itself says nothing.
    fn answer(&mut self, thread: i32, stop: Stop) {
        let answered = match stop {
            Stop::Signal(signal) => {
                self.look_at_signal(thread, signal);
                self.tracee.resume(thread, signal)
            }
            Stop::Group => self.tracee.listen(thread),
            Stop::Exec => {
                self.begin();
                self.tracee.resume(thread, 0)
            }
            Stop::Exit(status) => {
                self.look_at_exit(thread, status);
                self.tracee.resume(thread, 0)
            }
            Stop::Other => self.tracee.resume(thread, 0),
        };
        answered.ok();
    }

    /// A new program: what was known of the one before is void.
    fn begin(&mut self) {
        self.memory = Memory::open(self.tracee.pid()).ok();
        self.began = true;
        self.since = Instant::now();
        self.held = None;
        self.looked_at = None;
        self.handled_looks = 0;
    }

    fn look_at_signal(&mut self, thread: i32, signal: i32) {
        if !is_crash(signal) || !self.is_ours(thread) {
            return;
        }
        if !self.would_kill(signal) {
            if self.handled_looks >= HANDLED_LOOKS_MAX {
                return;
            }
            self.handled_looks += 1;
        }
        if let Ok(info) = self.tracee.signal_info(thread) {
            self.look(thread, info);
        }
    }

    /// Holds what this stop shows, unless it is what became of the crash held already: a
    /// handler that gives up by `abort` tells less than the fault that called it.
    fn look(&mut self, thread: i32, info: SignalInfo) {
        let capture = Capture::take(&self.tracee, self.memory.as_ref(), thread, info);
        self.looked_at = Some(info.signal);
        let held_led_here = self.held.as_ref().is_some_and(|held| held.thread == thread);
        if !(held_led_here && capture.trace.in_handler) {
            self.held = Some(capture);
        }
    }

    /// The last look at a thread. Only one kind of death comes here unannounced: seccomp's
    /// (`SECCOMP_RET_KILL_PROCESS`), whose signal the kernel lets no tracer stop.
    fn look_at_exit(&mut self, thread: i32, status: i32) {
        if !self.is_ours(thread) {
            return;
        }
        match signal_of(status) {
            Some(libc::SIGSYS) if self.looked_at != Some(libc::SIGSYS) => {
                self.look_at_refused_call(thread);
            }
            None if status != 0 && self.held_by(thread) => {
                let info = SignalInfo { signal: 0, code: 0, address: 0, syscall: 0 };
                let capture = Capture::take(&self.tracee, self.memory.as_ref(), thread, info);
                self.ended_by_handler |= capture.trace.in_handler;
            }
            _ => {}
        }
    }

    fn held_by(&self, thread: i32) -> bool {
        self.held.as_ref().is_some_and(|held| held.thread == thread)
    }

    /// Of all the threads that end together, the refused one is that whose call the kernel
    /// has rolled back.
    fn look_at_refused_call(&mut self, thread: i32) {
        let Ok(registers) = self.tracee.registers(thread) else { return };
        let Some(number) = registers.rolled_back_call() else { return };
        let info = SignalInfo { signal: libc::SIGSYS, code: 1, address: 0, syscall: number };
        self.look(thread, info);
    }

    /// Whether the process has neither a handler for the signal nor ignores it.
    fn would_kill(&self, signal: i32) -> bool {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", self.tracee.pid()))
        else {
            return true;
        };
        let bit = 1u64 << (signal - 1);
        let masks = status.lines().filter_map(|line| {
            let mask = line.strip_prefix("SigCgt:").or_else(|| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        !masks.into_iter().any(|mask| mask & bit != 0)
    }

    /// Whether a traced task is a thread of the watched process, not a process it cloned.
    fn is_ours(&self, thread: i32) -> bool {
        Path::new(&format!("/proc/{}/task/{thread}", self.tracee.pid())).exists()
    }

    fn exited(self, code: i32, about: About) -> Ended {
        if self.ended_by_handler
            && let Some(held) = self.held
        {
            return ended(self.began, self.since, Some((held, about)), Ending::Exited { code: 0 });
        }
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        ended(self.began, self.since, None, Ending::Exited { code })
    }

    fn killed(self, signal: i32, about: About) -> Ended {
        if !is_crash(signal) {
            return ended(self.began, self.since, None, Ending::Killed { signal });
        }
        let pid = self.tracee.pid();
        let held = self.held.filter(|_| self.looked_at == Some(signal));
        let capture = held.unwrap_or_else(|| Capture::unseen(pid, signal));
        ended(self.began, self.since, Some((capture, about)), Ending::Killed { signal })
    }
}

fn ended(began: bool, since: Instant, crash: Option<(Capture, About)>, otherwise: Ending) -> Ended {
    let ran = since.elapsed();
    let ending = match crash {
        Some((capture, about)) => {
            let uptime_ms = u64::try_from(ran.as_millis()).unwrap_or(u64::MAX);
            Ending::Crashed(Box::new(capture.into_record(about, uptime_ms)))
        }
        None => otherwise,
    };
    Ended { ending, began, ran }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::{ComponentId, Digest, ImageId};

    #[test]
    fn tracee_lost_when_the_kernel_knows_of_none() {
        let about = About {
            component: ComponentId([0; 16]),
            image: ImageId([0; 32]),
            set: Digest([0; 32]),
            boot: 0,
        };
        let follower = std::thread::spawn(move || follow(Tracee::unseized(1), about));
        let error = follower.join().unwrap().unwrap_err();
        assert!(matches!(error, TraceError::TraceeLost { pid: 1 }));
        assert_eq!(error.code(), 5203);
    }
}
