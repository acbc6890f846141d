//! Finds the runs of a new payload that resemble runs of the old one, as bsdiff does: an exact
//! match from a suffix array is the seed, and grows both ways while most bytes agree.
//!
//! Source: C. Percival, "Naive Differences of Executable Code", 2003.

use suffix_array::SuffixArray;

/// `length` bytes of the new payload from `new` on resemble those of the old from `old` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub new: usize,
    pub old: usize,
    pub length: usize,
}

/// Exact matches are looked up this long at most; a longer one is found in pieces. It keeps long
/// stretches of one byte from costing quadratic time.
const SEED_BYTES_MAX: usize = 4096;
/// A seed must agree in this many more bytes than the alignment in force does, or that stays.
const SEED_GAIN_MIN: usize = 8;

/// Runs in rising order of `new`; none overlaps another or is empty.
pub(super) fn runs(old: &[u8], new: &[u8]) -> Vec<Run> {
    let pair = Pair { old, new };
    let mut index = SuffixArray::new(old);
    index.enable_buckets();
    let mut scan = Scan { pair, index, at: 0 };
    let mut runs = Vec::new();
    let mut open = Alignment { new: 0, old: 0 };
    loop {
        let seed = scan.next_seed(open);
        let (length, next) = match seed {
            Some(seed) => pair.meet(open, seed),
            None => (pair.forward(open, new.len()), open),
        };
        if length > 0 {
            runs.push(Run { new: open.new, old: open.old, length });
        }
        if seed.is_none() {
            return runs;
        }
        open = next;
    }
}

/// Position `new` laid over position `old`; what follows is laid likewise.
#[derive(Clone, Copy)]
struct Alignment {
    new: usize,
    old: usize,
}

impl Alignment {
    fn back(self, bytes: usize) -> Alignment {
        Alignment { new: self.new - bytes, old: self.old - bytes }
    }
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    old: &'a [u8],
    new: &'a [u8],
}

impl Pair<'_> {
    /// Whether the byte at `new_at` agrees with its counterpart.
    fn agrees(&self, alignment: Alignment, new_at: usize) -> bool {
        let old_at = (new_at + alignment.old).checked_sub(alignment.new);
        old_at.is_some_and(|old_at| self.old.get(old_at) == self.new.get(new_at))
            && new_at < self.new.len()
    }

    /// How far `from` reaches forward, at most to `until`, so that agreements outweigh
    /// disagreements by the most.
    fn forward(&self, from: Alignment, until: usize) -> usize {
        let reach = (until - from.new).min(self.old.len() - from.old);
        best_reach(reach, |step| self.agrees(from, from.new + step))
    }

    /// Likewise backward, not below `floor`.
    fn backward(&self, from: Alignment, floor: usize) -> usize {
        let reach = (from.new - floor).min(from.old);
        best_reach(reach, |step| self.agrees(from, from.new - 1 - step))
    }

    /// Where the run from `open` ends and where the one around `seed` starts.
    fn meet(&self, open: Alignment, seed: Alignment) -> (usize, Alignment) {
        let forward = self.forward(open, seed.new);
        let start = seed.back(self.backward(seed, open.new));
        let end = open.new + forward;
        if end <= start.new {
            return (forward, start);
        }
        // Both claim `start.new..end`: cut where the first has gained most over the second.
        let overlap = end - start.new;
        let (mut gain, mut most, mut cut) = (0_i64, 0, 0);
        for step in 0..overlap {
            let at = start.new + step;
            gain += i64::from(self.agrees(open, at)) - i64::from(self.agrees(seed, at));
            if gain > most {
                (most, cut) = (gain, step + 1);
            }
        }
        let start = Alignment { new: start.new + cut, old: start.old + cut };
        (start.new - open.new, start)
    }
}

/// The count of steps, up to `reach`, after which agreements exceed disagreements by the most.
fn best_reach(reach: usize, agrees: impl Fn(usize) -> bool) -> usize {
    let (mut balance, mut most, mut best) = (0_i64, 0, 0);
    for step in 0..reach {
        balance += if agrees(step) { 1 } else { -1 };
        if balance > most {
            (most, best) = (balance, step + 1);
        }
    }
    best
}

struct Scan<'a> {
    pair: Pair<'a>,
    index: SuffixArray<'a>,
    at: usize,
}

impl Scan<'_> {
    /// The next place where an exact match is clearly better than carrying on with `open`.
    fn next_seed(&mut self, open: Alignment) -> Option<Alignment> {
        let (mut agreeing, mut counted_to) = (0_usize, self.at);
        while self.at < self.pair.new.len() {
            let end = self.pair.new.len().min(self.at + SEED_BYTES_MAX);
            let found = self.index.search_lcp(&self.pair.new[self.at..end]);
            for at in counted_to..self.at + found.len() {
                agreeing += usize::from(self.pair.agrees(open, at));
            }
            counted_to = counted_to.max(self.at + found.len());
            if !found.is_empty() && found.len() == agreeing {
                self.at += found.len();
                (agreeing, counted_to) = (0, self.at);
                continue;
            }
            let seed = Alignment { new: self.at, old: found.start };
            if found.len() > agreeing + SEED_GAIN_MIN {
                self.at += found.len();
                return Some(seed);
            }
            agreeing = agreeing.saturating_sub(usize::from(self.pair.agrees(open, self.at)));
            self.at += 1;
        }
        None
    }
}
