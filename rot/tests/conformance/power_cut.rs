//! The power goes at every write of every command, in every way, and once more while it is redone;
//! or the write only fails, and the power goes while the same engine is asked again.

use super::bench::*;
use super::judge::{Pair, judge, lasting};
use super::world::*;
use craton_rot::boot::Status;
use craton_rot::platform::memory::{Cut, MemoryPlatform};
use craton_rot::platform::{Platform as _, Row, SECTOR_SIZE, Sector};
use craton_rot::{Action, AuthRole, Engine, Error, NextLayer, RootOfTrust, Start};
use craton_trust::assignment::Address;
use craton_trust::evidence::Lifecycle;
use craton_trust::soft::Soft;
use craton_trust::{DeviceId, Digest};
use std::cell::RefCell;

const CUTS: [Cut; 6] =
    [Cut::Whole, Cut::Torn, Cut::Partial, Cut::Unsynced, Cut::LaterFirst, Cut::LastFirst];
/// More than any command and the boot before it write.
const SECOND_CUTS: u64 = 16;
/// Erase, body, header, sync: cut in one test only, that of the check-in.
const BOOT_WRITES: u64 = 4;

type Command = Box<dyn Fn(&mut dyn RootOfTrust) -> craton_rot::Result<()>>;

thread_local! {
    /// Every pair of boot and check-in that left the device under test.
    static LEFT: RefCell<Vec<Pair>> = const { RefCell::new(Vec::new()) };
}

fn start(chip: &MemoryPlatform) -> craton_rot::Result<Engine<MemoryPlatform>> {
    Engine::reset(chip.clone(), Soft, Start::Normal)
}

/// Boots what the device may boot.
fn prepare(rot: &mut dyn RootOfTrust) {
    if boot_set(rot, &set(&[(APP, 1)]), &[(APP, 1)]).is_err() {
        let _ = rot.boot(&NextLayer { runtime: runtime(), set: None, images: &[] });
    }
}

fn check_in_and_note(rot: &mut dyn RootOfTrust, role: &AuthRole) -> craton_rot::Result<()> {
    let evidence = check_in(rot, role, catalog(false))?;
    let claims = &authentic(rot, &evidence).claims;
    note((claims.boot, claims.check_in));
    Ok(())
}

fn note(pair: Pair) {
    LEFT.with_borrow_mut(|left| {
        assert!(left.iter().all(|old| *old < pair), "{pair:?} left again: {left:?}");
        left.push(pair);
    });
}

/// Starts, boots and runs the command; wherever the power goes, it stops there.
fn run(chip: &MemoryPlatform, command: &Command) {
    if let Ok(mut rot) = start(chip) {
        prepare(&mut rot);
        let _ = command(&mut rot);
    }
}

fn seen(chip: &MemoryPlatform) -> Status {
    start(chip).expect("a cut lost the device").status().unwrap()
}

/// The lasting states that whole runs of the command pass through.
fn allowed(chip: &MemoryPlatform, command: &Command) -> Vec<Status> {
    let chip = chip.duplicate();
    let mut states = vec![lasting(seen(&chip))];
    for _ in 0..3 {
        prepare(&mut start(&chip).unwrap());
        states.push(lasting(seen(&chip)));
        run(&chip, command);
        states.push(lasting(seen(&chip)));
    }
    LEFT.with_borrow_mut(Vec::clear);
    states
}

/// After all cuts: the device starts, counts never fell, sealed data opens exactly in its epoch,
/// and check-ins go on.
fn check_after(chip: &MemoryPlatform, before: &Status, sealed: &[u8]) -> Status {
    chip.power_on();
    let mut rot = start(chip).expect("a cut lost the device");
    judge(&mut rot, before, sealed, prepare, note)
}

/// Cuts at every write of the command; `boot_writes` of the boot before it are left out.
fn cut_everywhere(base: &MemoryPlatform, boot_writes: u64, command: Command) {
    let sealed = {
        let mut rot = start(base).unwrap();
        prepare(&mut rot);
        seal(&mut rot, RUNTIME).unwrap()
    };
    let before = seen(base);
    let allowed = allowed(base, &command);
    let writes = {
        let chip = base.duplicate();
        let from = chip.writes();
        run(&chip, &command);
        chip.writes() - from
    };
    for (write, how) in (boot_writes..writes).flat_map(|write| CUTS.map(|how| (write, how))) {
        let ways: &[Again] = match how {
            Cut::Whole | Cut::Unsynced => &[cut_and_cut, fail_and_cut],
            _ => &[cut_and_cut],
        };
        // Every fourth second cut: the ways of the first one take turns.
        for second in ((write + how as u64) % 4..=SECOND_CUTS).step_by(4) {
            let again = |way: &Again| {
                LEFT.with_borrow_mut(Vec::clear);
                let chip = base.duplicate();
                way(&chip, (write, how), second, &command);
                let died_again = chip.is_dead();
                let state = lasting(check_after(&chip, &before, &sealed));
                assert!(allowed.contains(&state), "{write} {how:?}, then {second}: {state:?}");
                died_again
            };
            if ways.iter().filter(|way| again(way)).count() == 0 {
                break;
            }
        }
    }
}

type Again = fn(&MemoryPlatform, (u64, Cut), u64, &Command);

/// A cut, a new start, and a second cut.
fn cut_and_cut(chip: &MemoryPlatform, (write, how): (u64, Cut), second: u64, command: &Command) {
    chip.cut_at(write, how);
    run(chip, command);
    assert!(chip.is_dead());
    chip.power_on();
    chip.cut_at(second, how);
    run(chip, command);
}

/// A write that fails while the power stays, the command again on the same engine, and a cut in
/// that.
fn fail_and_cut(chip: &MemoryPlatform, (write, how): (u64, Cut), second: u64, command: &Command) {
    chip.fail_at(write, how);
    if let Ok(mut rot) = start(chip) {
        prepare(&mut rot);
        let first = command(&mut rot);
        chip.cut_at(second, Cut::Torn);
        if first == Err(Error::StateUncertain) {
            let writes = chip.writes();
            assert!(command(&mut rot).is_err());
            assert_eq!(chip.writes(), writes, "nothing is written before the reset");
        }
        prepare(&mut rot);
        let _ = command(&mut rot);
    }
}

fn owned_chip() -> MemoryPlatform {
    let mut bench = InMemory::default();
    let rot = running(&mut bench);
    drop(rot);
    bench.0
}

fn device(chip: &MemoryPlatform) -> DeviceId {
    start(chip).unwrap().device()
}

fn address(device: DeviceId, request: Digest) -> Address {
    Address { catalog: catalog(false), device, epoch: 1, request }
}

#[test]
fn rot_7_a_cut_in_manufacture_is_mended_by_doing_it_again() {
    let section = platform_section(false);
    let whole = MemoryPlatform::new();
    assert!(Engine::manufacture(whole.clone(), Soft, &manufacture(&section)).is_ok());
    for (write, how) in (0..whole.writes()).flat_map(|write| CUTS.map(|how| (write, how))) {
        let chip = MemoryPlatform::new();
        chip.cut_at(write, how);
        assert!(Engine::manufacture(chip.clone(), Soft, &manufacture(&section)).is_err());
        chip.power_on();
        let mut row = [0; 32];
        let mut probe = chip.clone();
        probe.reset();
        probe.fuses(Row::Uds, &mut row).unwrap();
        let again = Engine::manufacture(chip.clone(), Soft, &manufacture(&section));
        if again.as_ref().err() == Some(&Error::FuseMismatch) {
            // ROT-14: burned whole, and not told so in time.
            assert!(row.iter().map(|byte| byte.count_ones()).sum::<u32>() > 128);
            continue;
        }
        assert!(matches!(again, Ok(_) | Err(Error::AlreadyManufactured)), "{write} {how:?}");
        assert!(start(&chip).is_ok_and(|mut rot| boot_bare(&mut rot).is_ok()));
    }
}

#[test]
fn rot_7_a_cut_in_boot_or_check_in_loses_nothing_and_repeats_no_pair() {
    cut_everywhere(&owned_chip(), 0, twice());
}

/// Two check-ins: a cut in the second must not take the first one's number back.
fn twice() -> Command {
    Box::new(|rot| {
        let role = rot.take_auth_role()?;
        check_in_and_note(rot, &role)?;
        check_in_and_note(rot, &role)
    })
}

/// What the schedule of cuts shows if the engine forgot to sync.
fn shows_forgotten_sync(sectors: &'static [Sector], command: Command) -> bool {
    let chip = owned_chip();
    chip.forget_sync_after(sectors);
    let cut = std::panic::AssertUnwindSafe(|| cut_everywhere(&chip, 0, command));
    std::panic::catch_unwind(cut).is_err()
}

#[test]
fn rot_7_a_sync_left_out_is_shown_by_these_cuts() {
    assert!(shows_forgotten_sync(&[Sector::StateA, Sector::StateB], twice()));
    let (next, running) = (successor(&owner_section(false), OWNER_ROOT, |_| {}), set(&[(APP, 1)]));
    let app = envelope(APP, 1);
    let replace: Command = Box::new(move |rot| rot.replace(&next, &[&running], &[&app]));
    assert!(shows_forgotten_sync(&[Sector::OwnerA, Sector::OwnerB], replace));
}

#[test]
fn rot_7_a_cut_in_confirm_leaves_old_or_new_floors() {
    cut_everywhere(&owned_chip(), BOOT_WRITES, Box::new(|rot| rot.confirm()));
}

#[test]
fn rot_7_a_cut_in_a_claim_leaves_the_device_unowned_or_owned() {
    let mut bench = InMemory::default();
    drop(unowned(&mut bench));
    let owner = owner_section(false);
    cut_everywhere(&bench.0, BOOT_WRITES, Box::new(move |rot| rot.claim(CODE, &owner)));
}

#[test]
fn rot_7_a_cut_in_a_succession_leaves_one_of_both_sections() {
    let (next, running) = (successor(&owner_section(false), OWNER_ROOT, |_| {}), set(&[(APP, 1)]));
    let app = envelope(APP, 1);
    let replace: Command = Box::new(move |rot| rot.replace(&next, &[&running], &[&app]));
    cut_everywhere(&owned_chip(), BOOT_WRITES, replace);
    let next = successor(&platform_section(false), PLATFORM_ROOT, |_| {});
    cut_everywhere(&owned_chip(), BOOT_WRITES, Box::new(move |rot| rot.replace(&next, &[], &[])));
}

#[test]
fn rot_7_a_cut_in_an_erase_or_transfer_leaves_one_of_both_epochs() {
    let chip = owned_chip();
    let erase = order(device(&chip), 1, Action::NewEpoch(None), OWNER_ROOT);
    cut_everywhere(&chip, BOOT_WRITES, Box::new(move |rot| rot.new_epoch(&erase, None)));
    let next = owner_section_of(STRANGER, false);
    let to = Action::NewEpoch(Some(digest(&next)));
    let transfer = order(device(&chip), 1, to, OWNER_ROOT);
    let command: Command = Box::new(move |rot| rot.new_epoch(&transfer, Some(&next)));
    cut_everywhere(&chip, BOOT_WRITES, command);
}

#[test]
fn rot_7_a_cut_in_a_capability_or_reply_leaves_all_or_nothing_of_it() {
    let chip = owned_chip();
    let id = device(&chip);
    let apply: Command = Box::new(move |rot| {
        let challenge = rot.challenge()?;
        rot.apply(&capability(address(id, challenge)))
    });
    cut_everywhere(&chip, BOOT_WRITES, apply);
    let request = Digest([2; 32]);
    let answer = reply(address(id, request), 2_000, Some(7));
    cut_everywhere(&chip, BOOT_WRITES, Box::new(move |rot| rot.accept_reply(&answer, &request)));
}

#[test]
fn rot_7_a_cut_in_a_step_of_the_lifecycle_leaves_one_of_both() {
    let chip = owned_chip();
    let to = Action::Lifecycle(Lifecycle::Module1Complete);
    let step = order(device(&chip), 1, to, MANUFACTURER);
    cut_everywhere(&chip, BOOT_WRITES, Box::new(move |rot| rot.advance_lifecycle(&step)));
}

#[test]
fn rot_10_an_erase_leaves_no_copy_of_the_old_epoch_secret() {
    let chip = owned_chip();
    let copies = |chip: &MemoryPlatform| {
        [Sector::StateA, Sector::StateB].map(|sector| {
            let mut bytes = vec![0; SECTOR_SIZE];
            chip.read(sector, 0, &mut bytes).unwrap();
            bytes
        })
    };
    let old = copies(&chip);
    let erase = order(device(&chip), 1, Action::NewEpoch(None), OWNER_ROOT);
    start(&chip).unwrap().new_epoch(&erase, None).unwrap();
    let secret_shared = |old: &[u8], new: &[u8]| {
        // The epoch secret is the first byte string of 32 bytes in the state.
        let at = old.windows(2).position(|head| head == [0x58, 0x20]).unwrap() + 2;
        let secret = &old[at..at + 32];
        new.windows(32).any(|window| window == secret)
    };
    for (old, new) in old.iter().flat_map(|old| copies(&chip).map(|new| (old.clone(), new))) {
        assert!(!secret_shared(&old, &new));
    }
}
