//! The drills of `cli/tests/drill` with no point left out: a power cut at every write, not at some.
//! Before them, whether time tells a secret: statistics that want a quiet machine.

use crate::step;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Told to the drills; without it they take a sample of the points.
const SOAK: &str = "CRATON_SOAK";
const LINE: &str =
    "cargo test --release -p craton-cli --test drill -- --nocapture --test-threads=4";
const TIMING: &str = "cargo run --release -p craton-trust --example timing";

pub fn run(root: &Path) -> Result<()> {
    step::run(root, "soak: timing", TIMING)?;
    println!("xtask: soak: {SOAK}=1 {LINE}");
    let mut drills = step::command(root, LINE)?;
    let status =
        drills.env(SOAK, "1").status().with_context(|| format!("{LINE}: did not start"))?;
    if !status.success() {
        bail!("the soak failed ({status}); to see it alone: {SOAK}=1 {LINE}");
    }
    Ok(())
}
