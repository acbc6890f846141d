//! Catalogs, their trust stores, products and device groups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Base64, CatalogId, Digest, ImageSetId};

/// What the service is and which keys it would act with in a new catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceInfo {
    /// Version of the service program.
    pub version: String,
    /// The key of the TLS listener that devices pin: SEC1 uncompressed point, 65 bytes.
    pub tls_key: Base64,
    /// The service's signing keys: an owner puts them into the roles of his trust store.
    pub keys: Vec<ServiceKey>,
}

/// One public key of the service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServiceKey {
    /// The trust-store role that the key is meant for, such as `assignment`.
    pub role: String,
    /// SEC1 uncompressed point of P-256, 65 bytes.
    pub key: Base64,
}

/// Asks for a catalog. Both sections are COSE_Sign1 envelopes of version 1.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogCreate {
    /// 1 to 50 of `A-Z a-z 0-9 _ -`; unique in the service.
    pub name: String,
    /// Genesis of the `owner` section; its signed bytes' digest becomes the catalog's id.
    pub owner_section: Base64,
    /// Genesis of the `platform` section.
    pub platform_section: Base64,
}

/// A catalog: one owner's whole space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Catalog {
    /// The catalog's id.
    pub id: CatalogId,
    /// Its name in this service.
    pub name: String,
    /// Whether its root was made on one machine for development only.
    pub dev: bool,
    /// When it was created, Unix seconds.
    pub created_s: u64,
    /// Devices claimed or pending.
    pub devices: u64,
}

/// Catalogs the caller may see.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CatalogList {
    /// In the order of their names.
    pub items: Vec<Catalog>,
}

/// Which half of a trust store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Root of trust and OS.
    Platform,
    /// Apps, catalog, service.
    Owner,
}

/// One version of one trust-store section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrustStoreSection {
    /// Which half.
    pub section: Section,
    /// 1 is the genesis; each successor adds one.
    pub version: u64,
    /// SHA-256 of the signed bytes.
    pub digest: Digest,
    /// When the service accepted it, Unix seconds.
    pub accepted_s: u64,
}

/// The newest sections of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrustStore {
    /// Every version accepted so far, oldest first.
    pub sections: Vec<TrustStoreSection>,
}

/// Asks for a product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductCreate {
    /// 1 to 50 of `A-Z a-z 0-9 _ -`; unique in the catalog.
    pub name: String,
    /// Free text, at most 500 bytes.
    #[serde(default)]
    pub description: String,
    /// Weakest root of trust that its groups accept.
    #[serde(default)]
    pub least_class: RotClass,
    /// Also make the groups `Development`, `FieldTest` and `Production`.
    #[serde(default = "yes")]
    pub default_groups: bool,
}

fn yes() -> bool {
    true
}

/// The class of a root of trust, from its endorsement, weakest first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RotClass {
    /// The engine in a process of the host: whoever is root there can read its keys.
    #[default]
    Software,
    /// Firmware behind a mailbox.
    Firmware,
    /// A TPM 2.0.
    Tpm,
    /// A chip of its own.
    Silicon,
}

/// A product: what a maker sells, and the container of its device groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// Its name, which is also its id inside the catalog.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Weakest root of trust that its groups accept.
    pub least_class: RotClass,
    /// When it was created, Unix seconds.
    pub created_s: u64,
}

/// Products of a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProductList {
    /// In the order of their names.
    pub items: Vec<Product>,
}

/// What a group's devices take by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpdatePolicy {
    /// Whatever is deployed to the group.
    #[default]
    UpdateAll,
    /// No applications from the service; the platform is still updated.
    NoAppUpdates,
}

/// Asks for a device group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceGroupCreate {
    /// 1 to 50 of `A-Z a-z 0-9 _ -`; unique in the product.
    pub name: String,
    /// Free text, at most 500 bytes.
    #[serde(default)]
    pub description: String,
    /// Whether development sets may be deployed to it.
    #[serde(default)]
    pub development: bool,
    /// What its devices take by themselves.
    #[serde(default)]
    pub update_policy: UpdatePolicy,
}

/// Changes a device group; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceGroupChange {
    /// Free text, at most 500 bytes.
    #[serde(default)]
    pub description: Option<String>,
    /// What its devices take by themselves.
    #[serde(default)]
    pub update_policy: Option<UpdatePolicy>,
}

/// A device group: the devices that one deployment addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceGroup {
    /// `product/group`: how other requests name it.
    pub path: String,
    /// Its product.
    pub product: String,
    /// Its name in the product.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Whether development sets may be deployed to it.
    pub development: bool,
    /// Weakest root of trust accepted, from the product.
    pub least_class: RotClass,
    /// What its devices take by themselves.
    pub update_policy: UpdatePolicy,
    /// Devices in it, claimed or pending.
    pub devices: u64,
    /// The set that its active deployment offers, if any.
    pub image_set: Option<ImageSetId>,
    /// When it was created, Unix seconds.
    pub created_s: u64,
}

/// Device groups of a product or a catalog.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceGroupList {
    /// In the order of their paths.
    pub items: Vec<DeviceGroup>,
}
