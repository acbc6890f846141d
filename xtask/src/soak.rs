//! The drills with no point left out: a power cut at every write of `cli/tests/drill`, every
//! instruction of the ROM skipped in `firmware/tests/faults`, a cut at every store of the firmware,
//! and ten million frames to it and to a ROM that waits, not some. Before them, whether time tells
//! a secret: statistics that want a quiet machine.

use crate::{needs, step};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Told to the drills; without it they take a sample of the points.
const SOAK: &str = "CRATON_SOAK";
const DRILLS: &str =
    "cargo test --release -p craton-cli --test drill -- --nocapture --test-threads=4";
const TIMING: &str = "cargo run --release -p craton-trust --example timing";
const FAULTS: &str = "cargo test --release --locked --test faults -- --nocapture --test-threads=2";
const CUTS: &str = "cargo test --release --locked --test attacks -- --nocapture a_cut_at_a_store";
const FRAMES: &str = "cargo test --release --locked --test attacks -- --nocapture no_frame_stops";

pub fn run(root: &Path) -> Result<()> {
    step::run(root, "soak: timing", TIMING)?;
    all(root, DRILLS)?;
    if !needs::present("qemu-system-arm") {
        println!(
            "xtask: NOT TRIED: faults, cuts and frames of the firmware: install qemu-system-arm"
        );
        return Ok(());
    }
    let firmware = root.join("firmware");
    all(&firmware, FAULTS)?;
    all(&firmware, CUTS)?;
    all(&firmware, FRAMES)
}

fn all(folder: &Path, line: &str) -> Result<()> {
    println!("xtask: soak: {SOAK}=1 {line}");
    let mut drills = step::command(folder, line)?;
    let status =
        drills.env(SOAK, "1").status().with_context(|| format!("{line}: did not start"))?;
    if !status.success() {
        bail!("the soak failed ({status}); to see it alone: {SOAK}=1 {line}");
    }
    Ok(())
}
