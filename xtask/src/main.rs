//! One command for every check. `cargo xtask` without a word says which there are.
#![forbid(unsafe_code)]

mod bench;
mod firmware;
mod fuzz;
mod generated;
mod licences;
mod needs;
mod soak;
mod step;
mod test;
mod tidy;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask tidy            the house rules: layers, numbers, errors, rules, unsafe, dependencies
cargo xtask licences        what deny.toml says of licences and of banned packages
cargo xtask test            installs what the tests need (asks first), then runs every check
cargo xtask ci              the same without a question: this decides a merge
cargo xtask board           boots a virtual board and does the main job on it, from the build on
cargo xtask firmware        builds the root of trust for a virtual board, into target/firmware
cargo xtask fuzz [SECONDS]  every fuzz target for SECONDS each (60); wants the nightly toolchain
cargo xtask gen [--check]   writes the generated files that are checked in, or compares them
cargo xtask soak            timing, drills and faults with no point left out: hours
cargo xtask bench [WORDS]   the benchmarks of spec/promises.toml; --json, --million, --only NAME
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = root()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["licences"] => licences::check(&root),
        ["test"] => test::run(&root, std::env::var("CI").is_ok_and(|ci| ci == "true")),
        ["ci"] => test::run(&root, true),
        ["board"] => firmware::board(&root),
        ["firmware"] => firmware::build(&root),
        ["fuzz"] => fuzz::run(&root, fuzz::SECONDS_EACH),
        ["fuzz", seconds] => fuzz::run(&root, seconds.parse().context("SECONDS is a number")?),
        ["gen"] => generated::run(&root, generated::Mode::Write),
        ["gen", "--check"] => generated::run(&root, generated::Mode::Check),
        ["bench", words @ ..] => bench::run(&root, words),
        ["soak"] => soak::run(&root),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        unknown => bail!("`{}` is no command of xtask:\n{HELP}", unknown.join(" ")),
    }
}

/// The folder of the workspace, wherever the command was typed.
fn root() -> Result<PathBuf> {
    let own = std::env::var("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = Path::new(&own).parent().context("xtask stands in no workspace")?;
    Ok(root.to_path_buf())
}
