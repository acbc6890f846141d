//! One device: who it is, what it runs, how far that is proven.

use askama::Template;
use craton_api::operator::{
    BootChanges, BootEvent, DeviceBoot, DeviceId, DeviceState, ImageId, Register, RotClass,
    TrialOutcome,
};

use super::{FailureLine, Frame, Moment, SetName, counted, moment::span, short};
use super::{rot_word, state_word, trial_word};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "device.html")]
pub struct DevicePage {
    /// Around it.
    pub frame: Frame,
    /// The device.
    pub id: DeviceId,
    /// Whether it has named this catalog.
    pub state: DeviceState,
    /// `product/group`.
    pub group: Option<String>,
    /// When it was listed here.
    pub listed: Moment,
    /// Its last check-in.
    pub last_seen: Option<Moment>,
    /// Silent for longer than `offline_after_s`.
    pub offline: bool,
    /// Silence after which a device counts as offline, seconds.
    pub offline_after_s: u64,
    /// Two devices were seen with its identity.
    pub cloned: bool,
    /// When its TPM first showed another boot than its baseline.
    pub boot_changed: Option<Moment>,
    /// The registers that are not as in the baseline, now.
    pub registers: Vec<RegisterLine>,
    /// Class of its root of trust, from its endorsement.
    pub rot: Option<RotClass>,
    /// `verity` or `unpacked`.
    pub storage: Option<String>,
    /// `full` or `reduced`.
    pub isolation: Option<String>,
    /// Boot mode, such as `normal` or `debug`.
    pub mode: Option<String>,
    /// When its evidence showed that mode.
    pub mode_seen: Option<Moment>,
    /// Its epoch of ownership.
    pub epoch: u64,
    /// Boot count at its last check-in.
    pub boot: Option<u64>,
    /// Number of its last check-in.
    pub check_in: Option<u64>,
    /// Serial of its newest certificate.
    pub certificate_serial: Option<String>,
    /// The set that its evidence showed.
    pub attested: Option<SetName>,
    /// The set that it was assigned last.
    pub assigned: Option<SetName>,
    /// What it measured: each was found among the reference values, else nothing was issued.
    pub components: Vec<Component>,
    /// How its last update ended.
    pub trial: Option<TrialOutcome>,
    /// Signed permissions, newest first.
    pub capabilities: Vec<CapabilityLine>,
    /// Its last failures, newest first.
    pub failures: Vec<FailureLine>,
    /// Failure records that it numbered and that never arrived.
    pub failures_lost: u64,
}

impl DevicePage {
    /// Whether it runs something else than it was told to.
    #[must_use]
    pub fn differs(&self) -> bool {
        match (&self.attested, &self.assigned) {
            (Some(attested), Some(assigned)) => attested.id != assigned.id,
            (None, Some(_)) => true,
            _ => false,
        }
    }

    /// Whether its apps run with less than the whole sandbox.
    #[must_use]
    pub fn isolation_reduced(&self) -> bool {
        self.isolation.as_deref() == Some("reduced")
    }
}

/// One component that a device measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// The set that has it, or the component's id where several images are in one.
    pub name: String,
    /// Its version, where the digest is known.
    pub version: Option<String>,
    /// The image.
    pub image: Option<ImageId>,
}

/// One register of a TPM whose value changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterLine {
    /// Its number.
    pub register: u8,
    /// Events of the baseline alone, in words.
    pub gone: Vec<String>,
    /// Events of now alone.
    pub new: Vec<String>,
    /// Events beyond those.
    pub left_out: u64,
    /// Whether the event logs of both boots lead to the values.
    pub explained: bool,
}

/// The registers that changed, of all that a device shows.
#[must_use]
pub fn register_lines(boot: DeviceBoot) -> Vec<RegisterLine> {
    let words = |event: BootEvent| {
        let BootEvent { what, digest, said } = event;
        format!("{what} {} {said}", short(&digest)).trim_end().to_owned()
    };
    let line = |register: Register| {
        let (register, events) = (register.register, register.events);
        let explained = events.is_some();
        let none = BootChanges { gone: vec![], new: vec![], left_out: 0 };
        let BootChanges { gone, new, left_out } = events.unwrap_or(none);
        let (gone, new) = (gone.into_iter().map(words), new.into_iter().map(words));
        RegisterLine { register, gone: gone.collect(), new: new.collect(), left_out, explained }
    };
    boot.registers.into_iter().filter(|it| it.value != it.baseline).map(line).collect()
}

/// One signed permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityLine {
    /// What it permits.
    pub permits: Vec<String>,
    /// Whether an approver has signed it too.
    pub approved: bool,
    /// When it was uploaded.
    pub created: Moment,
}
