//! The device maker and owner: the keys that no service holds, and what they sign.

use crate::seed::Seed;
use anyhow::{Context as _, Result};
use craton_api::operator::ServiceInfo;
use craton_rot::{Action, Order};
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::endorsement::Endorsement;
use craton_trust::evidence::Lifecycle;
use craton_trust::signed;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind};
use craton_trust::{ClassId, DeviceId, PublicKey, Signed};

/// The class of every device here.
pub const CLASS: ClassId = ClassId(*b"craton/simulated");

/// No security version above this is believed.
const CEILING: u64 = 1_000;

/// The maker's and the owner's keys.
pub struct Maker {
    owner_root: SoftKey,
    platform_root: SoftKey,
    manufacturer: SoftKey,
    approver: SoftKey,
    /// Signs application images and sets.
    pub publisher: SoftKey,
    /// Signs the runtime.
    pub platform_publisher: SoftKey,
}

impl Maker {
    /// The keys that this seed gives.
    #[must_use]
    pub fn of(seed: Seed) -> Self {
        Self {
            owner_root: seed.key("owner-root"),
            platform_root: seed.key("platform-root"),
            manufacturer: seed.key("manufacturer"),
            approver: seed.key("approver"),
            publisher: seed.key("publisher"),
            platform_publisher: seed.key("platform-publisher"),
        }
    }

    /// The owner's first section, with the service's keys in their roles.
    ///
    /// # Errors
    /// If the service lacks a key.
    pub fn owner_section(&self, service: &ServiceInfo) -> Result<Vec<u8>> {
        let key_of = |role: &str| -> Result<RoleKeysBuilder> {
            let key = service.keys.iter().find(|key| key.role == role);
            let key = key.with_context(|| format!("the service has no key for {role}"))?;
            Ok(RoleKeysBuilder::of(PublicKey::from_sec1(&key.key.0)?))
        };
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, CEILING);
        section.set_role(Role::Root, RoleKeysBuilder::of(self.owner_root.public_key()));
        section.set_role(Role::Publisher, RoleKeysBuilder::of(self.publisher.public_key()));
        section.set_role(Role::Approver, RoleKeysBuilder::of(self.approver.public_key()));
        section.set_role(Role::Catalog, key_of("catalog")?);
        section.set_role(Role::Online, key_of("online")?);
        section.set_role(Role::Service, key_of("service")?);
        section.set_role(Role::Log, key_of("log")?);
        section_object(&section, &self.owner_root)
    }

    /// The platform's first section.
    ///
    /// # Errors
    /// None in practice.
    pub fn platform_section(&self) -> Result<Vec<u8>> {
        let mut section = SectionBuilder::genesis(SectionKind::Platform, true, CEILING);
        section.set_role(Role::Root, RoleKeysBuilder::of(self.platform_root.public_key()));
        section.set_role(Role::Manufacturer, RoleKeysBuilder::of(self.manufacturer.public_key()));
        section
            .set_role(Role::Publisher, RoleKeysBuilder::of(self.platform_publisher.public_key()));
        section_object(&section, &self.platform_root)
    }

    /// The manufacturer's order to move a device to `Module1Complete`.
    ///
    /// # Errors
    /// None in practice.
    pub fn complete_module(&self, device: DeviceId, epoch: u64) -> Result<Vec<u8>> {
        let action = Action::Lifecycle(Lifecycle::Module1Complete);
        let mut payload = [0u8; 128];
        let payload = Order { device, epoch, action }.encode(&mut payload)?;
        sealed(Kind::Lifecycle, payload, &self.manufacturer)
    }

    /// The manufacturer's signed endorsement.
    ///
    /// # Errors
    /// None in practice.
    pub fn endorse(&self, endorsement: &Endorsement) -> Result<Vec<u8>> {
        let mut payload = [0u8; 256];
        sealed(Kind::Endorsement, endorsement.encode(&mut payload)?, &self.manufacturer)
    }

    /// The approver's object over a set: the second approval.
    ///
    /// # Errors
    /// If `set` is no signed object.
    pub fn approve(&self, set: &[u8]) -> Result<Vec<u8>> {
        sealed(Kind::Approval, Signed::parse(set)?.unchecked_payload(), &self.approver)
    }
}

fn section_object(section: &SectionBuilder, root: &dyn Signer) -> Result<Vec<u8>> {
    let mut payload = vec![0u8; 8192];
    sealed(Kind::TrustStore, section.encode(&mut payload)?, root)
}

/// An object of one signature.
///
/// # Errors
/// None in practice.
pub fn sealed(kind: Kind, payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>> {
    let mut object = vec![0u8; payload.len() + 1024];
    Ok(signed::seal(&Soft, kind, payload, &[signer], &mut object)?.to_vec())
}
