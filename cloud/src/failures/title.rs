//! One line for a person: what happened and where.

use craton_trust::failure::{ChipCode, Failure, FailureKind, FaultClass};

use super::names::{is_carrier, stable};
use super::{Place, TracedFrame};

const SIGXCPU: u8 = 24;
const SIGXFSZ: u8 = 25;
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
        FailureKind::Killed => format!("ended by {}", signal_name(failure.signal)),
        FailureKind::OutOfMemory => "killed when memory ran out".to_owned(),
        FailureKind::OverLimit => over_limit(failure.signal),
        FailureKind::ChipReset => chip_reset(ChipCode::of(code)),
    };
    match (place(frames), failure.frames().is_empty()) {
        (Some(place), _) => format!("{what} in {}", place_text(place)),
        (None, false) => format!("{what} in code without symbols"),
        (None, true) => what,
    }
}

fn crash(failure: &Failure<'_>) -> String {
    let detail = match failure.fault {
        _ if failure.signal == SIGSYS => format!(" (system call {})", failure.code),
        FaultClass::Null => " (null pointer)".to_owned(),
        FaultClass::StackGuard => " (stack overflow)".to_owned(),
        FaultClass::Text => " (access to code)".to_owned(),
        _ => String::new(),
    };
    signal_name(failure.signal) + &detail
}

fn over_limit(signal: u8) -> String {
    match signal {
        SIGXCPU => "over its processor time".to_owned(),
        SIGXFSZ => "over its storage".to_owned(),
        _ => format!("over a limit ({})", signal_name(signal)),
    }
}

fn chip_reset(code: ChipCode) -> String {
    let stage = match code.stage {
        1 => "ROM",
        2 => "runtime",
        3 => "mailbox",
        _ => "program",
    };
    let how = match code.how {
        2 => "touched secure memory",
        3 => "panicked",
        _ => "faulted",
    };
    format!("the root of trust's {stage} {how} (status {:#010x})", code.status)
}

fn signal_name(signal: u8) -> String {
    let at = usize::from(signal).wrapping_sub(1);
    SIGNALS.get(at).map_or(format!("signal {signal}"), |name| (*name).to_owned())
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
