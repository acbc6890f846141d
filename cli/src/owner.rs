//! Making a catalog: the roots are made here, and the service never sees them.

use crate::client::Client;
use crate::home::Home;
use anyhow::{Context as _, Result};
use craton_api::operator::{Base64, Catalog, CatalogCreate, ServiceInfo};
use craton_trust::PublicKey;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::signed;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeys, Section, SectionKind};

/// No security version above this is believed, until a successor of the section says so.
const CEILING: u64 = 1_000;

/// Creates a catalog whose root is on this machine alone, marked `dev`.
///
/// # Errors
/// The service's refusals, and those of the key files.
pub async fn create_dev_catalog(client: &mut Client, home: &Home, name: &str) -> Result<Catalog> {
    let info: ServiceInfo = client.get("/v1/service").await?;
    let owner_section = owner_section(home, &info)?;
    let platform_section = platform_section(home)?;
    let body = CatalogCreate {
        name: name.to_owned(),
        owner_section: Base64(owner_section),
        platform_section: Base64(platform_section),
    };
    client.post("/v1/catalogs", &body).await
}

fn owner_section(home: &Home, info: &ServiceInfo) -> Result<Vec<u8>> {
    let service = |role: &str| -> Result<RoleKeys> {
        let key = info.keys.iter().find(|key| key.role == role);
        let key = key.with_context(|| format!("the service has no key for the role {role}"))?;
        Ok(RoleKeys::of(PublicKey::from_sec1(&key.key.0)?))
    };
    let own =
        |name: &str| -> Result<RoleKeys> { Ok(RoleKeys::of(home.key_or_new(name)?.public_key())) };
    let mut section = Section::genesis(SectionKind::Owner, true, CEILING);
    section.set_role(Role::Root, own("owner-root")?);
    section.set_role(Role::Publisher, own("publisher")?);
    section.set_role(Role::Approver, own("approver")?);
    section.set_role(Role::Catalog, service("catalog")?);
    section.set_role(Role::Online, service("online")?);
    section.set_role(Role::Service, service("service")?);
    section.set_role(Role::Log, service("log")?);
    seal(&section, &home.key("owner-root")?)
}

fn platform_section(home: &Home) -> Result<Vec<u8>> {
    let manufacturer = home.key_or_new("manufacturer")?.public_key();
    let root = home.key_or_new("platform-root")?;
    let mut section = Section::genesis(SectionKind::Platform, true, CEILING);
    section.set_role(Role::Root, RoleKeys::of(root.public_key()));
    section.set_role(Role::Manufacturer, RoleKeys::of(manufacturer));
    let publisher = home.key_or_new("platform-publisher")?.public_key();
    section.set_role(Role::Publisher, RoleKeys::of(publisher));
    seal(&section, &root)
}

fn seal(section: &Section, root: &dyn Signer) -> Result<Vec<u8>> {
    let (mut payload, mut object) = (vec![0u8; 8192], vec![0u8; 8192]);
    let payload = section.encode(&mut payload)?;
    Ok(signed::seal(&Soft, Kind::TrustStore, payload, &[root], &mut object)?.to_vec())
}
