//! The benchmarks of `spec/promises.toml`. What each counts is in `docs/src/benchmarks.md`.
#![forbid(unsafe_code)]

mod appraise;
mod bare;
mod check_in;
mod cpu;
mod report;
mod sandbox;
mod serve;
mod store;

use anyhow::Result;
use clap::{Parser, Subcommand};
use report::Report;
use std::path::PathBuf;

/// What is asked for.
#[derive(Parser)]
#[command(name = "bench", about = "Measures what spec/promises.toml promises")]
struct Asked {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// A few devices and rounds: shows that everything runs, and measures nothing well.
    #[arg(long)]
    quick: bool,
    /// Also with a million registered devices; takes some minutes.
    #[arg(long)]
    million: bool,
    /// Measure only what has this word in its name.
    #[arg(long, default_value = "")]
    only: String,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is when it starts itself again.
#[derive(Subcommand)]
enum Role {
    /// The service, in a process of its own so that its CPU can be told from the devices'.
    #[command(hide = true)]
    Serve {
        /// The data folder.
        data: PathBuf,
        /// The seed.
        seed: u64,
        /// Let everything else come first.
        #[arg(long)]
        behind: bool,
    },
}

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Size {
    /// Registered devices.
    pub devices: u64,
    /// Rounds, of which medians are taken.
    pub rounds: usize,
    /// Runs of a loop in a round.
    pub loops: usize,
    /// Registered devices of the large database.
    pub many: u64,
}

const FULL: Size = Size { devices: 1_000, rounds: 5, loops: 400, many: 1_000_000 };
const QUICK: Size = Size { devices: 8, rounds: 2, loops: 5, many: 200 };

fn main() -> Result<()> {
    if std::env::args_os().nth(1).is_some_and(|word| word == sandbox::INIT) {
        craton_device::apps::sandbox::sandbox_init_main();
    }
    let asked = Asked::parse();
    if let Some(Role::Serve { data, seed, behind }) = asked.role {
        return serve::run(data, seed, behind);
    }
    let size = if asked.quick { QUICK } else { FULL };
    let mut report = Report::default();
    let wanted = |name: &str| name.contains(&asked.only);
    let check_in = wanted("check-in").then(|| check_in::measure(&mut report, size)).transpose()?;
    if wanted("appraise") {
        appraise::measure(&mut report, size)?;
    }
    let many = asked.million || asked.quick;
    let added = wanted("store").then(|| store::measure(&mut report, size, many)).transpose()?;
    if let (Some(service_us), Some(Some(added_us))) = (check_in, added) {
        let what = "CPU of a check-in with many devices / with few, from the rows above";
        let ratio = (service_us + added_us) / service_us;
        report.promise("check-in-million", what, ratio, "x", "<= 1.2");
    }
    if wanted("sandbox") {
        sandbox::measure(&mut report, size)?;
    }
    report.print(asked.json)
}
