//! Failures and their groups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeviceId, Fingerprint, ImageId};

/// Failures that have the same fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FailureGroup {
    /// The fingerprint.
    pub fingerprint: Fingerprint,
    /// One line that says what failed and where.
    pub title: String,
    /// What kind of failure, such as `crash` or `watchdog`.
    pub kind: String,
    /// Failures in it.
    pub count: u64,
    /// Devices they came from.
    pub devices: u64,
    /// When the first was received, Unix seconds.
    pub first_s: u64,
    /// When the last was received, Unix seconds.
    pub last_s: u64,
    /// The frames of one of them, innermost first, as far as symbols were known.
    pub frames: Vec<String>,
}

/// Failure groups of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureGroupList {
    /// Most recent first.
    pub items: Vec<FailureGroup>,
    /// Failures received that are in no group yet.
    pub ungrouped: u64,
}

/// One failure that one device reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Its number in the catalog.
    pub id: u64,
    /// The device.
    pub device: DeviceId,
    /// The image that failed, where it is known.
    pub image: Option<ImageId>,
    /// When the service received it, Unix seconds.
    pub received_s: u64,
    /// Its group, once it has one.
    pub fingerprint: Option<Fingerprint>,
    /// One line, once it has a group.
    pub title: Option<String>,
    /// The record's number on its device: 1, 2, 3 …
    pub number: Option<u64>,
    /// Records of the device between this one and the one before that never arrived.
    pub lost_before: u64,
}

/// Failures of a catalog: the JSON form of the export.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureList {
    /// Most recent first.
    pub items: Vec<Failure>,
}
