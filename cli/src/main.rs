//! `craton`: arguments in, one plan, one run.
#![forbid(unsafe_code)]

mod args;
mod audit;
mod believed;
mod board;
mod boot_approval;
mod catalog;
mod client;
mod delta;
mod deployment;
mod device;
mod device_group;
mod error;
mod event_log;
mod failure;
mod home;
mod image;
mod image_set;
mod key;
mod keys;
mod lms;
mod login;
mod manufacture;
mod memory;
mod operation;
mod output;
mod owner;
mod package_file;
mod passphrase;
mod platform;
mod product;
mod progress;
mod publish;
mod quickstart;
mod sealed;
mod service;
mod session;
mod signer;
mod swtpm;
mod symbols;
mod token;
mod tpm_error;
mod tpm_maker;
mod trust_store;
mod up;
mod virtual_device;

use clap::Parser as _;
use std::process::ExitCode;

/// The words were wrong, as clap has it for those that it sees itself.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // A sandbox's init and a role are this program, too; they see no arguments of people.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == device::SANDBOX_INIT) {
        craton_device::apps::sandbox::sandbox_init_main();
    }
    // Every connection names its provider; this is for a library that does not.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Err(error) = args::Arguments::parse().run() else { return ExitCode::SUCCESS };
    eprintln!("craton: {}", error::told(&error));
    let usage = error.downcast_ref::<error::CliError>().is_some_and(error::CliError::is_usage);
    if usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}
