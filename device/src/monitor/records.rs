//! What the monitor itself has to report: a set or a trust store that was refused.

use super::Device;
use super::boot::STEP_WITHIN;
use crate::ipc::{Role, RoleError};
use crate::roles::{AuthAnswer, AuthQuestion, CrashQuestion};
use craton_trust::failure::{Failure, FailureKind, RECORD_MAX};
use craton_trust::{ComponentId, Digest, ImageId, SetId};

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
