//! `craton`: arguments in, one plan, one run.
#![forbid(unsafe_code)]

mod args;
mod client;
mod device;
mod home;
mod owner;
mod publish;
mod quickstart;
mod up;
mod virtual_device;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandbox's init and a role are this program, too; they see no arguments of people.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == device::SANDBOX_INIT) {
        craton_device::apps::sandbox::sandbox_init_main();
    }
    // Every connection names its provider; this is for a library that does not.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match args::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("craton: {error:#}");
            ExitCode::FAILURE
        }
    }
}
