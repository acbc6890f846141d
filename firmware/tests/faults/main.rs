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
mod gdb;
mod journal;
mod lab;
mod layers;
mod pulse;
mod rom;
mod scenarios;
mod shortcut;
mod trace;
mod walk;
#[allow(dead_code)] // the suite's, of which the faults use some
#[path = "../../../rot/tests/conformance/world.rs"]
mod world;

use board::{Psram, WAITS, chip, hello, package};
use lab::{Lab, Outcome};
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
        Outcome::Endless => "endless",
        Outcome::Unfinished => "unfinished",
        Outcome::Asleep => "asleep",
        Outcome::LockedUp => "locked up",
        Outcome::Started | Outcome::Strayed => "started",
    };
    what.to_owned()
}

fn starts_under_no_fault(scenario: &Scenario) {
    let rom = Rom::built();
    let good = Psram::of(&chip(), &package(|_| ()));
    let psram = Psram::of(&chip(), &scenario.package);
    let mut lab = Lab::new(&psram, &rom, None).after_boot_of(&good, entry()).unwrap();
    let says = Outcome::Halted(format!("{}\n{WAITS}", scenario.says));
    assert_eq!(lab.boot(None).unwrap(), says);
    lab.learn().unwrap();
    assert_eq!(lab.boot(None).unwrap(), says, "by its shortcuts");
    let line = campaign::run(scenario.name, &mut lab, |_, outcome| {
        let what = refusal(outcome);
        match outcome {
            Outcome::Started => Err(what),
            Outcome::Strayed => Err("executed what is neither ROM nor program".to_owned()),
            _ => Ok(what),
        }
    });
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started a bad program", line.bad.len());
}

#[test]
fn rot_18_no_single_fault_starts_an_unsigned_program() {
    starts_under_no_fault(&scenarios::unsigned());
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
fn rot_18_no_single_fault_starts_another_component() {
    starts_under_no_fault(&scenarios::another_component());
}

#[test]
fn rot_18_no_single_fault_gives_a_program_the_layer_of_another_start() {
    let rom = Rom::built();
    let chip = chip();
    let psram = Psram::of(&chip, &package(|_| ()));
    let mut lab = Lab::new(&psram, &rom, Some(entry()));
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started);
    let own = layers::handed_over(&mut lab);
    let others = layers::of_other_starts(&chip);
    assert!(!layers::is_secret_readable(&mut lab));
    assert!(others.iter().all(|(_, layer)| !layer.shares_a_key_with(&own)));
    lab.learn().unwrap();
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started, "by its shortcuts");
    assert!(own == layers::handed_over(&mut lab));
    let line = campaign::run("good program", &mut lab, |lab, outcome| {
        if *outcome != Outcome::Started {
            return Ok(refusal(outcome));
        }
        let found = layers::handed_over(lab);
        match others.iter().find(|(_, layer)| layer.shares_a_key_with(&found)) {
            Some((name, _)) => Err(format!("has the layer of {name}")),
            None if layers::is_secret_readable(lab) => Err("can read the device secret".to_owned()),
            None if found == own => Ok("as without a fault".to_owned()),
            None => Ok("with keys of nobody".to_owned()),
        }
    });
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
