//! The fleet: how many devices run what, and which they are.

use askama::Template;
use craton_api::operator::{DeviceId, DeviceState, RotClass, TrialOutcome};

use super::{Frame, Moment, SetName, grouped, moment::span, percent, short};
use super::{rot_word, state_word};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "fleet.html")]
pub struct FleetPage {
    /// Around it.
    pub frame: Frame,
    /// Over the whole catalog, whatever is shown below.
    pub counts: Counts,
    /// Silence after which a device counts as offline, seconds.
    pub offline_after_s: u64,
    /// Devices by the set that their evidence showed, most devices first.
    pub sets: Vec<SetShare>,
    /// Devices that have never shown evidence of a set the service knows.
    pub without_set: u64,
    /// Which devices the table holds.
    pub shown: Shown,
    /// A page of devices, by id.
    pub devices: Vec<DeviceLine>,
    /// Where the next page begins.
    pub next: Option<DeviceId>,
}

/// Devices of a catalog by state. One device can count in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Listed at all.
    pub all: u64,
    /// Their evidence has named this catalog.
    pub claimed: u64,
    /// It has not yet.
    pub pending: u64,
    /// Claimed, but silent for too long.
    pub offline: u64,
    /// Running a set that is not confirmed.
    pub on_trial: u64,
    /// Booted in mode Debug at their last check-in.
    pub debug: u64,
}

/// Which devices a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Every device.
    All,
    /// Those claimed.
    Claimed,
    /// Those pending.
    Pending,
    /// Those silent for too long.
    Offline,
    /// Those on trial.
    OnTrial,
    /// Those in mode Debug.
    Debug,
}

impl Shown {
    /// In the order of the tiles.
    pub const ALL: [Shown; 6] =
        [Shown::All, Shown::Claimed, Shown::Pending, Shown::Offline, Shown::OnTrial, Shown::Debug];

    /// Its word in an address.
    #[must_use]
    pub fn query(&self) -> &'static str {
        match self {
            Shown::All => "all",
            Shown::Claimed => "claimed",
            Shown::Pending => "pending",
            Shown::Offline => "offline",
            Shown::OnTrial => "on-trial",
            Shown::Debug => "debug",
        }
    }

    /// Its words on the page.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Shown::All => "devices",
            Shown::Claimed => "claimed",
            Shown::Pending => "pending",
            Shown::Offline => "offline",
            Shown::OnTrial => "on trial",
            Shown::Debug => "debug",
        }
    }

    /// From its word in an address.
    #[must_use]
    pub fn from_query(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shown| shown.query() == word)
    }

    /// Which colour its count has where it is not 0.
    #[must_use]
    pub fn tone(&self) -> &'static str {
        match self {
            Shown::All | Shown::Claimed => "plain",
            Shown::Pending | Shown::OnTrial => "info",
            Shown::Offline | Shown::Debug => "warn",
        }
    }
}

impl Counts {
    /// How many devices a table of these would hold.
    #[must_use]
    pub fn of(&self, shown: &Shown) -> u64 {
        match shown {
            Shown::All => self.all,
            Shown::Claimed => self.claimed,
            Shown::Pending => self.pending,
            Shown::Offline => self.offline,
            Shown::OnTrial => self.on_trial,
            Shown::Debug => self.debug,
        }
    }
}

/// How many devices showed one set in their evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetShare {
    /// The set.
    pub set: SetName,
    /// Devices that run it.
    pub devices: u64,
    /// Those of them that have not confirmed it.
    pub on_trial: u64,
}

/// One device in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceLine {
    /// The device.
    pub id: DeviceId,
    /// `product/group`.
    pub group: Option<String>,
    /// Whether it has named this catalog.
    pub state: DeviceState,
    /// Silent for too long.
    pub offline: bool,
    /// Booted in mode Debug.
    pub debug: bool,
    /// Two devices were seen with its identity.
    pub cloned: bool,
    /// Its TPM showed another boot than its baseline.
    pub boot_changed: bool,
    /// How its last update ended.
    pub trial: Option<TrialOutcome>,
    /// What runs, as its evidence showed.
    pub set: Option<SetName>,
    /// Class of its root of trust, from its endorsement.
    pub rot: Option<RotClass>,
    /// `full` or `reduced`.
    pub isolation: Option<String>,
    /// `verity` or `unpacked`.
    pub storage: Option<String>,
    /// Its last check-in.
    pub last_seen: Option<Moment>,
}
