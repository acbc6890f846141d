//! The start of a sandboxed app against a bare exec of the same program.

use crate::Size;
use crate::report::Report;
use anyhow::{Context as _, Result, bail};
use craton_device::apps::sandbox::{Accept, Spec, Zygote};
use craton_device::apps::start_cost;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Starts for each of the size's rounds.
const RUNS_EACH: usize = 40;

/// The word that makes this program a sandbox's first process.
pub const INIT: &str = "sandbox-init";

pub fn measure(report: &mut Report, size: Size) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    compile(&mut compiler, folder.path())?;
    let own = std::env::current_exe()?;
    let zygote = Zygote::new(vec![own.into(), INIT.into()]);
    let mut spec = Spec::new(Arc::new(zygote), folder.path(), "/app");
    spec.accept = Accept::Reduced;
    let cost = start_cost::measure(&spec, RUNS_EACH * size.rounds)?;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    report.add("sandbox-bare", "a bare exec, start to end", ms(cost.bare.median), "ms");
    report.add("sandbox-app", "the same program in its sandbox", ms(cost.sandboxed.median), "ms");
    let what = "a sandboxed start over a bare exec";
    report.promise("sandbox-start", what, ms(cost.added()), "ms", "<= 5 ms");
    Ok(())
}

/// A static program that ends at once.
fn compile(compiler: &mut Command, folder: &Path) -> Result<()> {
    let source = folder.join("app.rs");
    std::fs::write(&source, "fn main() {}\n")?;
    let compiler = compiler
        .args(["--edition", "2024", "-C", "opt-level=1", "-C", "panic=abort"])
        .args(["-C", "target-feature=+crt-static", "-C", "relocation-model=pie"])
        .arg("-o")
        .arg(folder.join("app"))
        .arg(&source);
    if !compiler.status().context("rustc does not start")?.success() {
        bail!("rustc could not build the program to start");
    }
    Ok(())
}
