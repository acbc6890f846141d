//! Each execution of what a boot executes a few times, and each bit of a load that is another every
//! time (ROT-18).
//!
//! The other lines skip an instruction for good, or where it is executed first or last. What walks
//! the chains of a signature is executed 51 times, and the ones that matter are the last three but
//! one: so whatever is executed at most [`TIMES`] times is left out at each of the others, too. And
//! a line that is broken does not come right between two loads of one pointer: what is loaded more
//! than once, and at most [`FEW`] times, has the same bit wrong each time.

use super::flips::FEW;
use super::lab::{Fault, Lab, Outcome};
use super::rom::Rom;
use super::scenarios::{self, Scenario};
use super::{campaign, not_started, starts_under_none};

/// What is executed more often is of a loop over bytes, words or digits.
const TIMES: usize = 64;

/// An instruction left out once, where it is executed neither first nor last.
fn between(lab: &Lab<'_>) -> Vec<Fault> {
    let trace = &lab.trace;
    let of_one = |at: u32| {
        let places = trace.executed(at);
        let between = places.get(1..places.len().saturating_sub(1)).unwrap_or_default();
        let few = if places.len() > TIMES { &[] } else { between };
        few.iter().map(move |place| Fault::Skipped(at, *place as usize))
    };
    trace.instructions().into_iter().flat_map(of_one).collect()
}

/// A bit of all that one load loads.
fn stuck(lab: &Lab<'_>) -> Vec<Fault> {
    let (trace, rom) = (&lab.trace, lab.rom);
    let few = |at: &u32| (2..=FEW).contains(&trace.executions(*at));
    let of_one = |at: u32| {
        let place = trace.ends(at).map(|(first, _)| first);
        let registers = rom.loads(at).into_iter();
        let each = registers.flat_map(|register| (0..u32::BITS).map(move |bit| (register, bit)));
        let each: Vec<(usize, u32)> = each.collect();
        place.into_iter().flat_map(move |place| {
            let stuck = move |(register, bit)| Fault::Stuck { at, place, register, bit };
            each.clone().into_iter().map(stuck)
        })
    };
    trace.instructions().into_iter().filter(few).flat_map(of_one).collect()
}

fn starts_under_none_of(
    name: &'static str,
    scenario: &Scenario,
    faults: impl FnOnce(&Lab<'_>) -> Vec<Fault>,
) {
    starts_under_none(scenario, |lab| {
        let all = faults(lab);
        campaign::of(name, lab, all, |_, outcome| not_started(outcome))
    });
}

#[test]
fn rot_18_no_execution_that_is_skipped_starts_a_bad_program() {
    for (name, scenario) in [
        ("between: changed program", scenarios::changed_program()),
        ("between: unsigned program", scenarios::unsigned()),
        ("between: wrong signature", scenarios::wrong_signature()),
        ("between: older version", scenarios::older_version()),
        // The root's key is read last before the publisher's.
        ("between: signed by the root's key", scenarios::root_signed()),
    ] {
        starts_under_none_of(name, &scenario, between);
    }
}

#[test]
fn rot_18_no_execution_that_is_skipped_believes_a_wrong_lms_signature() {
    for (name, scenario) in [
        ("between: wrong LMS signature", scenarios::wrong_lms_signature()),
        ("between: ends of chains", scenarios::ends_of_chains()),
    ] {
        starts_under_none_of(name, &scenario, between);
    }
}

#[test]
fn rot_18_no_bit_that_is_stuck_starts_a_bad_program() {
    for (name, scenario) in [
        ("stuck: changed program", scenarios::changed_program()),
        ("stuck: unsigned program", scenarios::unsigned()),
        ("stuck: older version", scenarios::older_version()),
    ] {
        starts_under_none_of(name, &scenario, stuck);
    }
}

#[test]
fn rot_18_no_bit_that_is_stuck_believes_a_wrong_signature() {
    let [generator, own] = scenarios::signed_without_a_key();
    for (name, scenario) in [
        ("stuck: wrong signature", scenarios::wrong_signature()),
        ("stuck: without the key's part", generator),
        ("stuck: without the digest's", own),
        ("stuck: wrong LMS signature", scenarios::wrong_lms_signature()),
    ] {
        starts_under_none_of(name, &scenario, stuck);
    }
}

/// What is said comes in pieces, each with its length: of one the last letter is lost, or of all.
#[test]
fn a_stuck_bit_is_wrong_each_time() {
    let (rom, scenario) = (Rom::built(), scenarios::unsigned());
    let psram = scenario.psram(&scenario.chip().0);
    let mut lab = Lab::new(&psram, &rom, None).that_refuses(scenario.says);
    let says = stuck(&lab).into_iter().filter(|fault| rom.function(fault.at()).contains("say"));
    let mut told = says.filter_map(|fault| {
        let Fault::Stuck { at, place, register, bit: 0 } = fault else { return None };
        let once = lab.boot(Some(Fault::Flipped { at, place, register, bit: 0 })).unwrap();
        Some([once, lab.boot(Some(fault)).unwrap()])
    });
    let lost = ["rom:slot A refused E1103", "rom:slot Arefused 1103"];
    let is_lost = |(outcome, lost): (&Outcome, _)| match outcome {
        Outcome::Halted(said) => said.starts_with(lost),
        _ => false,
    };
    let found = told.any(|both| both.iter().zip(lost).all(is_lost));
    assert!(found, "no load of a length");
}
