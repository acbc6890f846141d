//! The two slots of a device as a value: every step from one state to the next, without a disk.
//!
//! Rules: SLOT-1 arming is the one write that commits an update; SLOT-2 a trial that is not
//! confirmed in its starts falls back; SLOT-3 confirming keeps the old set until the floors are
//! raised, and every boot redoes what is unfinished; SLOT-4 an image that could not reach the
//! service counts as failed only if the old one could; SLOT-5 the set that failed last here
//! is not tried again: one is remembered, so that a service which wants an older failed one back
//! can have it by another set in between.

use crate::cbor::{Reader, Writer};
use crate::error::{Error, Result};
use crate::id::SetId;

/// The largest encoding, bytes.
pub const SLOTS_SIZE_MAX: usize = 160;
/// How often a trial may start before it falls back.
pub const TRIAL_STARTS: u8 = 2;

/// The place of one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Free.
    Empty,
    /// Fetched and verified, not chosen yet.
    Staged(SetId),
    /// Chosen; it may start so often without being confirmed.
    Trial(SetId, u8),
    /// What runs, and what a trial falls back to.
    Confirmed(SetId),
    /// Confirmed until now; the floors are not raised over it yet.
    Superseded(SetId),
    /// Fell back because the service was out of reach; the old set has not tried yet.
    Suspect(SetId),
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which set.
    pub set: SetId,
    /// Whether it must still be confirmed.
    pub trial: bool,
}

/// Both slots, and the last set that failed its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    slots: [Slot; 2],
    /// The last set that failed here.
    pub failed: Option<SetId>,
}

impl Default for Slots {
    fn default() -> Self {
        Self { slots: [Slot::Empty; 2], failed: None }
    }
}

impl Slots {
    /// Both slots.
    #[must_use]
    pub const fn slots(&self) -> &[Slot; 2] {
        &self.slots
    }

    /// The confirmed set.
    #[must_use]
    pub fn confirmed(&self) -> Option<SetId> {
        self.slots.iter().find_map(|slot| match slot {
            Slot::Confirmed(set) => Some(*set),
            _ => None,
        })
    }

    /// The sets whose files must stay: any that a step from here could run.
    pub fn kept(&self) -> impl Iterator<Item = SetId> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Empty => None,
            Slot::Staged(set)
            | Slot::Trial(set, _)
            | Slot::Confirmed(set)
            | Slot::Superseded(set)
            | Slot::Suspect(set) => Some(*set),
        })
    }

    fn change(&self, step: impl Fn(Slot) -> Option<Slot>) -> Result<Self> {
        let mut next = *self;
        let place = next.slots.iter_mut().find_map(|slot| step(*slot).map(|new| (slot, new)));
        let (slot, new) = place.ok_or(Error::SlotState)?;
        *slot = new;
        Ok(next)
    }

    /// A fetched and verified set takes the free slot; a staged one before it is given up.
    ///
    /// # Errors
    /// SLOT-5 `SetFailedBefore`; `SlotState` while a trial or a confirm is under way, or if it runs
    /// already.
    pub fn stage(&self, set: SetId) -> Result<Self> {
        if self.failed == Some(set) {
            return Err(Error::SetFailedBefore);
        }
        if self.confirmed() == Some(set) {
            return Err(Error::SlotState);
        }
        let under_way =
            |slot: &Slot| matches!(slot, Slot::Trial(..) | Slot::Superseded(_) | Slot::Suspect(_));
        if self.slots.iter().any(under_way) {
            return Err(Error::SlotState);
        }
        let given_up = self.change(|slot| match slot {
            Slot::Staged(_) => Some(Slot::Staged(set)),
            _ => None,
        });
        given_up.or_else(|_| {
            self.change(|slot| match slot {
                Slot::Empty => Some(Slot::Staged(set)),
                _ => None,
            })
        })
    }

    /// Chooses the staged set: writing this value commits the update (SLOT-1).
    ///
    /// # Errors
    /// `SlotState` when nothing is staged.
    pub fn arm(&self) -> Result<Self> {
        self.change(|slot| match slot {
            Slot::Staged(set) => Some(Slot::Trial(set, TRIAL_STARTS)),
            _ => None,
        })
    }

    /// One boot: what runs, and the value to write before it does (SLOT-2).
    #[must_use]
    pub fn boot(&self) -> (Self, Option<Run>) {
        let trial = self.slots.iter().find_map(|slot| match slot {
            Slot::Trial(set, starts) => Some((*set, *starts)),
            _ => None,
        });
        let old = self.confirmed().map(|set| Run { set, trial: false });
        match trial {
            None => (*self, old),
            Some((set, 0)) => (self.fall_back().unwrap_or(*self), old.filter(|run| run.set != set)),
            Some((set, starts)) => {
                let next = self.change(|slot| match slot {
                    Slot::Trial(..) => Some(Slot::Trial(set, starts - 1)),
                    _ => None,
                });
                (next.unwrap_or(*self), Some(Run { set, trial: true }))
            }
        }
    }

    /// The trial held: its set is confirmed, the old one kept until [`Slots::finish`] (SLOT-3).
    ///
    /// # Errors
    /// `SlotState` without a trial, or with one that never started (ROLL-3: only what booted
    /// counts).
    pub fn confirm(&self) -> Result<Self> {
        let mut next = self.change(|slot| match slot {
            Slot::Trial(set, starts) if starts < TRIAL_STARTS => Some(Slot::Confirmed(set)),
            _ => None,
        })?;
        for (slot, before) in next.slots.iter_mut().zip(&self.slots) {
            if let Slot::Confirmed(old) = before {
                *slot = Slot::Superseded(*old);
            }
        }
        Ok(next)
    }

    /// Whether floors must be raised and the old slot freed (SLOT-3).
    #[must_use]
    pub fn unfinished(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Superseded(_)))
    }

    /// The floors are raised: the old slot is free.
    #[must_use]
    pub fn finish(&self) -> Self {
        let mut next = *self;
        for slot in &mut next.slots {
            if matches!(slot, Slot::Superseded(_)) {
                *slot = Slot::Empty;
            }
        }
        next
    }

    /// The trial failed (SLOT-2).
    ///
    /// # Errors
    /// `SlotState` without a trial or a suspect.
    pub fn fall_back(&self) -> Result<Self> {
        let set = self.on_trial()?;
        let mut next = self.change(|slot| match slot {
            Slot::Trial(..) | Slot::Suspect(_) => Some(Slot::Empty),
            _ => None,
        })?;
        next.failed = Some(set);
        Ok(next)
    }

    /// The trial could not reach the service: back to the old set, which tries next (SLOT-4).
    ///
    /// # Errors
    /// `SlotState` without a trial.
    pub fn fall_back_unreachable(&self) -> Result<Self> {
        self.change(|slot| match slot {
            Slot::Trial(set, _) => Some(Slot::Suspect(set)),
            _ => None,
        })
    }

    /// The old set tried after an unreachable trial: if it reached the service, the new one is at
    /// fault; if not, the new one is staged again for when the service is back (SLOT-4).
    ///
    /// # Errors
    /// `SlotState` without a suspect.
    pub fn old_tried(&self, reached: bool) -> Result<Self> {
        if !self.slots.iter().any(|slot| matches!(slot, Slot::Suspect(_))) {
            return Err(Error::SlotState);
        }
        if reached {
            return self.fall_back();
        }
        self.change(|slot| match slot {
            Slot::Suspect(set) => Some(Slot::Staged(set)),
            _ => None,
        })
    }

    fn on_trial(&self) -> Result<SetId> {
        let set = self.slots.iter().find_map(|slot| match slot {
            Slot::Trial(set, _) | Slot::Suspect(set) => Some(*set),
            _ => None,
        });
        set.ok_or(Error::SlotState)
    }

    /// Reads `[1, slot, slot, failed]`, a slot being `[state, set, starts]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`; `SlotState` for a value that no order of steps
    /// reaches.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(4)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let slots = [read_slot(&mut reader)?, read_slot(&mut reader)?];
        let failed = reader.optional(|r| Ok(SetId(r.fixed()?)))?;
        reader.end()?;
        let value = Self { slots, failed };
        if value.possible() { Ok(value) } else { Err(Error::SlotState) }
    }

    /// Whether some order of steps reaches this value. A test compares it with all that are
    /// reached.
    fn possible(&self) -> bool {
        let pair = matches!(
            self.slots,
            [Slot::Empty | Slot::Confirmed(_), _] | [_, Slot::Empty | Slot::Confirmed(_)]
        );
        let both = matches!(self.slots, [Slot::Confirmed(_), Slot::Confirmed(_)]);
        // A superseded set has always made room for a confirmed one.
        let replaced = self.confirmed().is_some() || !self.unfinished();
        let mut kept = self.kept();
        let twice = kept.next().zip(kept.next()).is_some_and(|(a, b)| a == b);
        let failed_stays = self.kept().any(|set| Some(set) == self.failed);
        pair && !both && replaced && !twice && !failed_stays
    }

    /// Writes the value into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(4)?.u64(1)?;
        for slot in &self.slots {
            let (state, set, starts) = match slot {
                Slot::Empty => (0, None, 0),
                Slot::Staged(set) => (1, Some(set), 0),
                Slot::Trial(set, starts) => (2, Some(set), *starts),
                Slot::Confirmed(set) => (3, Some(set), 0),
                Slot::Superseded(set) => (4, Some(set), 0),
                Slot::Suspect(set) => (5, Some(set), 0),
            };
            writer.array(3)?.u64(state)?.bytes_or_null(set.map(|s| &s.0[..]))?;
            writer.u64(u64::from(starts))?;
        }
        writer.bytes_or_null(self.failed.as_ref().map(|s| &s.0[..]))?;
        writer.written()
    }
}

fn read_slot(reader: &mut Reader<'_>) -> Result<Slot> {
    reader.array(3)?;
    let state = reader.u8()?;
    let set = reader.optional(|r| Ok(SetId(r.fixed()?)))?;
    let starts = reader.u8()?;
    match (state, set, starts) {
        (0, None, 0) => Ok(Slot::Empty),
        (1, Some(set), 0) => Ok(Slot::Staged(set)),
        (2, Some(set), starts) if starts <= TRIAL_STARTS => Ok(Slot::Trial(set, starts)),
        (3, Some(set), 0) => Ok(Slot::Confirmed(set)),
        (4, Some(set), 0) => Ok(Slot::Superseded(set)),
        (5, Some(set), 0) => Ok(Slot::Suspect(set)),
        _ => Err(Error::FieldInvalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const V1: SetId = SetId([1; 32]);
    const V2: SetId = SetId([2; 32]);
    const V3: SetId = SetId([3; 32]);

    fn running(set: SetId) -> Slots {
        let (slots, run) = Slots::default().stage(set).unwrap().arm().unwrap().boot();
        assert_eq!(run, Some(Run { set, trial: true }));
        slots.confirm().unwrap().finish()
    }

    #[test]
    fn slot_1_only_arming_changes_what_boots() {
        let staged = running(V1).stage(V2).unwrap();
        assert_eq!(staged.boot().1, Some(Run { set: V1, trial: false }));
        assert_eq!(staged.arm().unwrap().boot().1, Some(Run { set: V2, trial: true }));
        assert_eq!(running(V1).arm(), Err(Error::SlotState));
    }

    #[test]
    fn slot_2_a_trial_never_confirmed_falls_back_after_its_starts() {
        let mut slots = running(V1).stage(V2).unwrap().arm().unwrap();
        for _ in 0..TRIAL_STARTS {
            let (next, run) = slots.boot();
            assert_eq!(run, Some(Run { set: V2, trial: true }));
            slots = next;
        }
        let (after, run) = slots.boot();
        assert_eq!(run, Some(Run { set: V1, trial: false }));
        assert_eq!(after.failed, Some(V2));
    }

    #[test]
    fn slot_3_the_old_set_stays_until_finished() {
        let (trial, _) = running(V1).stage(V2).unwrap().arm().unwrap().boot();
        let confirmed = trial.confirm().unwrap();
        assert!(confirmed.unfinished());
        assert_eq!(confirmed.kept().collect::<Vec<_>>().len(), 2);
        assert_eq!(confirmed.stage(SetId([3; 32])), Err(Error::SlotState));
        assert_eq!(confirmed.finish().confirmed(), Some(V2));
        assert_eq!(confirmed.finish().kept().collect::<Vec<_>>(), [V2]);
    }

    #[test]
    fn slot_4_an_outage_reverts_nobody() {
        let (trial, _) = running(V1).stage(V2).unwrap().arm().unwrap().boot();
        let suspect = trial.fall_back_unreachable().unwrap();
        assert_eq!(suspect.boot().1, Some(Run { set: V1, trial: false }));
        let outage = suspect.old_tried(false).unwrap();
        assert_eq!(outage.failed, None);
        assert_eq!(outage.arm().unwrap().boot().1, Some(Run { set: V2, trial: true }));
        assert_eq!(suspect.old_tried(true).unwrap().failed, Some(V2));
    }

    #[test]
    fn slot_5_refuses_a_set_that_failed_here_as_set_failed_before() {
        let (trial, _) = running(V1).stage(V2).unwrap().arm().unwrap().boot();
        let back = trial.fall_back().unwrap();
        assert_eq!(back.stage(V2), Err(Error::SetFailedBefore));
        assert_eq!(back.stage(V1), Err(Error::SlotState));
    }

    /// Every value that any order of steps over three sets reaches.
    fn reached() -> Vec<Slots> {
        let mut seen: Vec<Slots> = Vec::new();
        let mut open = std::vec![Slots::default()];
        while let Some(slots) = open.pop() {
            if seen.contains(&slots) {
                continue;
            }
            seen.push(slots);
            let steps = [
                slots.stage(V1),
                slots.stage(V2),
                slots.stage(V3),
                slots.arm(),
                Ok(slots.boot().0),
                slots.confirm(),
                Ok(slots.finish()),
                slots.fall_back(),
                slots.fall_back_unreachable(),
                slots.old_tried(true),
                slots.old_tried(false),
            ];
            open.extend(steps.into_iter().flatten());
        }
        seen
    }

    #[test]
    fn every_reached_value_keeps_what_it_may_run() {
        for slots in reached() {
            let (booted, run) = slots.boot();
            if let Some(run) = run {
                assert!(slots.kept().any(|set| set == run.set));
            }
            let lost = slots.confirmed().is_some() && booted.confirmed().is_none();
            assert!(!lost, "a boot lost the confirmed set: {slots:?}");
        }
    }

    /// Every value that can be written, over three sets: read if it can be reached, up to the order
    /// of the slots, and `SlotState` otherwise.
    #[test]
    fn exactly_the_reached_values_are_read_back() {
        let (reached, sets) = (reached(), [V1, V2, V3]);
        let states = sets.into_iter().flat_map(|set| {
            let waiting = [Slot::Staged(set), Slot::Suspect(set)];
            let kept = [Slot::Confirmed(set), Slot::Superseded(set)];
            let trials = (0..=TRIAL_STARTS).map(move |starts| Slot::Trial(set, starts));
            waiting.into_iter().chain(kept).chain(trials)
        });
        let states: Vec<Slot> = states.chain([Slot::Empty]).collect();
        let failed: Vec<Option<SetId>> = sets.into_iter().map(Some).chain([None]).collect();
        for (a, b) in states.iter().flat_map(|a| states.iter().map(move |b| (*a, *b))) {
            for failed in failed.iter().copied() {
                let [value, swapped] = [[a, b], [b, a]].map(|slots| Slots { slots, failed });
                let possible = reached.contains(&value) || reached.contains(&swapped);
                let mut room = [0u8; SLOTS_SIZE_MAX];
                let read = Slots::parse(value.encode(&mut room).unwrap());
                assert_eq!(read, if possible { Ok(value) } else { Err(Error::SlotState) });
            }
        }
    }
}
