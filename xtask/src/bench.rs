//! The benchmarks of `spec/promises.toml`, as `fleet` measures them.

use crate::step;
use anyhow::{Context as _, Result, bail};
use std::path::Path;

const BENCH: &str = "cargo run --release --quiet --package craton-fleet --bin bench --";

/// `words` go to the program as they are. Nothing else is printed: it may have been asked for JSON.
pub fn run(root: &Path, words: &[&str]) -> Result<()> {
    let line = [&[BENCH], words].concat().join(" ");
    let status = step::command(root, &line)?.status();
    let status = status.with_context(|| format!("{line}: did not start"))?;
    if !status.success() {
        bail!("bench failed ({status}); to see it alone: {line}");
    }
    Ok(())
}
