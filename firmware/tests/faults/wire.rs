//! What a ROM that waits for recovery is sent, and must not start (ROT-22).
//!
//! Each fault happens after the last byte came. The number of each frame is one that somebody
//! chose: an address, where no boot may come (ROT-25).

use super::board::{Psram, chip, package};
use super::lab::{Lab, Outcome};
use super::layers::{self, Layers};
use super::rom::Rom;
use super::{campaign, entry, not_started, planted, scenarios};
use craton_firmware::map;
use craton_rot::slots::{MARKS_SIZE, Slot};

/// The number of frames, as a return address has it.
pub const NUMBER: u32 = planted::PLACE | 1;

/// A chip of which no slot starts, and whose boots never come to the planted place.
pub fn waiting<'a>(psram: &'a Psram, rom: &'a Rom, end: Option<u32>) -> Lab<'a> {
    let good = Psram::of(&chip(), &package(|_| ()));
    Slot::BOTH.iter().for_each(|slot| psram.write(map::slot(*slot), &[0xff; MARKS_SIZE]));
    let mut lab = Lab::new(psram, rom, end).after_boot_of(&good, entry()).unwrap();
    lab.never = Some(planted::PLACE);
    lab
}

fn is_not_started(name: &'static str, sent: &[u8], says: &str) {
    let (rom, psram) = (Rom::built(), Psram::of(&chip(), &[]));
    let mut lab = waiting(&psram, &rom, None).sent(NUMBER, sent).unwrap();
    let says = Outcome::Halted(says.to_owned());
    assert_eq!(lab.boot(None).unwrap(), says);
    assert!(lab.told.ends_with('\0'), "the end of its reply is heard, too");
    lab.learn().unwrap();
    assert_eq!(lab.boot(None).unwrap(), says, "by its shortcuts");
    let line = campaign::run(name, &mut lab, |_, outcome| not_started(outcome));
    line.tell();
    assert!(line.bad.is_empty(), "{} faults started a bad program", line.bad.len());
}

#[test]
fn rot_18_no_single_fault_starts_a_changed_program_from_the_wire() {
    let sent = scenarios::changed(scenarios::recovery());
    is_not_started("changed, over the wire", &sent, "rom: wire refused E1303");
}

#[test]
fn rot_18_no_single_fault_starts_a_program_from_the_wire_whose_manifest_nobody_signed() {
    let sent = scenarios::with_other_manifest(scenarios::recovery());
    is_not_started("changed manifest, over the wire", &sent, "rom: wire refused E1302");
}

#[test]
fn rot_18_no_single_fault_starts_a_program_of_a_slot_from_the_wire() {
    let sent = package(|_| ());
    is_not_started("another type, over the wire", &sent, "rom: wire refused E3509");
}

#[test]
fn rot_18_no_single_fault_gives_a_program_from_the_wire_another_mode() {
    let (rom, chip) = (Rom::built(), chip());
    let psram = Psram::of(&chip, &[]);
    let lab = waiting(&psram, &rom, Some(entry()));
    let mut lab = lab.sent(NUMBER, &scenarios::recovery()).unwrap();
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started);
    let own = layers::handed_over(&mut lab);
    let layers = Layers::of_recovery(&chip, own);
    let without_fault = Ok("as without a fault".to_owned());
    assert_eq!(layers.judge(&mut lab, &Outcome::Started), without_fault);
    lab.learn().unwrap();
    let outcome = lab.boot(None).unwrap();
    assert_eq!(layers.judge(&mut lab, &outcome), without_fault, "by its shortcuts");
    let judge = |lab: &mut Lab<'_>, outcome: &Outcome| layers.judge(lab, outcome);
    let line = campaign::run("good program, over the wire", &mut lab, judge);
    line.tell();
    assert!(line.bad.is_empty(), "{} faults gave another layer", line.bad.len());
}
