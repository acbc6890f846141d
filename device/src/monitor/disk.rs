//! A disk that is full or fails: the monitor waits for it, and ends for nothing else.

use super::MonitorError;
use super::retry::Retry;
use crate::ipc::{Fault, RoleError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a waiting monitor looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits where the disk is full or fails: it may have room later, and the next boot does what is
/// unfinished.
///
/// # Errors
/// Any other error, and every one once the device is told to stop.
pub fn wait_for_disk(
    error: MonitorError,
    pause: &mut Retry,
    stop: &AtomicBool,
) -> Result<(), MonitorError> {
    let of_role =
        matches!(error, MonitorError::Role(RoleError::RoleGone(_) | RoleError::RoleNotStarted(..)));
    if of_role || error.fault() != Fault::Host {
        return Err(error);
    }
    let pause = pause.after_failure();
    eprintln!("monitor: {error}. The device starts again in {} s", pause.as_secs());
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return Err(error);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Whether the root of trust answers nothing more before its next reset.
pub fn rot_is_over(error: &RoleError) -> bool {
    let over = [craton_rot::Error::StateUncertain, craton_rot::Error::ResetNeeded];
    over.iter().any(|over| over.code() == error.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installed::InstalledError;
    use crate::ipc::Refusal;

    fn full() -> MonitorError {
        let full = std::io::ErrorKind::StorageFull.into();
        InstalledError::DeviceIo("slots.cbor".into(), full).into()
    }

    fn role(code: u16, fault: Fault) -> RoleError {
        Refusal { fault, ..Refusal::new(code, "") }.into()
    }

    #[test]
    fn a_disk_is_waited_for_and_a_refusal_or_a_lost_role_is_not() {
        let (mut pause, stop) = (Retry::default(), AtomicBool::new(false));
        wait_for_disk(full(), &mut pause, &stop).unwrap();
        assert_eq!(pause.after_failure(), Duration::from_secs(2));
        for stays in [
            role(1305, Fault::Judged).into(),
            RoleError::RoleGone("auth").into(),
            MonitorError::DeviceMissing("lamp".into()),
        ] {
            assert!(wait_for_disk(stays, &mut pause, &stop).is_err());
        }
    }

    #[test]
    fn a_told_stop_ends_the_wait_for_a_disk() {
        let (mut pause, stop) = (Retry::default(), AtomicBool::new(true));
        assert!(wait_for_disk(full(), &mut pause, &stop).is_err());
    }

    #[test]
    fn a_write_that_failed_midway_needs_a_reset_and_a_full_disk_none() {
        assert!(rot_is_over(&role(3111, Fault::Host)) && rot_is_over(&role(3205, Fault::Host)));
        assert!(!rot_is_over(&role(3102, Fault::Host)));
    }
}
