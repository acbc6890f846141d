//! Single faults in the ROM on the emulated board (ROT-18): an instruction is skipped, always or
//! once, or a bit flips while a word is loaded. None starts a bad program, and none gives a good
//! one the layer of another.
//!
//! A sample of the faults, the same in every run; `cargo xtask soak` tries all skips.

mod bench;
#[allow(dead_code)] // the boots' helpers, of which the faults use some
#[path = "../board/board.rs"]
mod board;
mod campaign;
mod dice;
mod few;
mod flips;
mod forged;
mod gdb;
mod journal;
mod jumps;
#[allow(dead_code)] // the attacks', of which the faults use some
#[path = "../attacks/known.rs"]
mod known;
mod lab;
mod layers;
#[allow(dead_code)] // the suite's, of which the faults use some
#[path = "../../../rot/tests/conformance/lms.rs"]
mod lms;
mod marks;
mod planted;
mod power;
mod pulse;
mod registers;
mod rom;
mod said;
mod scenarios;
mod shortcut;
#[path = "../../../rot/tests/conformance/sums.rs"]
mod sums;
mod trace;
mod walk;
mod wire;
#[allow(dead_code)] // the suite's, of which the faults use some
#[path = "../../../rot/tests/conformance/world.rs"]
mod world;

use board::{Psram, chip, hello, package};
use campaign::Line;
use craton_firmware::map;
use craton_rot::slots::{MARKS_SIZE, Marks, STARTS, Slot, Standing};
use journal::Verdict;
use lab::{Lab, Outcome};
use layers::Layers;
use rom::Rom;
use scenarios::Scenario;

/// Where the good program begins.
fn entry() -> u32 {
    u32::from_le_bytes(hello()[4..8].try_into().unwrap()) & !1
}

/// What the table calls an outcome in which nothing was started.
fn refusal(outcome: &Outcome) -> String {
    let what = match outcome {
        Outcome::Halted(said) if said.contains("refused E") => "refused",
        Outcome::Halted(_) => "halted",
        Outcome::Reset => "reset",
        Outcome::Endless => "endless",
        Outcome::Unfinished => "unfinished",
        Outcome::Asleep => "asleep",
        Outcome::LockedUp => "locked up",
        Outcome::Started | Outcome::Strayed => "started",
    };
    what.to_owned()
}

/// What became of a boot that must start nothing.
fn not_started(outcome: &Outcome) -> Verdict {
    let what = refusal(outcome);
    match outcome {
        Outcome::Started => Err(what),
        Outcome::Strayed => Err("executed what is neither ROM nor program".to_owned()),
        _ => Ok(what),
    }
}

/// Boots a chip with this in its slot once for each fault that `tried` tries.
fn starts_under_none(scenario: &Scenario, tried: impl FnOnce(&mut Lab<'_>) -> Line) {
    let rom = Rom::built();
    let (chip, good) = scenario.chip();
    let (good, psram) = (Psram::of(&chip, &good), scenario.psram(&chip));
    let mut lab = Lab::new(&psram, &rom, None).after_boot_of(&good, entry()).unwrap();
    if !scenario.left.is_empty() {
        lab = lab.after_code(&scenario.left);
    }
    let mut lab = lab.that_refuses(scenario.says);
    let line = tried(&mut lab);
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started a bad program", line.bad.len());
}

fn starts_under_no_fault(scenario: &Scenario) {
    starts_under_none(scenario, |lab| {
        campaign::run(scenario.name, lab, |_, outcome| not_started(outcome))
    });
}

#[test]
fn rot_18_no_single_fault_starts_an_unsigned_program() {
    starts_under_no_fault(&scenarios::unsigned());
}

#[test]
fn rot_18_no_single_fault_starts_what_was_armed_on_a_blank_chip() {
    starts_under_no_fault(&scenarios::armed_on_a_blank_chip());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_that_was_signed_without_a_key() {
    scenarios::signed_without_a_key().iter().for_each(starts_under_no_fault);
}

#[test]
fn rot_18_no_single_fault_starts_a_program_with_a_wrong_signature() {
    starts_under_no_fault(&scenarios::wrong_signature());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_whose_manifest_nobody_signed() {
    starts_under_no_fault(&scenarios::changed_manifest());
}

#[test]
fn rot_18_no_single_fault_starts_a_changed_program() {
    starts_under_no_fault(&scenarios::changed_program());
}

#[test]
fn rot_18_no_single_fault_starts_an_older_version() {
    starts_under_no_fault(&scenarios::older_version());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_for_another_class() {
    starts_under_no_fault(&scenarios::another_class());
}

#[test]
fn rot_18_no_single_fault_starts_a_runtime_of_the_device() {
    starts_under_no_fault(&scenarios::another_type());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_signed_by_another_roles_key() {
    starts_under_no_fault(&scenarios::root_signed());
    starts_under_no_fault(&scenarios::manufacturer_signed());
}

#[test]
fn rot_18_no_single_fault_starts_another_component() {
    starts_under_no_fault(&scenarios::another_component());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_of_a_hybrid_platform_without_lms() {
    starts_under_no_fault(&scenarios::es256_alone());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_with_a_wrong_lms_signature() {
    starts_under_no_fault(&scenarios::wrong_lms_signature());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_whose_lms_signature_is_an_old_ones_ends() {
    starts_under_no_fault(&scenarios::ends_of_chains());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_that_the_first_of_two_publishers_signed() {
    starts_under_no_fault(&scenarios::signed_by_the_first_of_two());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_that_the_second_of_two_publishers_signed() {
    starts_under_no_fault(&scenarios::signed_by_the_second_of_two());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_of_which_the_second_of_two_signatures_is_wrong() {
    starts_under_no_fault(&scenarios::second_of_two_is_wrong());
}

#[test]
fn rot_18_no_single_fault_starts_a_program_that_one_of_two_publishers_signed_twice() {
    starts_under_no_fault(&scenarios::signed_twice_by_one());
}

#[test]
fn rot_18_no_single_fault_starts_the_bad_one_of_two_programs() {
    let rom = Rom::built();
    let (chip, good) = (chip(), package(|_| ()));
    let bad = scenarios::changed_program().package;
    let psram = Psram::of(&chip, &good);
    psram.arm_in(Slot::B, &bad);
    let mut lab = Lab::new(&psram, &rom, Some(entry())).after_boot_of(&psram, entry()).unwrap();
    lab.sees_all = true;
    // What it starts lies in code memory.
    let what = |lab: &mut Lab<'_>, outcome: &Outcome| match outcome {
        Outcome::Started => {
            let good = scenarios::program_of(&good);
            let started = lab.memory(map::CODE as u32, good.len()).unwrap();
            if started == good {
                Ok("the good one".to_owned())
            } else {
                Err("the bad one".to_owned())
            }
        }
        Outcome::Strayed => {
            Err("executed what is neither ROM nor a program's beginning".to_owned())
        }
        _ => Ok(refusal(outcome)),
    };
    lab.learn().unwrap();
    let started = lab.boot(None).unwrap();
    assert_eq!(what(&mut lab, &started), Ok("the good one".to_owned()));
    let line = campaign::run("the newer of two is bad", &mut lab, what);
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started a bad program", line.bad.len());
}

#[test]
fn rot_18_no_single_fault_starts_a_trial_uncounted() {
    let rom = Rom::built();
    let (chip, confirmed) = (chip(), package(|_| ()));
    let trial = scenarios::newer();
    let psram = Psram::of(&chip, &confirmed);
    psram.arm_in(Slot::B, &trial);
    for _ in 1..STARTS {
        let start = psram.marks(Slot::B).start().unwrap();
        psram.write(map::slot(Slot::B) + start.offset, &start.bytes());
    }
    let mut lab = Lab::new(&psram, &rom, Some(entry())).after_boot_of(&psram, entry()).unwrap();
    lab.sees_all = true;
    let what = |lab: &mut Lab<'_>, outcome: &Outcome| {
        match outcome {
            Outcome::Started => {}
            Outcome::Strayed => return Err("executed what is neither ROM nor program".to_owned()),
            _ => return Ok(refusal(outcome)),
        }
        let [trial, confirmed] = [&trial, &confirmed].map(|package| scenarios::program_of(package));
        let started = lab.memory(map::CODE as u32, trial.len()).unwrap();
        let marks = lab.memory(map::slot(Slot::B) as u32, MARKS_SIZE).unwrap();
        let counted = Marks::of_bytes(&marks.try_into().unwrap()).standing() == Standing::Spent;
        match (started == trial, counted) {
            (true, true) => Ok("its last start".to_owned()),
            (true, false) => Err("a start that is not counted".to_owned()),
            (false, _) if started == confirmed => Ok("the confirmed one".to_owned()),
            (false, _) => Err("another program".to_owned()),
        }
    };
    lab.learn().unwrap();
    let started = lab.boot(None).unwrap();
    assert_eq!(what(&mut lab, &started), Ok("its last start".to_owned()));
    let line = campaign::run("last start of a trial", &mut lab, what);
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started a trial uncounted", line.bad.len());
}

#[test]
fn rot_18_no_single_fault_gives_a_program_the_layer_of_another_start() {
    let rom = Rom::built();
    let chip = chip();
    let psram = Psram::of(&chip, &package(|_| ()));
    let mut lab = Lab::new(&psram, &rom, Some(entry()));
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started);
    let own = layers::handed_over(&mut lab);
    let layers = Layers::of_normal(&chip, own);
    let without_fault = Ok("as without a fault".to_owned());
    assert_eq!(layers.judge(&mut lab, &Outcome::Started), without_fault);
    lab.learn().unwrap();
    let outcome = lab.boot(None).unwrap();
    assert_eq!(layers.judge(&mut lab, &outcome), without_fault, "by its shortcuts");
    let line = campaign::run("good program", &mut lab, |lab, outcome| layers.judge(lab, outcome));
    line.tell();
    assert!(line.bad.is_empty(), "{} faults gave another layer", line.bad.len());
}

#[test]
fn a_fault_that_does_not_happen_is_no_outcome() {
    let rom = Rom::built();
    let psram = Psram::of(&chip(), &scenarios::unsigned().package);
    let good = Psram::of(&chip(), &package(|_| ()));
    let (mut lab, mut other) = (Lab::new(&psram, &rom, None), Lab::new(&good, &rom, None));
    other.learn().unwrap();
    // The last instruction of a good boot is none of a bad one.
    let place = other.trace.len() - 1;
    lab.trace = other.trace;
    let fault = lab::Fault::Skipped(lab.trace.at(place), place);
    let why = lab.boot(Some(fault)).unwrap_err();
    assert!(why.to_string().contains("it came to"), "{why}");
}
