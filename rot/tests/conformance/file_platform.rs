//! The file platform against its environment: damage, other users, other processes, a full disk,
//! `kill -9`.

use super::bench::*;
use super::world::*;
use craton_rot::platform::file::{FILE_SIZE, FilePlatform};
use craton_rot::platform::{SECTOR_SIZE, Sector};
use craton_rot::{Action, Engine, Error, RootOfTrust, SECTION_MAX, Start};
use craton_trust::Signed;
use craton_trust::crypto::Crypto as _;
use craton_trust::evidence::Lifecycle;
use craton_trust::soft::Soft;
use craton_trust::store::{Section, SectionBuilder, SectionKind};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the child processes of these tests find the device.
const DEVICE: &str = "CRATON_ROT_TEST_DEVICE";

fn open(path: &Path) -> craton_rot::Result<Engine<FilePlatform>> {
    unlocked(|| Engine::<FilePlatform>::open(path, Soft, Start::Normal))
}

fn create_again(path: &Path, section: &[u8]) -> craton_rot::Result<Engine<FilePlatform>> {
    unlocked(|| Engine::<FilePlatform>::create(path, Soft, &manufacture(section)))
}

/// A child that another test starts holds our lock from its fork to its exec: waits half a second.
fn unlocked<T>(open: impl Fn() -> craton_rot::Result<T>) -> craton_rot::Result<T> {
    for _ in 0..100 {
        match open() {
            Err(Error::StorageLocked) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other,
        }
    }
    open()
}

fn made() -> InFile {
    let mut bench = InFile::new();
    drop(owned(&mut bench));
    bench
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

const fn flash(sector: Sector) -> u64 {
    8192 + sector as u64 * SECTOR_SIZE as u64
}

#[test]
fn a_file_that_is_not_there_is_storage_missing_and_stays_so() {
    let bench = InFile::new();
    assert_eq!(open(&bench.path()).err(), Some(Error::StorageMissing));
    assert!(!bench.path().exists());
}

#[test]
fn the_file_is_made_once_for_its_user_alone() {
    let bench = made();
    let about = fs::metadata(bench.path()).unwrap();
    assert_eq!((about.len(), about.permissions().mode() & 0o777), (FILE_SIZE, 0o600));
    let section = platform_section(false);
    let again = create_again(&bench.path(), &section);
    assert_eq!(again.err(), Some(Error::AlreadyManufactured));
    let names = fs::read_dir(bench.path().parent().unwrap()).unwrap().count();
    assert_eq!(names, 1, "nothing unfinished stays beside it");
}

#[test]
fn a_file_that_others_may_read_is_storage_exposed() {
    let bench = made();
    fs::set_permissions(bench.path(), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(open(&bench.path()).err(), Some(Error::StorageExposed));
    fs::set_permissions(bench.path(), Permissions::from_mode(0o600)).unwrap();
    assert!(open(&bench.path()).is_ok());
}

#[test]
fn a_second_opener_finds_storage_locked() {
    let bench = made();
    let first = open(&bench.path()).ok().unwrap();
    assert_eq!(open(&bench.path()).err(), Some(Error::StorageLocked));
    drop(first);
    assert!(open(&bench.path()).is_ok());
}

#[test]
fn a_file_of_another_user_is_storage_forbidden() {
    let bench = made();
    fs::set_permissions(bench.path(), Permissions::from_mode(0o000)).unwrap();
    // Whoever is root may open it all the same, and then its mode harms nobody.
    let verdict = open(&bench.path()).err();
    assert!(matches!(verdict, None | Some(Error::StorageForbidden)), "{verdict:?}");
}

#[test]
fn a_link_in_its_place_is_storage_linked_and_nothing_is_written_through_it() {
    let (bench, other) = (InFile::new(), made());
    let section = platform_section(false);
    fs::create_dir_all(bench.path().parent().unwrap()).unwrap();
    for target in [other.path(), bench.path().with_extension("nowhere")] {
        std::os::unix::fs::symlink(&target, bench.path()).unwrap();
        assert_eq!(open(&bench.path()).err(), Some(Error::StorageLinked));
        assert_eq!(create_again(&bench.path(), &section).err(), Some(Error::StorageLinked));
        assert_eq!(target.exists(), target == other.path());
        fs::remove_file(bench.path()).unwrap();
    }
    assert!(open(&other.path()).is_ok());
}

#[test]
fn a_lost_block_takes_one_copy_of_the_fuses_only() {
    let bench = made();
    for block in 0..2 {
        let good = fs::read(bench.path()).unwrap();
        let mut torn = good.clone();
        torn[block * 4096..(block + 1) * 4096].fill(0);
        fs::write(bench.path(), &torn).unwrap();
        let opened = open(&bench.path()).map(drop);
        assert!(matches!(opened, Ok(()) | Err(Error::NotManufactured)), "{block}: {opened:?}");
        fs::write(bench.path(), &good).unwrap();
    }
}

/// Writes the last generation into whole copies at these places: magic, generation, the rest, and
/// the sum that `sum` makes of a SHA-256.
fn renumber(
    path: &Path,
    places: [u64; 2],
    last: [u8; 8],
    sum_at: usize,
    body: std::ops::Range<usize>,
    sum: impl Fn(&[&[u8]]) -> [u8; 32],
) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    for place in places {
        let mut copy = vec![0; 4096];
        file.read_exact_at(&mut copy, place).unwrap();
        copy[8..16].copy_from_slice(&last);
        let right = sum(&[&copy[..sum_at], &copy[body.clone()]]);
        copy[sum_at..sum_at + 32].copy_from_slice(&right);
        file.write_all_at(&copy, place).unwrap();
    }
}

#[test]
fn after_the_last_generation_of_state_or_fuses_nothing_wraps_storage_damaged() {
    let mut bench = InFile::new();
    drop(unowned(&mut bench));
    // The state: magic, generation, length, sum (ROT-24), body.
    let bytes = fs::read(bench.path()).unwrap();
    let at = flash(Sector::StateA) as usize + 16;
    let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let half = |key: &[u8], parts: &[&[u8]]| *Soft.hmac_sha512(key, parts).first_chunk().unwrap();
    let key: [u8; 32] = half(&bytes[16..48], &[b"craton/1/state/key"]);
    let copies = [flash(Sector::StateA), flash(Sector::StateB)];
    let last = [0, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff]; // ROT-25
    renumber(&bench.path(), copies, last, 20, 52..52 + length, |parts| {
        let digest = Soft.sha256(&[&[&key[..]], parts].concat()).0;
        half(&key, &[b"craton/1/state/sum", &digest])
    });
    let mut rot = open(&bench.path()).ok().unwrap();
    assert_eq!(boot_bare(&mut rot), Err(Error::StorageDamaged));
    drop(rot);
    // The fuses: magic, generation, bits, digest.
    renumber(&bench.path(), [0, 4096], [0xff; 8], 16 + 128, 0..0, |parts| Soft.sha256(parts).0);
    let mut rot = open(&bench.path()).ok().unwrap();
    let step = advance(&mut rot, Lifecycle::Module1Complete);
    assert_eq!(step, Err(Error::StorageDamaged));
    drop(rot);
    assert!(open(&bench.path()).is_ok(), "and nothing is lost by it");
}

#[test]
fn a_folder_in_its_place_is_storage_failed() {
    let bench = InFile::new();
    fs::create_dir_all(bench.path()).unwrap();
    assert_eq!(open(&bench.path()).err(), Some(Error::StorageFailed));
}

#[test]
fn a_file_of_another_size_is_storage_damaged_and_left_as_it_is() {
    for size in [0, 1, FILE_SIZE - 1, FILE_SIZE + 1] {
        let bench = made();
        let file = OpenOptions::new().write(true).open(bench.path()).unwrap();
        file.set_len(size).unwrap();
        drop(file);
        assert_eq!(open(&bench.path()).err(), Some(Error::StorageDamaged));
        let section = platform_section(false);
        let again = create_again(&bench.path(), &section);
        assert_eq!(again.err(), Some(Error::StorageDamaged));
        assert_eq!(fs::metadata(bench.path()).unwrap().len(), size, "never created anew");
    }
}

#[test]
fn one_damaged_copy_is_survived_and_two_are_storage_damaged() {
    for copies in [[0, 4096], [flash(Sector::StateA), flash(Sector::StateB)]] {
        for offset in [0, 9, 20, 60, 100] {
            for copy in copies {
                let bench = made();
                flip(&bench.path(), copy + offset);
                let opened = open(&bench.path());
                let older = |e: &Error| matches!(e, Error::NotManufactured);
                assert!(opened.as_ref().err().is_none_or(older), "{copy} {offset}");
            }
            let bench = made();
            copies.iter().for_each(|copy| flip(&bench.path(), copy + offset));
            assert_eq!(open(&bench.path()).err(), Some(Error::StorageDamaged));
        }
    }
}

#[test]
fn a_damaged_section_is_storage_damaged_when_it_is_used() {
    let bench = made();
    for sector in [Sector::OwnerA, Sector::OwnerB] {
        flip(&bench.path(), flash(sector) + 40);
    }
    let mut rot = open(&bench.path()).ok().unwrap();
    let refused = boot_set(&mut rot, &set(&[(APP, 1)]), &[(APP, 1)]);
    assert_eq!(refused, Err(Error::StorageDamaged));
}

#[test]
fn a_state_of_another_chip_is_storage_damaged() {
    let (one, mut other) = (made(), InFile::new());
    let section = platform_section(true);
    drop(other.make(&manufacture(&section)));
    let from = fs::read(one.path()).unwrap();
    let mut mixed = fs::read(other.path()).unwrap();
    mixed[8192..].copy_from_slice(&from[8192..]);
    fs::write(other.path(), mixed).unwrap();
    assert_eq!(open(&other.path()).err(), Some(Error::StorageDamaged));
}

/// Runs one of the tests below in a process of its own.
fn child(test: &str, device: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{before} exec \"$0\" --exact file_platform::{test} --nocapture");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    command.env(DEVICE, device).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A child's part: without its parent there is nothing to do.
#[test]
fn child_makes_and_boots() {
    let Some(path) = std::env::var_os(DEVICE) else { return };
    let (path, section) = (Path::new(&path), platform_section(false));
    let with = manufacture(&section);
    let rot = match open(path) {
        Err(Error::StorageMissing) => Engine::<FilePlatform>::create(path, Soft, &with),
        opened => opened,
    };
    match rot.and_then(|mut rot| boot_bare(&mut rot)) {
        Ok(_) => println!("\nsays done"),
        Err(error) => println!("\nsays {error:?}"),
    }
}

#[test]
fn a_full_disk_is_storage_full_and_leaves_the_old_state() {
    let mut bench = InFile::new();
    let said = |bench: &InFile, limit: &str| {
        let before = format!("ulimit -f {limit}; trap '' XFSZ;");
        let output = child("child_makes_and_boots", &bench.path(), &before).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("says ")).unwrap().to_string()
    };
    assert_eq!(said(&bench, "8"), "StorageFull");
    assert!(!bench.path().exists(), "nothing half-made");
    assert_eq!(fs::read_dir(bench.path().parent().unwrap()).unwrap().count(), 0);
    drop(unowned(&mut bench));
    assert_eq!(said(&bench, "8"), "StorageFull");
    let mut rot = open(&bench.path()).ok().unwrap();
    assert_eq!(rot.status().unwrap().boot, 0);
    assert!(boot_bare(&mut rot).is_ok());
    drop(rot);
    assert_eq!(said(&bench, "unlimited"), "done");
}

/// A child's part: check-ins until it is killed, each pair told after its token left.
#[test]
fn child_checks_in_until_killed() {
    let Some(path) = std::env::var_os(DEVICE) else { return };
    let mut rot = open(Path::new(&path)).ok().unwrap();
    boot(&mut rot, &[(APP, 1)]);
    let role = rot.take_auth_role().unwrap();
    for _ in 0..100_000 {
        check_in(&mut rot, &role, catalog(false)).unwrap();
        let status = rot.status().unwrap();
        println!("\npair {} {}", status.boot, status.check_in);
    }
}

#[test]
fn rot_3_kill_9_at_any_time_repeats_no_pair_and_loses_no_device() {
    let bench = made();
    let mut last = (0, 0);
    for round in 0..12 {
        let mut process = child("child_checks_in_until_killed", &bench.path(), "").spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let pairs = lines.map_while(Result::ok).filter_map(|line| {
            let mut words = line.strip_prefix("pair ")?.split(' ').map(|w| w.parse::<u64>().ok());
            Some((words.next()??, words.next()??))
        });
        for (told, pair) in pairs.enumerate() {
            assert!(pair > last, "{pair:?} after {last:?}");
            last = pair;
            if told == round * 3 {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        let rot = open(&bench.path()).ok().unwrap();
        let status = rot.status().unwrap();
        assert!((status.boot, status.check_in) >= last);
    }
}

/// Which command the child below repeats.
const COMMAND: &str = "CRATON_ROT_TEST_COMMAND";

/// What counts the runs of a command that are done.
fn done(rot: &dyn RootOfTrust, command: &str) -> u64 {
    let status = rot.status().unwrap();
    match command {
        "confirm" => status.floors.of(APP),
        "replace" => owner_of(rot).version,
        _ => status.epoch,
    }
}

fn owner_of(rot: &dyn RootOfTrust) -> SectionBuilder {
    let mut room = [0; SECTION_MAX];
    let signed = rot.section(SectionKind::Owner, &mut room).unwrap();
    let section = Section::parse(Signed::parse(signed).unwrap().unchecked_payload()).unwrap();
    SectionBuilder::from(&section)
}

fn once(rot: &mut dyn RootOfTrust, command: &str) -> craton_rot::Result<()> {
    match command {
        "confirm" => {
            let next = done(rot, command) + 1;
            boot(rot, &[(APP, next)]);
            rot.confirm()
        }
        "replace" => {
            let mut section = owner_of(rot);
            section.genesis = Some(digest(&owner_section(false)));
            section.version += 1;
            rot.replace(&signed_section(&section, OWNER_ROOT), &[], &[])
        }
        "claim" => rot.claim(CODE, &owner_section(false)),
        _ => {
            let (device, epoch) = (rot.device(), done(rot, command));
            rot.new_epoch(&order(device, epoch, Action::NewEpoch(None), OWNER_ROOT), None)
        }
    }
}

/// A child's part: one command after another until it is killed, each told once it is done.
#[test]
fn child_commands_until_killed() {
    let Some(path) = std::env::var_os(DEVICE) else { return };
    let command = std::env::var(COMMAND).unwrap();
    println!("\nready");
    for _ in 0..1000 {
        let mut rot = open(Path::new(&path)).ok().unwrap();
        once(&mut rot, &command).unwrap();
        println!("\ndone {}", done(&rot, &command));
    }
}

/// Kills the child after `lines` of what it says; returns the last number that it told.
fn killed_after(bench: &InFile, command: &str, lines: usize) -> u64 {
    let mut process = child("child_commands_until_killed", &bench.path(), "")
        .env(COMMAND, command)
        .spawn()
        .unwrap();
    let told = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = told.filter(|line| line.starts_with("ready") || line.starts_with("done "));
    let mut last = 0;
    for (place, line) in told.enumerate() {
        last = line.strip_prefix("done ").map_or(last, |number| number.parse().unwrap());
        if place == lines {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    last
}

#[test]
fn rot_7_kill_9_in_confirm_replace_or_new_epoch_loses_no_device_and_nothing_told() {
    for command in ["confirm", "replace", "epoch"] {
        let bench = made();
        for round in 0..6 {
            let told = killed_after(&bench, command, round);
            let rot = open(&bench.path()).ok().unwrap();
            assert!(done(&rot, command) >= told, "{command}: {told}");
            assert_eq!(owner_of(&rot).kind, SectionKind::Owner);
        }
    }
}

#[test]
fn rot_7_kill_9_in_a_claim_leaves_the_device_unowned_or_owned() {
    for round in 0..6 {
        let mut bench = InFile::new();
        drop(unowned(&mut bench));
        killed_after(&bench, "claim", round % 2);
        let mut rot = open(&bench.path()).ok().unwrap();
        match rot.status().unwrap().owner {
            Some(owner) => assert_eq!((owner, owner_of(&rot).version), (catalog(false), 1)),
            None => rot.claim(CODE, &owner_section(false)).unwrap(),
        }
    }
}
