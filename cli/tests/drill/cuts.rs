//! The power goes, the disk is full, a process dies: at every write of an update and its confirm.
//!
//! One device goes from one update to the next and is interrupted in each, at a later write. After
//! each interrupt it must stand in the new set, confirmed, or in the old one: whole on the disk,
//! running, its root of trust readable and no floor lower.

use crate::device::{Rest, Run};
use crate::power::{Interrupt, Power};
use crate::{World, soak};
use craton_trust::SetId;
use std::time::Duration;

/// How many points of each kind a run that is no soak takes.
const POINTS: usize = 9;

/// A device on its way through updates.
struct Drill {
    world: World,
    /// Which sample runs, and its set.
    sample: usize,
    running: SetId,
    /// How the interrupted updates ended.
    updated: usize,
    kept_old: usize,
}

impl Drill {
    fn begin() -> Self {
        let world = World::begin();
        let running = world.first;
        Self { world, sample: 1, running, updated: 0, kept_old: 0 }
    }

    fn run(&self) -> Run<'static> {
        Run::quick(self.world.service.devices)
    }

    /// One update with an interrupt, and a second one on the way back if there is one. Returns
    /// whether the first came before the update was over, and the writes up to then.
    fn update(&mut self, first: Interrupt, second: Option<Interrupt>) -> (bool, Vec<String>) {
        let before = self.world.device.rest();
        let next = 3 - self.sample;
        let set = self.world.maker.ship(next, Some(self.sample));
        let mut power = self.world.device.run_on(&self.run(), first);
        let interrupted = self.until_interrupted_or_over(&power, set);
        if interrupted {
            self.leave_alone(&mut power, first, set);
        }
        let writes = power.end().iter().map(ToString::to_string).collect();
        self.look(&before, first);
        if let Some(second) = second {
            let power = self.world.device.run_on(&self.run(), second);
            self.until_interrupted_or_over(&power, set);
            power.end();
            self.look(&before, second);
        }
        self.recover(&before, set, next, first);
        (interrupted, writes)
    }

    fn until_interrupted_or_over(&self, power: &Power, set: SetId) -> bool {
        self.world.device.until("the interrupt or the end of the update", || {
            let over = self.world.device.runs_confirmed(power.child.id(), set);
            (over || power.interrupted()).then(|| power.interrupted())
        })
    }

    /// After an interrupt that the power survives, the device goes on by itself; only without its
    /// monitor it ends.
    fn leave_alone(&self, power: &mut Power, interrupt: Interrupt, set: SetId) {
        let at = power.at().unwrap();
        let ends = match interrupt {
            Interrupt::Full(_) => {
                std::thread::sleep(Duration::from_millis(200));
                power.free();
                // Its first act is refused, before anything runs.
                at.path == "lock"
            }
            Interrupt::Kill(_) => at.process == "monitor",
            _ => return,
        };
        if ends {
            power.child.wait().unwrap();
            return;
        }
        let monitor = power.child.id();
        self.world.device.until(&format!("{interrupt:?}: recovery"), || {
            let ended = power.child.try_wait().unwrap();
            assert!(ended.is_none(), "{interrupt:?}: the device ended: {ended:?}");
            self.is_settled(monitor, set).then_some(())
        });
    }

    /// Runs the new set, confirmed, or the old one after the new one failed.
    fn is_settled(&self, monitor: u32, set: SetId) -> bool {
        let device = &self.world.device;
        let fell_back = || {
            let failed = device.status().is_some_and(|status| {
                status.pid == monitor && status.failed == Some(set.to_string())
            });
            failed && device.runs_confirmed(monitor, self.running)
        };
        device.runs_confirmed(monitor, set) || fell_back()
    }

    /// What the disk holds while nothing runs.
    fn look(&self, before: &Rest, interrupt: Interrupt) -> Rest {
        let rest = self.world.device.rest();
        assert!(rest.is_not_below(before), "{interrupt:?}: {before:?} {rest:?}");
        assert!(rest.slots.confirmed().is_some(), "{interrupt:?}: {rest:?}");
        rest
    }

    /// A plain start ends in the new set, confirmed, or in the old one.
    fn recover(&mut self, before: &Rest, set: SetId, sample: usize, interrupt: Interrupt) {
        let running = self.world.device.run(&self.run());
        let monitor = running.pid();
        self.world.device.until(&format!("{interrupt:?}: a device that runs"), || {
            self.is_settled(monitor, set).then_some(())
        });
        assert!(running.stop().success());
        let rest = self.look(before, interrupt);
        if rest.slots.confirmed() == Some(set) {
            (self.running, self.sample) = (set, sample);
            self.updated += 1;
        } else {
            assert_eq!(rest.slots.confirmed(), Some(self.running));
            self.kept_old += 1;
        }
    }

    /// The last word is the service's: it never took the device for two.
    fn end(self, what: &str) {
        let shown = self.world.maker.device(self.world.device.id).unwrap();
        assert!(!shown.cloned, "the service took one device for two");
        let (updated, old) = (self.updated, self.kept_old);
        println!("{what}: {} points, {updated} updated, {old} kept the old set", updated + old);
    }

    /// Interrupts at point after point: all of them in a soak, else spread over all of them.
    fn sweep(mut self, what: &str, interrupt: impl Fn(usize) -> (Interrupt, Option<Interrupt>)) {
        let (_, writes) = self.update(Interrupt::Never, None);
        assert!(writes.len() > 50, "an update has more writes than {}", writes.len());
        let step = if soak() { 1 } else { writes.len().div_ceil(POINTS) };
        for at in (0..writes.len()).step_by(step) {
            let (first, second) = interrupt(at);
            let (_, made) = self.update(first, second);
            if soak() {
                println!("{at} {first:?} {}", made.last().map_or("", String::as_str));
            }
        }
        self.end(what);
    }
}

#[test]
fn a_power_cut_at_any_write_of_an_update_loses_no_device() {
    Drill::begin().sweep("power cut", |at| (Interrupt::Cut(at), None));
}

#[test]
fn a_torn_write_and_a_second_cut_on_the_way_back_lose_no_device() {
    Drill::begin().sweep("torn write, second cut", |at| {
        // Anywhere in the first writes of the start after: 7 shares no factor with the count.
        (Interrupt::Torn(at), Some(Interrupt::Cut(at * 7 % 40)))
    });
}

#[test]
fn a_full_disk_from_any_write_on_loses_no_device() {
    Drill::begin().sweep("full disk", |at| (Interrupt::Full(at), None));
}

#[test]
fn a_role_killed_at_any_write_loses_no_device() {
    Drill::begin().sweep("killed role", |at| (Interrupt::Kill(at), None));
}
