//! Devices and their capabilities.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Base64, CapabilityId, DeviceId, Digest, ImageSetId, RotClass};

/// Claims a device for the catalog. Asking again with the same content changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceClaim {
    /// The device.
    pub device: DeviceId,
    /// The endorsement that came with the device: who vouches for which class of root of trust.
    pub endorsement: Base64,
    /// `product/group` that it joins; absent: none yet.
    #[serde(default)]
    pub group: Option<String>,
}

/// Claims the devices of a lot. Asking again with the same content changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LotClaim {
    /// The list that the manufacturer signed.
    pub lot: Base64,
    /// `product/group` that its devices join; absent: none yet.
    #[serde(default)]
    pub group: Option<String>,
}

/// What became of a device of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LotOutcome {
    /// It is new: pending until its evidence names the catalog.
    Listed,
    /// It was claimed before with this endorsement; nothing changed, its group neither.
    Known,
    /// It was refused, and the others were not for that.
    Refused,
}

/// One device of a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotRow {
    /// The device.
    pub device: DeviceId,
    /// What became of it.
    pub outcome: LotOutcome,
    /// The error's number, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Why, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of a lot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotClaimed {
    /// Its devices, in the order of their ids.
    pub rows: Vec<LotRow>,
}

/// Whether the device itself has named this catalog as its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// Listed by the operator; no evidence has named the catalog yet.
    Pending,
    /// Its evidence named the catalog.
    Claimed,
}

/// How the last update ended on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// It runs the set on trial.
    OnTrial,
    /// It confirmed the set.
    Confirmed,
    /// It fell back to the set before.
    FellBack,
}

/// A device as its evidence showed it. What is absent has never been attested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// The device.
    pub id: DeviceId,
    /// Whether it has named this catalog.
    pub state: DeviceState,
    /// Class of its root of trust, from its endorsement.
    pub rot: Option<RotClass>,
    /// `product/group`.
    pub group: Option<String>,
    /// Its epoch of ownership.
    pub epoch: u64,
    /// When it was listed, Unix seconds.
    pub created_s: u64,
    /// Its last check-in, Unix seconds.
    pub last_seen_s: Option<u64>,
    /// Boot count at the last check-in.
    pub last_boot: Option<u64>,
    /// Number of the last check-in.
    pub last_check_in: Option<u64>,
    /// Serial of its newest certificate, hexadecimal.
    pub certificate_serial: Option<String>,
    /// Set that its evidence shows.
    pub attested_set: Option<ImageSetId>,
    /// Set that it was assigned last.
    pub assigned_set: Option<ImageSetId>,
    /// `full` or `reduced`.
    pub isolation: Option<String>,
    /// `verity` or `unpacked`.
    pub storage: Option<String>,
    /// Boot mode, such as `normal` or `debug`.
    pub mode: Option<String>,
    /// When its evidence showed that mode, Unix seconds.
    pub mode_s: Option<u64>,
    /// How its last update ended.
    pub trial: Option<TrialOutcome>,
    /// Set when two devices were seen with this identity.
    pub cloned: bool,
    /// Failure records that the device numbered and that never arrived; counted where one device
    /// is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_lost: Option<u64>,
    /// When its TPM first showed another boot than its baseline, Unix seconds; absent when it never
    /// did since an operator looked, or has no TPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_changed_s: Option<u64>,
}

/// What firmware and loader of a device measured into its TPM. It is a baseline that is the
/// device's own: nothing here says that the values are good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceBoot {
    /// Names all values that are shown: for the request that accepts them.
    pub digest: Digest,
    /// Lowest first.
    pub registers: Vec<Register>,
    /// Since when the registers are as they are shown, Unix seconds.
    pub shown_s: u64,
    /// Since when the baseline is what it is, Unix seconds.
    pub baseline_s: u64,
    /// When another value than the baseline's was first seen, Unix seconds: it may be gone again.
    pub changed_s: Option<u64>,
    /// What firmware says that it measured, if it sent a log that leads to what is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<BootLog>,
    /// The same of the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_log: Option<BootLog>,
    /// The number of the error by which the log of what is shown was refused, if none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_refused: Option<u16>,
}

/// An event log that leads to registers of a device's TPM. Nobody signed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootLog {
    /// SHA-256 of the log.
    pub sha256: Digest,
    /// When it came, Unix seconds.
    pub received_s: u64,
    /// The registers that it leads to; of others it says nothing.
    pub explains: Vec<u8>,
}

/// One register of a TPM's SHA-256 bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Register {
    /// Its number, 0 to 23.
    pub register: u8,
    /// At the last check-in; absent if it was not quoted then.
    pub value: Option<Digest>,
    /// In the baseline; absent if it was not quoted there.
    pub baseline: Option<Digest>,
    /// What was measured otherwise, where the value changed and the logs of both boots lead to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BootChanges>,
}

/// What two boots measured otherwise into one register. Two empty lists: the same events in another
/// order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootChanges {
    /// Events of the baseline that did not happen now, in their order; at most 64.
    pub gone: Vec<BootEvent>,
    /// Events that did not happen in the baseline, in their order; at most 64.
    pub new: Vec<BootEvent>,
    /// Events beyond those that are listed.
    pub left_out: u64,
}

/// One measurement. Its digest is proven by the register; what it is called and says is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootEvent {
    /// What kind of thing was measured, such as `loader`; a type that has no name as hexadecimal.
    pub what: String,
    /// SHA-256 that went into the register.
    pub digest: Digest,
    /// The readable part of what firmware tells of it, at most 60 letters.
    pub said: String,
}

/// Takes what a device shows for its new baseline.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceBootAccept {
    /// The digest of what the operator saw.
    pub digest: Digest,
}

/// Devices of a catalog, a page of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceList {
    /// In the order of their ids.
    pub items: Vec<Device>,
    /// Give this as `after` to get the next page; absent on the last one.
    pub next: Option<DeviceId>,
}

/// Changes a device; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// `product/group` that it moves to.
    #[serde(default)]
    pub group: Option<String>,
}

/// A signed permission for one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Capability {
    /// SHA-256 of its signed bytes.
    pub id: CapabilityId,
    /// The device that it is for.
    pub device: DeviceId,
    /// What it permits, such as `appDevelopment`.
    pub permits: Vec<String>,
    /// Whether an approver has signed it too.
    pub approved: bool,
    /// When it was uploaded, Unix seconds.
    pub created_s: u64,
}

/// Capabilities of a device.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CapabilityList {
    /// Newest first.
    pub items: Vec<Capability>,
}
