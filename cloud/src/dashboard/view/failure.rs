//! Failures, grouped by what failed and where.

use askama::Template;
use craton_api::operator::{DeviceId, Fingerprint};

use super::{Frame, Moment, counted, grouped, short};

/// Every group of a catalog.
#[derive(Clone, Debug, Template)]
#[template(path = "failures.html")]
pub struct FailuresPage {
    /// Around it.
    pub frame: Frame,
    /// Most recent first.
    pub groups: Vec<GroupLine>,
    /// Received, but in no group yet.
    pub ungrouped: u64,
}

/// One group in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLine {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What failed and where.
    pub title: String,
    /// Such as `crash` or `watchdog`.
    pub kind: String,
    /// Failures in it.
    pub count: u64,
    /// Devices that they came from.
    pub devices: u64,
    /// When the first was received.
    pub first: Moment,
    /// When the last was received.
    pub last: Moment,
}

/// One group.
#[derive(Clone, Debug, Template)]
#[template(path = "failure_group.html")]
pub struct FailureGroupPage {
    /// Around it.
    pub frame: Frame,
    /// The group.
    pub group: GroupLine,
    /// Images that failed, with their versions, each once.
    pub versions: Vec<String>,
    /// Frames of one failure, innermost first.
    pub frames: Vec<String>,
    /// The last failures in it.
    pub failures: Vec<FailureLine>,
}

/// One failure that one device reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureLine {
    /// The device.
    pub device: DeviceId,
    /// The image with its version, where it is known.
    pub image: Option<String>,
    /// When the service received it.
    pub received: Moment,
    /// Its group.
    pub fingerprint: Option<Fingerprint>,
    /// The group's title.
    pub title: Option<String>,
    /// Records of the device before this one that never arrived.
    pub lost_before: u64,
}
