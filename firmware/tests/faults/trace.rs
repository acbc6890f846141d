//! What a chip without a fault executes, in order, and how to come to one of these executions.

use std::collections::HashMap;

/// How a debugger comes to an execution of an instruction: let the chip come `before` times to
/// `anchor`, then `then` times to the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    pub anchor: u32,
    pub before: usize,
    pub then: usize,
}

/// A store outside RAM, or the first load of a word of the ROM.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// The place of its instruction.
    pub place: usize,
    pub address: u32,
    pub is_store: bool,
}

/// The addresses of all instructions that were executed, one after another.
pub struct Trace {
    addresses: Vec<u32>,
    /// Where an instruction was executed.
    places: HashMap<u32, Vec<u32>>,
    pub touches: Vec<Touch>,
}

/// How far back an anchor is looked for.
const BACK: usize = 200_000;

impl Trace {
    /// Of what the emulator's plugin wrote.
    pub fn of(bytes: &[u8], touches: &[u8]) -> Self {
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        let addresses = words(bytes);
        let mut places: HashMap<u32, Vec<u32>> = HashMap::new();
        for (place, address) in addresses.iter().enumerate() {
            places.entry(*address).or_default().push(place as u32);
        }
        let touches = words(touches);
        let touches = touches.chunks_exact(3).map(|words| Touch {
            place: words[0] as usize,
            address: words[1],
            is_store: words[2] != 0,
        });
        Self { addresses, places, touches: touches.collect() }
    }

    /// Leaves out what is executed after the first execution of an instruction.
    pub fn end_at(&mut self, address: u32) {
        let Some((end, _)) = self.ends(address) else { return };
        self.addresses.truncate(end + 1);
        self.touches.retain(|touch| touch.place <= end);
        for places in self.places.values_mut() {
            places.retain(|place| *place as usize <= end);
        }
        self.places.retain(|_, places| !places.is_empty());
    }

    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Each instruction once, in the order of addresses.
    pub fn instructions(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.places.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// The places where an instruction is executed, in order.
    pub fn executed(&self, address: u32) -> &[u32] {
        self.places.get(&address).map_or(&[], Vec::as_slice)
    }

    pub fn executions(&self, address: u32) -> usize {
        self.executed(address).len()
    }

    /// Where it is executed first, and where last.
    pub fn ends(&self, address: u32) -> Option<(usize, usize)> {
        let executed = self.executed(address);
        Some((*executed.first()? as usize, *executed.last()? as usize))
    }

    /// How often it is executed between two places, of which the first does not count.
    fn between(&self, address: u32, after: Option<usize>, to: usize) -> usize {
        let until = |place: usize| {
            self.executed(address).partition_point(|executed| *executed as usize <= place)
        };
        until(to) - after.map_or(0, until)
    }

    /// Where in the order an instruction is executed that `wanted` wants.
    pub fn places(&self, wanted: impl Fn(u32) -> bool) -> Vec<usize> {
        let known: HashMap<u32, bool> = self.places.keys().map(|at| (*at, wanted(*at))).collect();
        (0..self.len()).filter(|place| known[&self.addresses[*place]]).collect()
    }

    pub fn at(&self, place: usize) -> u32 {
        self.addresses[place]
    }

    /// The way to an execution with the fewest stops, from a chip that was just reset or stands
    /// `after` all before that place.
    pub fn way(&self, after: Option<usize>, execution: usize) -> Way {
        let address = self.addresses[execution];
        let before = self.between(address, after, execution);
        let (mut best, mut own) = (Way { anchor: address, before, then: 0 }, 0);
        let first = execution.saturating_sub(BACK).max(after.map_or(0, |place| place + 1));
        for place in (first..=execution).rev() {
            let anchor = self.addresses[place];
            if own + 1 >= best.before + best.then {
                break; // there is no shorter one
            }
            if anchor == address {
                own += 1;
                continue;
            }
            let before = self.between(anchor, after, place);
            if before + own < best.before + best.then {
                best = Way { anchor, before, then: own };
            }
        }
        best
    }
}
