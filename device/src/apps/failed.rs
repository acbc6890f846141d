//! What an app's end is called in its failure record: a pure decision.
//!
//! The kernel does not say who sent a signal. What can be known besides is whether we asked the app
//! to end, whether we had to kill it, and whether memory ran out at that time.

use crate::ipc::{Fault, Refusal};
use crate::trace::{About, Ended, Ending};
use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};

/// What the supervisor saw of a run beside its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// It asked the app to end (SIGTERM).
    pub asked: bool,
    /// It killed the app, which had not ended in its grace.
    pub forced: bool,
    /// The kernel killed for want of memory, somewhere on this machine, about when the app ended.
    pub memory_ran_out: bool,
}

/// A failure on its way to the monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The words for the log.
    pub what: String,
    /// Whether it tells anything of the app's set.
    pub fault: Fault,
    /// The record.
    pub record: Vec<u8>,
}

/// What is told of an end that is a failure; `None` for one that is none.
pub fn told_of(ended: &Ended, about: About, seen: Seen) -> Option<Told> {
    let told = |kind, what, signal, code| {
        let mut failure = blank(kind, about);
        failure.uptime_ms = u64::try_from(ended.ran.as_millis()).unwrap_or(u64::MAX);
        (failure.signal, failure.code) = (signal, code);
        Told { what, fault: fault_of(kind), record: encode(&failure) }
    };
    match &ended.ending {
        Ending::Exited { code: 0 } => None,
        // Whoever was asked to end may say with what status he did.
        Ending::Exited { .. } if seen.asked => None,
        Ending::Exited { code } => {
            let what = format!("ended with status {code}");
            Some(told(FailureKind::Exit, what, 0, i64::from(*code)))
        }
        Ending::Crashed(record) => {
            let did = match record.kind() {
                FailureKind::OverLimit => "went over a limit and was ended",
                _ => "crashed",
            };
            let what = format!("{did} by signal {}", record.signal);
            Some(Told { what, fault: fault_of(record.kind()), record: record.encode() })
        }
        Ending::Killed { signal } => {
            let (kind, what) = killed(*signal, seen)?;
            Some(told(kind, what, u8::try_from(*signal).unwrap_or(0), 0))
        }
    }
}

fn killed(signal: i32, seen: Seen) -> Option<(FailureKind, String)> {
    let by_force = signal == libc::SIGKILL;
    if by_force && seen.forced {
        let what = "hung: it did not end when it was asked to and was killed".to_owned();
        return Some((FailureKind::Watchdog, what));
    }
    if seen.asked && !by_force {
        return None;
    }
    if by_force && seen.memory_ran_out {
        let what = "was killed by signal 9 when memory ran out".to_owned();
        return Some((FailureKind::OutOfMemory, what));
    }
    Some((FailureKind::Killed, format!("was killed by signal {signal}, it is not known by whom")))
}

/// The machine's want of memory tells nothing of a set. One that causes it is not steady in its
/// trial, and falls back by that.
const fn fault_of(kind: FailureKind) -> Fault {
    match kind {
        FailureKind::OutOfMemory => Fault::Host,
        _ => Fault::Judged,
    }
}

/// What is told of an app that was not started; the record's code is the error's number.
pub fn not_started(about: About, why: &Refusal) -> Told {
    let mut failure = blank(FailureKind::Exit, about);
    failure.code = i64::from(why.code);
    Told { what: why.text.clone(), fault: why.fault, record: encode(&failure) }
}

fn blank(kind: FailureKind, about: About) -> Failure<'static> {
    let mut failure = Failure::new(kind, about.component, about.image, about.set);
    failure.boot = about.boot;
    failure
}

fn encode(failure: &Failure<'_>) -> Vec<u8> {
    let mut room = [0u8; RECORD_MAX];
    failure.encode(&mut room).map(<[u8]>::to_vec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{FaultClass, TraceRecord};
    use craton_trust::{ComponentId, Digest, ImageId};
    use std::time::Duration;

    const ABOUT: About = About {
        component: ComponentId([1; 16]),
        image: ImageId([2; 32]),
        set: Digest([3; 32]),
        boot: 4,
    };
    const ALONE: Seen = Seen { asked: false, forced: false, memory_ran_out: false };
    const ASKED: Seen = Seen { asked: true, ..ALONE };
    const FORCED: Seen = Seen { forced: true, ..ASKED };
    const NO_MEMORY: Seen = Seen { memory_ran_out: true, ..ALONE };

    /// Kind, signal and code of the record, if there is one.
    fn told(ending: Ending, seen: Seen) -> Option<(FailureKind, u8, i64)> {
        let ended = Ended { ending, began: true, ran: Duration::from_secs(1) };
        let Told { record, fault, .. } = told_of(&ended, ABOUT, seen)?;
        let failure = Failure::parse(&record).unwrap();
        assert_eq!((failure.boot, failure.uptime_ms), (4, 1000));
        let hosts = failure.kind == FailureKind::OutOfMemory;
        assert_eq!(fault, if hosts { Fault::Host } else { Fault::Judged });
        Some((failure.kind, failure.signal, failure.code))
    }

    fn killed_by(signal: i32) -> Ending {
        Ending::Killed { signal }
    }

    fn crashed_by(signal: u8) -> Ending {
        Ending::Crashed(Box::new(TraceRecord {
            about: ABOUT,
            signal,
            code: 0,
            fault: FaultClass::None,
            frames: Vec::new(),
            complete: true,
            threads: 1,
            uptime_ms: 1000,
        }))
    }

    #[test]
    fn a_kill_is_named_by_what_is_known_of_it() {
        let kind = |signal, seen| told(killed_by(signal), seen).map(|(kind, ..)| kind);
        assert_eq!(kind(libc::SIGKILL, ALONE), Some(FailureKind::Killed));
        assert_eq!(kind(libc::SIGKILL, NO_MEMORY), Some(FailureKind::OutOfMemory));
        assert_eq!(kind(libc::SIGKILL, FORCED), Some(FailureKind::Watchdog));
        assert_eq!(kind(libc::SIGTERM, NO_MEMORY), Some(FailureKind::Killed), "no OOM's signal");
        assert_eq!(told(killed_by(libc::SIGHUP), ALONE), Some((FailureKind::Killed, 1, 0)));
        let both = Seen { memory_ran_out: true, ..FORCED };
        assert_eq!(kind(libc::SIGKILL, both), Some(FailureKind::Watchdog), "our own is known");
    }

    #[test]
    fn an_app_that_ends_when_it_is_asked_to_has_not_failed() {
        assert_eq!(told(killed_by(libc::SIGTERM), ASKED), None);
        assert_eq!(told(Ending::Exited { code: 143 }, ASKED), None);
        assert_eq!(told(Ending::Exited { code: 0 }, ALONE), None);
        assert_eq!(told(Ending::Exited { code: 3 }, ALONE), Some((FailureKind::Exit, 0, 3)));
        let crash = told(crashed_by(11), ASKED);
        assert_eq!(crash, Some((FailureKind::Crash, 11, 0)), "a crash on the way out is one");
    }

    #[test]
    fn a_limit_is_no_crash() {
        for signal in [libc::SIGXCPU, libc::SIGXFSZ] {
            let over = told(crashed_by(signal as u8), ALONE).map(|(kind, ..)| kind);
            assert_eq!(over, Some(FailureKind::OverLimit));
        }
        let crash = told(crashed_by(libc::SIGSEGV as u8), ALONE).map(|(kind, ..)| kind);
        assert_eq!(crash, Some(FailureKind::Crash));
    }

    #[test]
    fn an_app_that_was_not_started_keeps_the_errors_number() {
        let told = not_started(ABOUT, &Refusal::new(5104, "E5104: no program"));
        assert_eq!((told.what.as_str(), told.fault), ("E5104: no program", Fault::Judged));
        let failure = Failure::parse(&told.record).unwrap();
        assert_eq!((failure.kind, failure.code, failure.boot), (FailureKind::Exit, 5104, 4));
    }
}
