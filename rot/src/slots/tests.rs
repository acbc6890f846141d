use super::*;
use std::vec::Vec;

/// What a cut leaves of a write.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Torn,
    Partial,
    None,
    /// Bits by chance, of this seed.
    Chance(u64),
}

const CUTS: [Cut; 8] = [
    Cut::Whole,
    Cut::Torn,
    Cut::Partial,
    Cut::None,
    Cut::Chance(1),
    Cut::Chance(2),
    Cut::Chance(3),
    Cut::Chance(4),
];

impl Cut {
    /// The bits of the word at a place that the write reached.
    fn reached(self, place: usize, words: usize) -> u32 {
        match self {
            Self::Whole => !0,
            Self::Torn if words == 1 => 0xffff,
            Self::Torn => {
                if place < words / 2 {
                    !0
                } else {
                    0
                }
            }
            Self::Partial => 0xff00_ff00,
            Self::None => 0,
            Self::Chance(seed) => {
                let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (place as u64 + 1) << 17;
                for _ in 0..4 {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                }
                (state >> 16) as u32
            }
        }
    }
}

/// The power is gone.
#[derive(Debug)]
struct Gone;

/// A chip: marks, what lies in each room (a version, if it is whole), and the floor.
#[derive(Clone)]
struct Chip {
    marks: [Marks; 2],
    rooms: [Option<u8>; 2],
    floor: u8,
    running: Slot,
    writes: usize,
    cut: Option<(usize, Cut)>,
    /// The last version whose confirm returned, and all whose confirm was asked for.
    confirmed: u8,
    asked: Vec<u8>,
}

impl Chip {
    /// Out of the factory: version 1 is in slot A.
    fn new() -> Self {
        Self {
            marks: [Marks::of_bytes(&Marks::first(9)), Marks::NONE],
            rooms: [Some(1), None],
            floor: 0,
            running: Slot::A,
            writes: 0,
            cut: None,
            confirmed: 1,
            asked: std::vec![1],
        }
    }

    /// The next write: what a cut leaves of it if there is one.
    fn next(&mut self) -> Option<Cut> {
        let cut = self.cut.filter(|(at, _)| *at == self.writes).map(|(_, how)| how);
        self.writes += 1;
        cut
    }

    fn end(cut: Option<Cut>) -> Result<(), Gone> {
        if cut.is_some() { Err(Gone) } else { Ok(()) }
    }

    fn write(&mut self, slot: Slot, write: Write) -> Result<(), Gone> {
        let cut = self.next();
        let reached = cut.unwrap_or(Cut::Whole).reached(0, 1);
        self.marks[slot as usize].apply(Write { value: write.value | !reached, ..write });
        Self::end(cut)
    }

    fn erase_marks(&mut self, slot: Slot) -> Result<(), Gone> {
        let cut = self.next();
        let Marks(words) = &mut self.marks[slot as usize];
        for (place, word) in words.iter_mut().enumerate() {
            *word |= cut.unwrap_or(Cut::Whole).reached(place, WORDS);
        }
        Self::end(cut)
    }

    fn fill(&mut self, slot: Slot, version: Option<u8>) -> Result<(), Gone> {
        let cut = self.next();
        let whole = cut.is_none() || matches!(cut, Some(Cut::Whole));
        self.rooms[slot as usize] = version.filter(|_| whole);
        Self::end(cut)
    }

    /// What a ROM does.
    fn boot(&mut self) -> Result<u8, Gone> {
        for slot in order(&self.marks) {
            let marks = self.marks[slot as usize];
            let here = self.rooms[slot as usize].filter(|version| *version >= self.floor);
            let Some(version) = here.filter(|_| marks.standing() != Standing::Empty) else {
                continue;
            };
            if let Some(write) = marks.start() {
                self.write(slot, write)?;
            }
            self.running = slot;
            return Ok(version);
        }
        panic!("nothing can start: {:x?}", self.marks);
    }

    fn own(&self) -> (Marks, u8) {
        let slot = self.running as usize;
        (self.marks[slot], self.rooms[slot].unwrap())
    }

    /// What the engine does with a package; nothing while a trial runs.
    fn install(&mut self, version: u8) -> Result<(), Gone> {
        let (own, running) = self.own();
        let to = self.running.other();
        if !own.leaves_free(&self.marks[to as usize]) || running >= version {
            return Ok(());
        }
        self.erase_marks(to)?;
        self.fill(to, None)?;
        for write in Marks::begin(&own, 9) {
            self.write(to, write)?;
        }
        self.fill(to, Some(version))?;
        assert!(self.marks[to as usize].has_begun(&own, 9));
        self.write(to, Marks::arm())
    }

    /// What the engine does with a confirm of the version that was installed.
    fn confirm(&mut self, version: u8) -> Result<(), Gone> {
        let (own, running) = self.own();
        if running != version {
            return Ok(());
        }
        self.asked.push(running);
        if let Some(write) = own.confirm() {
            self.write(self.running, write)?;
        }
        let cut = self.next();
        if matches!(cut, None | Some(Cut::Whole)) {
            self.floor = self.floor.max(running);
        }
        Self::end(cut)?;
        let other = self.running.other();
        let below = self.rooms[other as usize].is_some_and(|version| version < self.floor);
        if below && self.marks[other as usize].standing() != Standing::Empty {
            self.write(other, Marks::give_up())?;
        }
        self.confirmed = running;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Install(u8),
    Restart,
    Confirm(u8),
}

/// Version 2 is installed and confirmed, 3 is never confirmed, 4 is confirmed in its last start.
const LIFE: [Step; 15] = [
    Step::Install(2),
    Step::Restart,
    Step::Confirm(2),
    Step::Restart,
    Step::Install(3),
    Step::Restart,
    Step::Restart,
    Step::Restart,
    Step::Restart,
    Step::Install(4),
    Step::Restart,
    Step::Restart,
    Step::Restart,
    Step::Confirm(4),
    Step::Restart,
];

fn step(chip: &mut Chip, step: Step) -> Result<(), Gone> {
    match step {
        Step::Install(version) => chip.install(version),
        Step::Confirm(version) => chip.confirm(version),
        Step::Restart => chip.boot().map(|_| ()),
    }
}

/// Gives power until a start succeeds; a second cut may come in it.
fn power(chip: &mut Chip, second: Option<(usize, Cut)>) -> u8 {
    (chip.cut, chip.writes) = (second, 0);
    loop {
        if let Ok(version) = chip.boot() {
            assert!(version >= chip.confirmed, "{version} after {}", chip.confirmed);
            return version;
        }
        chip.cut = None;
    }
}

/// Lives on from a step to the end, and then is started without anybody who confirms.
fn live(mut chip: Chip, from: usize) {
    for what in LIFE.iter().skip(from) {
        if step(&mut chip, *what).is_err() {
            power(&mut chip, None);
        }
    }
    (0..=STARTS).for_each(|_| assert!(power(&mut chip, None) > 0));
    let (own, version) = chip.own();
    assert_eq!(own.standing(), Standing::Confirmed);
    assert!(version >= chip.confirmed && chip.asked.contains(&version), "{version}");
}

#[test]
fn rot_19_a_cut_at_any_write_twice_in_a_row_leaves_a_slot_that_starts() {
    let mut tried = 0;
    for (place, what) in LIFE.iter().enumerate() {
        let mut before = Chip::new();
        LIFE.iter().take(place).for_each(|what| step(&mut before, *what).unwrap());
        for first in CUTS {
            for at in 0.. {
                let mut cut = before.clone();
                (cut.cut, cut.writes) = (Some((at, first)), 0);
                if step(&mut cut, *what).is_ok() {
                    break;
                }
                for second in CUTS.into_iter().flat_map(|how| (0..9).map(move |at| (at, how))) {
                    let mut twice = cut.clone();
                    power(&mut twice, Some(second));
                    live(twice, place);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn rot_19_a_trial_starts_three_times_and_then_the_confirmed_one() {
    let mut chip = Chip::new();
    chip.install(2).unwrap();
    let started: Vec<u8> = (0..5).map(|_| chip.boot().unwrap()).collect();
    assert_eq!(started, [2, 2, 2, 1, 1]);
    assert_eq!(chip.marks[1].standing(), Standing::Spent);
}

#[test]
fn rot_19_what_was_confirmed_starts_from_then_on() {
    let mut chip = Chip::new();
    chip.install(2).unwrap();
    chip.boot().unwrap();
    chip.confirm(2).unwrap();
    assert!((0..9).all(|_| chip.boot().unwrap() == 2));
    assert_eq!(chip.marks[0].standing(), Standing::Empty, "the old one is below the floor");
}

#[test]
fn rot_19_a_refused_candidate_leaves_the_start_to_the_other() {
    let mut chip = Chip::new();
    chip.install(2).unwrap();
    chip.rooms[1] = None;
    assert_eq!(chip.boot().unwrap(), 1);
    assert_eq!(chip.marks[1].starts(), 0, "and uses no start up");
}

#[test]
fn rot_19_a_torn_mark_arms_and_confirms_nothing_and_uses_a_start_up() {
    let mut marks = Marks::NONE;
    Marks::begin(&Marks::NONE, 9).into_iter().for_each(|write| marks.apply(write));
    for bit in (0..32).filter(|bit| IS_ARMED >> bit & 1 == 0) {
        let mut torn = marks;
        torn.apply(Write { value: IS_ARMED | 1 << bit, ..Marks::arm() });
        assert_eq!(torn.standing(), Standing::Empty, "bit {bit}");
    }
    marks.apply(Marks::arm());
    let start = marks.start().unwrap();
    marks.apply(Write { value: !1, ..start });
    assert_eq!(marks.starts(), 1);
    let confirm = marks.confirm().unwrap();
    for bit in (0..32).filter(|bit| IS_CONFIRMED >> bit & 1 == 0) {
        let mut torn = marks;
        torn.apply(Write { value: confirm.value | 1 << bit, ..confirm });
        assert_eq!(torn.standing(), Standing::Trial, "bit {bit}");
        torn.apply(torn.start().unwrap());
        let again = torn.confirm().unwrap();
        assert_ne!(again.offset, confirm.offset, "a word of its own for each start");
        torn.apply(again);
        assert_eq!(torn.standing(), Standing::Confirmed);
    }
    let mut given_up = marks;
    given_up.apply(Write { value: !1, ..Marks::give_up() });
    assert_eq!(given_up.standing(), Standing::Empty);
}

#[test]
fn rot_25_no_word_is_kept_but_as_what_it_counts_as() {
    let chosen = 0x1000_3979;
    let marks = Marks::of_words(|_| chosen);
    let (numbers, rest) = marks.0.split_at(ARMED);
    assert_eq!(numbers, [chosen & NUMBER; 2]);
    assert_eq!(rest, [0; WORDS - ARMED]);
    assert_eq!(marks.standing(), Standing::Empty);
    assert_eq!(Marks::of_words(|_| ERASED), Marks::NONE);
    let of_another = |place| if place == STARTED { IS_CONFIRMED } else { IS_ARMED };
    let marks = Marks::of_words(of_another);
    assert_eq!((marks.0[ARMED], marks.0[STARTED], marks.0[CONFIRMED]), (IS_ARMED, 0, 0));
}

#[test]
fn rot_19_generations_go_round() {
    let mut old = Marks::of_bytes(&Marks::first(9));
    old.0[GENERATION] = NUMBER;
    let mut new = Marks::NONE;
    Marks::begin(&old, 9).into_iter().chain([Marks::arm()]).for_each(|write| new.apply(write));
    assert!(new.is_newer_than(&old) && !old.is_newer_than(&new));
    assert_eq!(order(&[old, new]), [Slot::B, Slot::A]);
    assert_eq!(order(&[new, old]), [Slot::A, Slot::B]);
}

#[test]
fn rot_18_the_marks_of_another_slot_are_a_doubt() {
    let (mut armed, confirmed) = (Marks::NONE, Marks::of_bytes(&Marks::first(1)));
    armed.apply(Marks::arm());
    assert_eq!((armed.doubt_other(&armed), confirmed.doubt_other(&confirmed)), (0, 0));
    assert_ne!(armed.doubt_other(&confirmed), 0);
    let mut counted = armed;
    counted.apply(armed.start().unwrap());
    assert_ne!(armed.doubt_other(&counted), 0);
}

#[test]
fn rot_18_a_start_that_was_not_counted_is_a_doubt() {
    let mut before = Marks::NONE;
    before.apply(Marks::arm());
    for _ in 0..STARTS {
        let mut now = before;
        assert_ne!(before.doubt_counted(&now), 0, "not counted");
        now.apply(before.start().unwrap());
        assert_eq!(before.doubt_counted(&now), 0, "counted");
        before = now;
    }
    assert_eq!(before.doubt_counted(&before), 0, "the last resort has none left");
    let mut confirmed = Marks::of_bytes(&Marks::first(1));
    assert_eq!(confirmed.doubt_counted(&confirmed), 0);
    let torn = Write::of(CONFIRMED, !1);
    confirmed.apply(torn);
    assert_ne!(confirmed.doubt_counted(&confirmed), 0, "a torn mark confirms nothing");
}
