//! From devices as the service keeps them to the fleet as a page shows it.

use std::collections::HashMap;

use craton_api::operator::{Device, DeviceId, DeviceState, ImageSetId, TrialOutcome};

use super::names::Names;
use super::view::{Counts, DeviceLine, Moment, SetShare, Shown};

/// Silence after which a claimed device is shown as offline: a check-in a day, and two hours more.
pub(super) const OFFLINE_AFTER_S: u64 = 26 * 3600;

/// Rows of a table of devices.
const LINES_MAX: usize = 100;

/// Counts devices one by one, and keeps those that the table shows.
pub(super) struct Tally {
    now: Moment,
    shown: Shown,
    after: Option<DeviceId>,
    pub counts: Counts,
    by_set: HashMap<ImageSetId, (u64, u64)>,
    pub kept: Vec<Device>,
    pub more: bool,
}

impl Tally {
    pub(super) fn new(now: Moment, shown: Shown, after: Option<DeviceId>) -> Self {
        let (counts, by_set) = (Counts::default(), HashMap::new());
        Self { now, shown, after, counts, by_set, kept: Vec::new(), more: false }
    }

    /// Takes one device; they come by id.
    pub(super) fn take(&mut self, device: Device) {
        let claimed = device.state == DeviceState::Claimed;
        let offline = offline(&device, self.now);
        let on_trial = device.trial == Some(TrialOutcome::OnTrial);
        let debug = debug(&device);
        self.counts.all += 1;
        self.counts.claimed += u64::from(claimed);
        self.counts.pending += u64::from(!claimed);
        self.counts.offline += u64::from(offline);
        self.counts.on_trial += u64::from(on_trial);
        self.counts.debug += u64::from(debug);
        if let Some(set) = device.attested_set {
            let (all, trying) = self.by_set.entry(set).or_default();
            *all += 1;
            *trying += u64::from(on_trial);
        }
        let wanted = match self.shown {
            Shown::All => true,
            Shown::Claimed => claimed,
            Shown::Pending => !claimed,
            Shown::Offline => offline,
            Shown::OnTrial => on_trial,
            Shown::Debug => debug,
        };
        if wanted && self.after.is_none_or(|after| device.id > after) {
            if self.kept.len() < LINES_MAX {
                self.kept.push(device);
            } else {
                self.more = true;
            }
        }
    }

    /// Devices by attested set, most first; and how many have attested none.
    pub(super) fn shares(&self, names: &Names) -> (Vec<SetShare>, u64) {
        let share = |(set, (devices, on_trial)): (&ImageSetId, &(u64, u64))| SetShare {
            set: names.set(*set),
            devices: *devices,
            on_trial: *on_trial,
        };
        let mut shares: Vec<SetShare> = self.by_set.iter().map(share).collect();
        shares.sort_by(|one, other| {
            other.devices.cmp(&one.devices).then(one.set.id.cmp(&other.set.id))
        });
        let with_set: u64 = shares.iter().map(|share| share.devices).sum();
        (shares, self.counts.all - with_set)
    }

    pub(super) fn lines(&self, names: &Names) -> Vec<DeviceLine> {
        let line = |device: &Device| DeviceLine {
            id: device.id,
            group: device.group.clone(),
            state: device.state,
            offline: offline(device, self.now),
            debug: debug(device),
            cloned: device.cloned,
            boot_changed: device.boot_changed_s.is_some(),
            trial: device.trial,
            set: device.attested_set.map(|set| names.set(set)),
            rot: device.rot,
            isolation: device.isolation.clone(),
            storage: device.storage.clone(),
            last_seen: device.last_seen_s.map(Moment),
        };
        self.kept.iter().map(line).collect()
    }
}

pub(super) fn offline(device: &Device, now: Moment) -> bool {
    let silent_s = device.last_seen_s.map_or(0, |seen_s| now.0.saturating_sub(seen_s));
    device.state == DeviceState::Claimed && silent_s > OFFLINE_AFTER_S
}

fn debug(device: &Device) -> bool {
    device.mode.as_deref() == Some("debug")
}
