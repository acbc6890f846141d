//! A set on the disk that is not what was installed: refused whole, and left as it is.

use super::*;
use crate::tests::{APP, CLASS, Recipe, Release, believed, fetched, files, install, opened};
use craton_trust::rollback::Floors;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// Installs a good set, changes its folder, and returns the refusal to open it.
fn refused(change: impl FnOnce(&Path)) -> InstalledError {
    let device = tempfile::tempdir().unwrap();
    let release = install(device.path());
    let folder = component_folder(&set_folder(device.path(), release.set), APP);
    opened(device.path(), &release);
    change(&folder);
    let before = files(device.path());
    let refused = open(device.path(), release.set, &believed()).unwrap_err();
    assert_eq!(files(device.path()), before, "a refusal changes nothing");
    refused
}

fn rewritable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_set_opens_as_it_was_installed_and_a_set_beside_it_does_not_matter() {
    let device = tempfile::tempdir().unwrap();
    let old = install(device.path());
    let new = Release::of(&Recipe { version: 2, ..Recipe::GOOD }.package());
    fetched(&new.served(), device.path(), new.set, &[]).unwrap();
    fs::remove_dir_all(component_folder(&set_folder(device.path(), new.set), APP)).unwrap();
    assert!(open(device.path(), new.set, &believed()).is_err());
    assert_eq!(opened(device.path(), &old).apps.len(), 1, "the old set is whole");
}

#[test]
fn set_other_is_another_good_set_under_the_assigned_name() {
    let device = tempfile::tempdir().unwrap();
    let release = install(device.path());
    let other = craton_trust::SetId([1; 32]);
    fs::rename(set_folder(device.path(), release.set), set_folder(device.path(), other)).unwrap();
    let refused = open(device.path(), other, &believed()).unwrap_err();
    assert!(matches!(refused, InstalledError::SetOther), "{refused}");
}

#[test]
fn set_incomplete_is_a_set_with_any_file_missing() {
    for name in ["envelope.cbor", "payload", "../set.cbor"] {
        let refused = refused(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(matches!(refused, InstalledError::SetIncomplete(_)), "{name}: {refused}");
    }
}

#[test]
fn set_damaged_is_a_file_longer_than_it_may_be() {
    for (name, bound) in [("envelope.cbor", suit::ENVELOPE_MAX), ("../set.cbor", SET_MAX)] {
        let refused = refused(|folder| fs::write(folder.join(name), vec![0; bound + 1]).unwrap());
        assert!(matches!(refused, InstalledError::SetDamaged(_)), "{name}: {refused}");
    }
    let refused = refused(|folder| {
        let mut payload = fs::read(folder.join("payload")).unwrap();
        payload.push(0);
        fs::write(folder.join("payload"), payload).unwrap();
    });
    assert!(matches!(refused, InstalledError::SetDamaged(_)), "{refused}");
}

#[test]
fn app_damaged_is_any_difference_between_the_unpacked_files_and_the_payload() {
    type Change = (&'static str, fn(&Path));
    let changes: &[Change] = &[
        ("another byte", |root| {
            rewritable(&root.join("bin/app"));
            let mut bytes = fs::read(root.join("bin/app")).unwrap();
            bytes[4500] ^= 1;
            fs::write(root.join("bin/app"), bytes).unwrap();
            fs::set_permissions(root.join("bin/app"), fs::Permissions::from_mode(0o555)).unwrap();
        }),
        ("a file more", |root| fs::write(root.join("bin/more"), "x").unwrap()),
        ("a file less", |root| fs::remove_file(root.join("app_manifest.json")).unwrap()),
        ("a link in its place", |root| {
            fs::rename(root.join("bin/app"), root.join("../app")).unwrap();
            symlink("../../app", root.join("bin/app")).unwrap();
        }),
        ("a setuid bit", |root| {
            let mode = fs::Permissions::from_mode(0o4555);
            fs::set_permissions(root.join("bin/app"), mode).unwrap();
        }),
        ("a write bit", |root| rewritable(&root.join("bin/app"))),
    ];
    for (what, change) in changes {
        let refused = refused(|folder| change(&folder.join("root")));
        assert!(matches!(refused, InstalledError::AppDamaged), "{what}: {refused}");
    }
}

#[test]
fn flipped_bits_all_over_an_installed_set_are_refused() {
    let device = tempfile::tempdir().unwrap();
    let release = install(device.path());
    let folder = component_folder(&set_folder(device.path(), release.set), APP);
    for name in ["envelope.cbor", "../set.cbor", "payload"] {
        let path = folder.join(name);
        let good = fs::read(&path).unwrap();
        let step = if name == "payload" { 997 } else { 7 };
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, bad).unwrap();
            assert!(open(device.path(), release.set, &believed()).is_err(), "{name}: byte {at}");
        }
        fs::write(&path, good).unwrap();
    }
    opened(device.path(), &release);
}

#[test]
fn app_manifest_missing_is_an_app_that_never_starts() {
    let device = tempfile::tempdir().unwrap();
    let release = Release::of(&Recipe { manifest: false, ..Recipe::GOOD }.package());
    fetched(&release.served(), device.path(), release.set, &[]).unwrap();
    let refused = open(device.path(), release.set, &believed()).unwrap_err();
    assert!(matches!(refused, InstalledError::AppManifestMissing), "{refused}");
}

#[test]
fn device_io_is_a_disk_that_gives_no_file_and_blames_no_set() {
    let refused = refused(|folder| {
        fs::remove_file(folder.join("payload")).unwrap();
        fs::create_dir(folder.join("payload")).unwrap();
    });
    assert!(matches!(refused, InstalledError::DeviceIo(..)), "{refused}");
}

#[test]
fn an_older_security_version_or_another_class_is_refused_on_the_disk_too() {
    let device = tempfile::tempdir().unwrap();
    let release = install(device.path());
    let mut raised = believed();
    raised.floors = Floors::default();
    raised.floors.raise(APP, 2).unwrap();
    let refused = open(device.path(), release.set, &raised).unwrap_err();
    assert!(matches!(refused, InstalledError::Trust(craton_trust::Error::RolledBack)), "{refused}");
    let mut other = believed();
    other.class = craton_trust::ClassId([8; 16]);
    assert_ne!(other.class, CLASS);
    let refused = open(device.path(), release.set, &other).unwrap_err();
    assert!(matches!(refused, InstalledError::Trust(craton_trust::Error::ClassMismatch)));
}
