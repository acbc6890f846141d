//! Every fault of a boot, or a sample of them, and the line of the table that tells what became of
//! them.

use super::dice::Dice;
use super::lab::{Fault, Lab, Outcome};
use super::rom::Rom;
use super::trace::{Trace, Way};
use std::collections::BTreeMap;
use std::sync::Once;

/// Told by `cargo xtask soak`: one instruction in so many is skipped. Without it each boot gets a
/// sample.
const SOAK: &str = "CRATON_SOAK";
/// How many instructions of a boot are skipped in a sample: so many of the code that decides, and
/// so many of the rest.
const SAMPLE: [usize; 2] = [24, 8];
/// How many bits are flipped: in a soak, and in a sample.
const FLIPS: [usize; 2] = [2000, 12];
/// More stops of the debugger than this on the way to an execution are too many: it is left out.
const STOPS_MAX: usize = 20_000;
/// Parts of the names of functions that do not decide: algorithms and copies.
const SERVANTS: [&str; 6] = ["compact", "sha2", "digest", "compiler_builtins", "__aeabi", "memc"];

/// What became of the boots with a fault.
#[derive(Default)]
pub struct Line {
    name: &'static str,
    executed: usize,
    instructions: usize,
    skipped: usize,
    skips: usize,
    flips: usize,
    left_out: usize,
    outcomes: BTreeMap<String, usize>,
    /// Boots that must not be, each with its fault.
    pub bad: Vec<String>,
}

impl Line {
    const HEAD: &'static str = "| boot | executed | instructions | of them skipped | skips \
        | flipped bits | left out | bad | what became of the others |\n\
        |---|---|---|---|---|---|---|---|---|";

    /// Says the table's line, and before the first one its head, and what must not be.
    pub fn tell(&self) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| println!("{}", Self::HEAD));
        println!("{}", self.told());
        self.bad.iter().for_each(|fault| println!("{fault}"));
    }

    fn told(&self) -> String {
        let others = self.outcomes.iter().map(|(what, count)| format!("{count} {what}"));
        let others = others.collect::<Vec<_>>().join(", ");
        let Self { name, executed, instructions, skipped, skips, flips, left_out, .. } = self;
        let bad = self.bad.len();
        format!(
            "| {name} | {executed} | {instructions} | {skipped} | {skips} | {flips} | {left_out} \
            | {bad} | {others} |"
        )
    }
}

/// Boots once for each fault. `judge` says what became of it, and `Err` if that must not be.
pub fn run(
    name: &'static str,
    trace: &Trace,
    lab: &mut Lab<'_>,
    rom: &Rom,
    mut judge: impl FnMut(&mut Lab<'_>, &Outcome) -> Result<String, String>,
) -> Line {
    let (executed, instructions) = (trace.len(), trace.instructions().len());
    let mut line = Line { name, executed, instructions, ..Line::default() };
    let mut dice = Dice(0x5eed_0001);
    let mut boot = |line: &mut Line, fault| {
        let mut outcome = lab.boot(Some(fault)).unwrap();
        if matches!(outcome, Outcome::Started | Outcome::Strayed) {
            // Once more on a fresh chip: what an earlier fault changed is not this one's doing.
            lab.renew();
            let again = lab.boot(Some(fault)).unwrap();
            if again != outcome {
                println!("{name}: {outcome:?}, and on a fresh chip {again:?}: {fault:x?}");
            }
            outcome = again;
        }
        match judge(lab, &outcome) {
            Ok(what) => *line.outcomes.entry(what).or_default() += 1,
            Err(what) => {
                line.bad
                    .push(format!("{name}: {what}: {fault:x?} in {}", rom.function(fault.at())));
            }
        }
    };
    for at in chosen(trace, rom, &mut dice) {
        line.skipped += 1;
        for fault in skips(trace, at, &mut line.left_out) {
            line.skips += 1;
            boot(&mut line, fault);
        }
    }
    let loads = trace.places(|at| rom.loaded(at).is_some() && decides(rom, at));
    for _ in 0..soak().map_or(FLIPS[1], |one_in| FLIPS[0] / one_in) {
        let place = loads[dice.below(loads.len())];
        let (at, way) = (trace.at(place), trace.way(place));
        let Some(register) = rom.loaded(at) else { continue };
        line.flips += 1;
        boot(&mut line, Fault::Flipped { at, way, register, bit: dice.below(32) as u32 });
    }
    line
}

fn soak() -> Option<usize> {
    let one_in = std::env::var(SOAK).ok()?.parse().expect("CRATON_SOAK is a number");
    Some(one_in).filter(|one_in| *one_in > 0)
}

/// All instructions in a soak, or some.
fn chosen(trace: &Trace, rom: &Rom, dice: &mut Dice) -> Vec<u32> {
    let all = trace.instructions();
    if let Some(one_in) = soak() {
        return all.into_iter().filter(|_| dice.below(one_in) == 0).collect();
    }
    let (deciding, others): (Vec<u32>, Vec<u32>) = all.iter().partition(|at| decides(rom, **at));
    let mut chosen = Vec::new();
    for (from, count) in [deciding, others].into_iter().zip(SAMPLE) {
        chosen.extend((0..count).map(|_| from[dice.below(from.len())]));
    }
    chosen
}

fn decides(rom: &Rom, at: u32) -> bool {
    !SERVANTS.iter().any(|name| rom.function(at).contains(name))
}

/// The ways to skip an instruction: always, and if it is executed more than once its first and its
/// last execution alone.
fn skips(trace: &Trace, at: u32, left_out: &mut usize) -> Vec<Fault> {
    let mut faults = Vec::from([Fault::Gone(at)]);
    if trace.executions(at) > 1 {
        for way in [Way { anchor: at, before: 1, then: 0 }, trace.last(at)] {
            if way.before + way.then <= STOPS_MAX {
                faults.push(Fault::Skipped(at, way));
            } else {
                *left_out += 1;
            }
        }
    }
    faults
}
