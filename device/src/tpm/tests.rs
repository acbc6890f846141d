//! A device in swtpm: made, opened, owned, and opened again by what its publisher approves.

use super::*;
use crate::rot::{self, Place};
use crate::tests::{CLAIM_CODE, CLASS, PLATFORM_PUBLISHER, key, owner_section, platform_section};
use craton_image::package::sha256;
use craton_rot::{RotClass, Status};
use craton_trust::Digest;
use craton_trust::crypto::Signer as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// swtpm behind a socket in a folder.
struct Emulator {
    folder: tempfile::TempDir,
    process: Child,
}

impl Emulator {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.path().display())])
            .args(["--server", &format!("type=unixio,path={}", socket.display())])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is not here: `cargo xtask test` installs it, or apt-get install swtpm");
        let until = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < until, "swtpm did not open its socket");
            std::thread::sleep(Duration::from_millis(2));
        }
        Self { folder, process }
    }

    fn address(&self) -> Address {
        Address::Unix(self.folder.path().join("socket"))
    }

    fn place(&self) -> Place {
        Place::Tpm(self.address())
    }

    /// TPM2_PCR_Extend: something else was booted.
    fn extend(&self, register: u8) {
        let head = [0x80, 2, 0, 0, 0, 65, 0, 0, 1, 0x82, 0, 0, 0, register];
        let right = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
        let value = [&[0, 0, 0, 1, 0, 0x0b][..], &[7; 32]].concat();
        let sent = [&head[..], &right, &value].concat();
        let answer = self.address().connect().unwrap().exchange(&sent).unwrap();
        assert_eq!(answer[6..10], [0; 4]);
    }

    /// What the publisher says of the registers as they are now.
    fn approval(&self, seed: u8, selection: u32) -> Vec<u8> {
        self.approval_in(0, seed, selection)
    }

    fn approval_in(&self, generation: u16, seed: u8, selection: u32) -> Vec<u8> {
        let registers = registers(&self.address(), Selection(selection)).unwrap();
        let approval = BootApproval::sign(&Soft, &key(seed), &registers, generation).unwrap();
        approval.encode(&mut [0; BOOT_APPROVAL_MAX]).unwrap().to_vec()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn manufactured(device: &Path, place: &Place) -> Result<(rot::Rot, RotClass)> {
    let platform = platform_section();
    let claim_code = sha256(CLAIM_CODE);
    let with = Manufacture { platform_section: &platform, claim_code, class: CLASS };
    rot::manufacture(device, place, &with)
}

#[test]
fn a_device_is_made_in_a_tpm_and_opened_by_one_process_at_a_time() {
    let (emulator, device) = (Emulator::new(), tempfile::tempdir().unwrap());
    let device = device.path();
    let place = emulator.place();
    // Nothing is made for a boot that nobody approved.
    assert_eq!(manufactured(device, &place).err(), Some(Error::BootNotApproved));
    assert!(!rot::is_made(device));
    approve(device, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    let (rot, class) = manufactured(device, &place).unwrap();
    assert_eq!((class, rot.capabilities().class), (RotClass::Tpm, RotClass::Tpm));
    assert_eq!(Place::of(device), Ok(place));
    let made = rot.device();
    let second = open(device, &emulator.address(), Start::Normal).err();
    assert_eq!(second, Some(Error::StorageLocked));
    drop(rot);
    let mut rot = rot::open(device, Start::Normal).unwrap();
    assert_eq!(rot.device(), made);
    rot.claim(CLAIM_CODE, &owner_section(None)).unwrap();
    drop(rot);
    let Status { mode, owner, .. } = rot::open(device, Start::Recovery).unwrap().status().unwrap();
    assert_eq!((mode as u8, owner.is_some()), (3, true));
}

#[test]
fn another_boot_opens_the_device_once_its_approval_is_there() {
    let (emulator, device) = (Emulator::new(), tempfile::tempdir().unwrap());
    let device = device.path();
    let first = approve(device, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    let made = manufactured(device, &emulator.place()).unwrap().0.device();
    emulator.extend(1); // not among those that were approved
    assert!(rot::open(device, Start::Normal).is_ok());
    emulator.extend(4);
    assert_eq!(rot::open(device, Start::Normal).err(), Some(Error::BootNotApproved));
    let next = emulator.approval(PLATFORM_PUBLISHER, 0x95);
    approve(device, &next).unwrap();
    assert_eq!(rot::open(device, Start::Normal).unwrap().device(), made);
    // What does not read is as if it were not there.
    fs::write(first, b"damaged").unwrap();
    assert_eq!(rot::open(device, Start::Normal).unwrap().device(), made);
    let by_stranger = emulator.approval(9, 0x95);
    let of_any_boot = emulator.approval(PLATFORM_PUBLISHER, 0);
    for foreign in [by_stranger, of_any_boot] {
        assert_eq!(approve(device, &foreign).err(), Some(Error::ApprovalForeign));
    }
    let cut = approve(device, &next[..next.len() - 1]).err();
    assert!(matches!(cut, Some(Error::Trust(_))));
}

#[test]
fn tpm_7_a_device_is_taken_to_the_generation_of_its_boot_and_older_files_open_it_no_more() {
    let (emulator, device) = (Emulator::new(), tempfile::tempdir().unwrap());
    let device = device.path();
    assert_eq!(revoke_older(device), Err(Error::StorageMissing));
    approve(device, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    let made = manufactured(device, &emulator.place()).unwrap().0.device();
    assert_eq!(revoke_older(device), Err(Error::ApprovalsNotNewer));
    let newer = approve(device, &emulator.approval_in(3, PLATFORM_PUBLISHER, 0x95)).unwrap();
    assert_eq!(revoke_older(device), Ok(3));
    assert_eq!(rot::open(device, Start::Normal).unwrap().device(), made);
    fs::remove_file(newer).unwrap();
    assert_eq!(rot::open(device, Start::Normal).err(), Some(Error::TpmRefused));
}

#[test]
fn tpm_7_a_tpm_says_of_which_generation_what_it_keeps_is_to_who_knows_the_key() {
    let (emulator, device) = (Emulator::new(), tempfile::tempdir().unwrap());
    let device = device.path();
    let akin = |seed, selection| {
        let approval = emulator.approval_in(0, seed, selection);
        BootApproval::parse(&approval).unwrap()
    };
    let own = akin(PLATFORM_PUBLISHER, 0x95);
    assert_eq!(generation(device, &own), Err(Error::StorageMissing));
    assert_eq!(generation_at(&emulator.address(), &own), Err(Error::NotManufactured));
    approve(device, &emulator.approval_in(513, PLATFORM_PUBLISHER, 0x95)).unwrap();
    let rot = manufactured(device, &emulator.place()).unwrap().0;
    assert_eq!(generation(device, &own), Err(Error::StorageLocked), "an emulator is one's alone");
    drop(rot);
    for approval in [own, akin(PLATFORM_PUBLISHER, 4), BootApproval { generation: 9, ..own }] {
        assert_eq!(generation(device, &approval), Ok(513));
    }
    for foreign in [akin(9, 0x95), akin(PLATFORM_PUBLISHER, 0)] {
        assert_eq!(generation(device, &foreign), Err(Error::ApprovalForeign));
    }
    approve(device, &emulator.approval_in(u16::MAX, PLATFORM_PUBLISHER, 0x95)).unwrap();
    assert_eq!(revoke_older(device), Ok(u16::MAX));
    assert_eq!(generation(device, &own), Ok(u16::MAX));
}

#[test]
fn an_approval_is_kept_once_and_64_of_them_at_most_approvals_too_many() {
    let device = tempfile::tempdir().unwrap();
    let approval = |register: u8| {
        let mut registers = Registers::none();
        registers.push(0, Digest([register; 32])).unwrap();
        let approval = BootApproval::sign(&Soft, &key(PLATFORM_PUBLISHER), &registers, 0).unwrap();
        approval.encode(&mut [0; BOOT_APPROVAL_MAX]).unwrap().to_vec()
    };
    for register in 0..APPROVALS_MAX as u8 {
        approve(device.path(), &approval(register)).unwrap();
    }
    approve(device.path(), &approval(0)).unwrap();
    assert_eq!(approvals(device.path()).unwrap().len(), APPROVALS_MAX);
    assert_eq!(approve(device.path(), &approval(64)).err(), Some(Error::ApprovalsTooMany));
}

#[test]
fn tpm_5_a_device_is_made_for_the_tpm_that_its_endorser_looked_at_only() {
    let (emulator, other) = (Emulator::new(), Emulator::new());
    let device = tempfile::tempdir().unwrap();
    approve(device.path(), &emulator.approval(PLATFORM_PUBLISHER, 0)).unwrap();
    let looked_at = endorsement(&other.address()).unwrap();
    let platform = platform_section();
    let claim_code = sha256(CLAIM_CODE);
    let with = Manufacture { platform_section: &platform, claim_code, class: CLASS };
    let made = manufacture(device.path(), &emulator.address(), &looked_at.key, &with);
    assert_eq!(made.err(), Some(Error::TpmRefused));
    assert!(!rot::is_made(device.path()));
}

#[test]
fn a_manufacture_that_was_cut_before_the_endorsement_goes_on() {
    let (emulator, other) = (Emulator::new(), Emulator::new());
    let device = tempfile::tempdir().unwrap();
    let device = device.path();
    approve(device, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    let made = manufactured(device, &emulator.place()).unwrap().0.device();
    fs::remove_file(device.join(PLACE_FILE)).unwrap(); // the cut came before it
    let again = manufactured(device, &emulator.place()).err();
    assert_eq!(again, Some(Error::AlreadyManufactured));
    let (rot, class) = rot::reopen(device, &emulator.place()).unwrap();
    assert_eq!((rot.device(), class), (made, RotClass::Tpm));
    drop(rot);
    // What goes on is endorsed for the TPM that was looked at, or not at all.
    let looked_at = endorsement(&other.address()).unwrap().key;
    let refused = resume(device, &emulator.address(), &looked_at).err();
    assert_eq!(refused, Some(Error::TpmRefused));
}

fn discard(device: &Path) -> Result<()> {
    take_out(device)?.forget()
}

#[test]
fn a_root_of_trust_leaves_its_tpm_by_its_own_folder_or_tpm_occupied() {
    let emulator = Emulator::new();
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    assert_eq!(discard(first).err(), Some(Error::StorageMissing));
    approve(first, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    approve(second, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    let made = manufactured(first, &emulator.place()).unwrap().0.device();
    // A folder whose chip is gone does not take out another's.
    fs::copy(first.join(STATE_FILE), second.join(STATE_FILE)).unwrap();
    let state = File::options().write(true).open(second.join(STATE_FILE)).unwrap();
    let end = state.metadata().unwrap().len() - 1;
    std::os::unix::fs::FileExt::write_all_at(&state, &[0xa5], end).unwrap();
    drop(state);
    assert_eq!(discard(second).err(), Some(Error::StorageMissing), "it names no TPM");
    emulator.place().note(second).unwrap();
    assert_eq!(discard(second).err(), Some(Error::TpmOccupied));
    let held = rot::open(first, Start::Normal).unwrap();
    assert_eq!(discard(first).err(), Some(Error::StorageLocked));
    drop(held);
    discard(first).unwrap();
    assert!(!rot::is_made(first) && !first.join(STATE_FILE).exists());
    // The TPM is free for another device, which is not the same one.
    fs::remove_file(second.join(STATE_FILE)).unwrap();
    let next = manufactured(second, &emulator.place()).unwrap().0.device();
    assert_ne!(next, made);
    erase(&emulator.address()).unwrap();
    assert_eq!(rot::open(second, Start::Normal).err(), Some(Error::NotManufactured));
    discard(second).unwrap();
    assert!(!rot::is_made(second), "what is gone from the TPM goes from the folder, too");
}

#[test]
fn a_discard_that_was_cut_anywhere_is_finished_by_doing_it_again() {
    let emulator = Emulator::new();
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    approve(first, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    approve(second, &emulator.approval(PLATFORM_PUBLISHER, 0x95)).unwrap();
    drop(manufactured(first, &emulator.place()).unwrap());
    // Cut after it was out of the TPM: the folder still says where it was, and whose.
    let _ = take_out(first).unwrap();
    assert!(rot::is_made(first) && first.join(STATE_FILE).exists());
    let _ = take_out(first).unwrap();
    // Cut after the state went, too.
    fs::remove_file(first.join(STATE_FILE)).unwrap();
    let _ = take_out(first).unwrap();
    // Now nothing says whose the next one is: it is not this folder's to take out.
    let made = manufactured(second, &emulator.place()).unwrap().0.device();
    assert_eq!(take_out(first).err(), Some(Error::TpmOccupied));
    assert_eq!(rot::open(second, Start::Normal).unwrap().device(), made);
    erase(&emulator.address()).unwrap();
    discard(first).unwrap();
    assert!(!rot::is_made(first));
}

/// The RSA endorsement key, certified or not.
fn rsa_of(emulator: &Emulator) -> EndorsementKey {
    let mut tpm = Tpm::new(emulator.address().connect().unwrap()).unwrap();
    let (handle, modulus) = tpm.create_endorsement_of_rsa().unwrap();
    tpm.flush(handle).unwrap();
    EndorsementKey::Rsa2048(Box::new(modulus))
}

#[test]
fn tpm_5_an_rsa_endorsement_key_opens_for_its_tpm_and_the_identity_only() {
    let (emulator, other) = (Emulator::new(), Emulator::new());
    let device = tempfile::tempdir().unwrap();
    approve(device.path(), &emulator.approval(PLATFORM_PUBLISHER, 0)).unwrap();
    let platform = platform_section();
    let claim_code = sha256(CLAIM_CODE);
    let with = Manufacture { platform_section: &platform, claim_code, class: CLASS };
    let (own, of_other) = (rsa_of(&emulator), rsa_of(&other));
    assert_ne!(own, of_other);
    let engine = manufacture(device.path(), &emulator.address(), &own, &with).unwrap();
    let secret = random().unwrap();
    let refused = |enclosed: Enclosed| engine.activate(&enclosed).err() == Some(Error::TpmRefused);
    let good = enclosed(&own, &engine.identity(), &secret).unwrap();
    assert!(engine.activate(&good).ok().unwrap().bytes() == secret.bytes());
    assert!(refused(enclosed(&of_other, &engine.identity(), &secret).unwrap()));
    let own_key = key(1).public_key();
    assert!(refused(enclosed(&own, &own_key, &secret).unwrap()), "made by the host");
    for at in [0, good.blob.len() - 1] {
        let mut broken = good.clone();
        broken.blob[at] ^= 1;
        assert!(refused(broken));
    }
    let no_key = EndorsementKey::Rsa2048(Box::new([0; 256]));
    let invalid = enclosed(&no_key, &engine.identity(), &secret).err();
    assert_eq!(invalid, Some(Error::Trust(craton_trust::Error::KeyInvalid)));
}

#[test]
fn a_tpm_that_is_away_is_tpm_unreachable_and_changes_nothing() {
    let device = tempfile::tempdir().unwrap();
    let nowhere = Address::Unix(device.path().join("nobody"));
    Place::Tpm(nowhere.clone()).note(device.path()).unwrap();
    let before = crate::tests::files(device.path());
    assert_eq!(rot::open(device.path(), Start::Normal).err(), Some(Error::TpmUnreachable));
    assert_eq!(endorsement(&nowhere).err(), Some(Error::TpmUnreachable));
    assert_eq!(crate::tests::files(device.path()), before);
}
