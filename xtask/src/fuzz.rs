//! Fuzzing with libFuzzer and the nightly toolchain, without cargo-fuzz.

use crate::step;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub const SECONDS_EACH: u32 = 60;

/// Coverage instrumentation and AddressSanitizer, with the checks of a debug build left on.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Cllvm-args=-sanitizer-coverage-stack-depth -Zsanitizer=address -Cdebug-assertions \
     -Coverflow-checks -Ccodegen-units=1";
const INPUT_BYTES_MAX: u32 = 65_536;
/// A target that needs more memory for one input has found something.
const MEMORY_MIB_MAX: u32 = 2048;
const INPUT_SECONDS_MAX: u32 = 10;

/// Runs every target of `fuzz/` for `seconds`; a finding fails the run and keeps its input.
pub fn run(root: &Path, seconds: u32) -> Result<()> {
    let folder = root.join("fuzz");
    let targets = targets(&folder)?;
    let host = host(root)?;
    let build = format!("cargo +nightly build --release --target {host}");
    println!("xtask: fuzz: {build}");
    let mut command = step::command(&folder, &build)?;
    // Its own folder: the flags differ from those of every other build.
    command.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", folder.join("target"));
    let status = command.status().context("cargo +nightly: rustup toolchain install nightly")?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    fuzz_all(&targets, |target| {
        fuzz_one(&folder, &format!("./target/{host}/release/{target}"), target, seconds)
    })?;
    println!("xtask: fuzz: {} targets, {seconds} s each, no finding", targets.len());
    Ok(())
}

/// As many targets at once as there are cores; after a finding no other is begun.
fn fuzz_all(targets: &[String], fuzz: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<()> {
        while let Some(target) = next() {
            if let Err(finding) = fuzz(target) {
                while next().is_some() {}
                return Err(finding);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(_) => bail!("a worker was lost"),
        });
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

fn fuzz_one(folder: &Path, program: &str, target: &str, seconds: u32) -> Result<()> {
    for kind in ["corpus", "artifacts"] {
        std::fs::create_dir_all(folder.join(kind).join(target))?;
    }
    let mut line = format!(
        "{program} corpus/{target} -artifact_prefix=artifacts/{target}/ -max_total_time={seconds} \
         -max_len={INPUT_BYTES_MAX} -rss_limit_mb={MEMORY_MIB_MAX} -timeout={INPUT_SECONDS_MAX} \
         -print_final_stats=1 -verbosity=0"
    );
    // The golden vectors of the same name, good and broken, are where fuzzing starts.
    let vectors = format!("../spec/vectors/{}", target.replace('_', "-"));
    let spec = format!("../spec/{}", target.replace('_', "-"));
    let own = [format!("seeds/{target}"), vectors, spec];
    let own: Vec<&String> = own.iter().filter(|seeds| folder.join(seeds).is_dir()).collect();
    own.iter().for_each(|seeds| line += &format!(" {seeds}"));
    // What has none reads what all objects have in common.
    if own.is_empty() {
        line += " ../spec/vectors";
    }
    if folder.join("dictionaries").join(format!("{target}.dict")).is_file() {
        line += &format!(" -dict=dictionaries/{target}.dict");
    }
    let log = folder.join("artifacts").join(target).join("log");
    let output = std::fs::File::create(&log).with_context(|| log.display().to_string())?;
    let status = step::command(folder, &line)?
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("{line}: did not start"))?;
    if !status.success() {
        bail!(
            "{target} has a finding ({status}); input and log are in fuzz/artifacts/{target}. To \
             see it alone, in fuzz/: {line}"
        );
    }
    println!("xtask: fuzz: {target}: {seconds} s, {} inputs tried", tried(&log));
    Ok(())
}

/// How many inputs libFuzzer says that it tried.
fn tried(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    count.map_or_else(|| "an unknown number of".into(), |count| count.trim().to_string())
}

/// The names of the programs that `fuzz/Cargo.toml` builds.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).context("fuzz/Cargo.toml")?;
    let manifest: toml::Table = text.parse().context("fuzz/Cargo.toml")?;
    let bins = manifest.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten();
    let names = bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_string()));
    Ok(names.collect())
}

fn host(root: &Path) -> Result<String> {
    let about = step::output(root, "rustc +nightly -vV")
        .context("the nightly toolchain is not here: rustup toolchain install nightly")?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_string).context("rustc does not say its host")
}
