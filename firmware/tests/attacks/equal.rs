//! Cuts after which a chip does what it did after another one.
//!
//! Power that went takes the RAM with it, a failure's record and a request of a start, too. What
//! the chip does next is decided by what it reads of its fuses and flash before it stores over it,
//! and by what the host sends, which differs in nothing but random bytes. So a chip that was
//! watched while it was judged stands for all whose fuses and flash are equal to its own where it
//! read them. They may differ in the rest: what was being written when the power went, and is no
//! copy of anything yet.
//!
//! That is tried, too. A chip that is to stand for others is judged once more with each byte that
//! it did not read the other way round: it must be judged alike, and read nothing else. An erase
//! loads a byte before it stores ones (`instruments/reads.c`); what would make of that byte
//! anything but ones by any change of its bits fails there.

use super::board::{Psram, instrument};
use craton_firmware::map;
use craton_rot::platform::SECTOR_SIZE;
use std::path::PathBuf;
use std::sync::OnceLock;

/// What a chip that is watched reads.
pub struct Reads {
    folder: tempfile::TempDir,
}

impl Reads {
    pub fn none() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The options of an emulator whose chip is watched.
    pub fn options(&self, psram: &Psram) -> Vec<String> {
        static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
        let plugin = PLUGIN.get_or_init(|| instrument("reads")).display();
        let (to, memory) = (self.file(), psram.path().display());
        let (to, size) = (to.display(), map::FLASH_SIZE);
        let plugin =
            format!("{plugin},to={to},memory={memory},size={size:x},fuses={SECTOR_SIZE:x}");
        vec!["-plugin".into(), plugin]
    }

    /// Which bytes of its fuses and flash it read before it stored over them.
    pub fn places(&self) -> Vec<bool> {
        let mut touched = std::fs::read(self.file()).unwrap();
        touched.truncate(map::FLASH_SIZE);
        touched.iter().map(|byte| *byte == READ).collect()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("reads")
    }
}

/// As the plugin writes it.
const READ: u8 = 1;

/// A chip that is as another one was where that one read.
pub struct Equal<'a> {
    places: &'a [bool],
    wanted: &'a [u8],
    bytes: Vec<u8>,
    different: usize,
}

impl<'a> Equal<'a> {
    /// Whether `bytes`, and what is stored there from now on, are equal to `wanted` at the places.
    pub fn of(bytes: Vec<u8>, wanted: &'a [u8], places: &'a [bool]) -> Self {
        let differs = |((byte, wanted), read): &((&u8, &u8), &bool)| **read && byte != wanted;
        let different = bytes.iter().zip(wanted).zip(places).filter(differs).count();
        Self { places, wanted, bytes, different }
    }

    /// Stores a byte, and gives what was there.
    pub fn store(&mut self, at: usize, byte: u8) -> u8 {
        let before = std::mem::replace(&mut self.bytes[at], byte);
        if self.places[at] {
            self.different -= usize::from(before != self.wanted[at]);
            self.different += usize::from(byte != self.wanted[at]);
        }
        before
    }

    pub fn byte(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub const fn is_equal(&self) -> bool {
        self.different == 0
    }
}

/// What a chip holds whose bytes are the other way round where it did not read.
pub fn other_way_round(bytes: &[u8], places: &[bool]) -> Vec<u8> {
    bytes.iter().zip(places).map(|(byte, read)| if *read { *byte } else { !byte }).collect()
}

/// What became of the points that are tried, in their order.
pub struct Plan<T> {
    became: Vec<Option<T>>,
    taken: Vec<bool>,
    /// Of which command each of them is: a point stands for others of its own command.
    of: Vec<usize>,
    next: usize,
    /// To watch a chip costs as much as some that are not watched. After one that stands for no
    /// other so many are not watched, and `left` of them are still to come.
    gap: usize,
    left: usize,
}

const GAP_MAX: usize = 63;

impl<T> Plan<T> {
    /// Of points of which some are known.
    pub fn of(points: impl Iterator<Item = (usize, Option<T>)>) -> Self {
        let (of, became): (Vec<_>, Vec<_>) = points.unzip();
        let taken = became.iter().map(Option::is_some).collect();
        Self { became, taken, of, next: 0, gap: 0, left: 0 }
    }

    /// The next point, and whether its chip is to be watched.
    pub fn take(&mut self) -> Option<(usize, bool)> {
        let from = self.next;
        let number = from + self.taken[from..].iter().position(|taken| !taken)?;
        if number > 0 && self.of[number] != self.of[number - 1] {
            (self.gap, self.left) = (0, 0);
        }
        (self.taken[number], self.next) = (true, number + 1);
        let watched = self.left == 0;
        self.left = self.left.saturating_sub(1);
        Some((number, watched))
    }

    /// Those of the same command that nobody took yet.
    pub fn beside(&self, number: usize) -> Vec<usize> {
        let of = |other: &usize| self.of[*other] == self.of[number] && !self.taken[*other];
        (number..self.of.len()).filter(of).collect()
    }

    /// What became of a point, and of others for which it stands, if nobody took them meanwhile.
    /// Gives which those are.
    pub fn is(
        &mut self,
        number: usize,
        outcome: T,
        mut others: Vec<usize>,
        theirs: &T,
    ) -> Vec<usize>
    where
        T: Clone,
    {
        others.retain(|other| !self.taken[*other]);
        for other in &others {
            (self.became[*other], self.taken[*other]) = (Some(theirs.clone()), true);
        }
        self.became[number] = Some(outcome);
        others
    }

    /// A chip that was watched stood for so many others.
    pub fn stood_for(&mut self, count: usize) {
        self.gap = if count == 0 { (2 * self.gap + 1).min(GAP_MAX) } else { 0 };
        self.left = self.gap;
    }

    /// What became of all of them.
    pub fn end(self) -> Vec<T> {
        self.became.into_iter().map(|it| it.expect("each was taken and ended")).collect()
    }
}

#[test]
fn a_point_stands_for_those_of_its_command_that_nobody_took() {
    let none = |of| (of, None);
    let mut plan = Plan::of([none(1), none(1), (1, Some("known")), none(1), none(2)].into_iter());
    assert_eq!(plan.take(), Some((0, true)));
    assert_eq!(plan.take(), Some((1, true)));
    assert_eq!(
        plan.beside(0),
        [3],
        "one is known, one is another's, and one is of another command"
    );
    assert_eq!(plan.is(0, "run", vec![1, 3], &"as 0"), [3]);
    plan.stood_for(1);
    plan.is(1, "run", Vec::new(), &"");
    plan.stood_for(0);
    assert_eq!(plan.take(), Some((4, true)), "each command begins with one that is watched");
    plan.is(4, "run", Vec::new(), &"");
    assert_eq!(plan.take(), None);
    assert_eq!(plan.end(), ["run", "run", "known", "as 0", "run"]);
}

#[test]
fn after_one_that_stands_for_none_some_are_not_watched() {
    let mut plan = Plan::of([(1, None); 12].into_iter());
    let mut watched = Vec::new();
    while let Some((number, is_watched)) = plan.take() {
        if is_watched {
            watched.push(number);
            plan.stood_for(0);
        }
        plan.is(number, (), Vec::new(), &());
    }
    assert_eq!(watched, [0, 2, 6]);
}

#[test]
fn what_is_equal_is_so_at_every_place_that_was_read() {
    let (wanted, places) = ([1, 2, 3], [true, false, true]);
    let mut now = Equal::of(vec![1, 9, 4], &wanted, &places);
    assert!(!now.is_equal());
    assert_eq!(now.store(2, 3), 4);
    assert!(now.is_equal());
    now.store(1, 7);
    assert!(now.is_equal(), "nobody read that");
    now.store(0, 0);
    now.store(0, 5);
    assert!(!now.is_equal());
    now.store(0, 1);
    assert!(now.is_equal());
    assert_eq!(other_way_round(&[1, 7, 3], &places), [1, 0xf8, 3]);
}
