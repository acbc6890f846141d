//! Cuts that are run and judged, two chips at once, and cuts that are equal to one that was
//! ([`super::equal`]).

use super::board::{Psram, patience, root_of_trust};
use super::cuts::{Cut, Step, Take, Taking, next_program, soak};
use super::dice::Dice;
use super::equal::{Equal, Plan, Reads, other_way_round};
use super::failures::whole;
use super::journal::{Journal, Verdict};
use super::quick::Quick;
use super::rom::Rom;
use super::world::approved;
use craton_firmware::map;
use craton_rot::RootOfTrust as _;
use craton_rot::boot::Status;
use craton_rot::mailbox::client::Mailbox;
use craton_rot::platform::{SECTOR_SIZE, Sector};
use craton_rot::programs::install;
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

/// A chip whose power went.
pub struct Gone {
    pub psram: Psram,
    options: Vec<String>,
}

impl Gone {
    fn holding(bytes: &[u8], reads: Option<&Reads>) -> Self {
        let psram = Psram::holding(bytes);
        let options = reads.map_or(Vec::new(), |reads| reads.options(&psram));
        Self { psram, options }
    }

    /// Its power comes back.
    pub fn power_on(&self) -> Quick {
        Quick::power_on_with(&self.psram, None, &self.options)
    }
}

/// The cuts of a life, and who says by a panic what is wrong after one.
struct Trial<'t, C> {
    take: &'t Take,
    cuts: Vec<(&'t Step, Cut)>,
    check: C,
    plan: Mutex<Plan<Verdict>>,
    journal: Mutex<Journal>,
}

/// In the place of an outcome: which point's it is.
const AS: &str = "as ";

impl<C: Fn(&Step, &Gone) + Sync> Trial<'_, C> {
    fn name(&self, number: usize) -> String {
        let (step, cut) = self.cuts[number];
        format!("{}, {:?}: {cut:?}", step.name, step.stores)
    }

    fn is_good(&self, step: &Step, bytes: &[u8], reads: Option<&Reads>) -> bool {
        let gone = Gone::holding(bytes, reads);
        catch_unwind(AssertUnwindSafe(|| (self.check)(step, &gone))).is_ok()
    }

    /// Runs a point, and says of which others it decides.
    fn watched(&self, number: usize) -> (bool, Vec<usize>) {
        let (step, cut) = self.cuts[number];
        let (bytes, reads) = (self.take.cut(cut), Reads::none());
        let is_good = self.is_good(step, &bytes, Some(&reads));
        let read = reads.places();
        let waits = self.plan.lock().unwrap().beside(number);
        let waits: Vec<_> = waits.into_iter().map(|other| (other, self.cuts[other].1)).collect();
        let equal = self.take.equal(&waits, &bytes, &read);
        if equal.is_empty() {
            return (is_good, equal);
        }
        let reads = Reads::none();
        let alike = self.is_good(step, &other_way_round(&bytes, &read), Some(&reads)) == is_good;
        let reads_more = reads.places().iter().zip(&read).any(|(again, first)| *again && !first);
        if alike && !reads_more {
            return (is_good, equal);
        }
        println!("{}: not decided by what it read: {alike}, {reads_more}", self.name(number));
        (false, Vec::new())
    }

    fn work(&self) {
        while let Some((number, watched)) = self.next() {
            let (step, cut) = self.cuts[number];
            let (is_good, equal) = if watched && soak().is_some() {
                self.watched(number)
            } else {
                (self.is_good(step, &self.take.cut(cut), None), Vec::new())
            };
            let verdict = |what: String| if is_good { Ok(what) } else { Err(what) };
            let (own, others) =
                (verdict(String::new()), verdict(format!("{AS}{}", self.name(number))));
            let equal = {
                let mut plan = self.plan.lock().unwrap();
                let equal = plan.is(number, own.clone(), equal, &others);
                if watched {
                    plan.stood_for(equal.len());
                }
                equal
            };
            let others = equal.into_iter().map(|other| (self.name(other), others.clone()));
            let named: Vec<_> = others.chain([(self.name(number), own)]).collect();
            self.journal.lock().unwrap().keep(&named).unwrap();
        }
    }

    fn next(&self) -> Option<(usize, bool)> {
        self.plan.lock().unwrap().take()
    }

    fn end(self) {
        let (take, cuts) = (self.take, &self.cuts);
        let names: Vec<String> = (0..cuts.len()).map(|number| self.name(number)).collect();
        let verdicts = self.plan.into_inner().unwrap().end();
        let stands = |verdict: &Verdict| match verdict {
            Ok(what) | Err(what) => what.starts_with(AS),
        };
        println!("| step | stores | points | run | equal to one that was run |");
        println!("|---|---|---|---|---|");
        for step in &take.steps {
            let of_step = cuts.iter().zip(&verdicts).filter(|((of, _), _)| std::ptr::eq(*of, step));
            let of_step: Vec<bool> = of_step.map(|(_, verdict)| stands(verdict)).collect();
            let equal = of_step.iter().filter(|stands| **stands).count();
            let (points, run) = (take.points(step).len(), of_step.len() - equal);
            println!("| {} | {} | {points} | {run} | {equal} |", step.name, step.stores.len());
        }
        let bad: Vec<_> = names.iter().zip(&verdicts).filter(|(_, it)| it.is_err()).collect();
        assert!(bad.is_empty(), "{} of {}: {bad:#?}", bad.len(), cuts.len());
    }
}

/// Cuts everywhere that was chosen, on two chips at once; `check` says what is wrong by a panic.
/// What a soak's journal knows is not done again: each run stores in the same order, if not the
/// same keys.
pub fn cut_everywhere(take: &Take, life: &str, check: impl Fn(&Step, &Gone) + Sync) {
    let begun = Instant::now();
    let rom = Rom::built();
    let depends = Soft.sha256(&[rom.bytes(), &root_of_trust(), life.as_bytes()]);
    let journal = Mutex::new(Journal::of(&depends, &rom.digest()).unwrap());
    let mut dice = Dice(0x5eed_0003);
    let (mut cuts, mut of) = (Vec::new(), Vec::new());
    for (number, step) in take.steps.iter().enumerate().filter(|(_, it)| !it.stores.is_empty()) {
        cuts.extend(take.sample(step, &mut dice).into_iter().map(|cut| (step, cut)));
        of.resize(cuts.len(), number);
    }
    let plan = Mutex::new(Plan::of(std::iter::empty()));
    let mut trial = Trial { take, cuts, check, plan, journal };
    let known = |number| trial.journal.lock().unwrap().known(trial.name(number)).cloned();
    let known: Vec<_> = (0..of.len()).map(known).collect();
    trial.plan = Mutex::new(Plan::of(of.into_iter().zip(known)));
    std::thread::scope(|scope| {
        scope.spawn(|| trial.work());
        trial.work();
    });
    trial.end();
    println!("figure: the cuts of this life: {life}, took {:.0} s", begun.elapsed().as_secs_f64());
}

/// What a chip is that is given power, if it starts.
fn started(bytes: &[u8], reads: Option<&Reads>) -> Option<Status> {
    let gone = Gone::holding(bytes, reads);
    let status = || {
        let mut board = gone.power_on();
        Mailbox::open(board.line(), patience()).unwrap().status().unwrap()
    };
    catch_unwind(AssertUnwindSafe(status)).ok()
}

#[test]
fn rot_7_a_cut_that_is_equal_to_one_that_was_run_ends_as_it() {
    let psram = whole();
    let mut taking = Taking::of(&psram);
    let mut rot = Mailbox::open(taking.board.line(), patience()).unwrap();
    taking.ends("start", Box::new(|_| Ok(())));
    let package = next_program();
    install(&mut rot, &package, Some(&approved(&package))).unwrap();
    taking.ends("install", Box::new(|_| Ok(())));
    drop(rot);
    let take = taking.end();
    let step = &take.steps[1];
    let check = |_: &Step, gone: &Gone| {
        let mut board = gone.power_on();
        let rot = Mailbox::open(board.line(), patience()).unwrap();
        assert_eq!(rot.programs().unwrap().security_version, 3, "it is not armed yet");
    };
    let cuts: Vec<(&Step, Cut)> = take.points(step).into_iter().map(|cut| (step, cut)).collect();
    let count = cuts.len();
    let plan = Mutex::new(Plan::of((0..count).map(|_| (1, None))));
    let journal = Mutex::new(Journal::of(&Digest([0; 32]), &Rom::built().digest()).unwrap());
    let trial = Trial { take: &take, cuts, check, plan, journal };
    // Whatever a ROM reads of its state: a room that is not armed is nothing to it.
    let erased = count / 2;
    (0..=erased).for_each(|_| assert!(trial.next().is_some()));
    let (is_good, equal) = trial.watched(erased);
    assert!(is_good);
    println!("figure: of {count} places of an install's stores {} are equal to one", equal.len());
    for other in [equal[0], equal[equal.len() / 2], equal[equal.len() - 1]] {
        assert!(trial.is_good(step, &take.cut(trial.cuts[other].1), None), "{other}");
    }
    assert!(!equal.contains(&(count - 1)), "it is done there");
    assert!(!trial.is_good(step, &take.after(step.stores.end), None), "which the judge sees");
}

/// One of the two copies of the state is in force: a change of that one cannot be overlooked.
#[test]
fn rot_7_a_chip_that_differs_where_it_reads_is_equal_to_no_other() {
    let psram = whole();
    let bytes = psram.read(map::FLASH, map::FLASH_SIZE);
    let reads = Reads::none();
    let status = started(&bytes, Some(&reads));
    assert!(status.is_some());
    let places = reads.places();
    let other = other_way_round(&bytes, &places);
    assert_eq!(started(&other, None), status, "what is not read decides nothing");
    let counts = [Sector::StateA, Sector::StateB].map(|sector| {
        let at = map::STATE - map::FLASH + sector as usize * SECTOR_SIZE;
        assert!(places[at], "{sector:?}");
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(!Equal::of(changed.clone(), &bytes, &places).is_equal());
        started(&changed, None) != status
    });
    assert_eq!(counts.iter().filter(|counts| **counts).count(), 1, "{counts:?}");
}
