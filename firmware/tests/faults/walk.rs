//! A boot without a fault, place by place, and how another chip comes to such a place at once.
//!
//! A debugger's stop makes QEMU translate all code anew, unless it is for an access of memory: that
//! is most of the time of a boot. So one chip is walked through the boot from place to place, and
//! tells what it has there; another one, which nothing stops but accesses, gets that (registers,
//! RAM, code memory) and goes on from there. What a debugger cannot give are devices, the MPU and
//! the flash: the other chip is reset and sets them by itself, up to the last store to them before
//! that place. A place between such stores that lie close to each other is not come to so.

use super::bench::Bench;
use super::lab::{RAM, RAM_SIZE};
use super::power::{Power, RECEIVED};
use super::registers::Registers;
use super::trace::Trace;
use craton_firmware::map;
use std::io::{Error, Result};

/// Where the ROM stores what it says, over either line.
const LINES: [u32; 2] = [map::UART as u32, RECEIVED];
/// Stores that are further from each other have places between them that can be come to.
const GAP: usize = 20_000;

/// What a chip has at one place of a boot.
#[derive(Clone, PartialEq, Eq)]
pub struct State {
    pub registers: Registers,
    pub ram: Vec<u8>,
    pub package: Vec<u8>,
    /// What it said so far.
    pub said: String,
}

impl State {
    /// That of a chip, with so many bytes of its code memory, which said this.
    pub fn of(bench: &mut Bench<'_>, package: usize, said: String) -> Result<Self> {
        let registers = bench.registers()?;
        let ram = bench.debugger.read(RAM, RAM_SIZE)?;
        let package = bench.debugger.read(map::CODE as u32, package)?;
        Ok(Self { registers, ram, package, said })
    }
}

/// Stores to devices that lie close to each other.
#[derive(Debug)]
pub struct Stores {
    pub first: usize,
    pub last: usize,
    /// The place behind them where a word of the ROM is loaded for the first time in the boot, and
    /// that word: there a chip can be stopped.
    pub behind: usize,
    pub word: u32,
}

impl Stores {
    /// Those of a boot. What is said over a line is none: it changes nothing that comes after.
    pub fn of(trace: &Trace) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for touch in &trace.touches {
            let place = touch.place;
            match all.last_mut() {
                Some(group) if !touch.is_store && group.behind == 0 => {
                    (group.behind, group.word) = (place, touch.address);
                }
                _ if !touch.is_store || LINES.contains(&touch.address) => {}
                Some(group) if place < group.last + GAP => (group.last, group.behind) = (place, 0),
                _ => all.push(Self { first: place, last: place, behind: 0, word: 0 }),
            }
        }
        all
    }
}

/// A chip that is walked through its boot.
pub struct Walker<'a> {
    bench: Bench<'a>,
    /// How its boot begins.
    power: Power,
    /// Bytes of the package.
    package: usize,
    /// It stands before the instruction of this place.
    at: Option<usize>,
    said: String,
}

impl<'a> Walker<'a> {
    pub fn new(bench: Bench<'a>, power: Power, package: usize) -> Self {
        Self { bench, power, package, at: None, said: String::new() }
    }

    /// What it has before the instruction of this place is executed.
    pub fn state(&mut self, trace: &Trace, place: usize) -> Result<State> {
        if self.at.is_none_or(|at| at > place) {
            self.power.on_and_sent(&mut self.bench)?;
            (self.at, self.said) = (None, String::new());
        }
        if self.at != Some(place) {
            self.bench.follow(trace.at(place), trace.way(self.at, place))?;
            self.at = Some(place);
        }
        self.said.push_str(&self.bench.heard());
        State::of(&mut self.bench, self.package, self.said.clone())
    }

    /// As it would be with another part of its RAM, up to a later place.
    pub fn state_with(
        &mut self,
        trace: &Trace,
        (from, ram): (usize, &[u8]),
        to: usize,
    ) -> Result<State> {
        self.state(trace, from)?;
        self.bench.debugger.write(RAM, ram)?;
        let state = self.state(trace, to);
        self.at = Some(usize::MAX); // it is no boot any more
        state
    }
}

/// The stores, each with what a chip has before the first and after the last one.
pub struct Gates {
    stores: Vec<(Stores, State, State)>,
    /// What a chip has before it gets what it was sent, if it was sent anything.
    waits: Option<State>,
    /// Where the last stores of the boot begin: nobody is brought behind them.
    pub end: usize,
}

impl Gates {
    pub fn of(trace: &Trace, walker: &mut Walker<'_>) -> Result<Self> {
        let (mut all, mut groups) = (Vec::new(), Stores::of(trace));
        let mut end = trace.len() - 1;
        let is_last = |stores: &mut Stores| stores.behind == 0 || stores.last + GAP > trace.len();
        while let Some(stores) = groups.pop_if(is_last) {
            end = stores.first;
        }
        for stores in groups {
            let before = walker.state(trace, stores.first)?;
            let after = walker.state(trace, stores.behind)?;
            all.push((stores, before, after));
        }
        let waits = walker.power.sent.as_ref().map(|sent| sent.waits.clone());
        Ok(Self { stores: all, waits, end })
    }

    /// The first place to which a chip can be brought.
    pub fn first(&self) -> Option<usize> {
        let behind = self.stores.first().map(|(stores, ..)| stores.behind + 1);
        self.waits.as_ref().map(|_| 0).or(behind)
    }

    /// Whether a chip can be brought to this place.
    pub fn lead_to(&self, place: usize) -> bool {
        let before = self.stores.iter().take_while(|(stores, ..)| stores.first < place).last();
        place <= self.end && before.map_or(self.waits.is_some(), |(of, ..)| of.behind < place)
    }

    /// Brings a chip that was just given power to this place.
    pub fn bring(&self, bench: &mut Bench<'_>, place: usize, state: &State) -> Result<()> {
        let mut has = self.waits.as_ref();
        for (stores, before, after) in &self.stores {
            if stores.behind >= place {
                break;
            }
            if let Some(has) = has {
                bench.turn(has, before)?;
            }
            bench.debugger.watch_loads(stores.word)?;
            bench.pause()?;
            bench.debugger.forget_loads(stores.word)?;
            if bench.registers()? != after.registers {
                return Err(Error::other(format!("it does not come to place {}", stores.behind)));
            }
            has = Some(after);
        }
        let has = has.ok_or_else(|| Error::other("no way there"))?;
        bench.turn(has, state)
    }
}
