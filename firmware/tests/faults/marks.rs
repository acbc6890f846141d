//! What the marks of the slots exclude, and what a fault starts of it all the same.
//!
//! A slot that was given up or used its starts holds a program that is signed, for here and at its
//! floor; the marks are believed for nothing else, and whoever writes to the flash chooses among
//! such programs (ROT-19). A fault that starts one does what he can do without a fault, and for one
//! start: it is counted, and is not bad. Any other program is.

use super::board::{Psram, WAITS, chip, package};
use super::campaign;
use super::journal::Verdict;
use super::lab::{Lab, Outcome};
use super::rom::Rom;
use super::scenarios::{newer, program_of};
use super::{entry, refusal, scenarios};
use craton_firmware::map;
use craton_rot::slots::{Marks, STARTS, Slot, Standing, Write};

fn mark(psram: &Psram, slot: Slot, write: Write) {
    psram.write(map::slot(slot) + write.offset, &write.bytes());
}

/// Arms this program in a slot, whose trial uses all of its starts.
fn spend(psram: &Psram, slot: Slot, package: &[u8]) {
    psram.arm_in(slot, package);
    for _ in 0..STARTS {
        mark(psram, slot, psram.marks(slot).start().unwrap());
    }
    assert_eq!(psram.marks(slot).standing(), Standing::Spent);
}

/// Which of these programs lies where it was started, or why none was.
fn started(lab: &mut Lab<'_>, outcome: &Outcome, programs: &[(&str, &[u8])]) -> Verdict {
    match outcome {
        Outcome::Started => {}
        Outcome::Strayed => return Err("executed what is neither ROM nor program".to_owned()),
        _ => return Ok(refusal(outcome)),
    }
    let longest = programs.iter().map(|(_, package)| package.len()).max().unwrap_or(0);
    let code = lab.memory(map::CODE as u32, longest).unwrap();
    let found = programs.iter().find(|(_, package)| code.starts_with(program_of(package)));
    found.map(|(name, _)| (*name).to_owned()).ok_or_else(|| "another program".to_owned())
}

#[test]
fn rot_18_no_single_fault_starts_another_than_the_two_that_were_given_up() {
    let rom = Rom::built();
    let (chip, first, second) = (chip(), package(|_| ()), newer());
    let (good, psram) = (Psram::of(&chip, &first), Psram::of(&chip, &first));
    spend(&psram, Slot::B, &second);
    Slot::BOTH.iter().for_each(|slot| mark(&psram, *slot, Marks::give_up()));
    let mut lab = Lab::new(&psram, &rom, Some(entry())).after_boot_of(&good, entry()).unwrap();
    lab = lab.after_code(&scenarios::changed_program().package);
    lab.sees_all = true;
    let nothing = Outcome::Halted(format!("rom: refused E3510\n{WAITS}"));
    assert_eq!(lab.boot(None).unwrap(), nothing);
    lab.learn().unwrap();
    assert_eq!(lab.boot(None).unwrap(), nothing, "by its shortcuts");
    let programs = [("the given up one of A", &first[..]), ("the given up one of B", &second[..])];
    let line =
        campaign::run("both given up", &mut lab, |lab, outcome| started(lab, outcome, &programs));
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started another program", line.bad.len());
}

#[test]
fn rot_18_no_single_fault_starts_another_than_the_confirmed_and_the_spent_one() {
    let rom = Rom::built();
    let (chip, confirmed, spent) = (chip(), package(|_| ()), newer());
    let psram = Psram::of(&chip, &confirmed);
    spend(&psram, Slot::B, &spent);
    let mut lab = Lab::new(&psram, &rom, Some(entry())).after_boot_of(&psram, entry()).unwrap();
    lab.sees_all = true;
    let programs = [("the confirmed one", &confirmed[..]), ("the spent one", &spent[..])];
    lab.learn().unwrap();
    let outcome = lab.boot(None).unwrap();
    assert_eq!(started(&mut lab, &outcome, &programs), Ok("the confirmed one".to_owned()));
    let line = campaign::run("the newer of two is spent", &mut lab, |lab, outcome| {
        started(lab, outcome, &programs)
    });
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started another program", line.bad.len());
}
