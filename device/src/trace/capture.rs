//! Taking down a crash while the thread still stands where it crashed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use craton_trust::failure::FaultClass;

use super::fault::classify;
use super::memory::Memory;
use super::record::{About, TraceRecord};
use super::unwind::{Trace, unwind};
use crate::sys::ptrace::registers::{Registers, SP};
use crate::sys::ptrace::{SignalInfo, Tracee};

/// The signals that mean a program broke: those whose default action is to dump core
/// (signal(7)), less SIGQUIT, which a person sends.
pub fn is_crash(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGABRT
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGSEGV
            | libc::SIGSYS
            | libc::SIGXCPU
            | libc::SIGXFSZ
    )
}

/// One crash as seen at one stop of one thread.
#[derive(Debug, Clone)]
pub struct Capture {
    pub thread: i32,
    pub signal: SignalInfo,
    pub fault: FaultClass,
    pub trace: Trace,
    pub threads: u16,
}

impl Capture {
    /// Looks at a stopped thread that is about to die of `signal`.
    pub fn take(tracee: &Tracee, memory: Option<&Memory>, thread: i32, signal: SignalInfo) -> Self {
        let mut capture = Capture {
            thread,
            signal,
            fault: FaultClass::None,
            trace: Trace::default(),
            threads: count_threads(tracee.pid()),
        };
        let (Ok(registers), Some(memory)) = (tracee.registers(thread), memory) else {
            return capture;
        };
        // The tables are the crashed program's word; whatever they do to a parser must not
        // end this thread, because the kernel then ends the program.
        let looked = AssertUnwindSafe(|| capture.look(registers, memory));
        if catch_unwind(looked).is_err() {
            capture.trace = Trace::default();
        }
        capture
    }

    /// What is known of a crash that no stop announced.
    pub fn unseen(thread: i32, signal: i32) -> Self {
        let signal = SignalInfo { signal, code: 0, address: 0, syscall: 0 };
        Capture { thread, signal, fault: FaultClass::None, trace: Trace::default(), threads: 0 }
    }

    fn look(&mut self, registers: Registers, memory: &Memory) {
        let mappings = memory.mappings();
        if matches!(self.signal.signal, libc::SIGSEGV | libc::SIGBUS) {
            let sp = registers.get(SP).unwrap_or(0);
            self.fault = classify(self.signal.code, self.signal.address, sp, &mappings);
        }
        self.trace = unwind(registers, &mappings, memory);
    }

    pub fn into_record(self, about: About, uptime_ms: u64) -> TraceRecord {
        let SignalInfo { signal, code, syscall, .. } = self.signal;
        let refused = signal == libc::SIGSYS && code > 0;
        TraceRecord {
            about,
            signal: u8::try_from(signal).unwrap_or(0),
            code: i64::from(if refused { syscall } else { code }),
            fault: self.fault,
            frames: self.trace.frames,
            complete: self.trace.complete,
            threads: self.threads,
            uptime_ms,
        }
    }
}

fn count_threads(pid: i32) -> u16 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    tasks.map_or(0, |tasks| tasks.take(usize::from(u16::MAX)).count() as u16)
}
