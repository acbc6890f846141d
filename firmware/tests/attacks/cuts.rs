//! The power goes at a store of the real firmware into its flash or fuses.
//!
//! A plugin of the emulator writes down every byte that the chip stores while it lives. What the
//! flash held after each of them is then known: another chip is given that, or that with a part of
//! the next byte's bits, and power. It must start, be as before the command or as after it, have
//! lost nothing ([`super::judge`]), and do the command when it is asked again.
//!
//! `CRATON_SOAK=n` cuts at one point in n; without it at a sample, the same in every run. A soak
//! does not run a point that is equal to one that was run ([`super::equal`]). With
//! `CRATON_SOAK_JOURNAL=FILE` one that was stopped goes on where it was.

use super::board::{Board, Psram, instrument, package_with, patience, root_of_trust};
use super::dice::Dice;
use super::equal::Equal;
use super::failures::whole;
use super::judge::{judge, lasting};
use super::judged::cut_everywhere;
use super::quick::Quick;
use super::steps::*;
use super::world::*;
use craton_firmware::map;
use craton_rot::boot::Status;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::platform::Row;
use craton_rot::programs::install;
use craton_rot::{Action, Error, Programs, Result, RootOfTrust, Start};
use craton_trust::Digest;
use craton_trust::assignment::Address;
use craton_trust::evidence::Lifecycle;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::OnceLock;

type Command = Box<dyn Fn(&mut dyn RootOfTrust) -> Result<()> + Sync>;

/// One byte: where, and what is there since.
#[derive(Clone, Copy)]
struct Store {
    at: usize,
    byte: u8,
}

/// What one command stored.
pub struct Step {
    pub name: &'static str,
    pub stores: Range<usize>,
    /// The command itself, for a second time.
    again: Command,
}

/// A chip that lives while every store is written down.
pub struct Taking<'p> {
    psram: &'p Psram,
    base: Vec<u8>,
    log: PathBuf,
    _folder: tempfile::TempDir,
    pub board: Board,
    steps: Vec<Step>,
}

/// What was written down.
pub struct Take {
    base: Vec<u8>,
    stores: Vec<Store>,
    pub steps: Vec<Step>,
}

/// Bytes of a store in the log.
const RECORD: usize = 8;

impl<'p> Taking<'p> {
    pub fn of(psram: &'p Psram) -> Self {
        static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
        let plugin = PLUGIN.get_or_init(|| instrument("stores")).display();
        let folder = tempfile::tempdir().unwrap();
        let (log, memory) = (folder.path().join("stores"), psram.path().display());
        let (to, size) = (log.display(), map::FLASH_SIZE);
        let plugin = format!("{plugin},to={to},memory={memory},size={size:x}");
        let base = psram.read(map::FLASH, map::FLASH_SIZE);
        let board = psram.power_on_with(&["-plugin", &plugin]);
        Self { psram, base, log, _folder: folder, board, steps: Vec::new() }
    }

    fn count(&self) -> usize {
        std::fs::metadata(&self.log).unwrap().len() as usize / RECORD
    }

    /// A step, from where the last one ended.
    pub fn ends(&mut self, name: &'static str, again: Command) {
        let from = self.steps.last().map_or(0, |step| step.stores.end);
        self.steps.push(Step { name, stores: from..self.count(), again });
    }

    pub fn does(&mut self, rot: &mut dyn RootOfTrust, name: &'static str, command: Command) {
        command(rot).unwrap();
        self.ends(name, command);
    }

    fn restarts(&mut self, rot: Rot, name: &'static str) -> Rot {
        let rot = rot.restart(Start::Normal).unwrap();
        self.ends(name, Box::new(|_| Ok(())));
        rot
    }

    pub fn end(self) -> Take {
        let Self { psram, base, log, board, steps, _folder } = self;
        drop(board);
        let bytes = std::fs::read(log).unwrap();
        let (records, rest) = bytes.as_chunks::<RECORD>();
        assert!(rest.is_empty());
        let store = |[a, b, c, d, byte, ..]: &[u8; RECORD]| Store {
            at: u32::from_le_bytes([*a, *b, *c, *d]) as usize,
            byte: *byte,
        };
        let take = Take { base, stores: records.iter().map(store).collect(), steps };
        let last = psram.read(map::FLASH, map::FLASH_SIZE);
        assert!(take.after(take.stores.len()) == last, "the log is what was stored");
        take
    }
}

type Rot = Mailbox<UnixStream>;

/// Where the power goes: after so many stores, and of the next one only the bits in the mask that
/// it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    after: usize,
    torn: u8,
}

/// Of a longer run of stores, one after another, only so many are cut at: they fill or erase what
/// nobody reads yet.
const RUN_MAX: usize = 2048;
const OF_RUN: usize = 32;
/// Without a soak, of each step.
const SAMPLE: usize = 6;

impl Take {
    /// What the flash held after so many stores.
    pub fn after(&self, count: usize) -> Vec<u8> {
        let mut bytes = self.base.clone();
        self.stores[..count].iter().for_each(|store| bytes[store.at] = store.byte);
        bytes
    }

    pub fn cut(&self, cut: Cut) -> Vec<u8> {
        let mut bytes = self.after(cut.after);
        if let Some(Store { at, byte }) = self.stores.get(cut.after).filter(|_| cut.torn != 0) {
            bytes[*at] ^= (bytes[*at] ^ byte) & cut.torn;
        }
        bytes
    }

    /// Where a step may be cut; of those that leave the same in the flash the first.
    pub fn points(&self, step: &Step) -> Vec<Cut> {
        let mut points = self.all_points(step);
        let (mut bytes, mut done) = (self.after(step.stores.start), step.stores.start);
        // How many stores made the flash what it is after so many: some change nothing.
        let mut last = done;
        for cut in &mut points {
            for store in &self.stores[done..cut.after] {
                done += 1;
                if bytes[store.at] != store.byte {
                    (bytes[store.at], last) = (store.byte, done);
                }
            }
            let next = self.stores.get(cut.after);
            let whole = next.map_or(0, |store| bytes[store.at] ^ store.byte);
            *cut = match whole & cut.torn {
                0 => Cut { after: last, torn: 0 },
                torn if torn == whole => Cut { after: cut.after + 1, torn: 0 },
                torn => Cut { after: cut.after, torn },
            };
        }
        points.sort();
        points.dedup();
        points
    }

    /// The same, with those that leave the same.
    fn all_points(&self, step: &Step) -> Vec<Cut> {
        let stores = &self.stores[step.stores.clone()];
        let mut points = Vec::new();
        let mut first = step.stores.start;
        for run in stores.chunk_by(|one, next| one.at + 1 == next.at) {
            let stride = if run.len() > RUN_MAX { run.len() / OF_RUN } else { 1 };
            for place in (0..run.len()).step_by(stride) {
                let torn = [0, 0x0f, 0xaa];
                points.extend(torn.map(|torn| Cut { after: first + place, torn }));
            }
            first += run.len();
        }
        points.push(Cut { after: step.stores.end, torn: 0 });
        points
    }

    /// Of these points those that leave what `wanted` is at all places that were read.
    pub fn equal(&self, points: &[(usize, Cut)], wanted: &[u8], places: &[bool]) -> Vec<usize> {
        let Some((_, first)) = points.first() else { return Vec::new() };
        let mut done = first.after;
        let mut now = Equal::of(self.after(done), wanted, places);
        let mut equal = Vec::new();
        for (number, cut) in points {
            for store in &self.stores[done..cut.after] {
                now.store(store.at, store.byte);
            }
            done = cut.after;
            let torn = self.stores.get(done).filter(|_| cut.torn != 0).map(|store| {
                let old = now.byte(store.at);
                (store.at, now.store(store.at, old ^ ((old ^ store.byte) & cut.torn)))
            });
            if now.is_equal() {
                equal.push(*number);
            }
            torn.map(|(at, old)| now.store(at, old));
        }
        equal
    }

    pub fn sample(&self, step: &Step, dice: &mut Dice) -> Vec<Cut> {
        let mut points = self.points(step);
        let wanted = soak().map_or(SAMPLE, |n| points.len().div_ceil(n));
        let mut chosen = Vec::new();
        while chosen.len() < wanted && !points.is_empty() {
            chosen.push(points.swap_remove(dice.below(points.len())));
        }
        chosen.sort();
        chosen
    }
}

/// One point in so many, if it is a soak.
pub fn soak() -> Option<usize> {
    let one_in = std::env::var("CRATON_SOAK").ok().and_then(|n| n.parse::<usize>().ok());
    one_in.filter(|n| *n > 0)
}

/// The status of a chip that is given power, as far as it lasts.
fn seen(bytes: &[u8]) -> Status {
    let psram = Psram::holding(bytes);
    let mut board = Quick::power_on(&psram, None);
    lasting(Mailbox::open(board.line(), patience()).unwrap().status().unwrap())
}

/// Boots what it may boot: the newest of these versions.
fn boots(rot: &mut dyn RootOfTrust, versions: &[u64]) {
    let mut sets = versions.iter().map(|version| [(APP, *version)]);
    if !sets.any(|members| boot_set(rot, &set(&members), &members).is_ok()) {
        let _ = boot_bare(rot);
    }
}

/// Judges every cut of a device's life, in which `sealed` was sealed, and of whose app the
/// `versions` are.
fn judge_everywhere(
    take: &Take,
    life: &str,
    sealed: &[u8],
    versions: &[u64],
    more: impl Fn(&mut Rot) + Sync,
) {
    let begun = seen(&take.after(take.steps[0].stores.start));
    let ends = |step: &Step| [step.stores.start, step.stores.end].map(|at| seen(&take.after(at)));
    let allowed: Vec<[Status; 2]> = take.steps.iter().map(ends).collect();
    cut_everywhere(take, life, |step, gone| {
        let number = take.steps.iter().position(|other| std::ptr::eq(other, step)).unwrap();
        let [before, after] = &allowed[number];
        let mut board = gone.power_on();
        let mut rot = Mailbox::open(board.line(), patience()).unwrap();
        more(&mut rot);
        let status = lasting(judge(&mut rot, &begun, sealed, |rot| boots(rot, versions), |_| ()));
        assert!(status == *before || status == *after, "{status:?}");
        let _ = (step.again)(&mut rot); // or it was done
        let rot = rot.restart(Start::Normal).unwrap();
        assert_eq!(lasting(rot.status().unwrap()), *after, "done again");
    });
}

fn address(rot: &dyn RootOfTrust, request: Digest) -> Address {
    let epoch = rot.status().unwrap().epoch;
    Address { catalog: catalog(false), device: rot.device(), epoch, request }
}

/// An update of an app, and every command that an owner gives.
#[test]
fn rot_7_a_cut_at_a_store_of_the_firmware_loses_nothing() {
    let psram = whole();
    let mut taking = Taking::of(&psram);
    let mut rot = Mailbox::open(taking.board.line(), patience()).unwrap();
    taking.ends("start", Box::new(|_| Ok(())));
    taking.does(
        &mut rot,
        "boot",
        Box::new(|rot| boot_set(rot, &set(&[(APP, 2)]), &[(APP, 2)]).map(drop)),
    );
    let sealed = seal(&mut rot, RUNTIME).unwrap();
    taking.does(&mut rot, "confirm", Box::new(|rot| rot.confirm()));
    let next = successor(&owner_section(false), OWNER_ROOT, |_| {});
    let (running, app) = (set(&[(APP, 2)]), envelope(APP, 2));
    taking.does(&mut rot, "replace", Box::new(move |rot| rot.replace(&next, &[&running], &[&app])));
    let request = Digest([2; 32]);
    taking.does(
        &mut rot,
        "reply",
        Box::new(move |rot| {
            rot.accept_reply(&reply(address(rot, request), 2_000, Some(7)), &request)
        }),
    );
    taking.does(&mut rot, "renew", Box::new(|rot| rot.renew_client_key().map(drop)));
    taking.does(
        &mut rot,
        "capability",
        Box::new(|rot| {
            let challenge = rot.challenge()?;
            rot.apply(&capability(address(rot, challenge)))
        }),
    );
    let mut rot = taking.restarts(rot, "start in mode Debug");
    taking.does(&mut rot, "lifecycle", Box::new(|rot| advance(rot, Lifecycle::Module1Complete)));
    let mut rot = taking.restarts(rot, "start");
    taking.does(
        &mut rot,
        "erase",
        Box::new(|rot| {
            rot.new_epoch(&order(rot.device(), 1, Action::NewEpoch(None), OWNER_ROOT), None)
        }),
    );
    drop(taking.restarts(rot, "start after an erase"));
    judge_everywhere(&taking.end(), "owned", &sealed, &[2, 1], |_| ());
}

/// Manufacture, whose half-burned secret may cost the chip (ROT-14), and a claim.
#[test]
fn rot_7_a_cut_at_a_store_of_a_manufacture_or_claim_is_mended_by_doing_it_again() {
    let program = root_of_trust();
    let psram = Psram::blank(&package_with(PLATFORM_PUBLISHER, &program, |_| ()));
    let mut taking = Taking::of(&psram);
    let mut line = Line::open(taking.board.line(), patience()).unwrap();
    line.manufacture(&manufacture(&platform_section(false))).unwrap();
    let mut rot = Mailbox::of(line).unwrap();
    taking.ends("manufacture", Box::new(|_| Ok(())));
    let claim = Box::new(|rot: &mut dyn RootOfTrust| rot.claim(CODE, &owner_section(false)));
    taking.does(&mut rot, "claim", claim);
    drop(taking.restarts(rot, "start"));
    let mut take = taking.end();
    let claimed = take.steps.split_off(1);
    cut_everywhere(&take, "manufacture", |_, gone| {
        let mut board = gone.power_on();
        let mut line = Line::open(board.line(), patience()).unwrap();
        if line.about().refused == Some(Error::NotManufactured) {
            let secret = gone.psram.read(map::FUSES + Row::Uds.place().0, 32);
            let ones = secret.iter().map(|byte| byte.count_ones()).sum::<u32>();
            match line.manufacture(&manufacture(&platform_section(false))) {
                Err(Error::FuseMismatch) => return assert!(ones > 128, "{ones}"),
                done => done.unwrap(),
            }
        }
        assert!(boot_bare(&mut Mailbox::of(line).unwrap()).is_ok());
    });
    take.steps = claimed;
    let made = Psram::holding(&take.after(take.steps[0].stores.start));
    let sealed = {
        let mut board = Quick::power_on(&made, None);
        let mut rot = Mailbox::open(board.line(), patience()).unwrap();
        boot_bare(&mut rot).unwrap();
        seal(&mut rot, RUNTIME).unwrap()
    };
    judge_everywhere(&take, "claim", &sealed, &[], |_| ());
}

/// The next program of the root of trust.
pub fn next_program() -> Vec<u8> {
    let program = [root_of_trust(), vec![4]].concat();
    package_with(PLATFORM_PUBLISHER, &program, |image| image.security_version = 4)
}

/// One of two programs runs, and neither is below the floor.
fn runs_a_program(rot: &mut Rot) {
    let Programs { running, security_version, floor, .. } = rot.programs().unwrap();
    assert!(running.is_some() && [3, 4].contains(&security_version) && floor <= security_version);
}

#[test]
fn rot_19_a_cut_at_a_store_of_its_own_update_leaves_a_program_that_starts() {
    let psram = whole();
    let mut taking = Taking::of(&psram);
    let mut rot = Mailbox::open(taking.board.line(), patience()).unwrap();
    boot(&mut rot, &[(APP, 1)]);
    let sealed = seal(&mut rot, RUNTIME).unwrap();
    let nothing = || Box::new(|_: &mut dyn RootOfTrust| Ok(()));
    taking.ends("start and boot", nothing());
    let package = next_program();
    install(&mut rot, &package, Some(&approved(&package))).unwrap();
    taking.ends("install", nothing());
    let mut rot = taking.restarts(rot, "start of the trial");
    assert_eq!(rot.programs().unwrap().security_version, 4);
    boot(&mut rot, &[(APP, 1)]);
    taking.ends("boot of the trial", nothing());
    taking.does(&mut rot, "confirm", Box::new(|rot| rot.confirm()));
    assert_eq!(rot.programs().unwrap().floor, 4);
    drop(taking.restarts(rot, "start of the new program"));
    judge_everywhere(&taking.end(), "update", &sealed, &[1], runs_a_program);
}

#[test]
fn rot_19_a_cut_at_a_store_of_a_fallback_leaves_a_program_that_starts() {
    let psram = whole();
    psram.arm_in(craton_rot::slots::Slot::B, &next_program());
    let mut taking = Taking::of(&psram);
    let mut rot = Mailbox::open(taking.board.line(), patience()).unwrap();
    taking.ends("first start", Box::new(|_| Ok(())));
    for start in ["second start", "third start", "fallback"] {
        assert_eq!(rot.programs().unwrap().security_version, 4, "{start}");
        rot = taking.restarts(rot, start);
    }
    assert_eq!(rot.programs().unwrap().security_version, 3);
    boot(&mut rot, &[(APP, 1)]);
    let sealed = seal(&mut rot, RUNTIME).unwrap();
    taking.does(&mut rot, "confirm", Box::new(|rot| rot.confirm()));
    judge_everywhere(&taking.end(), "fallback", &sealed, &[1], runs_a_program);
}
