//! The service is away: during a trial, while the old set tries, and while a confirmed set runs.

use crate::World;
use crate::device::Run;
use crate::gate::Gate;
use crate::processes::until;
use crate::service::Service;
use craton_api::operator::TrialOutcome;
use craton_device::slot_file::SlotFile;
use craton_trust::slots::{Slot, Slots};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn on_trial(folder: &std::path::Path) -> bool {
    let slots = SlotFile::of(folder).read();
    slots.is_ok_and(|slots| slots.slots().iter().any(|slot| matches!(slot, Slot::Trial(..))))
}

fn lines(log: &PathBuf, with: &str) -> usize {
    std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(with)).count()
}

fn staged(slots: &Slots) -> bool {
    slots.slots().iter().any(|slot| matches!(slot, Slot::Staged(_)))
}

#[test]
fn a_trial_that_nobody_could_reach_the_service_in_falls_back_once_and_is_confirmed_later() {
    let mut world = World::begin();
    let (folder, back) = (world.device.folder.clone(), Arc::new(AtomicBool::new(false)));
    let (is_back, away) = (back.clone(), AtomicBool::new(false));
    let gate = Gate::before(world.service.devices, move || {
        // Away from the first trial on, until it is back for good.
        let away = away.fetch_or(on_trial(&folder), Ordering::SeqCst) || on_trial(&folder);
        is_back.load(Ordering::SeqCst) || !away
    });
    let set = world.maker.ship(2, Some(1));
    let run = Run { trial_s: 3, ..Run::quick(gate.address) };
    let running = world.device.run(&run);
    world.device.until("the old set's try", || {
        (gate.turned_away() >= 2 && staged(&world.device.slots())).then_some(())
    });
    let slots = world.device.slots();
    assert_eq!((slots.confirmed(), slots.failed), (Some(world.first), None));
    until("more tries of the old set", || (gate.turned_away() >= 4).then_some(()));
    assert!(world.device.runs_confirmed(running.pid(), world.first));
    assert_eq!(lines(&world.device.log, "falls back"), 1);
    back.store(true, Ordering::SeqCst);
    world.device.until_confirmed(&running, set);
    let shown = world.device.until("the service's word", || {
        let shown = world.maker.device(world.device.id).unwrap();
        (shown.trial == Some(TrialOutcome::Confirmed)).then_some(shown)
    });
    assert_eq!(shown.attested_set.map(|set| set.0), Some(set.0));
    assert!(running.stop().success());
    assert_eq!(world.device.rest().failed(), None);
}

#[test]
fn a_trial_that_alone_could_not_reach_the_service_has_failed_and_is_reported() {
    let mut world = World::begin();
    let folder = world.device.folder.clone();
    let gate = Gate::before(world.service.devices, move || !on_trial(&folder));
    let set = world.maker.ship(2, Some(1));
    let run = Run { trial_s: 3, ..Run::quick(gate.address) };
    let running = world.device.run(&run);
    world.device.until("the service's word", || {
        let shown = world.maker.device(world.device.id).unwrap();
        let back = shown.attested_set.map(|set| set.0) == Some(world.first.0);
        (shown.trial == Some(TrialOutcome::FellBack) && back).then_some(())
    });
    let failures = world.maker.path("failures/groups");
    until("the failure report", || {
        let groups: craton_api::operator::FailureGroupList =
            world.maker.operator.get(&failures).unwrap();
        groups.items.iter().any(|group| group.kind.contains("trial")).then_some(())
    });
    // Assigned still, and not tried again.
    let seen = world.maker.device(world.device.id).unwrap().last_check_in;
    until("two more check-ins", || {
        let now = world.maker.device(world.device.id).unwrap().last_check_in;
        (now > seen.map(|seen| seen + 1)).then_some(())
    });
    assert_eq!(lines(&world.device.log, &format!("set {set} is armed")), 1);
    assert!(running.stop().success());
    assert_eq!(world.device.rest().failed(), Some(set));
}

#[test]
fn an_outage_never_reverts_a_confirmed_set() {
    let mut world = World::begin();
    let set = world.maker.ship(2, Some(1));
    let run = Run::quick(world.service.devices);
    let running = world.device.run(&run);
    world.device.until_confirmed(&running, set);
    let World { service, device, folder, .. } = world;
    let at = service.addresses();
    service.kill();
    let offline = || device.status().is_some_and(|status| status.service.starts_with("offline"));
    device.until("an offline device", || {
        (device.runs_confirmed(running.pid(), set) && offline()).then_some(())
    });
    running.cut();
    for stopped_in_order in [true, false] {
        let running = device.run(&run);
        device.until("an offline device", || {
            (device.runs_confirmed(running.pid(), set) && offline()).then_some(())
        });
        if stopped_in_order {
            assert!(running.stop().success());
        } else {
            running.cut();
        }
        assert_eq!(device.rest().slots.confirmed(), Some(set));
    }
    let running = device.run(&run);
    let service = Service::start(&folder.path().join("service"), Some(at));
    device.until("a device that is online again", || {
        let online = device.status()?.service == "online";
        (online && device.runs_confirmed(running.pid(), set)).then_some(())
    });
    assert!(running.stop().success());
    drop(service);
}
