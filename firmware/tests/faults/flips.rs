//! Each bit of what a verification by ES256 loads a few times (ROT-18).
//!
//! The other lines flip bits at places of the boot by chance, which most often are in the loops of
//! the curve's numbers. What decides is loaded once or twice: a pointer to the multiple of the key,
//! of which a flipped bit leads to memory that is all zeros, is one place among millions. So
//! whatever a verification loads at most [`FEW`] times is flipped in each bit, each time, under the
//! signatures that need no key where the key's part or the digest's is lost.
//!
//! Which functions these loads are of is not said here: they are all that is executed between the
//! beginning of the verification and its end. Not here: a return address, of which the jumps are.

use super::lab::Fault;
use super::rom::Rom;
use super::scenarios::{self, Scenario};
use super::trace::Trace;
use super::{campaign, jumps, not_started, starts_under_none};
use std::collections::HashMap;

/// The verification.
const VERIFICATION: &str = "11es256_leads17h";
/// What one verification loads more often is of a loop.
pub const FEW: usize = 8;

/// From where to where the verifications of a boot go, as places.
fn verifications(trace: &Trace, rom: &Rom) -> Vec<(usize, usize)> {
    let entries: Vec<u32> = rom.entries(VERIFICATION).collect();
    let begins = trace.places(|at| entries.contains(&at));
    let ends = jumps::returns(trace, rom, VERIFICATION);
    assert!(!begins.is_empty() && begins.len() == ends.len(), "no verification, or half of one");
    begins.into_iter().zip(ends).collect()
}

/// Where each of these parts of a boot loads what it loads a few times, and each register that gets
/// it.
fn loads(trace: &Trace, rom: &Rom, parts: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let all = trace.places(|at| !rom.loads(at).is_empty());
    let of_one = |(begin, end): &(usize, usize)| {
        let from = all.partition_point(|place| place < begin);
        let to = all.partition_point(|place| place <= end);
        let within = &all[from..to];
        let mut times: HashMap<u32, usize> = HashMap::new();
        within.iter().for_each(|place| *times.entry(trace.at(*place)).or_default() += 1);
        within.iter().copied().filter(move |place| times[&trace.at(*place)] <= FEW)
    };
    let few = parts.iter().flat_map(of_one);
    let of_each = |place| rom.loads(trace.at(place)).into_iter().map(move |to| (place, to));
    few.flat_map(of_each).collect()
}

/// Flips in the parts of this boot that `parts` finds.
fn starts_under_no_flip_of(
    name: &'static str,
    scenario: &Scenario,
    parts: impl FnOnce(&Trace, &Rom) -> Vec<(usize, usize)>,
) {
    starts_under_none(scenario, |lab| {
        let (trace, rom) = (&lab.trace, lab.rom);
        let from = loads(trace, rom, &parts(trace, rom)).into_iter();
        let bits = |(place, register)| {
            let flip = move |bit| Fault::Flipped { at: trace.at(place), place, register, bit };
            (0..u32::BITS).map(flip)
        };
        let all = from.flat_map(bits).collect();
        campaign::of(name, lab, all, |_, outcome| not_started(outcome))
    });
}

fn starts_under_no_flip(name: &'static str, scenario: &Scenario) {
    starts_under_no_flip_of(name, scenario, verifications);
}

#[test]
fn rot_18_no_flipped_bit_of_what_is_loaded_a_few_times_loses_the_keys_part() {
    let [scenario, _] = scenarios::signed_without_a_key();
    starts_under_no_flip("flips: without the key's part", &scenario);
}

#[test]
fn rot_18_no_flipped_bit_of_what_is_loaded_a_few_times_loses_the_digests_part() {
    let [_, scenario] = scenarios::signed_without_a_key();
    starts_under_no_flip("flips: without the digest's", &scenario);
}

/// Of a signature that no number makes right: what is compared is another one's.
#[test]
fn rot_18_no_flipped_bit_of_what_is_loaded_a_few_times_believes_a_wrong_signature() {
    starts_under_no_flip("flips: wrong signature", &scenarios::wrong_signature());
}

/// Of the whole boot: what no loop loads is what decides.
#[test]
fn rot_18_no_flipped_bit_of_what_a_boot_loads_a_few_times_starts_a_bad_program() {
    let whole = |trace: &Trace, _: &Rom| Vec::from([(0, trace.len() - 1)]);
    for (name, scenario) in [
        ("flips: whole boot, changed program", scenarios::changed_program()),
        ("flips: whole boot, unsigned program", scenarios::unsigned()),
        ("flips: whole boot, wrong signature", scenarios::wrong_signature()),
        // Of 3, the floor, one bit is left in 2.
        ("flips: whole boot, older version", scenarios::older_version()),
        ("flips: whole boot, signed digest elsewhere", scenarios::signed_digest_elsewhere()),
        ("flips: whole boot, program elsewhere", scenarios::program_elsewhere()),
        ("flips: whole boot, keys behind the section", scenarios::keys_behind_the_section()),
    ] {
        starts_under_no_flip_of(name, &scenario, whole);
    }
}
