//! One program run as a step: named before it starts, timed when it ends.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs `line` (program and words, split at spaces) in `root` and fails if it fails.
pub fn run(root: &Path, name: &str, line: &str) -> Result<()> {
    println!("xtask: {name}: {line}");
    let start = Instant::now();
    let status = command(root, line)?.status().with_context(|| format!("{line}: did not start"))?;
    if !status.success() {
        bail!("{name} failed ({status}); to see it alone: {line}");
    }
    println!("xtask: {name}: done in {:.1} s", start.elapsed().as_secs_f32());
    Ok(())
}

/// What `line` prints; none if it fails or does not exist.
pub fn output(root: &Path, line: &str) -> Option<String> {
    let done = command(root, line).ok()?.stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The program and words of `line`, to be started in `root`.
pub fn command(root: &Path, line: &str) -> Result<Command> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let mut command = Command::new(program);
    command.args(words).current_dir(root);
    // `cargo run` tells its own manifest to what it starts; a cargo started here has its own.
    for inherited in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO"] {
        command.env_remove(inherited);
    }
    Ok(command)
}
