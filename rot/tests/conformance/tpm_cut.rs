//! The power goes at every command that a device sends to its TPM: before the TPM has it, or after
//! it was done and before its answer.

use super::bench::*;
use super::judge::lasting;
use super::swtpm::Swtpm;
use super::world::*;
use craton_rot::boot::Status;
use craton_rot::platform::Platform as _;
use craton_rot::tpm2::{TpmPlatform, Transport};
use craton_rot::{Action, Engine, Error, RootOfTrust, Start};
use craton_trust::soft::Soft;
use std::io::{Error as Failure, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

type InTpmRot = Engine<TpmPlatform>;
type Command = dyn Fn(&mut InTpmRot) -> craton_rot::Result<()>;

/// A way to a TPM on which the power goes.
struct Failing {
    stream: UnixStream,
    sent: Arc<AtomicU32>,
    /// Which command is the last.
    last: u32,
    /// Whether the TPM still has it.
    has_it: bool,
}

impl Write for Failing {
    fn write(&mut self, command: &[u8]) -> std::io::Result<usize> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        if number > self.last || number == self.last && !self.has_it {
            return Err(Failure::other("no power"));
        }
        self.stream.write_all(command).map(|()| command.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Failing {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(room)?;
        // The answer is there, so the command was done.
        if self.sent.load(Ordering::Relaxed) > self.last {
            return Err(Failure::other("no power"));
        }
        Ok(read)
    }
}

pub fn failing(tpm: &Swtpm, last: u32, has_it: bool, sent: &Arc<AtomicU32>) -> Transport {
    let stream = UnixStream::connect(tpm.socket()).unwrap();
    sent.store(0, Ordering::Relaxed);
    Transport::over(Failing { stream, sent: sent.clone(), last, has_it }, true)
}

fn start(tpm: &Swtpm, way: impl Fn() -> Transport) -> craton_rot::Result<InTpmRot> {
    unlocked(|| Engine::open_in_tpm(way(), &tpm.file(), &approvals(), Soft, Start::Normal))
}

fn whole(tpm: &Swtpm) -> InTpmRot {
    start(tpm, || good(tpm)).expect("a cut lost the device")
}

fn good(tpm: &Swtpm) -> Transport {
    Transport::unix(&tpm.socket()).unwrap()
}

/// Starts, boots and runs the command; wherever the power goes, it stops there.
fn run(rot: craton_rot::Result<InTpmRot>, command: &Command) {
    if let Ok(mut rot) = rot {
        let _ = boot_set(&mut rot, &set(&[(APP, 1)]), &[(APP, 1)]);
        let _ = command(&mut rot);
    }
}

/// What is sealed in `base`, and what may last after the command: what was before, or after.
fn allowed(base: &mut Swtpm, command: &Command) -> (Vec<u8>, [Status; 2], u32) {
    let tpm = base.duplicate();
    let mut rot = whole(&tpm);
    let before = lasting(rot.status().unwrap());
    boot_bare(&mut rot).unwrap();
    let sealed = seal(&mut rot, RUNTIME).unwrap();
    drop(rot);
    let sent = Arc::default();
    run(start(&tpm, || failing(&tpm, u32::MAX, true, &sent)), command);
    let after = lasting(whole(&tpm).status().unwrap());
    (sealed, [before, after], sent.load(Ordering::Relaxed))
}

fn cut_everywhere(base: &mut Swtpm, command: &Command) {
    let (sealed, allowed, sent) = allowed(base, command);
    assert!(sent > 20, "{sent}");
    for (last, has_it) in (0..sent).flat_map(|last| [(last, false), (last, true)]) {
        let mut tpm = base.duplicate();
        run(start(&tpm, || failing(&tpm, last, has_it, &Arc::default())), command);
        tpm.power_cycle();
        let mut rot = whole(&tpm);
        let status = rot.status().unwrap();
        assert!(allowed.contains(&lasting(status.clone())), "{last} {has_it}: {status:?}");
        boot_bare(&mut rot).unwrap();
        let opened = unseal(&rot, RUNTIME, &sealed);
        assert_eq!(opened.is_ok(), status.epoch == allowed[0].epoch, "{last} {has_it}");
    }
}

#[test]
fn tpm_1_a_cut_in_confirm_leaves_old_or_new_floors() {
    let mut bench = InTpm::new();
    drop(owned(&mut bench));
    cut_everywhere(&mut bench.0, &|rot| rot.confirm());
}

#[test]
fn tpm_1_a_cut_in_an_erase_leaves_one_of_both_epochs() {
    let mut bench = InTpm::new();
    let erase = order(owned(&mut bench).device(), 1, Action::NewEpoch(None), OWNER_ROOT);
    cut_everywhere(&mut bench.0, &move |rot| rot.new_epoch(&erase, None));
}

/// Boots and checks in; the pair that left.
fn pair(rot: &mut InTpmRot) -> craton_rot::Result<(u64, u64)> {
    boot_set(rot, &set(&[(APP, 1)]), &[(APP, 1)])?;
    let role = rot.take_auth_role()?;
    let evidence = check_in(rot, &role, catalog(false))?;
    let claims = authentic(rot, &evidence).claims;
    Ok((claims.boot, claims.check_in))
}

#[test]
fn tpm_1_a_disk_put_back_after_a_cut_repeats_no_pair() {
    let mut bench = InTpm::new();
    drop(owned(&mut bench));
    let old = std::fs::read(bench.0.file()).unwrap();
    let sent = {
        let (tpm, sent) = (bench.0.duplicate(), Arc::default());
        let way = || failing(&tpm, u32::MAX, true, &sent);
        assert_eq!(start(&tpm, way).and_then(|mut rot| pair(&mut rot)), Ok((1, 1)));
        sent.load(Ordering::Relaxed)
    };
    for (last, has_it) in (0..sent).flat_map(|last| [(last, false), (last, true)]) {
        let mut tpm = bench.0.duplicate();
        let way = || failing(&tpm, last, has_it, &Arc::default());
        let left = start(&tpm, way).and_then(|mut rot| pair(&mut rot)).ok();
        tpm.power_cycle();
        let newest = std::fs::read(tpm.file()).unwrap();
        std::fs::write(tpm.file(), &old).unwrap();
        match start(&tpm, || good(&tpm)) {
            Ok(mut rot) => assert!(pair(&mut rot).ok() > left, "{last} {has_it}"),
            Err(refused) => {
                assert_eq!(refused, Error::StorageDamaged);
                std::fs::write(tpm.file(), &newest).unwrap();
                assert!(pair(&mut whole(&tpm)).ok() > left, "{last} {has_it}");
            }
        }
    }
}

#[test]
fn tpm_1_a_cut_in_manufacture_is_mended_by_doing_it_again() {
    let section = platform_section(false);
    let with = manufacture(&section);
    let create = |tpm: &Swtpm, way: &dyn Fn() -> Transport| {
        unlocked(|| Engine::create_in_tpm(way(), &tpm.file(), &approvals(), Soft, &with))
    };
    let mut blank = Swtpm::new();
    let sent = {
        let tpm = blank.duplicate();
        let sent = Arc::default();
        assert!(create(&tpm, &|| failing(&tpm, u32::MAX, true, &sent)).is_ok());
        sent.load(Ordering::Relaxed)
    };
    for (last, has_it) in (0..sent).flat_map(|last| [(last, false), (last, true)]) {
        let mut tpm = blank.duplicate();
        let way = || failing(&tpm, last, has_it, &Arc::default());
        assert!(create(&tpm, &way).is_err(), "{last} {has_it}");
        tpm.power_cycle();
        let again = create(&tpm, &|| good(&tpm)).err();
        // ROT-14: the device secret was burned whole, and not told so in time.
        assert!(
            matches!(again, None | Some(Error::AlreadyManufactured | Error::FuseMismatch)),
            "{last} {has_it}: {again:?}"
        );
        if again != Some(Error::FuseMismatch) {
            assert!(boot_bare(&mut whole(&tpm)).is_ok());
        }
    }
}

#[test]
fn a_chip_that_lost_its_tpm_says_so_at_its_reset() {
    let mut bench = InTpm::new();
    drop(unowned(&mut bench));
    let way = || failing(&bench.0, 8, true, &Arc::default());
    let open = || TpmPlatform::open(way(), &bench.0.file(), &approvals());
    let mut chip = unlocked(open).unwrap();
    chip.reset();
    let read = chip.fuses(craton_rot::platform::Row::Class, &mut [0; 16]);
    assert_eq!(read, Err(Error::TpmUnreachable));
}
