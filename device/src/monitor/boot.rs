//! One boot: finish what a cut left undone, verify what runs next, measure it, start it.

use super::{Device, MonitorError};
use crate::believed::Believed;
use crate::installed::{self, Installed, InstalledError};
use crate::ipc::{Fault, Role, RoleError};
use crate::roles::{AppOrder, AppsAnswer, AppsQuestion, AuthAnswer, AuthQuestion};
use crate::slot_file::SlotFile;
use craton_trust::slots::{Run, Slots};
use craton_trust::{Digest, SetId};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How long a role may take for a step that needs no network.
pub const STEP_WITHIN: Duration = Duration::from_secs(60);

/// How long a trial that the host could not read waits before its next start.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);

/// A booted device.
pub struct Booted {
    /// The slots as they are on the disk.
    pub slots: Slots,
    /// What runs.
    pub run: Option<Run>,
    /// What is believed in this boot.
    pub believed: Believed,
    /// The boot count.
    pub boot: u64,
    /// The role with the root of trust.
    pub auth: Role,
    /// The role with the apps.
    pub apps: Role,
    /// How the apps started.
    pub started: AppsAnswer,
}

/// What a boot does before it starts: why a set was not started, for the failure report.
pub struct Refused {
    /// Which set.
    pub set: SetId,
    /// The error's number.
    pub code: u16,
    /// Its words.
    pub text: String,
    /// Who is at fault.
    pub fault: Fault,
}

/// Boots. A set on trial that does not verify falls back in the same step; a confirmed one that
/// does not is left alone and fetched again, with nothing running meanwhile.
pub fn boot(
    device: &Device,
    runtime: Digest,
    events: &Sender<String>,
) -> Result<(Booted, Vec<Refused>), MonitorError> {
    let file = SlotFile::of(&device.folder);
    let mut refused = Vec::new();
    loop {
        let mut auth = Role::start(&device.roles, "auth", &device.folder, None)?;
        let believed = believed(&mut auth)?;
        let before = file.read()?;
        let (slots, run) = before.boot();
        // A boot in mode Debug decides nothing about a trial, and takes none of its starts.
        if slots != before && !believed.debug {
            file.write(&slots)?;
        }
        let installed = match run {
            None => None,
            Some(run) => match start_of(device, run.set, &believed, &mut auth, runtime)? {
                Ok(installed) => Some(installed),
                Err(why) => {
                    auth.stop(STEP_WITHIN);
                    if run.trial && why.fault == Fault::Host {
                        // Not the set's doing, perhaps: it has its other starts before it falls
                        // back.
                        eprintln!("monitor: {}", why.text);
                        std::thread::sleep(TRIAL_PAUSE);
                        continue;
                    }
                    refused.push(why);
                    if run.trial {
                        file.write(&slots.fall_back()?)?;
                        continue;
                    }
                    return without_set(device, runtime, slots, events).map(|b| (b, refused));
                }
            },
        };
        let boot = match &installed {
            Some((_, boot)) => *boot,
            None => measure(&mut auth, runtime, None)?,
        };
        let installed = installed.map(|(installed, _)| installed);
        let (apps, started) = start_apps(device, installed.as_ref(), boot, events)?;
        let slots =
            finish(&file, slots, (run, believed.debug), &mut auth, &AuthQuestion::ConfirmAgain)?;
        sweep(&device.folder, &slots);
        let booted = Booted { slots, run, believed, boot, auth, apps, started };
        return Ok((booted, refused));
    }
}

/// Boots with nothing running: the confirmed set is damaged on the disk.
fn without_set(
    device: &Device,
    runtime: Digest,
    slots: Slots,
    events: &Sender<String>,
) -> Result<Booted, MonitorError> {
    let mut auth = Role::start(&device.roles, "auth", &device.folder, None)?;
    let believed = believed(&mut auth)?;
    let boot = measure(&mut auth, runtime, None)?;
    let (apps, started) = start_apps(device, None, boot, events)?;
    Ok(Booted { slots, run: None, believed, boot, auth, apps, started })
}

/// Asks the root of trust what the device believes.
pub fn believed(auth: &mut Role) -> Result<Believed, MonitorError> {
    match auth.ask(&AuthQuestion::Believed, STEP_WITHIN)? {
        AuthAnswer::Believed(bytes) => Ok(Believed::from_bytes(&bytes)?),
        _ => Err(RoleError::RoleGone("auth").into()),
    }
}

/// Verifies a set on the disk and has it measured. The outer error is none of the set's doing: a
/// role that ended. It must not count against a trial.
fn start_of(
    device: &Device,
    set: SetId,
    believed: &Believed,
    auth: &mut Role,
    runtime: Digest,
) -> Result<Result<(Installed, u64), Refused>, MonitorError> {
    let installed = match installed::open(&device.folder, set, believed) {
        Ok(installed) => installed,
        Err(error) => {
            let fault = match error {
                InstalledError::DeviceIo(..) => Fault::Host,
                _ => Fault::Judged,
            };
            return Ok(Err(Refused { set, code: error.code(), text: error.to_string(), fault }));
        }
    };
    match measure(auth, runtime, Some(&installed)) {
        Ok(boot) => Ok(Ok((installed, boot))),
        Err(MonitorError::Role(RoleError::Refused(why))) => {
            Ok(Err(Refused { set, code: why.code, text: why.text, fault: why.fault }))
        }
        Err(error) => Err(error),
    }
}

fn measure(
    auth: &mut Role,
    runtime: Digest,
    installed: Option<&Installed>,
) -> Result<u64, MonitorError> {
    let images = installed.map_or(&[][..], |installed| &installed.images);
    let question = AuthQuestion::Boot {
        runtime: runtime.0,
        set: installed.map(|installed| installed.signed.clone()),
        images: images.iter().map(|image| (image.component.0, image.digest.0)).collect(),
    };
    match auth.ask(&question, STEP_WITHIN)? {
        AuthAnswer::Booted(boot) => Ok(boot),
        _ => Err(RoleError::RoleGone("auth").into()),
    }
}

fn start_apps(
    device: &Device,
    installed: Option<&Installed>,
    boot: u64,
    events: &Sender<String>,
) -> Result<(Role, AppsAnswer), MonitorError> {
    let mut apps = Role::start(&device.roles, "apps", &device.folder, Some(events.clone()))?;
    let question = match installed {
        None => AppsQuestion::Probe,
        Some(installed) => AppsQuestion::Start {
            apps: installed.apps.iter().map(AppOrder::of).collect(),
            set: installed.set.0,
            boot,
        },
    };
    let started = apps.ask(&question, STEP_WITHIN)?;
    Ok((apps, started))
}

/// Raises the floors of a confirm that a cut interrupted, then frees the old slot (SLOT-3). The
/// root of trust raises none in a boot in mode Debug: the next one does.
pub fn finish(
    file: &SlotFile,
    slots: Slots,
    (run, debug): (Option<Run>, bool),
    auth: &mut Role,
    question: &AuthQuestion,
) -> Result<Slots, MonitorError> {
    let confirmed = run.is_some_and(|run| !run.trial);
    if !confirmed || debug {
        return Ok(slots);
    }
    // Asked for at every boot: a first set replaces none, so that no slot tells of its confirm.
    // Where there is nothing to raise the root of trust writes nothing.
    let done = auth.ask(question, STEP_WITHIN)?;
    if matches!(done, AuthAnswer::Confirmed(false)) || !slots.unfinished() {
        return Ok(slots);
    }
    let finished = slots.finish();
    file.write(&finished)?;
    Ok(finished)
}

/// Removes the folders of sets that no slot keeps.
pub fn sweep(device: &Path, slots: &Slots) {
    let kept: Vec<String> = slots.kept().map(|set| set.to_string()).collect();
    let entries = std::fs::read_dir(device.join("sets")).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| kept.iter().any(|kept| kept == name)) {
            // What cannot be removed now is tried again at the next boot.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
