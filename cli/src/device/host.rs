//! `craton device run|status`, and the hidden roles: devices of this machine.

use crate::error::CliError;
use crate::home::Home;
use anyhow::{Context as _, Result, bail};
use craton_device::apps::sandbox::Isolation;
use craton_device::ipc::RoleProgram;
use craton_device::monitor::{Device, DeviceStatus, Policy, run};
use craton_device::rot::Place;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The hidden subcommand of a role.
pub const ROLE: &str = "device-role";
/// The hidden subcommand of a sandbox's init.
pub const SANDBOX_INIT: &str = "sandbox-init";

/// What `craton device run` is told.
#[derive(Clone, Debug)]
pub struct Run {
    /// The device's folder.
    pub folder: PathBuf,
    /// `host:port` of the service.
    pub service: String,
    /// When a trial holds.
    pub policy: Policy,
    /// Whether it ends with its standard input: a device that another program started for itself
    /// must not outlive it, however that one ended.
    pub until_input_ends: bool,
}

/// Runs a device until it is told to stop.
///
/// # Errors
/// The monitor's.
pub fn run_device(with: &Run) -> Result<()> {
    let program = std::env::current_exe().context("the program does not know where it is")?;
    let stop = Arc::new(AtomicBool::new(false));
    watch_signals(stop.clone())?;
    if with.until_input_ends {
        watch_input(stop.clone());
    }
    let device = Device {
        folder: with.folder.clone(),
        service: with.service.clone(),
        roles: RoleProgram { program, arguments: vec![ROLE.into()] },
        policy: with.policy,
        stop,
    };
    Ok(run(&device)?)
}

fn watch_signals(stop: Arc<AtomicBool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        let told = runtime.block_on(crate::up::stopped());
        if told.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}

fn watch_input(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        // An error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        stop.store(true, Ordering::Relaxed);
    });
}

/// One role's main: `craton device-role NAME FOLDER`.
///
/// # Errors
/// For a name that is no role's.
pub fn run_role(name: &str, folder: &Path) -> Result<()> {
    ignore_interrupt();
    match name {
        "auth" => craton_device::auth::main(folder),
        "update" => craton_device::update::main(folder),
        "crash" => craton_device::crash::main(folder),
        "apps" => {
            let program: OsString = std::env::current_exe()?.into();
            craton_device::apps::supervise::main(folder, vec![program, SANDBOX_INIT.into()]);
        }
        other => bail!("{other} is no role of a device"),
    }
    Ok(())
}

/// Ctrl-C reaches every process of a terminal; the monitor alone answers it, and ends the roles in
/// order.
fn ignore_interrupt() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    std::thread::spawn(move || {
        runtime.block_on(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    });
}

/// The default policy, or a developer's quick one.
#[must_use]
pub fn policy(steady_s: Option<u64>, trial_s: Option<u64>) -> Policy {
    let usual = Policy::default();
    Policy {
        steady: steady_s.map_or(usual.steady, Duration::from_secs),
        trial: trial_s.map_or(usual.trial, Duration::from_secs),
        ..usual
    }
}

/// Shows how a device is.
///
/// # Errors
/// When it never ran.
pub fn show_status(home: &Home, name: &str, json: bool) -> Result<()> {
    let folder = home.device(name);
    let never = || CliError::DeviceNeverRan { name: name.to_owned(), folder: folder.clone() };
    let status = DeviceStatus::read(&folder).ok_or_else(never)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(());
    }
    let runs = Path::new("/proc").join(status.pid.to_string()).exists();
    println!("running    {}", if runs { "yes" } else { "no (as it was when it last ran)" });
    println!("rot        {}", rot_of(&folder));
    println!("boot       {}", status.boot);
    println!("mode       {}", if status.mode.is_empty() { "normal" } else { &status.mode });
    println!("set        {}", status.set.as_deref().unwrap_or("none"));
    println!("trial      {}", if status.trial { "yes" } else { "no" });
    println!("service    {}", status.service);
    println!("storage    {}", status.storage);
    show_isolation(status.isolation.as_ref());
    for app in &status.apps {
        let up = app.up_ms.map_or("down".into(), |ms| format!("up {} s", ms / 1000));
        println!("app        {} {up}", app.name);
        if let Some(refusal) = &app.last_refusal {
            println!("refused    {} of its connections, the last: {refusal}", app.refused);
        }
    }
    if let Some(error) = &status.last_error {
        println!("last error {error}");
    }
    Ok(())
}

fn rot_of(folder: &Path) -> String {
    match Place::of(folder) {
        Ok(Place::Engine) => "software".into(),
        Ok(Place::Mailbox(address)) => format!("behind the mailbox {address}"),
        Ok(Place::Tpm(address)) => format!("in the TPM {address}"),
        Err(error) => error.to_string(),
    }
}

fn show_isolation(isolation: Option<&Isolation>) {
    match isolation {
        None => println!("isolation  not known yet"),
        Some(Isolation::Full) => println!("isolation  full"),
        Some(Isolation::Reduced { reason, how_to_allow }) => {
            println!("isolation  reduced: {reason}. To allow full: {how_to_allow}");
        }
    }
}
