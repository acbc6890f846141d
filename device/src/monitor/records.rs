//! What the monitor has to report: a set or a trust store that was refused, and what the crash role
//! has for the service.

use super::Device;
use super::boot::STEP_WITHIN;
use crate::ipc::{Fault, Role, RoleError};
use crate::roles::{AuthAnswer, AuthQuestion, CheckedIn, CrashQuestion};
use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};
use craton_trust::{ComponentId, Digest, ImageId, SetId};
use std::time::Duration;

/// How long one exchange with the service may take.
pub const NETWORK_WITHIN: Duration = Duration::from_secs(3600);

/// A failure of a whole set.
pub const NO_COMPONENT: ComponentId = ComponentId([0; 16]);

/// Has a failure of a set, rather than of an app, kept.
pub fn keep(
    device: &Device,
    crash: &mut Role,
    kind: FailureKind,
    (component, set, code): (ComponentId, SetId, i64),
    boot: u64,
) {
    let mut failure = Failure::new(kind, component, ImageId([0; 32]), Digest(set.0));
    (failure.code, failure.boot) = (code, boot);
    let mut room = [0u8; RECORD_MAX];
    if let Ok(record) = failure.encode(&mut room) {
        keep_record(device, crash, record.to_vec());
    }
}

/// Has the last failure of the root of trust's chip kept. The chip tells of it once: a power cut
/// between here and the spool loses it.
pub fn keep_chip_failure(device: &Device, crash: &mut Role, auth: &mut Role) {
    match auth.ask(&AuthQuestion::ChipFailure, STEP_WITHIN) {
        Ok(AuthAnswer::ChipFailure(Some(record))) => {
            eprintln!("monitor: the root of trust failed before this boot, and reset itself");
            keep_record(device, crash, record);
        }
        Ok(_) => {}
        // Whoever asks it next finds it so, too.
        Err(error) => eprintln!("monitor: {error}"),
    }
}

/// Has a record kept; a crash role that has ended is started again for it, once.
pub fn keep_record(device: &Device, crash: &mut Role, record: Vec<u8>) {
    let question = CrashQuestion::Keep(record);
    let mut kept = crash.ask::<_, u64>(&question, STEP_WITHIN);
    if matches!(kept, Err(RoleError::RoleGone(_)))
        && let Ok(again) = Role::start(&device.roles, "crash", &device.folder, None)
    {
        *crash = again;
        kept = crash.ask(&question, STEP_WITHIN);
    }
    if let Err(error) = kept {
        eprintln!("monitor: {error}");
    }
}

/// Has the records sent that wait; what was not sent stays in the spool until the next check-in.
pub fn send_failures(device: &Device, crash: &mut Role, checked_in: &CheckedIn) {
    let CheckedIn { peer, credential, .. } = checked_in.clone();
    if let Err(error) = tell(device, crash, &CrashQuestion::Send { peer, credential }) {
        eprintln!("monitor: {error}");
    }
}

/// Has the event log offered to the service. Returns whether that is done for this boot: it is,
/// also where the service will not have it or there is none to read, but not where nobody was
/// reached.
pub fn offer_boot_log(device: &Device, crash: &mut Role, checked_in: &CheckedIn) -> bool {
    let CheckedIn { peer, credential, .. } = checked_in.clone();
    let told = tell(device, crash, &CrashQuestion::OfferBootLog { peer, credential });
    let Err(error) = told else { return true };
    eprintln!("monitor: the event log was not sent: {error}");
    match &error {
        RoleError::Refused(refusal) => {
            refusal.fault != Fault::Service || refusal.service_code.is_some()
        }
        _ => false,
    }
}

/// Asks the crash role; one that has ended is started again for the next time.
fn tell(device: &Device, crash: &mut Role, question: &CrashQuestion) -> Result<u64, RoleError> {
    let told = crash.ask_unless(question, NETWORK_WITHIN, &device.stop);
    if matches!(told, Err(RoleError::RoleGone(_)))
        && let Ok(again) = Role::start(&device.roles, "crash", &device.folder, None)
    {
        *crash = again;
    }
    told
}
