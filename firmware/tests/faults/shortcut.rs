//! The long computations of a boot, left out where their result is known.
//!
//! Most of a boot is a few functions that read and write RAM and registers, and no device. One that
//! finds what it found in the boot without a fault leaves what it left then. So the debugger
//! compares all that it could find: registers, the package, and RAM but for the part of the stack
//! that is free. Then it puts there what the function wrote. What is in that part before is
//! overwritten or stays: a boot with another filling of it tells which. After any difference the
//! function runs; and always if an instruction of it is the one that is broken.
//!
//! The chip stops before a load that is the first one of its word in the boot, soon after the
//! function's beginning: a stop there costs nothing (see [`super::walk`]).

use super::bench::Bench;
use super::lab::{RAM, RAM_SIZE};
use super::registers::Registers;
use super::rom::Rom;
use super::trace::Trace;
use super::walk::{State, Walker};
use craton_firmware::map;
use std::collections::HashSet;
use std::io::{Error, Result};

/// Of names of functions that compute and do nothing else.
const COMPUTE: [&str; 4] =
    ["11es256_leads17h", "9lms_leads17h", "Signer$GT$4sign17h", "KeyedCrypto$GT$3key17h"];
/// Shorter ones are not worth the comparison, in instructions.
const WORTH: usize = 200_000;
/// So soon after its beginning there must be such a load, in instructions.
const SOON: usize = 5000;

/// One execution of such a function.
pub struct Shortcut {
    /// The word of the ROM whose load tells that it is executed.
    pub word: u32,
    /// The place of that load.
    pub first: usize,
    executed: HashSet<u32>,
    before: State,
    /// The part of the RAM that is free, as offsets.
    free: (usize, usize),
    /// The registers after it, and the runs of bytes that it wrote.
    registers: Registers,
    wrote: Vec<(u32, Vec<u8>)>,
}

impl Shortcut {
    /// Those of a boot.
    pub fn all(trace: &Trace, rom: &Rom, walker: &mut Walker<'_>) -> Result<Vec<Self>> {
        let entries: HashSet<u32> = COMPUTE.iter().flat_map(|name| rom.entries(name)).collect();
        let (mut all, mut from) = (Vec::new(), 0);
        while let Some(entry) = (from..trace.len()).find(|at| entries.contains(&trace.at(*at))) {
            let back = walker.state(trace, entry)?.registers.get(14) & !1;
            let end = (entry..trace.len()).find(|at| trace.at(*at) == back);
            from = end.ok_or_else(|| Error::other("a function that does not return"))?;
            let mut loads = trace.touches.iter().filter(|touch| !touch.is_store);
            let load = loads.find(|load| (entry..entry + SOON).contains(&load.place));
            if let Some(load) = load.filter(|_| from - entry > WORTH) {
                all.extend(Self::of(trace, rom, walker, (load.address, load.place, from))?);
            }
        }
        Ok(all)
    }

    fn of(
        trace: &Trace,
        rom: &Rom,
        walker: &mut Walker<'_>,
        (word, first, end): (u32, usize, usize),
    ) -> Result<Option<Self>> {
        let before = walker.state(trace, first)?;
        let after = walker.state(trace, end)?;
        let stack = (before.registers.get(13).wrapping_sub(RAM) as usize).min(RAM_SIZE);
        let free = (rom.statics.min(stack), stack);
        let is_free = |at: usize| (free.0..free.1).contains(&at);
        let filled = before.ram.iter().enumerate();
        let filled = filled.map(|(at, byte)| if is_free(at) { !byte } else { *byte });
        let filled: Vec<u8> = filled.collect();
        let other = walker.state_with(trace, (first, &filled), end)?;
        let stays = |at: usize| after.ram[at] == before.ram[at] && other.ram[at] == filled[at];
        // A byte that is neither of both was computed from what was free.
        let pure = (0..RAM_SIZE).all(|at| stays(at) || after.ram[at] == other.ram[at]);
        if !pure || after.registers != other.registers || after.package != before.package {
            return Ok(None);
        }
        let wrote = runs(&after.ram, |at| !stays(at));
        let executed = (first..end).map(|at| trace.at(at)).collect();
        let registers = after.registers;
        Ok(Some(Self { word, first, executed, before, free, registers, wrote }))
    }

    /// Whether it may be taken after a fault at a place, which lasts for an instruction or not.
    pub fn is_behind(&self, place: usize, lasts: Option<u32>) -> bool {
        self.first > place && !lasts.is_some_and(|at| self.executed.contains(&at))
    }

    /// Takes it, if the chip, which stopped there, has what it had. Gives whether it did.
    pub fn take(&self, bench: &mut Bench<'_>) -> Result<bool> {
        let State { registers, ram, package, .. } = &self.before;
        let (from, to) = self.free;
        let same = bench.registers()? == *registers
            && bench.debugger.read(RAM + to as u32, RAM_SIZE - to)? == ram[to..]
            && bench.debugger.read(RAM, from)? == ram[..from]
            && bench.debugger.read(map::CODE as u32, package.len())? == *package;
        if same {
            bench.debugger.write_all(&self.wrote)?;
            bench.jump(&self.registers)?;
        }
        Ok(same)
    }
}

/// The runs of these bytes of the RAM.
fn runs(ram: &[u8], wanted: impl Fn(usize) -> bool) -> Vec<(u32, Vec<u8>)> {
    let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
    for (at, byte) in ram.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        match runs.last_mut() {
            Some((from, run)) if *from as usize + run.len() == RAM as usize + at => run.push(*byte),
            _ => runs.push((RAM + at as u32, vec![*byte])),
        }
    }
    runs
}
