//! The two slots of a root of trust's own program, as marks in NOR flash: which one starts next.
//!
//! Rule ROT-19: a slot's marks only fall, each by one program of an erased word, and arming is the
//! one write that commits an update. A trial that was never confirmed ends after its starts at what
//! was confirmed before it, and a power cut at any write leaves a slot that can start.
//!
//! No mark is believed for what it says of a program: whatever is started went through
//! [`crate::engine::rom::select`]. Who writes to the flash chooses among signed programs at or
//! above the floor, and gets nothing else by it; that is why the marks bear no check of their own.
//!
//! What a torn word counts as: `armed` and `confirmed` count only as exactly their numbers, a start
//! and `given up` as soon as a bit of them fell.

use core::hint::black_box;

/// Which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// The first.
    A = 0,
    /// The second.
    B = 1,
}

impl Slot {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// From its number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::A),
            1 => Some(Self::B),
            _ => None,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// How often a trial may start before what was confirmed before it starts again.
pub const STARTS: usize = 3;
/// Bytes of a slot's marks.
pub const MARKS_SIZE: usize = WORDS * 4;

const WORDS: usize = 4 + 2 * STARTS;
const LENGTH: usize = 0;
const GENERATION: usize = 1;
const ARMED: usize = 2;
const STARTED: usize = 3;
const CONFIRMED: usize = STARTED + STARTS;
const GIVEN_UP: usize = CONFIRMED + STARTS;

const ERASED: u32 = !0;
/// The bits of a length or a generation. A flash is worn out long before this is full.
const NUMBER: u32 = 0xff_ffff;
/// Neither has a byte that an erase or a cut leaves: all ones or all zeros.
const IS_ARMED: u32 = 0x6a25_93c4;
const IS_CONFIRMED: u32 = 0x3c96_5ae1;

/// One word to program, which is erased: its offset in the marks, bytes, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Offset from the start of the marks, bytes.
    pub offset: usize,
    /// What is programmed.
    pub value: u32,
}

impl Write {
    const fn of(word: usize, value: u32) -> Self {
        Self { offset: word * 4, value }
    }

    /// The bytes, as they lie in flash.
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        self.value.to_le_bytes()
    }
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// Nothing was armed here, or it was given up.
    Empty = 0,
    /// Armed, and every start of its trial is used; or a trial that a newer confirmed one overtook.
    /// It starts only where nothing else can.
    Spent = 1,
    /// Confirmed.
    Confirmed = 2,
    /// Armed, with starts left.
    Trial = 3,
}

impl Standing {
    /// From its number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Empty),
            1 => Some(Self::Spent),
            2 => Some(Self::Confirmed),
            3 => Some(Self::Trial),
            _ => None,
        }
    }
}

/// The marks of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks([u32; WORDS]);

impl Marks {
    /// Of an erased slot.
    pub const NONE: Self = Self([ERASED; WORDS]);

    /// As they lie in flash.
    #[must_use]
    pub fn of_bytes(bytes: &[u8; MARKS_SIZE]) -> Self {
        let words = bytes.as_chunks().0;
        Self::of_words(|place| words.get(place).map_or(ERASED, |word| u32::from_le_bytes(*word)))
    }

    /// As they lie in flash, of which `word` reads each word, from place 0. What is kept of one is
    /// nothing that somebody chose to be an address (ROT-25): a number below 2²⁴, or what it counts
    /// as.
    #[must_use]
    pub fn of_words(word: impl Fn(usize) -> u32) -> Self {
        let mut words = [ERASED; WORDS];
        for (place, kept) in words.iter_mut().enumerate() {
            *kept = match (word(place), place) {
                (ERASED, _) => ERASED,
                (number, LENGTH | GENERATION) => number & NUMBER,
                (IS_ARMED, ARMED) => IS_ARMED,
                (IS_CONFIRMED, CONFIRMED..GIVEN_UP) => IS_CONFIRMED,
                _ => 0,
            };
        }
        Self(words)
    }

    /// The marks of the first program of a chip, as its programmer writes them with it: confirmed,
    /// so that the factory's starts are no trial.
    #[must_use]
    pub fn first(length: u32) -> [u8; MARKS_SIZE] {
        let mut marks = Self::NONE;
        let first =
            [(LENGTH, length), (GENERATION, 1), (ARMED, IS_ARMED), (CONFIRMED, IS_CONFIRMED)];
        first.into_iter().for_each(|(word, value)| marks.apply(Write::of(word, value)));
        let mut bytes = [0; MARKS_SIZE];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(marks.0) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    /// What a write does to erased words, and to others: bits only fall.
    fn apply(&mut self, write: Write) {
        if let Some(word) = self.0.get_mut(write.offset / 4) {
            *word &= write.value;
        }
    }

    fn word(&self, place: usize) -> u32 {
        self.0.get(place).copied().unwrap_or(0)
    }

    /// Bytes of the package in the room.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.word(LENGTH)
    }

    fn is_armed(&self) -> bool {
        self.word(ARMED) == IS_ARMED && self.word(GIVEN_UP) == ERASED
    }

    fn is_confirmed(&self) -> bool {
        self.0.iter().skip(CONFIRMED).take(STARTS).any(|word| *word == IS_CONFIRMED)
    }

    /// How many starts a trial had.
    fn starts(&self) -> usize {
        self.0.iter().skip(STARTED).take(STARTS).filter(|word| **word != ERASED).count()
    }

    /// How it stands, seen alone.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.is_armed(), self.is_confirmed()) {
            (false, _) => Standing::Empty,
            (true, true) => Standing::Confirmed,
            (true, false) if self.starts() < STARTS => Standing::Trial,
            (true, false) => Standing::Spent,
        }
    }

    /// How it stands beside the other slot's.
    #[must_use]
    pub fn standing_beside(&self, other: &Self) -> Standing {
        let overtaken = other.standing() == Standing::Confirmed && !self.is_newer_than(other);
        match self.standing() {
            Standing::Trial if overtaken => Standing::Spent,
            standing => standing,
        }
    }

    /// Generations go round: the next one is newer than the one before at any number.
    fn is_newer_than(&self, other: &Self) -> bool {
        let ahead = self.word(GENERATION).wrapping_sub(other.word(GENERATION)) & NUMBER;
        (1..=NUMBER / 2).contains(&ahead)
    }

    /// What is written before a start that is not confirmed; `None` if it is, and for a last
    /// resort.
    #[must_use]
    pub fn start(&self) -> Option<Write> {
        let left = (STARTED..CONFIRMED).find(|place| self.word(*place) == ERASED);
        left.filter(|_| self.standing() == Standing::Trial).map(|place| Write::of(place, 0))
    }

    /// What speaks against a start's having been counted between these marks and those of `now`: 0
    /// is nothing. Nothing does if it is confirmed, or had no start left. No branch decides
    /// (ROT-18).
    #[inline(never)]
    #[must_use]
    pub fn doubt_counted(&self, now: &Self) -> u32 {
        let (before, now) = (black_box(self), black_box(now));
        let starts = before.0.iter().zip(&now.0).skip(STARTED).take(STARTS);
        let (left, counted) = starts.fold((0, 0), |(left, counted), (before, now)| {
            (left | is_same(*before, ERASED), counted | !is_same(*before, *now))
        });
        let confirmed = now.0.iter().skip(CONFIRMED).take(STARTS);
        let confirmed = confirmed.fold(0, |all, word| all | is_same(*word, IS_CONFIRMED));
        left & !counted & !confirmed
    }

    /// By what these marks are others than those that a start was decided by: 0 is nothing. A slot
    /// that was taken for the other one has other marks (ROT-18).
    #[inline(never)]
    #[must_use]
    pub fn doubt_other(&self, decided: &Self) -> u32 {
        let pairs = black_box(self).0.iter().zip(&black_box(decided).0);
        pairs.fold(0, |all, (here, decided)| all | (here ^ decided))
    }

    /// What confirms the program that runs from here: each start of a trial has a word of its own,
    /// so that a confirm that was cut is done again by the next start. `None` if it is confirmed.
    #[must_use]
    pub fn confirm(&self) -> Option<Write> {
        let start = self.starts().saturating_sub(1);
        let word = Write::of(CONFIRMED + start, IS_CONFIRMED);
        (self.is_armed() && !self.is_confirmed()).then_some(word)
    }

    /// Whether the slot beside the one that runs may be written: not while it is what a trial falls
    /// back to.
    #[must_use]
    pub fn leaves_free(&self, other: &Self) -> bool {
        self.is_confirmed() || other.standing() != Standing::Confirmed
    }

    /// What is written over erased marks before a package of this length comes to the room; the
    /// slot is still empty.
    #[must_use]
    pub fn begin(other: &Self, length: u32) -> [Write; 2] {
        let generation = other.word(GENERATION).wrapping_add(1) & NUMBER;
        [Write::of(LENGTH, length), Write::of(GENERATION, generation)]
    }

    /// Whether what [`Self::begin`] wrote is there, and nothing else.
    #[must_use]
    pub fn has_begun(&self, other: &Self, length: u32) -> bool {
        let mut begun = Self::NONE;
        Self::begin(other, length).into_iter().for_each(|write| begun.apply(write));
        *self == begun
    }

    /// The write that commits an update.
    #[must_use]
    pub const fn arm() -> Write {
        Write::of(ARMED, IS_ARMED)
    }

    /// What makes a slot empty, its program staying where it is.
    #[must_use]
    pub const fn give_up() -> Write {
        Write::of(GIVEN_UP, 0)
    }
}

/// All ones if two words are the same.
const fn is_same(a: u32, b: u32) -> u32 {
    let bits = a ^ b;
    !((bits | bits.wrapping_neg()).cast_signed() >> 31).cast_unsigned()
}

/// The slots in the order in which they are tried: a newer trial, what was confirmed, the rest; and
/// the newer of two that stand alike.
#[must_use]
pub fn order([a, b]: &[Marks; 2]) -> [Slot; 2] {
    let (first, second) = (a.standing_beside(b), b.standing_beside(a));
    if second > first || second == first && b.is_newer_than(a) {
        [Slot::B, Slot::A]
    } else {
        [Slot::A, Slot::B]
    }
}

#[cfg(test)]
mod tests;
