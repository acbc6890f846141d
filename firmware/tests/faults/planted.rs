//! Words that somebody planted (ROT-25): whatever others may write is full of one address of the
//! ROM, where no fault may lead. A word of theirs that becomes the place of an instruction is one
//! that they choose: it leads behind all that was compared.

use super::board::{Psram, chip, package, with_envelope};
use super::campaign::{self, Line};
use super::dice::Dice;
use super::lab::{Lab, Outcome};
use super::rom::Rom;
use super::sums::{HEADER_SIZE, SUMMED};
use super::walk::State;
use super::world::{STRANGER, key};
use super::{entry, not_started, refusal, scenarios};
use craton_firmware::map;
use craton_rot::platform::{SECTOR_SIZE, Sector};
use craton_rot::slots::{MARKS_SIZE, Slot};
use craton_trust::crypto::By;
use craton_trust::key::KEY_ID_SIZE;
use craton_trust::soft::Soft;
use craton_trust::suit;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A place of the ROM that is executed, and where nothing is.
pub const PLACE: u32 = map::ROM_TABLE as u32 - 0x40;

/// One instruction in so many is one of the sample.
const SEEN: usize = 16;
/// So many places of a boot, of all that is executed, are looked at in a soak.
const ANY: usize = 4000;
const SEED: u64 = 0x5eed_0002;

/// Tells the line, and fails if a fault leads where somebody wrote.
fn tell(line: &Line) {
    line.tell();
    let bad = &line.bad;
    assert!(bad.is_empty(), "{} faults lead where somebody wrote: {bad:#?}", bad.len());
}

/// No such word is in the RAM, where instructions are executed first and last: wherever functions
/// are left, and at a sample of the other places, and of all that is executed. Nor is one in a
/// register where they are left.
fn is_nowhere_in_ram(name: &str, lab: &mut Lab<'_>) {
    const LANDING: Range<usize> = map::LANDING - map::RAM..map::LANDING - map::RAM + SECTOR_SIZE;
    let words = [(PLACE | 1).to_le_bytes(), (PLACE | 1).to_be_bytes()];
    let is_planted = |bytes: &[u8]| words.iter().any(|word| word == bytes);
    let (all, rom) = (lab.trace.instructions(), lab.rom);
    let one_in = campaign::soak().unwrap_or(SEEN);
    let seen = all.into_iter().enumerate().filter(|(n, at)| n % one_in == 0 || rom.returns(*at));
    let ends = seen.filter_map(|(_, at)| Some((at, lab.trace.ends(at)?)));
    let places = ends.flat_map(|(at, (first, last))| [(first, at), (last, at)]);
    let mut dice = Dice(SEED);
    let any = (0..ANY / one_in).map(|_| dice.below(lab.trace.len()));
    let places = places.chain(any.map(|place| (place, lab.trace.at(place))));
    // A chip that was reset stands at the first one.
    let places: BTreeMap<usize, u32> = places.filter(|(place, _)| *place > 0).collect();
    let mut found = BTreeSet::new();
    let seen: Vec<usize> = places.keys().copied().collect();
    let see = |place: usize, state: &State| {
        let at = places[&place];
        let mut ram = state.ram.windows(4).enumerate().filter(|(at, _)| !LANDING.contains(at));
        let held = |register| is_planted(&state.registers.get(register).to_le_bytes());
        if ram.any(|(_, bytes)| is_planted(bytes)) || rom.returns(at) && (0..13).any(held) {
            found.insert(format!("{} at {at:x}", rom.function(at)));
        }
    };
    lab.show(&seen, see).unwrap();
    println!("{name}: looked at {} places", seen.len());
    assert!(found.is_empty(), "{name}: words that somebody wrote are at hand in {found:#?}");
}

/// How a word lies in memory: as the core loads it, or as an algorithm does that reads big numbers.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn plant(self, bytes: &mut [u8]) {
        let word = PLACE | 1; // as a return address has it
        let word = match self {
            Self::Little => word.to_le_bytes(),
            Self::Big => word.to_be_bytes(),
        };
        bytes.iter_mut().zip(word.iter().cycle()).for_each(|(place, byte)| *place = *byte);
    }
}

fn plant(psram: &Psram, from: usize, to: usize) {
    let mut bytes = vec![0; to - from];
    Order::Little.plant(&mut bytes);
    psram.write(from, &bytes);
}

const fn place(sector: Sector) -> usize {
    map::STATE + sector as usize * SECTOR_SIZE
}

/// A copy of the state that says that it is so long.
fn plant_state(psram: &Psram, sector: Sector, length: u32) {
    let at = place(sector);
    plant(psram, at, at + SECTOR_SIZE);
    psram.write(at, b"craton\x02s");
    psram.write(at + SUMMED - 4, &length.to_be_bytes());
}

/// All that a chip with a good state does not need: the older copy, what is behind the newer one
/// and behind the section, and the other places.
fn plant_around(psram: &Psram) {
    use Sector::{OwnerA, OwnerB, PlatformA, PlatformB, StateA, StateB};
    let generation = |sector| psram.read(place(sector) + 8, 8);
    let (newer, older) =
        if generation(StateB) > generation(StateA) { (StateB, StateA) } else { (StateA, StateB) };
    let length = psram.read(place(newer) + SUMMED - 4, 4);
    let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
    let behind = (place(newer) + HEADER_SIZE + length).next_multiple_of(4);
    plant(psram, behind, place(newer) + SECTOR_SIZE);
    plant_state(psram, older, 2048);
    let section = psram.read(place(PlatformA), SECTOR_SIZE);
    let length = section.iter().rposition(|byte| *byte != 0xff).unwrap() + 1;
    plant(psram, place(PlatformA) + length.next_multiple_of(4), place(PlatformA) + SECTOR_SIZE);
    for sector in [PlatformB, OwnerA, OwnerB] {
        plant(psram, place(sector), place(sector) + SECTOR_SIZE);
    }
    plant(psram, map::slot(Slot::B), map::slot(Slot::B) + MARKS_SIZE);
}

fn program_of(package: &mut [u8]) -> &mut [u8] {
    let size = scenarios::program_of(package).len();
    &mut package[..size]
}

/// The byte string behind the last one of these heads.
fn behind_last<'p>(package: &'p mut [u8], head: &[u8], length: usize) -> &'p mut [u8] {
    let at = package.windows(head.len()).rposition(|bytes| bytes == head).unwrap() + head.len();
    &mut package[at..at + length]
}

/// A program that starts, with everything planted that others may add to it: a signature by a key
/// that nobody knows is passed over.
#[test]
fn rot_25_no_single_fault_leads_a_good_start_to_a_word_that_somebody_wrote() {
    let rom = Rom::built();
    let package = with_envelope(&package(|_| ()), |envelope| {
        let mut room = [0; suit::ENVELOPE_MAX];
        let more = suit::countersign(&Soft, envelope, By::Es256(&key(STRANGER)), &mut room);
        let mut more = more.unwrap().to_vec();
        Order::Little.plant(behind_last(&mut more, &[0x26, 0x04, 0x48], KEY_ID_SIZE));
        Order::Little.plant(behind_last(&mut more, &[0x58, 0x40], 64));
        more
    });
    let psram = Psram::of(&chip(), &package);
    plant_around(&psram);
    let mut lab = Lab::new(&psram, &rom, Some(entry())).after_boot_of(&psram, entry()).unwrap();
    (lab.sees_all, lab.never) = (true, Some(PLACE));
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started);
    lab.learn().unwrap();
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started, "by its shortcuts");
    is_nowhere_in_ram("planted: beside a good program", &mut lab);
    let line =
        campaign::run("planted: beside a good program", &mut lab, |_, outcome| match outcome {
            Outcome::Started => Ok("started".to_owned()),
            Outcome::Strayed => Err("executed what is neither ROM nor program".to_owned()),
            _ => Ok(refusal(outcome)),
        });
    tell(&line);
}

fn no_fault_leads_there(name: &'static str, psram: &Psram, good: &Psram, says: &str) {
    let rom = Rom::built();
    let mut lab = Lab::new(psram, &rom, None).after_boot_of(good, entry()).unwrap();
    lab.never = Some(PLACE);
    let mut lab = lab.that_refuses(says);
    is_nowhere_in_ram(name, &mut lab);
    let line = campaign::run(name, &mut lab, |_, outcome| not_started(outcome));
    tell(&line);
}

#[test]
fn rot_25_no_single_fault_leads_to_a_word_of_a_state_that_nobody_believes() {
    for (name, lengths) in [
        ("planted: states too long", [0x8b0, 0x8b0]),
        ("planted: long states", [2048, 0x8b0]),
        ("planted: short states", [0x300, 0x100]),
        ("planted: no state, a short one", [0, 0x300]),
    ] {
        let good = Psram::of(&chip(), &package(|_| ()));
        let psram = Psram::of(&chip(), &package(|_| ()));
        for (sector, length) in [Sector::StateA, Sector::StateB].into_iter().zip(lengths) {
            plant_state(&psram, sector, length);
        }
        no_fault_leads_there(name, &psram, &good, "rom: slot A refused E3104");
    }
}

#[test]
fn rot_25_no_single_fault_leads_to_a_word_of_what_nobody_needs() {
    let names = ["planted: all around, little", "planted: all around, big"];
    for (name, order) in names.into_iter().zip([Order::Little, Order::Big]) {
        let mut package = package(|_| ());
        order.plant(program_of(&mut package));
        let (good, psram) = (Psram::of(&chip(), &[]), Psram::of(&chip(), &package));
        good.install(&super::board::package(|_| ()));
        plant_around(&psram);
        no_fault_leads_there(name, &psram, &good, "rom: slot A refused E1303");
    }
}

#[test]
fn rot_25_no_single_fault_leads_to_a_word_of_a_signature() {
    let names = ["planted: ES256, little", "planted: ES256, big"];
    for (name, order) in names.into_iter().zip([Order::Little, Order::Big]) {
        let scenario = scenarios::wrong_signature();
        let (chip, good) = scenario.chip();
        let mut package = scenario.package;
        order.plant(program_of(&mut package));
        order.plant(behind_last(&mut package, &[0x58, 0x40], 64));
        let (good, psram) = (Psram::of(&chip, &good), Psram::of(&chip, &package));
        no_fault_leads_there(name, &psram, &good, scenario.says);
    }
}

#[test]
fn rot_25_no_single_fault_leads_to_a_word_of_an_lms_signature() {
    const TREE: usize = 4;
    const PARTS: [(usize, usize); 2] = [(TREE + 8, 24 * 52), (TREE + 8 + 24 * 52 + 4, 24 * 10)];
    let names = ["planted: LMS, little", "planted: LMS, big"];
    for (name, order) in names.into_iter().zip([Order::Little, Order::Big]) {
        let scenario = scenarios::wrong_lms_signature();
        let (chip, good) = scenario.chip();
        let mut package = scenario.package;
        let size = craton_trust::lms::SIGNATURE_SIZE;
        let [high, low] = (size as u16).to_be_bytes();
        let signature = behind_last(&mut package, &[0x59, high, low], size);
        for (from, length) in PARTS {
            order.plant(&mut signature[from..from + length]);
        }
        assert_eq!(TREE + 8 + 24 * 52 + 4 + 24 * 10, size);
        let (good, psram) = (Psram::of(&chip, &good), Psram::of(&chip, &package));
        no_fault_leads_there(name, &psram, &good, scenario.says);
    }
}
