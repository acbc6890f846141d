//! The benchmarks of `spec/promises.toml`, as `fleet` measures them.

use crate::step;
use anyhow::{Result, bail};
use std::path::Path;

pub fn run(root: &Path) -> Result<()> {
    if !root.join("fleet/src/bin/bench.rs").exists() && !root.join("fleet/src/bin/bench").exists() {
        bail!("fleet has no program `bench` yet, so there is nothing to measure");
    }
    step::run(root, "bench", "cargo run --release --package craton-fleet --bin bench")
}
