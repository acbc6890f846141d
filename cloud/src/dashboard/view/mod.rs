//! What each page shows: plain data, one struct per page, rendered by the template of its name.
//!
//! A view holds facts, never markup; the templates escape every text, because the names of devices,
//! groups and functions come from outside.

mod catalogs;
mod device;
mod failure;
mod fleet;
mod log;
mod moment;
mod refusal;
mod rollout;

pub use catalogs::{CatalogLine, CatalogsPage};
pub use device::{CapabilityLine, Component, DevicePage, RegisterLine, register_lines};
pub use failure::{FailureGroupPage, FailureLine, FailuresPage, GroupLine};
pub use fleet::{Counts, DeviceLine, FleetPage, SetShare, Shown};
pub use log::{CheckpointView, EntryLine, LogPage};
pub use moment::Moment;
pub use refusal::RefusalPage;
pub use rollout::{Command, Funnel, RolloutLine, RolloutPage, RolloutsPage, WaveLine, WavePlace};

use std::borrow::Borrow;
use std::fmt;

use craton_api::operator::{CatalogId, DeviceState, ImageSetId, RotClass, TrialOutcome};

/// What every page of a catalog has around it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The catalog's name, which is also its part of every address.
    pub catalog: String,
    /// The catalog's id.
    pub id: CatalogId,
    /// Whether the catalog's root is for development only.
    pub dev: bool,
    /// When the snapshot was read that the page shows.
    pub now: Moment,
}

impl Frame {
    /// The address of a page of this catalog.
    #[must_use]
    pub fn at(&self, page: &str) -> String {
        format!("/catalogs/{}/{page}", self.catalog)
    }
}

/// An image set as people speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetName {
    /// Its id.
    pub id: ImageSetId,
    /// As its publisher signed it, such as `blink 1.2.0`; `None` if the service lacks the set.
    pub name: Option<String>,
}

impl SetName {
    /// Its name, or the short id of a set that is not known here.
    #[must_use]
    pub fn words(&self) -> String {
        self.name.clone().unwrap_or_else(|| short(&self.id))
    }

    /// The first digits of its id.
    #[must_use]
    pub fn short(&self) -> String {
        short(&self.id)
    }
}

/// The first 12 digits of an identifier: enough to recognise it, not to address it.
#[must_use]
pub fn short(id: &impl fmt::Display) -> String {
    id.to_string().chars().take(12).collect()
}

/// The word for a class of root of trust.
#[must_use]
pub fn rot_word(class: &RotClass) -> &'static str {
    match class {
        RotClass::Software => "software",
        RotClass::Firmware => "firmware",
        RotClass::Tpm => "tpm",
        RotClass::Silicon => "silicon",
    }
}

/// The word for a state of ownership.
#[must_use]
pub fn state_word(state: &DeviceState) -> &'static str {
    match state {
        DeviceState::Pending => "pending",
        DeviceState::Claimed => "claimed",
    }
}

/// How a device's last update ended, in words.
#[must_use]
pub fn trial_word(trial: &TrialOutcome) -> &'static str {
    match trial {
        TrialOutcome::OnTrial => "on trial",
        TrialOutcome::Confirmed => "confirmed",
        TrialOutcome::FellBack => "fell back",
    }
}

/// `1 device`, `2 devices`.
#[must_use]
pub fn counted(count: impl Borrow<u64>, one: &str, many: &str) -> String {
    let count = *count.borrow();
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// A count with thin spaces between thousands.
#[must_use]
pub fn grouped(count: impl Borrow<u64>) -> String {
    let digits = count.borrow().to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// How much `part` is of `whole`, in whole percent; something is never shown as nothing.
#[must_use]
pub fn percent(part: impl Borrow<u64>, whole: impl Borrow<u64>) -> u64 {
    let (part, whole) = (*part.borrow(), *whole.borrow());
    if part == 0 || whole == 0 {
        return 0;
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let percent = (part * 200 + whole) / (whole * 2);
    u64::try_from(percent).map_or(100, |percent| percent.clamp(1, 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_000), "1\u{202f}000");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(counted(1, "device", "devices"), "1 device");
    }

    #[test]
    fn one_of_a_million_is_not_shown_as_nothing() {
        assert_eq!(percent(1, 1_000_000), 1);
        assert_eq!(percent(0, 1_000_000), 0);
        assert_eq!(percent(3, 0), 0);
        assert_eq!(percent(u64::MAX, 1), 100);
    }
}
