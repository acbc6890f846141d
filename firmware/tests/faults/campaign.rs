//! Every fault of a boot, or a sample of them, and the line of the table that tells what became of
//! them.

use super::dice::Dice;
use super::journal::{Journal, Verdict};
use super::lab::{Fault, Lab, Outcome};
use super::rom::Rom;
use super::trace::Trace;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Once;

/// Told by `cargo xtask soak`: one instruction in so many is skipped, and jumps lead to one place
/// in so many. Without it each boot gets a sample.
const SOAK: &str = "CRATON_SOAK";
/// Parts of the names of functions, with commas between them: of these all instructions are
/// skipped, and no other; jumps lead to all of their places; and all bits of their loads are
/// flipped, where a line is of such flips.
const OF: &str = "CRATON_SOAK_OF";
const SEED: u64 = 0x5eed_0001;
/// How many instructions of a boot are skipped in a sample: so many of the code that decides, and
/// so many of the rest.
const SAMPLE: [usize; 2] = [24, 8];
/// How many bits are flipped: in a soak, and in a sample.
const FLIPS: [usize; 2] = [2000, 12];
/// How many there are in a sample of faults that are told.
const SOME: usize = 96;
/// How many jumps from one place there are in a sample, beside those to all of the start.
const LANDS: usize = 24;
/// Parts of the names of its functions. Who comes there with zeros has most of what it asks for.
const START: [&str; 2] = ["3rom5start17h", "rom_start"];
/// After so many boots it is looked whether they changed what they cannot.
const TOGETHER: usize = 32;
/// What became of a boot whose debugger failed each time.
const UNTOLD: &str = "no outcome";
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
    /// Of a line of jumps: places from which and to which they lead, and how many there were.
    jumps: Option<[usize; 3]>,
    outcomes: BTreeMap<String, usize>,
    /// What became of those that must not be.
    kinds: BTreeMap<String, usize>,
    /// They, each with its fault.
    pub bad: Vec<String>,
}

impl Line {
    const HEAD: &'static str = "| boot | executed | instructions | of them skipped | skips \
        | flipped bits | bad | what became of the others |\n\
        |---|---|---|---|---|---|---|---|";

    const HEAD_OF_JUMPS: &'static str = "| boot | from | places | jumps \
        | bad | what became of the others |\n\
        |---|---|---|---|---|---|";

    /// Says the table's line, and before the first one its head, and what must not be.
    pub fn tell(&self) {
        static HEADS: [Once; 2] = [const { Once::new() }; 2];
        let of_jumps = self.jumps.is_some();
        let head = if of_jumps { Self::HEAD_OF_JUMPS } else { Self::HEAD };
        HEADS[usize::from(of_jumps)].call_once(|| println!("{head}"));
        println!("{}", self.told());
        self.bad.iter().for_each(|fault| println!("{fault}"));
    }

    fn count(&mut self, rom: &Rom, fault: Fault, verdict: &Verdict) {
        match verdict {
            Ok(what) => *self.outcomes.entry(what.clone()).or_default() += 1,
            Err(what) => {
                *self.kinds.entry(what.clone()).or_default() += 1;
                let (name, function) = (self.name, rom.function(fault.named()));
                self.bad.push(format!("{name}: {what}: {fault:x?} in {function}"));
            }
        }
    }

    fn told(&self) -> String {
        let counted = |of: &BTreeMap<String, usize>| {
            let each = of.iter().map(|(what, count)| format!("{count} {what}"));
            each.collect::<Vec<_>>().join(", ")
        };
        let others = counted(&self.outcomes);
        let Self { name, executed, instructions, skipped, skips, flips, .. } = self;
        let bad = match &self.bad[..] {
            [] => "0".to_owned(),
            _ => counted(&self.kinds),
        };
        if let Some([from, places, jumps]) = self.jumps {
            return format!("| {name} | {from} | {places} | {jumps} | {bad} | {others} |");
        }
        format!(
            "| {name} | {executed} | {instructions} | {skipped} | {skips} | {flips} \
            | {bad} | {others} |"
        )
    }
}

/// Boots once for each fault. `judge` says what became of it, and `Err` if that must not be.
pub fn run(
    name: &'static str,
    lab: &mut Lab<'_>,
    judge: impl FnMut(&mut Lab<'_>, &Outcome) -> Verdict,
) -> Line {
    let mut line = Line { name, ..Line::default() };
    let faults = faults(lab, &mut line);
    tried(line, faults, lab, judge)
}

/// The same for jumps from these places of the boot, of which each says whether the registers of
/// the caller are zeros then.
pub fn jumps(
    name: &'static str,
    lab: &mut Lab<'_>,
    from: &[(usize, bool)],
    judge: impl FnMut(&mut Lab<'_>, &Outcome) -> Verdict,
) -> Line {
    let mut dice = Dice(SEED);
    let mut faults = Vec::new();
    for (place, cleared) in from.iter().copied() {
        let at = lab.trace.at(place);
        let lands = lands(lab.rom, cleared, &mut dice).into_iter();
        faults.extend(lands.map(|to| Fault::Jumped { at, place, to, cleared }));
    }
    let jumps = Some([from.len(), lab.rom.places().len(), faults.len()]);
    tried(Line { name, jumps, ..Line::default() }, faults, lab, judge)
}

/// The same for these faults: of a soak all, or those of the functions that somebody asks for; else
/// some of them.
pub fn of(
    name: &'static str,
    lab: &mut Lab<'_>,
    all: Vec<Fault>,
    judge: impl FnMut(&mut Lab<'_>, &Outcome) -> Verdict,
) -> Line {
    let mut dice = Dice(SEED);
    let (executed, hit) = (lab.trace.len(), |faults: &[Fault]| {
        faults.iter().map(Fault::at).collect::<BTreeSet<u32>>().len()
    });
    let instructions = hit(&all);
    let faults: Vec<Fault> = match (asked(lab.rom), soak()) {
        (Some(is_of), _) => all.into_iter().filter(|fault| is_of(fault.at())).collect(),
        (None, Some(one_in)) => all.into_iter().filter(|_| dice.below(one_in) == 0).collect(),
        (None, None) => (0..SOME).map(|_| all[dice.below(all.len())]).collect(),
    };
    let (skips, flips): (Vec<Fault>, _) = faults.iter().partition(|fault| fault.is_skip());
    let (skipped, skips, flips) = (hit(&skips), skips.len(), flips.len());
    let line = Line { name, executed, instructions, skipped, skips, flips, ..Line::default() };
    tried(line, faults, lab, judge)
}

fn tried(
    mut line: Line,
    mut faults: Vec<Fault>,
    lab: &mut Lab<'_>,
    mut judge: impl FnMut(&mut Lab<'_>, &Outcome) -> Verdict,
) -> Line {
    let name = line.name;
    faults.sort_by_key(|fault| fault.place(&lab.trace)); // the way from one to the next is short
    let mut journal = Journal::of(&lab.digest(name), &lab.rom.digest()).unwrap();
    let (known, mut rest): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| journal.known(*fault).is_some());
    for fault in known {
        line.count(lab.rom, fault, journal.known(fault).unwrap());
    }
    while !rest.is_empty() {
        let some: Vec<Fault> = rest.drain(..rest.len().min(TOGETHER)).collect();
        let each = |fault: &Fault| (*fault, boot(lab, *fault, &mut judge));
        let mut verdicts: Vec<_> = some.iter().map(each).collect();
        if !lab.is_unchanged().unwrap() {
            // Of one of them; what was changed is not the doing of those after it.
            println!("{name}: once more, each on a fresh chip: {some:x?}");
            let each = |fault: &Fault| {
                lab.renew();
                (*fault, boot(lab, *fault, &mut judge))
            };
            verdicts = some.iter().map(each).collect();
            lab.renew();
        }
        verdicts.iter().for_each(|(fault, verdict)| line.count(lab.rom, *fault, verdict));
        // What was not told is tried again by the next soak.
        verdicts.retain(|(_, verdict)| !matches!(verdict, Err(what) if what.starts_with(UNTOLD)));
        journal.keep(&verdicts).unwrap();
    }
    line
}

fn boot(
    lab: &mut Lab<'_>,
    fault: Fault,
    judge: &mut impl FnMut(&mut Lab<'_>, &Outcome) -> Verdict,
) -> Verdict {
    let outcome = match lab.boot(Some(fault)) {
        Ok(outcome) => outcome,
        Err(why) => return Err(format!("{UNTOLD}: {why}")),
    };
    let verdict = judge(lab, &outcome);
    if verdict.is_ok() && !matches!(outcome, Outcome::Strayed) {
        return verdict;
    }
    // Once more on a fresh chip, from its reset: what an earlier fault changed is not this one's
    // doing.
    lab.renew();
    let again = match lab.boot_whole(Some(fault)) {
        Ok(outcome) => outcome,
        Err(why) => return Err(format!("{UNTOLD}: {why}")),
    };
    if again != outcome {
        println!("{outcome:?}, and on a fresh chip {again:?}: {fault:x?}");
    }
    judge(lab, &again)
}

/// All of them, and how many of what.
fn faults(lab: &Lab<'_>, line: &mut Line) -> Vec<Fault> {
    let (trace, rom) = (&lab.trace, lab.rom);
    (line.executed, line.instructions) = (trace.len(), trace.instructions().len());
    let mut dice = Dice(SEED);
    let mut faults = Vec::new();
    for at in chosen(trace, rom, &mut dice) {
        line.skipped += 1;
        let skips = skips(trace, at);
        line.skips += skips.len();
        faults.extend(skips);
    }
    let loads = trace.places(|at| rom.loaded(at).is_some() && decides(rom, at));
    for _ in 0..soak().map_or(FLIPS[1], |one_in| FLIPS[0] / one_in) {
        let place = loads[dice.below(loads.len())];
        let at = trace.at(place);
        let Some(register) = rom.loaded(at) else { continue };
        line.flips += 1;
        faults.push(Fault::Flipped { at, place, register, bit: dice.below(32) as u32 });
    }
    faults
}

/// One in how many, if it is a soak.
pub fn soak() -> Option<usize> {
    let one_in = std::env::var(SOAK).ok()?.parse().expect("CRATON_SOAK is a number");
    Some(one_in).filter(|one_in| *one_in > 0)
}

/// Whether an instruction is of the functions that somebody asks for, if anybody does.
fn asked(rom: &Rom) -> Option<impl Fn(u32) -> bool> {
    let names = std::env::var(OF).ok()?;
    Some(move |at| names.split(',').any(|name| rom.function(at).contains(name)))
}

/// All instructions in a soak, or those that somebody asks for, or some.
fn chosen(trace: &Trace, rom: &Rom, dice: &mut Dice) -> Vec<u32> {
    let all = trace.instructions();
    if let Some(is_of) = asked(rom) {
        return all.into_iter().filter(|at| is_of(*at)).collect();
    }
    if let Some(one_in) = soak() {
        return all.into_iter().filter(|_| dice.below(one_in) == 0).collect();
    }
    let (deciding, others): (Vec<u32>, Vec<u32>) = all.iter().partition(|at| decides(rom, **at));
    let mut chosen = Vec::new();
    let parts = [deciding, others].into_iter().zip(SAMPLE);
    // A boot that refuses a little frame has no algorithm.
    for (from, count) in parts.filter(|(from, _)| !from.is_empty()) {
        chosen.extend((0..count).map(|_| from[dice.below(from.len())]));
    }
    chosen
}

/// The places of the ROM to which somebody jumps, as above.
fn lands(rom: &Rom, cleared: bool, dice: &mut Dice) -> Vec<u32> {
    let all = rom.places();
    let of = |names: &[&str]| -> Vec<u32> {
        let is_of = |at: &u32| names.iter().any(|name| rom.function(*at).contains(name));
        all.iter().copied().filter(is_of).collect()
    };
    if let Some(is_of) = asked(rom) {
        return all.into_iter().filter(|at| is_of(*at)).collect();
    }
    if let Some(one_in) = soak() {
        return all.into_iter().filter(|_| dice.below(one_in) == 0).collect();
    }
    for name in START {
        assert!(rom.entries(name).next().is_some(), "the start has no {name}");
    }
    let mut lands = if cleared { of(&START) } else { Vec::new() };
    lands.extend((0..LANDS).map(|_| all[dice.below(all.len())]));
    lands
}

/// The instructions of a boot that are skipped.
pub fn sample(trace: &Trace, rom: &Rom) -> Vec<u32> {
    chosen(trace, rom, &mut Dice(SEED))
}

fn decides(rom: &Rom, at: u32) -> bool {
    !SERVANTS.iter().any(|name| rom.function(at).contains(name))
}

/// The ways to skip an instruction: always, and if it is executed more than once its first and its
/// last execution alone.
fn skips(trace: &Trace, at: u32) -> Vec<Fault> {
    let mut faults = Vec::from([Fault::Gone(at)]);
    if trace.executions(at) > 1 {
        let ends = trace.ends(at).map(|(first, last)| [first, last]);
        faults.extend(ends.into_iter().flatten().map(|place| Fault::Skipped(at, place)));
    }
    faults
}
