//! From deployments as the service keeps them to rollouts as a page shows them.

use std::collections::HashMap;

use craton_api::operator::{
    CatalogId, Deployment, DeploymentState, Device, Failure, FailureGroup, TrialOutcome, Wave,
};

use super::view::{Command, Funnel, GroupLine, Moment, WaveLine, WavePlace};

/// How far the devices of a group have come with a set.
pub(super) fn funnel(deployment: &Deployment, devices: &[Device]) -> Funnel {
    let of_set = |set| set == Some(deployment.image_set);
    let offered = |device: &&Device| of_set(device.assigned_set) || of_set(device.attested_set);
    let on_trial = |device: &&Device| {
        of_set(device.attested_set) && device.trial == Some(TrialOutcome::OnTrial)
    };
    // A device that fell back is assigned the set before again, but was offered this one.
    let offered = devices.iter().filter(offered).count() as u64;
    Funnel {
        in_group: devices.len() as u64,
        offered: offered.max(deployment.confirmed + deployment.failed),
        on_trial: devices.iter().filter(on_trial).count() as u64,
        confirmed: deployment.confirmed,
        failed: deployment.failed,
    }
}

pub(super) fn waves(deployment: &Deployment) -> Vec<WaveLine> {
    let line = |(number, wave): (u32, &Wave)| WaveLine {
        number: number + 1,
        percent: wave.percent,
        soak_s: u64::from(wave.soak_s),
        place: match number.cmp(&deployment.wave) {
            std::cmp::Ordering::Less => WavePlace::Behind,
            std::cmp::Ordering::Equal => WavePlace::InForce,
            std::cmp::Ordering::Greater => WavePlace::Ahead,
        },
    };
    (0..).zip(&deployment.waves).map(line).collect()
}

/// Groups of the failures given, most of them first.
pub(super) fn causes(failures: &[Failure], groups: &[FailureGroup]) -> Vec<GroupLine> {
    let mut counts = HashMap::new();
    for fingerprint in failures.iter().filter_map(|failure| failure.fingerprint) {
        *counts.entry(fingerprint).or_insert(0_u64) += 1;
    }
    let mut causes: Vec<_> = groups
        .iter()
        .filter_map(|group| counts.get(&group.fingerprint).map(|count| (*count, group_line(group))))
        .collect();
    causes.sort_by(|one, other| {
        other.0.cmp(&one.0).then(one.1.fingerprint.cmp(&other.1.fingerprint))
    });
    causes.into_iter().map(|(_, line)| line).collect()
}

pub(super) fn group_line(group: &FailureGroup) -> GroupLine {
    GroupLine {
        fingerprint: group.fingerprint,
        title: group.title.clone(),
        kind: group.kind.clone(),
        count: group.count,
        devices: group.devices,
        first: Moment(group.first_s),
        last: Moment(group.last_s),
    }
}

/// What a person can do next with a deployment.
pub(super) fn commands(catalog: CatalogId, deployment: &Deployment) -> Vec<Command> {
    let id = deployment.id;
    let line = |verb: &str| format!("craton deployment {verb} {id} --catalog {catalog}");
    let command = |does, verb: &str| Command { does, line: line(verb) };
    let back = || command("Go back: offer the set before to the whole group", "revert");
    let last = deployment.wave as usize + 1 >= deployment.waves.len();
    let mut commands = Vec::new();
    match deployment.state {
        DeploymentState::Active => {
            if !last {
                commands.push(command("Begin the next wave", "advance"));
            }
            commands.push(command("Offer it to no further device", "pause"));
        }
        DeploymentState::Paused => commands.push(command("Go on all the same", "resume")),
        DeploymentState::Superseded => return commands,
    }
    if deployment.previous_set.is_some() {
        commands.insert(0, back());
    }
    commands
}
