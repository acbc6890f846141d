//! Devices that cannot run: refused before a role starts or a file changes.

use super::*;
use crate::folder::ROT_FILE;
use crate::installed::InstalledError;
use crate::tests::{files, manufacture};
use rustix::fs::{FlockOperation, flock};
use std::path::Path;

/// A device whose roles would leave a mark.
fn device(folder: &Path) -> Device {
    let script = "touch \"$1/a-role-started\" 2>/dev/null; read question";
    Device {
        folder: folder.to_owned(),
        service: "127.0.0.1:1".into(),
        roles: RoleProgram {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
        },
        policy: Policy::default(),
        stop: Arc::default(),
    }
}

/// The refusal to run, with the folder as it was but for the lock's empty file.
fn refused(device: &Device) -> MonitorError {
    let before = files(&device.folder);
    let refused = run(device).unwrap_err();
    let mut after = files(&device.folder);
    if !before.contains_key("lock") {
        after.remove("lock");
    }
    assert_eq!(after, before, "nothing started and nothing changed");
    refused
}

#[test]
fn device_missing_makes_none_of_an_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let refused = refused(&device(folder.path()));
    assert!(matches!(refused, MonitorError::DeviceMissing(_)), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn device_runs_refuses_a_second_monitor_and_not_the_next() {
    let folder = tempfile::tempdir().unwrap();
    drop(manufacture(folder.path()));
    let first = std::fs::File::create(folder.path().join("lock")).unwrap();
    flock(&first, FlockOperation::LockExclusive).unwrap();
    let second = refused(&device(folder.path()));
    assert!(matches!(second, MonitorError::DeviceRuns(_)), "{second}");
    drop(first);
    let next = device(folder.path());
    // It has no roles here; told to stop, it does not try them again.
    next.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let next = run(&next).unwrap_err();
    assert!(!matches!(next, MonitorError::DeviceRuns(_)), "{next}");
}

#[test]
fn runtime_unreadable_measures_nothing_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(manufacture(folder.path()));
    let mut device = device(folder.path());
    device.roles.program = folder.path().join("gone");
    let refused = refused(&device);
    assert!(matches!(refused, MonitorError::RuntimeUnreadable(_)), "{refused}");
}

#[test]
fn device_io_is_a_lock_that_cannot_be_made() {
    let folder = tempfile::tempdir().unwrap();
    drop(manufacture(folder.path()));
    std::fs::create_dir(folder.path().join("lock")).unwrap();
    let refused = refused(&device(folder.path()));
    let io = matches!(refused, MonitorError::Installed(InstalledError::DeviceIo(..)));
    assert!(io, "{refused}");
}

#[test]
fn a_damaged_slot_record_stops_the_device_and_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(manufacture(folder.path()));
    assert!(folder.path().join(ROT_FILE).exists());
    let record = folder.path().join("slots.cbor");
    std::fs::write(&record, [0; 4096]).unwrap();
    let refused = crate::slot_file::SlotFile::of(folder.path()).read().unwrap_err();
    assert!(matches!(refused, InstalledError::SetDamaged(_)), "{refused}");
    assert_eq!(std::fs::read(&record).unwrap(), [0; 4096]);
}
