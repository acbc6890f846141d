//! What is true of the TPM alone: what it keeps from whoever has the disk, or boots something else.

use super::bench::*;
use super::world::*;
use craton_rot::secret::Secret;
use craton_rot::tpm2::chip::{COUNTER, FILE_SIZE, SECRETS};
use craton_rot::tpm2::command::Tpm;
use craton_rot::tpm2::enrol::{Enclosed, enclose};
use craton_rot::tpm2::policy::quotes_only;
use craton_rot::tpm2::wire::{Right, Structure, command};
use craton_rot::tpm2::{BootApproval, TpmPlatform, template};
use craton_rot::{Action, Engine, Error, Manufacture, RootOfTrust, Start};
use craton_trust::crypto::{Crypto as _, Signer as _};
use craton_trust::quote::Selection;
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use craton_trust::{Digest, PublicKey, evidence, quoted};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

type InTpmRot = Engine<TpmPlatform>;

fn open(bench: &InTpm) -> craton_rot::Result<InTpmRot> {
    open_with(bench, &approvals())
}

fn open_with(bench: &InTpm, approvals: &[BootApproval]) -> craton_rot::Result<InTpmRot> {
    let file = bench.0.file();
    unlocked(|| Engine::open_in_tpm(bench.way(), &file, approvals, Soft, Start::Normal))
}

fn create(bench: &InTpm, with: &Manufacture<'_>) -> craton_rot::Result<InTpmRot> {
    let file = bench.0.file();
    unlocked(|| Engine::create_in_tpm(bench.way(), &file, &approvals(), Soft, with))
}

/// Sends one command as anybody may who has the TPM.
fn send(bench: &InTpm, bytes: &[u8]) -> Vec<u8> {
    bench.way().exchange(bytes).unwrap()
}

/// TPM2_PCR_Extend: something else was booted.
pub fn extend(bench: &InTpm, register: u32) {
    let values = Structure::default().u32(1).u16(0x0b).raw(&[7; 32]).0;
    let sent = command(0x182, &[register], &[Right::Password(&[])], &values);
    assert_eq!(send(bench, &sent)[6..10], [0; 4]);
}

pub fn registers(bench: &InTpm) -> Registers {
    Tpm::new(bench.way()).unwrap().registers(Selection(0xff)).unwrap()
}

#[test]
fn tpm_1_a_disk_put_back_is_storage_damaged_and_the_newest_counts() {
    let bench = &mut InTpm::new();
    let rot = running(bench);
    drop(rot);
    let file = bench.0.file();
    let old = std::fs::read(&file).unwrap();
    let mut rot = open(bench).unwrap();
    boot(&mut rot, &[(APP, 3)]);
    rot.confirm().unwrap();
    drop(rot);
    let new = std::fs::read(&file).unwrap();
    std::fs::write(&file, &old).unwrap();
    assert_eq!(open(bench).err(), Some(Error::StorageDamaged));
    std::fs::write(&file, &new).unwrap();
    assert_eq!(open(bench).unwrap().status().unwrap().floors.of(APP), 3);
    assert!(!new.windows(32).any(|w| w == payload(RUNTIME, 0).0), "nothing is in plain");
}

#[test]
fn tpm_1_whoever_raises_the_counter_stops_the_device_and_gains_nothing() {
    let bench = &mut InTpm::new();
    let mut rot = running(bench);
    drop(rot.take_auth_role());
    drop(rot);
    let raise = command(0x134, &[COUNTER; 2], &[Right::Password(&[])], &[]);
    assert_eq!(send(bench, &raise)[6..10], [0; 4]);
    assert_eq!(open(bench).err(), Some(Error::StorageDamaged));
}

#[test]
fn tpm_2_another_boot_does_not_open_the_state_boot_not_approved() {
    let bench = &mut InTpm::new();
    let mut rot = running(bench);
    let sealed = seal(&mut *rot, APP).unwrap();
    drop(rot);
    extend(bench, 4);
    assert_eq!(open(bench).err(), Some(Error::BootNotApproved));
    // The publisher approves that release: what was sealed before is there.
    let next = BootApproval::sign(&Soft, &key(PLATFORM_PUBLISHER), &registers(bench), 0).unwrap();
    let [old] = approvals();
    let mut rot = open_with(bench, &[old, next]).unwrap();
    boot(&mut rot, &[(APP, 1)]);
    assert_eq!(unseal(&rot, APP, &sealed).unwrap(), b"secret");
}

#[test]
fn tpm_2_a_strangers_approval_opens_nothing_tpm_refused() {
    let bench = &mut InTpm::new();
    drop(running(bench));
    extend(bench, 4);
    let by_stranger = BootApproval::sign(&Soft, &key(STRANGER), &registers(bench), 0).unwrap();
    assert_eq!(open_with(bench, &[by_stranger]).err(), Some(Error::TpmRefused));
    let forged = BootApproval { by: key(PLATFORM_PUBLISHER).public_key(), ..by_stranger };
    assert_eq!(open_with(bench, &[forged]).err(), Some(Error::BootNotApproved));
    let bench = &mut InTpm::new();
    let section = platform_section(false);
    let stranger = [BootApproval::sign(&Soft, &key(STRANGER), &registers(bench), 0).unwrap()];
    let (way, file) = (bench.way(), bench.0.file());
    let refused = TpmPlatform::create(way, &file, &stranger, &section).err();
    assert_eq!(refused, Some(Error::BootNotApproved));
    assert!(!file.exists(), "nothing was made");
}

#[test]
fn tpm_2_an_approval_of_any_boot_opens_what_was_made_with_one_and_nothing_else() {
    let any = BootApproval::sign(&Soft, &key(PLATFORM_PUBLISHER), &Registers::none(), 0).unwrap();
    let bench = &mut InTpm::new();
    drop(running(bench));
    assert_eq!(open_with(bench, &[any]).err(), Some(Error::TpmRefused));
    let by_stranger = BootApproval::sign(&Soft, &key(STRANGER), &registers(bench), 0).unwrap();
    let [own] = approvals();
    assert!(open_with(bench, &[any, by_stranger, own]).is_ok(), "the one that it is made for");
    extend(bench, 4);
    assert_eq!(open_with(bench, &[any, own]).err(), Some(Error::TpmRefused));

    let bench = &mut InTpm::new();
    let (section, file) = (platform_section(false), bench.0.file());
    let make = |with: &[BootApproval]| {
        Engine::create_in_tpm(bench.way(), &file, with, Soft, &manufacture(&section))
    };
    assert_eq!(make(&[any, own]).err(), Some(Error::BootNotApproved), "one kind");
    let device = make(&[any]).unwrap().device();
    extend(bench, 4);
    assert_eq!(open_with(bench, &[any]).unwrap().device(), device);
    let boot = BootApproval::sign(&Soft, &key(PLATFORM_PUBLISHER), &registers(bench), 0).unwrap();
    assert_eq!(open_with(bench, &[boot]).err(), Some(Error::TpmRefused));
}

#[test]
fn tpm_4_a_making_that_was_cut_takes_no_other_chip_away_tpm_occupied() {
    let bench = &mut InTpm::new();
    let (section, folder) = (platform_section(false), tempfile::tempdir().unwrap());
    let cut = folder.path().join("cut");
    let make = |bench: &InTpm| {
        Engine::create_in_tpm(bench.way(), &cut, &approvals(), Soft, &manufacture(&section))
    };
    std::fs::write(&cut, vec![0; FILE_SIZE as usize]).unwrap();
    std::fs::set_permissions(&cut, Permissions::from_mode(0o600)).unwrap();
    let device = create(bench, &manufacture(&section)).unwrap().device();
    assert_eq!(make(bench).err(), Some(Error::TpmOccupied));
    assert_eq!(open(bench).unwrap().device(), device);
    TpmPlatform::discard(bench.way()).unwrap();
    assert!(make(bench).is_ok(), "it goes on once the TPM is free");
}

#[test]
fn tpm_2_no_authorization_value_reads_or_overwrites_a_secret() {
    let bench = &mut InTpm::new();
    drop(running(bench));
    let read = Structure::default().u16(32).u16(0).0;
    let write = Structure::default().sized(&[9; 32]).u16(0).0;
    for (index, (code, parameters)) in
        SECRETS.into_iter().flat_map(|index| [(index, (0x14e, &read)), (index, (0x137, &write))])
    {
        for by in [index, 0x4000_0001] {
            let sent = command(code, &[by, index], &[Right::Password(&[])], parameters);
            assert_ne!(send(bench, &sent)[6..10], [0; 4], "{code:x} by {by:x}");
        }
    }
    assert!(open(bench).is_ok());
}

#[test]
fn tpm_3_the_identity_signs_quotes_and_nothing_else_tpm_refused() {
    let bench = &mut InTpm::new();
    let mut tpm = Tpm::new(bench.way()).unwrap();
    let area = template::identity(&quotes_only(&Soft).0, &[1; 32]);
    let key = tpm.create_primary(&area, &[]).unwrap();
    let digest = Soft.sha256(&[b"what a host would like to have signed"]);
    assert_eq!(tpm.sign(key.handle, &[], &digest), Err(Error::TpmRefused));
    let session = |tpm: &mut Tpm, code: u32| {
        let session = tpm.start_policy().unwrap();
        tpm.policy_command(session, code).unwrap();
        session
    };
    const SIGN: u32 = 0x15d;
    let for_sign = session(&mut tpm, SIGN);
    let quoted = tpm.quote(key.handle, for_sign, &digest, Selection(1));
    assert_eq!(quoted.err(), Some(Error::TpmRefused));
    let for_quote = session(&mut tpm, 0x158);
    let (attest, signature) = tpm.quote(key.handle, for_quote, &digest, Selection(1)).unwrap();
    assert_eq!(Soft.es256_verify(&key.key, &[&attest], &signature), Ok(()));
    // Not even by a session for the command that is asked for.
    let for_sign = session(&mut tpm, SIGN);
    let parameters = Structure::default().sized(&digest.0).u16(0x10).u16(0x8024);
    let parameters = parameters.u32(0x4000_0007).sized(&[]).0;
    drop(tpm);
    let sent = command(SIGN, &[key.handle], &[Right::Policy(for_sign)], &parameters);
    assert_ne!(send(bench, &sent)[6..10], [0; 4]);
}

#[test]
fn tpm_4_an_identity_does_not_outlive_its_state_tpm_occupied() {
    let bench = &mut InTpm::new();
    let section = platform_section(false);
    let first = create(bench, &manufacture(&section)).unwrap().identity();
    assert_eq!(create(bench, &manufacture(&section)).err(), Some(Error::AlreadyManufactured));
    let file = bench.0.file();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(create(bench, &manufacture(&section)).err(), Some(Error::TpmOccupied));
    assert!(!file.exists());
    TpmPlatform::discard(bench.way()).unwrap();
    let second = create(bench, &manufacture(&section)).unwrap().identity();
    assert_ne!(first, second);
    // The platform's owner clears the TPM.
    let clear = command(0x126, &[0x4000_000a], &[Right::Password(&[])], &[]);
    assert_eq!(send(bench, &clear)[6..10], [0; 4]);
    assert_eq!(open(bench).err(), Some(Error::NotManufactured));
}

#[test]
fn rot_10_an_erase_takes_old_disks_along() {
    let bench = &mut InTpm::new();
    let rot = running(bench);
    drop(rot);
    let (file, old) = (bench.0.file(), std::fs::read(bench.0.file()).unwrap());
    let secret_at = |bench: &InTpm, index: u32| {
        let mut tpm = Tpm::new(bench.way()).unwrap();
        let [approval] = approvals();
        let session = tpm.start_policy().unwrap();
        tpm.policy_registers(session, approval.selection).unwrap();
        let policy = craton_rot::tpm2::policy::of_registers(&Soft, &registers_of_zero());
        tpm.policy_authorize(session, &approval, &policy).unwrap();
        let mut secret = [1; 32];
        tpm.read_secret(index, session, &mut secret).unwrap();
        secret
    };
    let before = SECRETS.map(|index| secret_at(bench, index));
    let in_force = before.iter().position(|secret| *secret != [0; 32]).unwrap();
    assert_eq!(before[1 - in_force], [0; 32]);
    let mut rot = open(bench).unwrap();
    let erase = order(rot.device(), 1, Action::NewEpoch(None), OWNER_ROOT);
    rot.new_epoch(&erase, None).unwrap();
    drop(rot);
    let after = SECRETS.map(|index| secret_at(bench, index));
    assert_eq!(after[in_force], [0; 32]);
    assert!(after[1 - in_force] != [0; 32] && !before.contains(&after[1 - in_force]));
    assert_eq!(open(bench).unwrap().status().unwrap().epoch, 2);
    std::fs::write(&file, old).unwrap();
    assert_eq!(open(bench).err(), Some(Error::StorageDamaged));
}

fn registers_of_zero() -> Registers {
    let mut registers = Registers::none();
    (0..8).for_each(|register| registers.push(register, Digest([0; 32])).unwrap());
    registers
}

#[test]
fn evidence_of_a_tpm_is_a_quote_and_no_chain_of_certificates() {
    let bench = &mut InTpm::new();
    let mut rot = running(bench);
    let shown = report(&mut *rot).unwrap();
    let identity = rot.identity();
    assert!(evidence::verify(&Soft, &identity, &shown).is_err());
    let read = quoted::verify(&Soft, &identity, &shown).unwrap();
    assert_eq!(read.registers, registers_of_zero());
    println!("evidence of a TPM: {} bytes", shown.len());
}

/// Runs one of tpm2-tools on the bench's TPM; what it printed.
fn tool(bench: &InTpm, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .args(["-T", &format!("swtpm:path={}", bench.0.socket().display())])
        .output()
        .expect("tpm2-tools are not here: `cargo xtask test` installs them");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tpm2_tools_read_indices_and_keys_as_we_meant_them() {
    let bench = &mut InTpm::new();
    let rot = running(bench);
    let (identity, client) = (rot.identity(), rot.client_key().unwrap());
    drop(rot);
    let counter = tool(bench, "tpm2_nvreadpublic", &[&format!("0x{COUNTER:x}")]);
    assert!(counter.contains("authwrite|nt=0x1|authread|no_da|written"), "{counter}");
    for index in SECRETS {
        let secret = tool(bench, "tpm2_nvreadpublic", &[&format!("0x{index:x}")]);
        assert!(secret.contains("policywrite|policyread|no_da|written"), "{secret}");
        let policy = approvals()[0].opens(&Soft);
        let policy: String = policy.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(secret.contains(&policy), "{secret}");
    }
    // An emulator has no resource manager: what the engine left loaded is still there.
    for (handle, key, attributes) in [
        ("0x80000000", identity, "fixedtpm|fixedparent|sensitivedataorigin|noda|restricted|sign"),
        ("0x80000001", client, "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"),
    ] {
        let area = tool(bench, "tpm2_readpublic", &["-c", handle]);
        let x: String = key.0[..32].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(area.contains(attributes) && area.contains(&x), "{area}");
    }
}

#[test]
fn tpm2_tools_make_the_same_endorsement_key() {
    let bench = &mut InTpm::new();
    let ours = Tpm::new(bench.way()).unwrap().create_endorsement().unwrap();
    drop(Tpm::new(bench.way()));
    let path = |name: &str| bench.0.folder.path().join(name).display().to_string();
    let (context, area) = (path("context"), path("public"));
    tool(bench, "tpm2_createek", &["-G", "ecc", "-c", &context, "-u", &area]);
    let theirs = std::fs::read(&area).unwrap();
    assert!(theirs.windows(32).any(|x| x == &ours.key.0[..32]));
    drop(Tpm::new(bench.way()));
    let (_, modulus) = Tpm::new(bench.way()).unwrap().create_endorsement_of_rsa().unwrap();
    drop(Tpm::new(bench.way()));
    tool(bench, "tpm2_createek", &["-G", "rsa", "-c", &context, "-u", &area]);
    assert!(std::fs::read(area).unwrap().ends_with(&modulus));
}

#[test]
fn tpm2_checkquote_believes_our_evidence_for_its_qualifying_data_only() {
    let bench = &mut InTpm::new();
    let mut rot = running(bench);
    let shown = report(&mut *rot).unwrap();
    let read = quoted::verify(&Soft, &rot.identity(), &shown).unwrap();
    let folder = bench.0.folder.path();
    let path = |name: &str| folder.join(name).display().to_string();
    // The last two byte strings: TPMS_ATTEST of 145 bytes, signature of 64.
    let (attest, signature) = shown[shown.len() - 66 - 145..].split_at(145);
    let mut der = [0; craton_rot::auth::DER_MAX];
    let raw = signature.last_chunk::<64>().unwrap();
    std::fs::write(path("attest"), attest).unwrap();
    std::fs::write(path("signature"), craton_rot::auth::signature_to_der(raw, &mut der)).unwrap();
    drop(rot);
    tool(bench, "tpm2_readpublic", &["-c", "0x80000000", "-f", "pem", "-o", &path("key.pem")]);
    let hex = |digest: &Digest| digest.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let check = |qualifying: &Digest| {
        let mut command = Command::new("tpm2_checkquote");
        command.args(["-u", &path("key.pem"), "-m", &path("attest"), "-s", &path("signature")]);
        command.args(["-g", "sha256", "-q", &hex(qualifying)]).output().unwrap()
    };
    let good = check(&read.quote.qualifying);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(!check(&Digest([1; 32])).status.success());
}

#[test]
fn tpm_5_a_secret_opens_in_its_tpm_for_its_identity_only_tpm_refused() {
    let bench = &mut InTpm::new();
    let section = platform_section(false);
    let rot = create(bench, &manufacture(&section)).unwrap();
    let (endorsement, identity) = (rot.endorsement_key().unwrap(), rot.identity());
    let (secret, chance) = (Secret::new([0x5a; 32]), Secret::new([0x77; 32]));
    let good = enclose(&endorsement, &identity, &secret, &chance).unwrap();
    assert!(rot.activate(&good).ok().unwrap().bytes() == secret.bytes());
    assert_eq!(rot.endorsement_key(), Ok(endorsement), "the same each time");
    let refused = |enclosed: Enclosed| rot.activate(&enclosed).err() == Some(Error::TpmRefused);
    let (other, own) = (InTpm::new(), key(1).public_key());
    let elsewhere = create(&other, &manufacture(&section)).unwrap();
    let of_other = elsewhere.endorsement_key().unwrap();
    assert!(refused(enclose(&of_other, &identity, &secret, &chance).unwrap()));
    assert!(refused(enclose(&endorsement, &elsewhere.identity(), &secret, &chance).unwrap()));
    assert!(refused(enclose(&endorsement, &own, &secret, &chance).unwrap()), "made by the host");
    for at in [0, good.blob.len() - 1] {
        let mut broken = good.clone();
        broken.blob[at] ^= 1;
        assert!(refused(broken));
    }
    let invalid = Error::Trust(craton_trust::Error::KeyInvalid);
    let none = enclose(&PublicKey([1; 64]), &identity, &secret, &chance);
    assert_eq!(none.err(), Some(invalid));
    assert_eq!(enclose(&endorsement, &identity, &secret, &Secret::zero()).err(), Some(invalid));
}

#[test]
fn tpm_5_a_key_of_the_tpm_that_signs_more_than_quotes_is_not_enrolled() {
    let bench = &mut InTpm::new();
    let mut tpm = Tpm::new(bench.way()).unwrap();
    let endorsement = tpm.create_endorsement().unwrap();
    let (secret, chance) = (Secret::new([0x5a; 32]), Secret::new([0x77; 32]));
    let policy = quotes_only(&Soft).0;
    let (free, right) = (template::device_auth(&[1; 32]), template::identity(&policy, &[1; 32]));
    for (area, is_right) in [(free, false), (right, true)] {
        let key = tpm.create_primary(&area, &[]).unwrap();
        let enclosed = enclose(&endorsement.key, &key.key, &secret, &chance).unwrap();
        let session = tpm.start_policy().unwrap();
        tpm.policy_endorsement(session).unwrap();
        let Enclosed { blob, seed, .. } = enclosed;
        let opened = tpm.activate(key.handle, endorsement.handle, session, &blob, &seed);
        assert_eq!(opened.is_ok(), is_right, "{opened:?}");
        tpm.flush(key.handle).unwrap();
    }
}
