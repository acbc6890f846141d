//! A real process, every way it can end: what the watch says of it.

use crate::apps::{Panic, SECRET, about, crash, functions, in_order, run, waiting};
use craton_device::trace::{Ending, FRAMES_MAX, FaultClass, TraceError, Watch};

const CALLERS: [&str; 4] = ["inner", "middle", "outer", "main"];

/// Asserts that the trace goes from `first` through the callers to the thread's begin.
fn assert_trace(panic: Panic, kind: &str, first: &[&str], signal: i32) {
    let record = crash(panic, kind);
    assert_eq!(i32::from(record.signal), signal, "{kind}");
    let names = functions(panic, &record.frames);
    let wanted: Vec<&str> = first.iter().copied().chain(CALLERS).collect();
    assert!(in_order(&names, &wanted), "{kind}: {names:#?}");
    assert!(record.complete, "{kind}: {names:#?}");
}

#[test]
fn abort_shows_the_caller_of_abort() {
    assert_trace(Panic::Abort, "abort", &["raise", "abort"], libc::SIGABRT);
}

#[test]
fn a_panic_that_aborts_shows_where_it_panicked() {
    assert_trace(Panic::Abort, "panic", &["abort", "panic"], libc::SIGABRT);
}

#[test]
fn a_panic_that_unwinds_is_an_exit() {
    assert_eq!(run(Panic::Unwind, "panic").ending, Ending::Exited { code: 101 });
}

#[test]
fn a_null_pointer_is_told_from_other_faults() {
    assert_trace(Panic::Abort, "null", &["read_at"], libc::SIGSEGV);
    assert_eq!(crash(Panic::Abort, "null").fault, FaultClass::Null);
    assert_eq!(crash(Panic::Abort, "unmapped").fault, FaultClass::Unmapped);
    assert_eq!(crash(Panic::Abort, "noncanonical").fault, FaultClass::NonCanonical);
    assert_eq!(crash(Panic::Abort, "text").fault, FaultClass::Text);
}

#[test]
fn each_faulting_instruction_has_its_signal_and_trace() {
    assert_trace(Panic::Abort, "divide", &["divide_trap"], libc::SIGFPE);
    assert_trace(Panic::Abort, "illegal", &[], libc::SIGILL);
    assert_trace(Panic::Abort, "trap", &[], libc::SIGTRAP);
    assert_trace(Panic::Abort, "bus", &["read_at", "bus_error"], libc::SIGBUS);
    assert_eq!(crash(Panic::Abort, "bus").fault, FaultClass::Data);
}

#[test]
fn a_jump_to_no_code_shows_who_jumped() {
    assert_trace(Panic::Abort, "jump", &["elsewhere", "jump"], libc::SIGSEGV);
    assert_eq!(crash(Panic::Abort, "jump").frames[0], Default::default());
}

#[test]
fn a_stack_overflow_is_the_fault_not_the_abort_it_leads_to() {
    for kind in ["overflow", "thread-overflow"] {
        let record = crash(Panic::Abort, kind);
        assert_eq!(i32::from(record.signal), libc::SIGSEGV);
        assert_eq!(record.fault, FaultClass::StackGuard);
        assert_eq!(record.frames.len(), FRAMES_MAX);
        assert!(!record.complete);
        let names = functions(Panic::Abort, &record.frames);
        assert!(names.iter().all(|name| name.contains("recurse")), "{names:#?}");
    }
}

#[test]
fn a_crash_of_another_thread_shows_that_thread() {
    let record = crash(Panic::Abort, "thread");
    assert_eq!(record.threads, 2);
    let names = functions(Panic::Abort, &record.frames);
    assert!(in_order(&names, &["read_at", "thread"]), "{names:#?}");
    assert!(!in_order(&names, &["middle"]), "{names:#?}");
}

#[test]
fn a_refused_system_call_is_named_whichever_way_it_was_refused() {
    for kind in ["refused-trap", "refused-kill"] {
        assert_trace(Panic::Abort, kind, &["syscall", "refused_call"], libc::SIGSYS);
        assert_eq!(crash(Panic::Abort, kind).code, libc::SYS_getppid);
    }
}

#[test]
fn a_handler_that_exits_does_not_hide_the_crash() {
    assert_trace(Panic::Abort, "handler-exit", &["read_at"], libc::SIGSEGV);
}

#[test]
fn signals_that_the_program_handles_are_no_crash() {
    assert_eq!(run(Panic::Abort, "handled").ending, Ending::Exited { code: 0 });
}

#[test]
fn a_program_that_hides_is_traced_all_the_same() {
    assert_trace(Panic::Abort, "hide", &["read_at"], libc::SIGSEGV);
}

#[test]
fn an_exit_is_an_exit_and_a_kill_is_a_kill() {
    assert_eq!(run(Panic::Abort, "leave").ending, Ending::Exited { code: 3 });
    let mut wait = waiting(Panic::Abort, &["wait"]);
    let watch = Watch::seize(wait.child.id() as i32, about()).unwrap();
    wait.go();
    wait.hear();
    std::thread::sleep(std::time::Duration::from_millis(50));
    wait.child.kill().unwrap();
    let ended = watch.ending().unwrap();
    assert_eq!(ended.ending, Ending::Killed { signal: libc::SIGKILL });
    assert!(ended.ran.as_millis() >= 50);
}

#[test]
fn a_process_that_ends_before_its_program_begins_says_so() {
    let mut wait = waiting(Panic::Abort, &["leave"]);
    let watch = Watch::seize(wait.child.id() as i32, about()).unwrap();
    // Its input stays open: at the end of it the shell would go on to the program.
    wait.child.kill().unwrap();
    assert!(!watch.ending().unwrap().began);
    wait.child.wait().unwrap();
}

#[test]
fn a_thousand_threads_come_and_go_under_watch() {
    assert_eq!(run(Panic::Abort, "busy").ending, Ending::Exited { code: 0 });
}

#[test]
fn the_record_carries_what_the_caller_knows() {
    let record = crash(Panic::Abort, "null");
    assert_eq!(record.about, about());
    assert!(record.uptime_ms < 10_000);
}

#[test]
fn no_secret_of_the_app_is_in_the_record() {
    for kind in ["abort", "panic", "overflow", "null", "jump", "thread"] {
        let wait = waiting(Panic::Abort, &[kind, SECRET]);
        let Ending::Crashed(record) = wait.run().ending else { panic!("{kind}: no crash") };
        let bytes = record.encode();
        for part in SECRET.as_bytes().windows(4) {
            assert!(!bytes.windows(4).any(|window| window == part), "{kind}: {part:?}");
        }
    }
}

#[test]
fn seize_refused_when_someone_else_traces_it_already() {
    let mut wait = waiting(Panic::Abort, &["leave"]);
    let pid = wait.child.id() as i32;
    let watch = Watch::seize(pid, about()).unwrap();
    let error = Watch::seize(pid, about()).unwrap_err();
    assert!(matches!(error, TraceError::SeizeRefused { .. }), "{error}");
    assert_eq!(error.code(), 5201);
    wait.go();
    watch.ending().unwrap();
}

#[test]
fn process_gone_when_it_ended_before() {
    let mut wait = waiting(Panic::Abort, &["leave"]);
    wait.child.kill().unwrap();
    let pid = wait.child.id() as i32;
    wait.child.wait().unwrap();
    let error = Watch::seize(pid, about()).unwrap_err();
    assert!(matches!(error, TraceError::ProcessGone { .. }), "{error}");
    assert_eq!(error.code(), 5202);
}
