//! Approvals that are taken back (TPM-7): what a boot that was revoked gets, whoever holds disk and
//! TPM, and what a cut leaves.

use super::bench::*;
use super::judge::lasting;
use super::swtpm::Swtpm;
use super::tpm::{extend, registers};
use super::tpm_cut::failing;
use super::world::*;
use craton_rot::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS};
use craton_rot::secret::Secret;
use craton_rot::tpm2::chip::{COUNTER, FILE_SIZE, SECRETS};
use craton_rot::tpm2::command::Tpm;
use craton_rot::tpm2::state::{Bound, Ground, RECORD_OVERHEAD};
use craton_rot::tpm2::{BootApproval, TpmPlatform, Transport, generations_of, template};
use craton_rot::{Engine, Error, RootOfTrust as _, Start};
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use std::sync::Arc;
use std::sync::atomic::Ordering;

type InTpmRot = Engine<TpmPlatform>;

fn approved(by: u8, registers: &Registers, generation: u16) -> BootApproval {
    BootApproval::sign(&Soft, &key(by), registers, generation).unwrap()
}

/// The publisher's word for a boot of these registers in these generations.
fn approvals_in<const N: usize>(registers: &Registers, of: [u16; N]) -> [BootApproval; N] {
    of.map(|generation| approved(PLATFORM_PUBLISHER, registers, generation))
}

fn open(tpm: &Swtpm, with: &[BootApproval]) -> craton_rot::Result<InTpmRot> {
    start(tpm, with, || Transport::unix(&tpm.socket()).unwrap())
}

fn start(
    tpm: &Swtpm,
    with: &[BootApproval],
    way: impl Fn() -> Transport,
) -> craton_rot::Result<InTpmRot> {
    unlocked(|| Engine::open_in_tpm(way(), &tpm.file(), with, Soft, Start::Normal))
}

/// A device that sealed something in the boot of `approvals()`, and its file then.
fn sealed_in_first_boot(bench: &mut InTpm) -> (Vec<u8>, Vec<u8>) {
    let mut rot = running(bench);
    let sealed = seal(&mut *rot, APP).unwrap();
    drop(rot);
    (sealed, std::fs::read(bench.0.file()).unwrap())
}

fn opens_what_was_sealed(mut rot: InTpmRot, sealed: &[u8]) {
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(unseal(&rot, APP, sealed).unwrap(), b"secret");
}

/// A session that an approval entitles to a secret, by commands of one's own.
fn session(tpm: &mut Tpm, approval: &BootApproval, of: &Registers) -> u32 {
    let policy = craton_rot::tpm2::policy::of_registers(&Soft, of);
    let session = tpm.start_policy().unwrap();
    tpm.policy_registers(session, approval.selection).unwrap();
    tpm.policy_authorize(session, approval, &policy).unwrap();
    session
}

/// The secret that an approval gets out of the TPM.
fn secret_by(tpm: &Swtpm, approval: &BootApproval, of: &Registers) -> Option<[u8; 32]> {
    let mut tpm = Tpm::new(Transport::unix(&tpm.socket()).unwrap()).unwrap();
    SECRETS.into_iter().find_map(|index| {
        let session = session(&mut tpm, approval, of);
        let mut secret = [0; 32];
        let read = tpm.read_secret(index, session, &mut secret).is_ok();
        (read && secret != [0; 32]).then_some(secret)
    })
}

fn gets_a_secret(tpm: &Swtpm, approval: &BootApproval, of: &Registers) -> bool {
    secret_by(tpm, approval, of).is_some()
}

/// Records of a file, and a counter that says what its owner likes.
struct Forged {
    counter: u64,
    records: [Vec<u8>; 2],
}

impl Ground for Forged {
    fn counter(&mut self) -> craton_rot::Result<u64> {
        Ok(self.counter)
    }

    fn raise(&mut self) -> craton_rot::Result<()> {
        self.counter += 1;
        Ok(())
    }

    fn read(&mut self, second: bool) -> craton_rot::Result<Vec<u8>> {
        Ok(self.records[usize::from(second)].clone())
    }

    fn write(&mut self, second: bool, record: &[u8]) -> craton_rot::Result<()> {
        self.records[usize::from(second)] = record.to_vec();
        Ok(())
    }

    fn nonce(&mut self) -> craton_rot::Result<[u8; 12]> {
        Ok([7; 12])
    }
}

/// The state in an old file, sealed under a number of now by who knows its secret.
fn sealed_anew(old: &[u8], secret: [u8; 32], counter: u64) -> Vec<u8> {
    let length = FUSES_SIZE + SECTORS * SECTOR_SIZE + RECORD_OVERHEAD;
    let records = [0, FILE_SIZE as usize / 2].map(|at| old[at..at + length].to_vec());
    let number = |record: &Vec<u8>| u64::from_be_bytes(record[8..16].try_into().unwrap());
    let newest = records.iter().map(number).max().unwrap();
    let mut forged = Forged { counter: newest, records };
    let secrets = [secret; 2].map(Secret::new);
    let (_, body) = Bound::start(&mut forged, &secrets).unwrap();
    forged.counter = counter;
    Bound::first(&mut forged, &secrets, &body).unwrap();
    let [record, _] = forged.records;
    record
}

#[test]
fn tpm_7_a_boot_that_was_revoked_opens_neither_the_state_nor_an_old_copy_of_it() {
    let bench = &mut InTpm::new();
    let (sealed, old) = sealed_in_first_boot(bench);
    let (file, [first]) = (bench.0.file(), approvals());
    let first_boot = registers(bench);
    assert!(gets_a_secret(&bench.0, &first, &first_boot));
    extend(bench, 4);
    let both = approvals_in(&registers(bench), [0, 1]);
    let mut rot = open(&bench.0, &both).unwrap();
    assert_eq!(rot.platform_mut().revoke_older(), Ok(1));
    opens_what_was_sealed(rot, &sealed);
    opens_what_was_sealed(open(&bench.0, &both[1..]).unwrap(), &sealed);
    // The old release is booted again, by one who keeps what he ever had: disk and approvals.
    bench.0.power_cycle();
    let all = [&[first][..], &both].concat();
    assert_eq!(open(&bench.0, &[first]).err(), Some(Error::TpmRefused));
    assert_eq!(open(&bench.0, &all).err(), Some(Error::TpmRefused));
    assert!(!gets_a_secret(&bench.0, &first, &first_boot));
    let new = std::fs::read(&file).unwrap();
    std::fs::write(&file, &old).unwrap();
    assert_eq!(open(&bench.0, &all).err(), Some(Error::TpmRefused));
    std::fs::write(&file, &new).unwrap();
    // What the publisher approves in the new generation, though it be that release, opens it.
    let again = approvals_in(&first_boot, [1]);
    opens_what_was_sealed(open(&bench.0, &again).unwrap(), &sealed);
}

#[test]
fn tpm_7_the_owner_of_the_tpm_brings_no_older_generation_back() {
    let bench = &mut InTpm::new();
    let (sealed, old) = sealed_in_first_boot(bench);
    let [first] = approvals();
    let both = approvals_in(&registers(bench), [0, 1]);
    open(&bench.0, &both).unwrap().platform_mut().revoke_older().unwrap();
    let mut still_open = 0;
    for index in SECRETS {
        // He makes the index anew as it was: the secret in it is not there any more.
        let chip = bench.0.duplicate();
        let mut tpm = Tpm::new(Transport::unix(&chip.socket()).unwrap()).unwrap();
        tpm.undefine(index).unwrap();
        tpm.define(&template::secret(index, &first.opens(&Soft).0)).unwrap();
        assert!(tpm.counter(COUNTER).unwrap() > 0);
        drop(tpm);
        let new = std::fs::read(chip.file()).unwrap();
        for disk in [&new, &old] {
            std::fs::write(chip.file(), disk).unwrap();
            assert!(open(&chip, &[first]).is_err());
        }
        std::fs::write(chip.file(), &new).unwrap();
        if let Ok(rot) = open(&chip, &both[1..]) {
            opens_what_was_sealed(rot, &sealed);
            still_open += 1;
        }
    }
    assert_eq!(still_open, 1, "what counts lies in one of both, of the new generation");
}

/// What a revocation does not do (`docs/src/tpm.md`): the secret was in the old boot's hands, and
/// the TPM's owner makes it a place again.
#[test]
fn tpm_7_who_read_the_old_secret_and_owns_the_tpm_brings_its_generation_back() {
    let bench = &mut InTpm::new();
    let (sealed, old) = sealed_in_first_boot(bench);
    let ([first], boot) = (approvals(), registers(bench));
    let secret = secret_by(&bench.0, &first, &boot).unwrap();
    let both = approvals_in(&boot, [0, 1]);
    open(&bench.0, &both).unwrap().platform_mut().revoke_older().unwrap();
    assert!(open(&bench.0, &[first]).is_err());
    let mut tpm = Tpm::new(bench.way()).unwrap();
    let place = SECRETS[0];
    tpm.undefine(place).unwrap();
    tpm.define(&template::secret(place, &first.opens(&Soft).0)).unwrap();
    let by = session(&mut tpm, &first, &boot);
    tpm.write_secret(place, by, &secret).unwrap();
    let counter = tpm.counter(COUNTER).unwrap();
    drop(tpm);
    // The secret alone does not do it: old records are of old numbers.
    let new = std::fs::read(bench.0.file()).unwrap();
    for disk in [&new, &old] {
        std::fs::write(bench.0.file(), disk).unwrap();
        assert!(open(&bench.0.duplicate(), &[first]).is_err());
    }
    bench.0.power_cycle();
    let mut forged = old.clone();
    let record = sealed_anew(&old, secret, counter);
    forged[..record.len()].copy_from_slice(&record);
    std::fs::write(bench.0.file(), forged).unwrap();
    opens_what_was_sealed(open(&bench.0, &[first]).unwrap(), &sealed);
    // The new generation is gone: who looks sees it.
    assert!(open(&bench.0, &both[1..]).is_err());
    let mut tpm = Tpm::new(bench.way()).unwrap();
    assert_eq!(generations_of(&mut tpm, &first), Ok(vec![0]));
}

#[test]
fn tpm_7_only_a_newer_generation_of_the_same_publisher_is_taken_approvals_not_newer() {
    let bench = &mut InTpm::new();
    let (sealed, _) = sealed_in_first_boot(bench);
    let boot = registers(bench);
    let revoke = |with: &[BootApproval]| open(&bench.0, with)?.platform_mut().revoke_older();
    let [zero, one, two] = approvals_in(&boot, [0, 1, 2]);
    let elsewhere = registers_of(&boot, 7);
    let foreign = approved(STRANGER, &boot, 3);
    let of_other_boot = approved(PLATFORM_PUBLISHER, &elsewhere, 3);
    let of_any = approved(PLATFORM_PUBLISHER, &Registers::none(), 0);
    let others = [zero, foreign, of_other_boot, of_any];
    assert_eq!(revoke(&others), Err(Error::ApprovalsNotNewer));
    assert_eq!(revoke(&[zero, two, one]), Ok(2), "the newest");
    assert_eq!(revoke(&[zero, one, two]), Err(Error::ApprovalsNotNewer), "and never back");
    opens_what_was_sealed(open(&bench.0, &[two]).unwrap(), &sealed);
    assert!(open(&bench.0, &[one]).is_err());
}

/// The same registers but for the value of one.
fn registers_of(boot: &Registers, other: u8) -> Registers {
    let mut registers = Registers::none();
    for (register, value) in boot.iter() {
        let mut value = *value;
        value.0[0] ^= u8::from(register == other);
        registers.push(register, value).unwrap();
    }
    registers
}

#[test]
fn tpm_7_a_device_made_with_several_generations_begins_with_the_newest() {
    let bench = &mut InTpm::new();
    let section = platform_section(false);
    let all = approvals_in(&registers(bench), [1, 0]);
    let (way, file) = (bench.way(), bench.0.file());
    let made = Engine::create_in_tpm(way, &file, &all, Soft, &manufacture(&section)).unwrap();
    let device = made.device();
    drop(made);
    assert_eq!(open(&bench.0, &all[1..]).err(), Some(Error::TpmRefused));
    assert_eq!(open(&bench.0, &all[..1]).unwrap().device(), device);
}

#[test]
fn tpm_7_a_cut_in_a_revocation_leaves_one_generation_whole() {
    let mut bench = InTpm::new();
    let (sealed, _) = sealed_in_first_boot(&mut bench);
    let boot = registers(&bench);
    let [zero, one] = approvals_in(&boot, [0, 1]);
    let revoke = |tpm: &Swtpm, way: &dyn Fn() -> Transport| {
        start(tpm, &[zero, one], way).and_then(|mut rot| rot.platform_mut().revoke_older())
    };
    let (before, sent) = {
        let (tpm, sent) = (bench.0.duplicate(), Arc::default());
        let before = lasting(open(&tpm, &[zero]).unwrap().status().unwrap());
        assert_eq!(revoke(&tpm, &|| failing(&tpm, u32::MAX, true, &sent)), Ok(1));
        (before, sent.load(Ordering::Relaxed))
    };
    let mut left = [0; 2];
    for (last, has_it) in (0..sent).flat_map(|last| [(last, false), (last, true)]) {
        let mut tpm = bench.0.duplicate();
        let done = revoke(&tpm, &|| failing(&tpm, last, has_it, &Arc::default()));
        tpm.power_cycle();
        // A boot of the old generation comes first: it is there whole, or nothing of it.
        let old = open(&tpm, &[zero]);
        assert!(done.is_err() || old.is_err(), "{last} {has_it}: it was said to be revoked");
        left[usize::from(old.is_err())] += 1;
        if let Ok(rot) = old {
            assert_eq!(lasting(rot.status().unwrap()), before);
            drop(rot);
            assert_eq!(revoke(&tpm, &|| Transport::unix(&tpm.socket()).unwrap()), Ok(1));
        }
        let rot = open(&tpm, &[one]).expect("a cut lost the device");
        assert_eq!(lasting(rot.status().unwrap()), before);
        opens_what_was_sealed(rot, &sealed);
        assert!(open(&tpm, &[zero]).is_err());
        assert!(!gets_a_secret(&tpm, &zero, &boot), "{last} {has_it}");
    }
    assert!(left.iter().all(|times| *times > 4), "{left:?}");
    println!("cuts of a revocation: {} commands, {left:?} of the old and the new one", sent);
}
