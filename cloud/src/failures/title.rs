//! One line for a person: what happened and where.

use craton_trust::failure::{Failure, FailureKind, FaultClass};

use super::names::{is_carrier, stable};
use super::{Place, TracedFrame};

const SIGSYS: u8 = 31;

/// Signal names of Linux on x86-64 and Arm (signal(7)), from 1 on.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Such as `SIGABRT in blink::tick (src/main.rs:42)`.
pub fn title(failure: &Failure<'_>, frames: &[TracedFrame]) -> String {
    let code = failure.code;
    let what = match failure.kind {
        FailureKind::Crash => crash(failure),
        FailureKind::Exit => format!("exit with status {code}"),
        FailureKind::TrialFailed => "update fell back".to_owned(),
        FailureKind::UpdateRefused => format!("update refused (E{code})"),
        FailureKind::Watchdog => "hung and was ended".to_owned(),
        FailureKind::Gap => format!("{code} reports lost"),
    };
    match (place(frames), failure.frames().is_empty()) {
        (Some(place), _) => format!("{what} in {}", place_text(place)),
        (None, false) => format!("{what} in code without symbols"),
        (None, true) => what,
    }
}

fn crash(failure: &Failure<'_>) -> String {
    let at = usize::from(failure.signal).wrapping_sub(1);
    let signal = SIGNALS.get(at).map_or(format!("signal {}", failure.signal), |s| (*s).to_owned());
    let detail = match failure.fault {
        _ if failure.signal == SIGSYS => format!(" (system call {})", failure.code),
        FaultClass::Null => " (null pointer)".to_owned(),
        FaultClass::StackGuard => " (stack overflow)".to_owned(),
        FaultClass::Text => " (access to code)".to_owned(),
        _ => String::new(),
    };
    signal + &detail
}

/// The innermost place of the app itself, else of any function.
fn place(frames: &[TracedFrame]) -> Option<&Place> {
    let places = || frames.iter().flat_map(|frame| &frame.places);
    let own = places().find(|place| !is_carrier(&stable(&place.function)));
    let first = own.or_else(|| places().next())?;
    // Compilers give some instructions of a function no line; its other frames may have one.
    let same = |place: &&Place| place.function == first.function && place.line.is_some();
    places().find(same).or(Some(first))
}

fn place_text(place: &Place) -> String {
    let function = stable(&place.function);
    match (&place.file, place.line) {
        (Some(file), Some(line)) => format!("{function} ({file}:{line})"),
        (Some(file), None) => format!("{function} ({file})"),
        _ => function,
    }
}
