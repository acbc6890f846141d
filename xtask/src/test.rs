//! Every check, cheapest first. Cargo's own test lines come last, so that they are the last words.

use crate::{firmware, generated, licences, needs, step, tidy};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::Path;

const CLIPPY: &str = "cargo clippy --release --workspace --all-targets -- -D warnings";
const TEST: &str = "cargo test --release --workspace";

/// `unasked`: install without a question, and fail if something could not be installed.
pub fn run(root: &Path, unasked: bool) -> Result<()> {
    needs::install(root, unasked)?;
    tidy::run(root)?;
    step::run(root, "format", "cargo fmt --all -- --check")?;
    licences::check(root)?;
    step::run(root, "clippy", CLIPPY)?;
    generated::run(root, generated::Mode::Check)?;
    let firmware = firmware::check(root)?;
    println!("xtask: tests: {TEST}");
    let mut tests = step::command(root, TEST)?;
    if firmware {
        tests.env("CRATON_FIRMWARE", root.join(firmware::BUILT));
    }
    // Becomes cargo: its exit status is ours, and nothing is printed after it.
    let why = tests.exec();
    Err(why).with_context(|| format!("{TEST}: did not start"))
}
