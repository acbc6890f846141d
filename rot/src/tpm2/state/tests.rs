//! TPM-1 tried out: the disk is whoever holds it, and the power goes wherever he likes.

use super::*;
use std::collections::BTreeSet;
use std::rc::Rc;

const LEFT: &str = "the power went";

/// A world: what the TPM counts, every record that was ever written, and what was seen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    counter: u64,
    /// Every record ever written, as number and state.
    kept: BTreeSet<(u64, u32)>,
    /// The state of which something was seen last: a successor must descend from it.
    seen: u32,
    /// The parent of each state, by number.
    parents: Rc<Vec<u32>>,
}

impl World {
    fn new() -> Self {
        let kept = BTreeSet::from([(1, 0)]);
        Self { counter: 1, kept, seen: 0, parents: Rc::new(std::vec![0]) }
    }

    fn child(&mut self, of: u32) -> u32 {
        Rc::make_mut(&mut self.parents).push(of);
        self.parents.len() as u32 - 1
    }

    fn descends(&self, mut from: u32, to: u32) -> bool {
        while from > to {
            from = self.parents[from as usize];
        }
        from == to
    }
}

/// The TPM and the disk of a world, for one life: from power to power.
struct Life<'w> {
    world: &'w mut World,
    /// The state that is shown, if its number counts.
    shown: u32,
    /// After how many of its steps the power goes.
    steps_left: u32,
    /// Whether the write under way when it goes is found whole, for whoever keeps it.
    lands: bool,
}

impl Life<'_> {
    /// One more step; whether it happens.
    fn step(&mut self) -> Result<bool> {
        match self.steps_left.checked_sub(1) {
            Some(left) => {
                self.steps_left = left;
                Ok(true)
            }
            None if std::mem::take(&mut self.lands) => Ok(false),
            None => Err(Error::StorageFailed),
        }
    }
}

fn secrets() -> Secrets {
    [Secret::new([1; 32]), Secret::zero()]
}

impl Ground for Life<'_> {
    fn counter(&mut self) -> Result<u64> {
        Ok(self.world.counter)
    }

    fn raise(&mut self) -> Result<()> {
        let lasts = self.step()?;
        self.world.counter += 1;
        if lasts { Ok(()) } else { Err(Error::StorageFailed) }
    }

    fn read(&mut self, second: bool) -> Result<Vec<u8>> {
        if second {
            return Ok(Vec::new());
        }
        // What is shown is whatever the holder kept under a number that counts.
        seal(self.world.counter, &secrets(), 0, [0; 12], &self.shown.to_be_bytes())
    }

    fn write(&mut self, _: bool, record: &[u8]) -> Result<()> {
        let lasts = self.step()?;
        let number = u64::from_be_bytes(record[8..16].try_into().unwrap());
        let (_, body) = open(record, number, &secrets()).unwrap();
        self.world.kept.insert((number, u32::from_be_bytes(body.try_into().unwrap())));
        if lasts { Ok(()) } else { Err(Error::StorageFailed) }
    }

    fn nonce(&mut self) -> Result<[u8; 12]> {
        Ok([0; 12])
    }
}

/// What became of all worlds that were tried.
#[derive(Default, Debug)]
struct Tally {
    worlds: u64,
    starts: u64,
    /// Starts on a state that does not descend from what was seen.
    unsafe_starts: u64,
    /// Starts with no record that counts, although nobody took one away.
    lost: u64,
}

/// A life: a start on the shown state, and then as many commits as the power allows.
fn live(world: &mut World, shown: u32, steps: u32, lands: bool, commits: u32, tally: &mut Tally) {
    let mut life = Life { world, shown, steps_left: steps, lands };
    let Ok((mut bound, body)) = Bound::start_committing(&mut life, &secrets(), commits) else {
        return;
    };
    tally.starts += 1;
    let mut state = u32::from_be_bytes(body.try_into().unwrap());
    if !life.world.descends(state, life.world.seen) {
        tally.unsafe_starts += 1;
    }
    life.world.seen = state;
    while life.steps_left > 0 || life.lands {
        let next = life.world.child(state);
        if bound.commit(&mut life, &secrets(), 0, &next.to_be_bytes()).is_err() {
            let again = bound.commit(&mut life, &secrets(), 0, &state.to_be_bytes());
            assert_eq!(again, Err(Error::ResetNeeded), "{LEFT}, and a write went on");
            return;
        }
        state = next;
        life.world.seen = state;
    }
}

/// Every world that `lives` lives of up to `steps` steps can come to.
fn explore(lives: u32, steps: u32, commits: u32) -> Tally {
    let mut tally = Tally::default();
    let mut worlds = BTreeSet::from([World::new()]);
    for _ in 0..lives {
        let mut next = BTreeSet::new();
        for world in &worlds {
            let counts = |record: &&(u64, u32)| record.0 == world.counter;
            let shown: Vec<u32> = world.kept.iter().filter(counts).map(|record| record.1).collect();
            if shown.is_empty() {
                tally.lost += 1;
            }
            let ways = (0..=steps).flat_map(|steps| [(steps, false), (steps, true)]);
            for ((steps, lands), state) in ways.flat_map(|way| shown.iter().map(move |s| (way, s)))
            {
                let mut world = world.clone();
                live(&mut world, *state, steps, lands, commits, &mut tally);
                tally.worlds += 1;
                next.insert(world);
            }
        }
        worlds = next;
    }
    tally
}

#[test]
fn tpm_1_no_start_is_on_a_state_older_than_what_was_seen() {
    let tally = explore(5, 8, COMMITS_AT_START);
    std::println!("{tally:?}");
    assert_eq!((tally.unsafe_starts, tally.lost), (0, 0), "{tally:?}");
    assert!(tally.starts > 10_000, "{tally:?}");
}

/// The check can fail: a start that commits once, or not at all, goes back.
#[test]
fn tpm_1_a_start_that_commits_less_is_shown_to_go_back() {
    for commits in [0, 1] {
        let tally = explore(4, 6, commits);
        std::println!("{commits}: {tally:?}");
        assert!(tally.unsafe_starts > 0, "{tally:?}");
    }
}

#[test]
fn a_record_that_was_changed_or_is_of_another_number_does_not_count() {
    let record = seal(7, &secrets(), 0, [3; 12], b"body").unwrap();
    assert_eq!(open(&record, 7, &secrets()), Some((0, b"body".to_vec())));
    assert_eq!(open(&record, 8, &secrets()), None);
    for bit in 0..record.len() * 8 {
        let mut broken = record.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let number = u64::from_be_bytes(broken[8..16].try_into().unwrap());
        assert_eq!(open(&broken, number, &secrets()), None, "{bit}");
    }
    for length in 0..record.len() {
        assert_eq!(open(&record[..length], 7, &secrets()), None, "{length}");
    }
}

#[test]
fn what_anybody_sealed_under_the_zeros_of_the_free_place_does_not_count() {
    let zeros = || [Secret::zero(), Secret::zero()];
    for which in [0, 1] {
        let forged = seal(7, &zeros(), which, [3; 12], b"body").unwrap();
        assert_eq!(open(&forged, 7, &zeros()), None);
        assert_eq!(open(&forged, 7, &secrets()), None);
    }
}
