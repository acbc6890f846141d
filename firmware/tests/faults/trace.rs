//! What a chip without a fault executes, in order, and how to come to one of these executions.

use std::collections::HashMap;

/// An execution of an instruction that a debugger can come to: let the chip come `before` times to
/// `anchor`, then `then` times to the instruction.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub anchor: u32,
    pub before: usize,
    pub then: usize,
}

/// The addresses of all instructions that were executed, one after another.
pub struct Trace {
    addresses: Vec<u32>,
    /// How often an instruction had been executed, with the execution at this place.
    nth: Vec<u32>,
    about: HashMap<u32, (usize, usize)>,
}

/// How far back an anchor is looked for.
const BACK: usize = 200_000;

impl Trace {
    pub fn of(bytes: &[u8]) -> Self {
        let addresses: Vec<u32> =
            bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        let mut about: HashMap<u32, (usize, usize)> = HashMap::new();
        let nth = addresses.iter().enumerate().map(|(place, address)| {
            let (count, last) = about.entry(*address).or_default();
            (*count, *last) = (*count + 1, place);
            *count as u32
        });
        let nth = nth.collect();
        Self { addresses, nth, about }
    }

    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Each instruction once, in the order of addresses.
    pub fn instructions(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.about.keys().copied().collect();
        all.sort_unstable();
        all
    }

    pub fn executions(&self, address: u32) -> usize {
        self.about.get(&address).map_or(0, |(count, _)| *count)
    }

    /// Where in the order an instruction is executed that `wanted` wants.
    pub fn places(&self, wanted: impl Fn(u32) -> bool) -> Vec<usize> {
        let known: HashMap<u32, bool> = self.about.keys().map(|at| (*at, wanted(*at))).collect();
        (0..self.len()).filter(|place| known[&self.addresses[*place]]).collect()
    }

    pub fn at(&self, place: usize) -> u32 {
        self.addresses[place]
    }

    /// The way to the last execution.
    pub fn last(&self, address: u32) -> Way {
        self.way(self.about[&address].1)
    }

    /// The way to an execution with the fewest stops.
    pub fn way(&self, execution: usize) -> Way {
        let address = self.addresses[execution];
        let before = self.nth[execution] as usize;
        let (mut best, mut own) = (Way { anchor: address, before, then: 0 }, 0);
        for place in (execution.saturating_sub(BACK)..=execution).rev() {
            let (anchor, before) = (self.addresses[place], self.nth[place] as usize);
            if own + 1 >= best.before + best.then {
                break; // there is no shorter one
            }
            if anchor == address {
                own += 1;
            } else if before + own < best.before + best.then {
                best = Way { anchor, before, then: own };
            }
        }
        best
    }
}
