//! What the sandbox costs at an app's start, against a bare exec of the same program.

use std::process::Command;
use std::time::{Duration, Instant};

use super::sandbox::{SandboxError, Spec, spawn};
use crate::trace::{About, Watch};
use craton_trust::{ComponentId, Digest, ImageId};

/// Times of starts, each from the start to the program's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    pub median: Duration,
    pub p90: Duration,
}

/// The same program in both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartCost {
    pub bare: Spread,
    pub sandboxed: Spread,
}

impl StartCost {
    /// What the promise is about: the difference of the medians.
    pub fn added(&self) -> Duration {
        self.sandboxed.median.saturating_sub(self.bare.median)
    }
}

impl std::fmt::Display for StartCost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let one = |times: Spread| format!("{:.2} ms (p90 {:.2})", ms(times.median), ms(times.p90));
        let (bare, sandboxed) = (one(self.bare), one(self.sandboxed));
        write!(out, "bare exec {bare}, sandboxed {sandboxed}, added {:.2} ms", ms(self.added()))
    }
}

/// Starts the app of `spec`, a program that ends at once, `runs` times in each way, in turns so
/// that both see the same machine. The sandboxed start is the apps role's: from a zygote that
/// runs already, seized by a tracer before its exec.
pub fn measure(spec: &Spec, runs: usize) -> Result<StartCost, SandboxError> {
    let program = spec.root.join(spec.entry_point.trim_start_matches('/'));
    let not_started = |why: std::io::Error| SandboxError::InitNotStarted {
        program: program.display().to_string(),
        why: why.to_string(),
    };
    // The first start executes the zygote, as the role does once.
    sandboxed(spec)?;
    let (mut bare_times, mut sandboxed_times) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        Command::new(&program).status().map_err(not_started)?;
        bare_times.push(start.elapsed());
        let start = Instant::now();
        sandboxed(spec)?;
        sandboxed_times.push(start.elapsed());
    }
    Ok(StartCost { bare: spread(bare_times), sandboxed: spread(sandboxed_times) })
}

fn sandboxed(spec: &Spec) -> Result<(), SandboxError> {
    let about = About {
        component: ComponentId([0; 16]),
        image: ImageId([0; 32]),
        set: Digest([0; 32]),
        boot: 0,
    };
    let silent = |during: String| SandboxError::InitSilent { during };
    let mut running = spawn(spec)?;
    let watch = Watch::seize(running.app_pid().as_raw_nonzero().get(), about)
        .map_err(|why| silent(why.to_string()))?;
    running.release()?;
    watch.ending().map_err(|why| silent(why.to_string()))?;
    running.wait(None).map(|_| ()).ok_or_else(|| silent("waiting for the end".to_owned()))
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Spread { median: at(times.len() / 2), p90: at(times.len() * 9 / 10) }
}
