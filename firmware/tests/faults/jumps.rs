//! Whoever chooses one instruction's place, and nothing more (ROT-25).
//!
//! What nobody believes is not on the stack, but its digest is, and of that anybody has one word as
//! they like who tries 2^32 inputs. Under a fault that word may become a return address. So the
//! core jumps from where such a function returns to each place of the ROM, with the registers and
//! the memory that the boot has there: no bad program may start, and nobody may get the secret.
//!
//! What the stack's pointer is then depends on the fault. So there are three jumps to each place:
//! instead of what gives the function's frame back, instead of the return, and behind it. At the
//! last one the registers that a function gives back are zeros, which is what memory often holds.
//! Not here: a stack that lies elsewhere, and a second word of theirs.

use super::board::{Psram, chip, hello, package};
use super::journal::Verdict;
use super::lab::{Fault, Lab, Outcome};
use super::rom::Rom;
use super::scenarios::{self, Scenario};
use super::trace::Trace;
use super::{campaign, entry, forged, not_started};
use craton_firmware::map;

/// So many bytes of the device secret in a row are not said by chance.
const TOLD: usize = 4;
/// A function gives its frame back at most so many instructions before it returns.
const EPILOGUE: usize = 4;

/// The places of a boot at which functions return whose name has this part.
pub fn returns(trace: &Trace, rom: &Rom, name: &str) -> Vec<usize> {
    let entries: Vec<u32> = rom.entries(name).collect();
    // Where each call returns to, and before which of them one of these functions was entered.
    let (mut calls, mut entered, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for place in 0..trace.len() {
        let at = trace.at(place);
        // A function may return to its caller's caller; and behind a call that does not return
        // another function begins.
        let is_back = place > 0 && rom.returns(trace.at(place - 1));
        let depth = calls.iter().rposition(|back| *back == at);
        if let Some(depth) = depth.filter(|_| is_back) {
            calls.truncate(depth);
            while entered.pop_if(|of| *of > depth).is_some() {
                found.push(place - 1);
            }
        }
        if entries.contains(&at) {
            entered.push(calls.len());
        }
        if rom.calls(at) {
            calls.push(at + rom.length(at) as u32);
        }
    }
    found
}

/// From where somebody jumps at the last return of a function: places, and whether the registers
/// of its caller are zeros then.
fn starts(trace: &Trace, rom: &Rom, function: &str) -> Vec<(usize, bool)> {
    let returns = returns(trace, rom, function);
    let place = *returns.last().unwrap_or_else(|| panic!("no {function} returns"));
    let mut end = place.saturating_sub(EPILOGUE)..place;
    let frees = end.rfind(|place| rom.frees(trace.at(*place)));
    let frees = frees.map(|place| (place, false));
    frees.into_iter().chain([(place, false), (place + 1, true)]).collect()
}

/// Of a boot that refuses what it finds: nothing starts, and what it says has nothing of the device
/// secret.
pub fn told_nothing(said: &str, secret: &[u8], outcome: &Outcome) -> Verdict {
    let secret: Vec<char> = secret.iter().copied().map(char::from).collect();
    let mut parts = secret.windows(TOLD).map(|part| part.iter().collect::<String>());
    match not_started(outcome) {
        Ok(_) if parts.any(|part| said.contains(&part)) => Err("said the secret".to_owned()),
        verdict => verdict,
    }
}

#[test]
fn who_says_a_part_of_the_secret_has_told_it() {
    let secret: Vec<u8> = (0xf0..0xff).collect();
    let refused = Outcome::Halted("rom: slot A refused E1303".to_owned());
    let said = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let told = |bytes: &[u8]| told_nothing(&said(bytes), &secret, &refused);
    assert_eq!(told(b"rom: \xf8\xf9\xfa\xfb\r\n"), Err("said the secret".to_owned()));
    assert_eq!(told(b"rom: \xf8\xf9\xfa\r\n"), Ok("refused".to_owned()));
    assert!(told_nothing("", &secret, &Outcome::Started).is_err());
}

/// Jumps from the last return of each of these functions, in a boot of a chip that refuses what
/// others wrote.
fn none_starts(name: &'static str, psram: &Psram, good: &Psram, says: &str, functions: &[&str]) {
    let rom = Rom::built();
    let lab = Lab::new(psram, &rom, None).after_boot_of(good, entry()).unwrap();
    let mut lab = lab.that_refuses(says);
    lab.leads_anywhere = true;
    let of = functions.iter().flat_map(|function| starts(&lab.trace, &rom, function));
    let from: Vec<(usize, bool)> = of.collect();
    let secret = psram.read(map::FUSES, map::SECRET_SIZE);
    let line = campaign::jumps(name, &mut lab, &from, |lab, outcome| {
        told_nothing(&lab.told, &secret, outcome)
    });
    line.tell();
    assert!(line.bad.is_empty(), "{} jumps started a bad program", line.bad.len());
}

fn none_starts_of(name: &'static str, scenario: &Scenario, functions: &[&str]) {
    let (chip, good) = scenario.chip();
    let (good, psram) = (Psram::of(&chip, &good), scenario.psram(&chip));
    none_starts(name, &psram, &good, scenario.says, functions);
}

fn none_starts_beside(name: &'static str, psram: &Psram, functions: &[&str]) {
    let good = Psram::of(&chip(), &package(|_| ()));
    none_starts(name, psram, &good, "rom: slot A refused E3104", functions);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_of_a_state_starts_no_bad_program() {
    let psram = forged::under(["of the state before"; 2]);
    none_starts_beside("jumps: forged state", &psram, &["7Journal5judge17h", "7Journal6sum_of17h"]);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_of_a_section_starts_no_bad_program() {
    let psram = forged::with_section_almost_right(31);
    none_starts_beside("jumps: section, last byte", &psram, &["6engine8sections4load17h"]);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_of_a_manifest_starts_no_bad_program() {
    let scenario = scenarios::changed_manifest();
    none_starts_of("jumps: changed manifest", &scenario, &["4suit14wrapped_digest17h"]);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_of_a_program_starts_no_bad_program() {
    let scenario = scenarios::changed_program();
    none_starts_of("jumps: changed program", &scenario, &["6engine3rom6select17h"]);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_that_es256_compares_starts_no_bad_program() {
    let functions = ["11es256_leads17h", "Watched$LT$C$GT$7compare17h"];
    none_starts_of("jumps: wrong signature", &scenarios::wrong_signature(), &functions);
}

#[test]
fn rot_25_a_jump_from_where_a_digest_lies_that_lms_makes_starts_no_bad_program() {
    let scenario = scenarios::wrong_lms_signature();
    none_starts_of("jumps: wrong LMS signature", &scenario, &["9lms_leads17h"]);
}

/// What the lines above look for is seen: in a good boot, a jump to where it goes on anyway starts
/// the program, and one to its end does not, both from there at once and from the beginning.
#[test]
fn a_jump_leads_where_it_says() {
    let rom = Rom::built();
    let psram = Psram::of(&chip(), &package(|_| ()));
    let mut lab = Lab::new(&psram, &rom, Some(entry()));
    lab.learn().unwrap();
    let place = *returns(&lab.trace, &rom, "6engine3rom6select17h").last().unwrap();
    let at = lab.trace.at(place);
    let next = lab.trace.at(place + 1);
    let jump = |at, place, to| Fault::Jumped { at, place, to, cleared: false };
    let refused = rom.entries("refused").next().unwrap();
    // Who comes there wiped nothing.
    let halt = *rom.halts.iter().find(|halt| rom.fails(**halt)).unwrap();
    for (fault, outcome) in [
        (jump(next, place + 1, next), Outcome::Started),
        (jump(at, place, refused), Outcome::Halted(String::new())),
        (jump(at, place, halt), Outcome::Halted(String::new())),
    ] {
        assert_eq!(lab.boot(Some(fault)).unwrap(), outcome, "{fault:x?}");
        assert_eq!(lab.boot_whole(Some(fault)).unwrap(), outcome, "{fault:x?}, whole");
    }
    assert_eq!(lab.memory(map::CODE as u32, 4).unwrap(), hello()[..4]);
}
