//! Blobs, images, deltas, image sets and symbols.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Base64, BuildId, ComponentId, Digest, ImageId, ImageSetId};

/// A blob that the service holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Blob {
    /// SHA-256 of its bytes, which is its address.
    pub sha256: Digest,
    /// Length in bytes.
    pub size: u64,
}

/// An image: one version of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// SHA-256 of the manifest bytes.
    pub id: ImageId,
    /// SHA-256 of the whole envelope, which is also the blob's address.
    pub envelope: Digest,
    /// Length of the envelope in bytes.
    pub envelope_size: u64,
    /// The component.
    pub component: ComponentId,
    /// The version that people read.
    pub version: String,
    /// The version that rollback protection compares.
    pub security_version: u64,
    /// SHA-256 of the payload.
    pub payload: Digest,
    /// Length of the payload in bytes.
    pub payload_size: u64,
    /// When it was registered, Unix seconds.
    pub created_s: u64,
}

/// Images of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImageList {
    /// Newest first.
    pub items: Vec<Image>,
}

/// A delta: an untrusted hint how to make one payload from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    /// SHA-256 of the payload that the device has.
    pub from_payload: Digest,
    /// SHA-256 of the payload that it yields.
    pub to_payload: Digest,
    /// The blob that holds it, uploaded before.
    pub blob: Digest,
    /// Length of that blob in bytes; the service fills it in.
    #[serde(default)]
    pub size: u64,
}

/// Deltas of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeltaList {
    /// In no particular order.
    pub items: Vec<Delta>,
}

/// What a set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Admitted by the service itself; believed only by devices that allow development.
    Development,
    /// Admitted after an approval by a key that is not the publisher's.
    Production,
}

/// How far a set has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageSetState {
    /// Signed by its publisher.
    Uploaded,
    /// Also signed by an approver.
    Approved,
    /// Countersigned by the catalog and logged: it can be deployed.
    Admitted,
}

/// An image set: all components that a device runs together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageSet {
    /// SHA-256 of the signed bytes.
    pub id: ImageSetId,
    /// Its name for people, as its publisher signed it.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// How far it has come.
    pub state: ImageSetState,
    /// The images it names.
    pub images: Vec<ImageId>,
    /// Where the log has it, once admitted: the leaf's index.
    pub log_index: Option<u64>,
    /// When it was uploaded, Unix seconds.
    pub created_s: u64,
}

/// Image sets of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImageSetList {
    /// Newest first.
    pub items: Vec<ImageSet>,
}

/// A set with every signature, as the service keeps it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ImageSetSigned {
    /// SHA-256 of the signed bytes.
    pub id: ImageSetId,
    /// The set with the publisher's signature and, once admitted, the catalog's too.
    pub signed: Base64,
    /// The approver's object (kind `Approval`) over the same bytes.
    pub approval: Option<Base64>,
}

/// Symbols that the service holds for a build id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Symbols {
    /// The build id of the program.
    pub build_id: BuildId,
    /// SHA-256 of the ELF file that has the debug information.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Symbols of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SymbolsList {
    /// In the order of their build ids.
    pub items: Vec<Symbols>,
}
