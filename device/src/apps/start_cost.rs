//! What the sandbox costs at an app's start, against a bare exec of the same program.

use std::process::Command;
use std::time::{Duration, Instant};

use super::sandbox::{SandboxError, Spec, spawn};

/// Medians, each from start to the program's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartCost {
    pub bare: Duration,
    pub sandboxed: Duration,
}

impl StartCost {
    pub fn added(&self) -> Duration {
        self.sandboxed.saturating_sub(self.bare)
    }
}

impl std::fmt::Display for StartCost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let (bare, sandboxed, added) = (ms(self.bare), ms(self.sandboxed), ms(self.added()));
        write!(out, "bare exec {bare:.2} ms, sandboxed {sandboxed:.2} ms, added {added:.2} ms")
    }
}

/// Starts the app of `spec`, a program that ends at once, `runs` times in each way, in turns so
/// that both see the same machine.
pub fn measure(spec: &Spec, runs: usize) -> Result<StartCost, SandboxError> {
    let program = spec.root.join(spec.entry_point.trim_start_matches('/'));
    let not_started = |why: std::io::Error| SandboxError::InitNotStarted {
        program: program.display().to_string(),
        why: why.to_string(),
    };
    let (mut bare, mut sandboxed) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        Command::new(&program).status().map_err(not_started)?;
        bare.push(start.elapsed());
        let start = Instant::now();
        let mut running = spawn(spec)?;
        running.release()?;
        running.wait(None);
        sandboxed.push(start.elapsed());
    }
    Ok(StartCost { bare: median(bare), sandboxed: median(sandboxed) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
