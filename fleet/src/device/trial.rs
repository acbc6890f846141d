//! A trial: the app's health is drawn from the seed, the verdict is the monitor's own.

use super::{Device, Event, World};
use crate::release::{Behaviour, Release};
use anyhow::{Context as _, Result};
use craton_device::monitor::{Health, Policy, Verdict};
use craton_trust::failure::{Failure, FailureKind, FaultClass, Frame};
use craton_trust::{Digest, SetId};

/// How an app does in its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Confirms,
    Crashes,
    Hangs,
}

/// SIGSEGV.
const SEGV: u8 = 11;

impl Device {
    /// Lives through a trial to its verdict.
    pub(super) async fn try_out(&mut self, world: &World<'_>) -> Result<Event> {
        let set = self.run().context("nothing runs")?.set;
        let release = world.releases.iter().find(|release| release.set == set);
        let release = release.context("a set of no release is on trial")?;
        let outcome = drawn(release.behaviour, world, self.number, set);
        let boot = self.status().map_or(0, |status| status.boot);
        let policy = Policy::default();
        let mut health = Health::default();
        match outcome {
            Outcome::Crashes => {
                health.failures = 1;
                self.spool_record(crash(release, set, boot))?;
            }
            Outcome::Hangs => health.running = policy.trial,
            Outcome::Confirms => {
                (health.running, health.all_up) = (policy.steady, Some(policy.steady));
            }
        }
        if outcome != Outcome::Crashes {
            self.hear(world, &mut health).await?;
        }
        if health.verdict(&policy) == Verdict::Wait {
            // Tried again until the trial's time is up.
            health.running = policy.trial;
            self.hear(world, &mut health).await?;
        }
        match health.verdict(&policy) {
            Verdict::Confirm => {
                self.slots = self.slots.confirm()?;
                if let Some(run) = self.powered.as_mut().and_then(|powered| powered.run.as_mut()) {
                    run.trial = false;
                }
                self.finish()?;
                self.due = true;
                Ok(Event::Confirmed(set))
            }
            Verdict::FallBackUnreachable => {
                self.slots = self.slots.fall_back_unreachable()?;
                self.cut_power();
                Ok(Event::Excused(set))
            }
            Verdict::FallBack | Verdict::Wait => {
                self.slots = self.slots.fall_back()?;
                let failures = i64::from(health.failures);
                self.keep(FailureKind::TrialFailed, set, failures, boot)?;
                self.cut_power();
                Ok(Event::FellBack(set))
            }
        }
    }

    /// Checks in during a trial.
    async fn hear(&mut self, world: &World<'_>, health: &mut Health) -> Result<()> {
        match self.check_in(world.peer).await? {
            Ok(believed) => {
                health.checked_in = true;
                self.credential = Some(believed.credential);
                self.target = believed.target;
            }
            Err(_) => health.checked_in = false,
        }
        Ok(())
    }
}

/// The same device draws the same outcome for the same set, in whatever order devices come.
fn drawn(behaviour: Behaviour, world: &World<'_>, device: u64, set: SetId) -> Outcome {
    let percent = world.seed.stream(&format!("health {set}"), device).below(100);
    let Behaviour { crash_percent, hang_percent } = behaviour;
    if percent < crash_percent {
        Outcome::Crashes
    } else if percent < crash_percent + hang_percent {
        Outcome::Hangs
    } else {
        Outcome::Confirms
    }
}

/// The build id that every simulated crash names.
const BUILD_ID: [u8; 20] = [0x5a; 20];

fn crash(release: &Release, set: SetId, boot: u64) -> Failure<'static> {
    let Release { component, image, .. } = *release;
    let mut failure = Failure::new(FailureKind::Crash, component, image, Digest(set.0));
    (failure.signal, failure.fault) = (SEGV, FaultClass::Null);
    (failure.boot, failure.uptime_ms) = (boot, 400);
    for pc in [0x1a40, 0x2210, 0x3008] {
        // Three frames fit.
        let _ = failure.push(Frame { build_id: &BUILD_ID, pc });
    }
    failure
}
