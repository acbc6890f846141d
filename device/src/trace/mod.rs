//! Watching an app as its tracer and, when it crashes, writing down where: build ids and places
//! in the code, never memory.
//!
//! The kernel stops a traced thread before a fatal signal acts. There the registers and the
//! memory still show the crash; from them and the program's unwind tables come the frames.
//! Works for any process that the caller may trace, across user and pid namespaces.

#![forbid(unsafe_code)]

mod capture;
mod fault;
mod memory;
mod module;
mod record;
mod unwind;
mod watch;

use std::io;

pub use craton_trust::failure::FaultClass;
pub use record::{About, BuildId, FRAMES_MAX, Frame, TraceRecord};
pub use watch::{Ended, Ending, Watch};

/// Why a process cannot be watched, or is no longer.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error(
        "E5201: process {pid} cannot be traced ({source}). Trace it as the user that started \
         it, and only once."
    )]
    SeizeRefused { pid: i32, source: io::Error },
    #[error("E5202: process {pid} is gone. Seize it before it can end.")]
    ProcessGone { pid: i32 },
    #[error(
        "E5203: the kernel lost process {pid} to someone else. How it ended is not known; \
         start it again."
    )]
    TraceeLost { pid: i32 },
}

impl TraceError {
    /// The number in `spec/errors.toml`.
    pub fn code(&self) -> u16 {
        match self {
            TraceError::SeizeRefused { .. } => 5201,
            TraceError::ProcessGone { .. } => 5202,
            TraceError::TraceeLost { .. } => 5203,
        }
    }
}
