//! One small fleet, told in views: a third version crashes, and its rollout has paused.

use craton_api::operator::{
    CatalogId, DeploymentId, DeploymentState, DeviceId, DeviceState, Digest, Fingerprint, ImageId,
    ImageSetId, RotClass, TrialOutcome,
};
use craton_cloud::dashboard::view::*;

/// 2026-11-23 09:30:00 UTC.
pub const NOW: Moment = Moment(1_795_426_200);

pub fn ago(seconds: u64) -> Moment {
    Moment(NOW.0 - seconds)
}

pub fn frame() -> Frame {
    Frame { catalog: "demo".to_owned(), id: CatalogId(bytes(1)), dev: true, now: NOW }
}

/// 32 bytes that look like a digest and follow from a seed.
pub fn bytes<const N: usize>(seed: u8) -> [u8; N] {
    let mut state = u32::from(seed).wrapping_add(1).wrapping_mul(2_654_435_761);
    [(); N].map(|()| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}

pub fn set(version: u8) -> SetName {
    SetName { id: ImageSetId(bytes(version)), name: Some(format!("blink {version}.0.0")) }
}

pub fn catalogs() -> CatalogsPage {
    let line = |name: &str, dev, devices, age| CatalogLine {
        name: name.to_owned(),
        dev,
        devices,
        created: ago(age),
    };
    let catalogs = vec![line("demo", true, 6, 4_000), line("pumps", false, 12_480, 9_000_000)];
    CatalogsPage { now: NOW, catalogs }
}

fn device_line(seed: u8, version: Option<u8>) -> DeviceLine {
    DeviceLine {
        id: DeviceId(bytes(seed)),
        group: Some("lamp/Development".to_owned()),
        state: DeviceState::Claimed,
        offline: false,
        debug: false,
        cloned: false,
        boot_changed: false,
        trial: Some(TrialOutcome::Confirmed),
        set: version.map(set),
        rot: Some(RotClass::Software),
        isolation: Some("full".to_owned()),
        storage: Some("unpacked".to_owned()),
        last_seen: Some(ago(u64::from(seed))),
    }
}

pub fn devices() -> Vec<DeviceLine> {
    let mut lines: Vec<_> = (10..15).map(|seed| device_line(seed, Some(2))).collect();
    lines[0].trial = Some(TrialOutcome::FellBack);
    lines[1].isolation = Some("reduced".to_owned());
    lines[2] = DeviceLine {
        trial: Some(TrialOutcome::OnTrial),
        rot: Some(RotClass::Tpm),
        storage: Some("verity".to_owned()),
        ..device_line(12, Some(3))
    };
    lines[3] =
        DeviceLine { offline: true, last_seen: Some(ago(400_000)), ..device_line(13, Some(1)) };
    lines[4] = DeviceLine { debug: true, cloned: true, ..device_line(14, Some(2)) };
    lines.push(DeviceLine {
        state: DeviceState::Pending,
        trial: None,
        isolation: None,
        storage: None,
        last_seen: None,
        group: None,
        ..device_line(15, None)
    });
    lines
}

pub fn fleet() -> FleetPage {
    let share = |version, devices, on_trial| SetShare { set: set(version), devices, on_trial };
    FleetPage {
        frame: frame(),
        counts: Counts { all: 6, claimed: 5, pending: 1, offline: 1, on_trial: 1, debug: 1 },
        offline_after_s: 26 * 3600,
        sets: vec![share(2, 3, 0), share(3, 1, 1), share(1, 1, 0)],
        without_set: 1,
        shown: Shown::All,
        devices: devices(),
        next: Some(DeviceId(bytes(15))),
    }
}

pub fn fleet_empty() -> FleetPage {
    FleetPage {
        counts: Counts::default(),
        sets: Vec::new(),
        without_set: 0,
        devices: Vec::new(),
        next: None,
        ..fleet()
    }
}

pub fn device() -> DevicePage {
    let component = |name: &str, version: Option<&str>, seed| Component {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        image: version.map(|_| ImageId(bytes(seed))),
    };
    DevicePage {
        frame: frame(),
        id: DeviceId(bytes(11)),
        state: DeviceState::Claimed,
        group: Some("lamp/Development".to_owned()),
        listed: ago(4_000),
        last_seen: Some(ago(11)),
        offline: false,
        offline_after_s: 26 * 3600,
        cloned: false,
        boot_changed: None,
        registers: Vec::new(),
        rot: Some(RotClass::Software),
        storage: Some("unpacked".to_owned()),
        isolation: Some("reduced".to_owned()),
        mode: Some("normal".to_owned()),
        mode_seen: Some(ago(11)),
        epoch: 0,
        boot: Some(4),
        check_in: Some(37),
        certificate_serial: Some("5f1c09aa3be2".to_owned()),
        attested: Some(set(2)),
        assigned: Some(set(3)),
        components: vec![
            component("blink", Some("2.0.0"), 40),
            component("runtime", Some("0.1.0"), 41),
            component("kernel", None, 42),
        ],
        trial: Some(TrialOutcome::FellBack),
        capabilities: vec![CapabilityLine {
            permits: vec!["appDevelopment".to_owned()],
            approved: false,
            created: ago(600),
        }],
        failures: vec![failure(11)],
        failures_lost: 3,
    }
}

/// Booted by a capability, and seen twice.
pub fn device_debug_cloned() -> DevicePage {
    let mode = Some("debug".to_owned());
    let boot_changed = Some(ago(3_600));
    let none =
        RegisterLine { register: 0, gone: vec![], new: vec![], left_out: 0, explained: false };
    let (gone, new) = (vec!["loader 17c4b9e0a3d2 grub".to_owned()], vec![]);
    let registers = vec![
        none.clone(),
        RegisterLine { register: 4, gone, left_out: 2, explained: true, ..none.clone() },
        RegisterLine { register: 7, new, explained: true, ..none },
    ];
    DevicePage { mode, mode_seen: Some(ago(5)), cloned: true, boot_changed, registers, ..device() }
}

pub fn device_pending() -> DevicePage {
    DevicePage {
        id: DeviceId(bytes(15)),
        state: DeviceState::Pending,
        group: None,
        last_seen: None,
        rot: None,
        storage: None,
        isolation: None,
        mode: None,
        mode_seen: None,
        boot: None,
        check_in: None,
        certificate_serial: None,
        attested: None,
        assigned: None,
        components: Vec::new(),
        trial: None,
        capabilities: Vec::new(),
        failures: Vec::new(),
        failures_lost: 0,
        ..device()
    }
}

pub fn group() -> GroupLine {
    GroupLine {
        fingerprint: Fingerprint(bytes(70)),
        title: "abort in blink::lamp::set_level".to_owned(),
        kind: "crash".to_owned(),
        count: 3,
        devices: 2,
        first: ago(300),
        last: ago(11),
    }
}

pub fn failure(seed: u8) -> FailureLine {
    FailureLine {
        device: DeviceId(bytes(seed)),
        image: Some("blink 3.0.0".to_owned()),
        received: ago(u64::from(seed)),
        fingerprint: Some(group().fingerprint),
        title: Some(group().title),
        lost_before: if seed == 11 { 3 } else { 0 },
    }
}

pub fn failures() -> FailuresPage {
    let second = GroupLine {
        fingerprint: Fingerprint(bytes(71)),
        title: "watchdog reset in blink 1.0.0".to_owned(),
        kind: "watchdog".to_owned(),
        count: 1_204,
        devices: 1,
        first: ago(900_000),
        last: ago(400_000),
    };
    FailuresPage { frame: frame(), groups: vec![group(), second], ungrouped: 1 }
}

pub fn failure_group() -> FailureGroupPage {
    let frames = [
        "std::process::abort (library/std/src/process.rs:2559)",
        "blink::lamp::set_level (src/lamp.rs:41)",
        "blink::blink_once (src/main.rs:23)",
        "blink::main (src/main.rs:11)",
        "9f3a1c77d2e0+0x1d4c2",
    ];
    FailureGroupPage {
        frame: frame(),
        group: group(),
        versions: vec!["blink 3.0.0".to_owned()],
        frames: frames.map(str::to_owned).to_vec(),
        failures: vec![failure(11), failure(10)],
    }
}

pub fn rollouts() -> RolloutsPage {
    let line = |seed, version, state, confirmed, failed, age| RolloutLine {
        id: DeploymentId(bytes(seed)),
        group: "lamp/Development".to_owned(),
        set: set(version),
        state,
        reason: None,
        wave: (1, 2),
        confirmed,
        failed,
        created: ago(age),
    };
    let mut rollouts = vec![
        line(82, 3, DeploymentState::Paused, 0, 1, 320),
        line(81, 2, DeploymentState::Superseded, 5, 0, 1_800),
        line(80, 1, DeploymentState::Superseded, 5, 0, 3_900),
    ];
    rollouts[0].reason = Some(REASON.to_owned());
    RolloutsPage { frame: frame(), rollouts }
}

const REASON: &str = "1 of the last 1 devices failed; the rule allows 0.";

pub fn rollout() -> RolloutPage {
    let wave = |number, percent, soak_s, place| WaveLine { number, percent, soak_s, place };
    let id = DeploymentId(bytes(82));
    let command = |does, verb: &str| Command {
        does,
        line: format!("craton deployment {verb} {id} --catalog …"),
    };
    RolloutPage {
        frame: frame(),
        id,
        group: "lamp/Development".to_owned(),
        set: set(3),
        previous: Some(set(2)),
        state: DeploymentState::Paused,
        reason: Some(REASON.to_owned()),
        causes: vec![group()],
        funnel: Funnel { in_group: 5, offered: 2, on_trial: 1, confirmed: 0, failed: 1 },
        waves: vec![
            wave(1, 25, 3_600, WavePlace::Behind),
            wave(2, 50, 0, WavePlace::InForce),
            wave(3, 100, 0, WavePlace::Ahead),
        ],
        pause_failures: 1,
        pause_outcomes: 100,
        created: ago(320),
        commands: vec![
            command("Offer the set before to all again", "revert"),
            command("Go on all the same", "resume"),
        ],
        refresh_s: None,
    }
}

pub fn rollout_active() -> RolloutPage {
    let id = rollout().id;
    let line = format!("craton deployment pause {id} --catalog …");
    RolloutPage {
        state: DeploymentState::Active,
        reason: None,
        causes: Vec::new(),
        funnel: Funnel { in_group: 5, offered: 3, on_trial: 1, confirmed: 2, failed: 0 },
        commands: vec![Command { does: "Offer it to no further device", line }],
        refresh_s: Some(10),
        ..rollout()
    }
}

pub fn log() -> LogPage {
    let entry = |index, kind: &str| EntryLine {
        index,
        kind: kind.to_owned(),
        hash: Digest(bytes(90 + index as u8)),
        created: ago(4_000 - index * 600),
    };
    let checkpoint = CheckpointView {
        origin: "craton/demo".to_owned(),
        size: 6,
        root: Digest(bytes(99)),
        cosigned: false,
        created: ago(320),
    };
    let kinds = ["deployment", "image-set", "deployment", "image-set", "deployment", "image-set"];
    let entries = (0..6).rev().zip(kinds).map(|(index, kind)| entry(index, kind)).collect();
    LogPage { frame: frame(), checkpoint: Some(checkpoint), entries }
}

pub fn log_witnessed() -> LogPage {
    let mut page = log();
    page.checkpoint.as_mut().unwrap().cosigned = true;
    page
}
