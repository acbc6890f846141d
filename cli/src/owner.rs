//! Making a catalog: its roots are made here, and the service never sees them.

use crate::client::{Call, Client, Refused};
use crate::home::{CatalogFolder, Home, make_folder};
use crate::keys;
use crate::memory::Memory;
use crate::operation::Operation;
use crate::passphrase::Passphrase;
use anyhow::{Context as _, Result};
use craton_api::operator::{Base64, Catalog, CatalogCreate, CatalogId, ServiceInfo};
use craton_trust::PublicKey;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer;
use craton_trust::signed::{self, Signed};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, RoleKeysBuilder, Section, SectionBuilder, SectionKind};
use std::fs;
use std::path::PathBuf;

/// No security version above this is believed, until a successor of the section says so.
const CEILING: u64 = 1_000;

/// How a catalog's keys are made, and where they go.
pub struct Plan {
    /// A root on this machine alone, marked `dev`.
    pub dev: bool,
    /// Where the two recovery keys of a production root go.
    pub recovery: Vec<PathBuf>,
    /// A key of a second person; otherwise one is made.
    pub approver: Option<PublicKey>,
    /// Where a second person's new key goes, and what seals it.
    pub approver_key: Option<(PathBuf, Option<Passphrase>)>,
    /// A publisher's key of another machine; otherwise one is made.
    pub publisher: Option<PublicKey>,
    /// Whether this machine witnesses the log.
    pub witness: bool,
    /// What seals the keys that stay on this machine.
    pub passphrase: Option<Passphrase>,
}

impl Plan {
    /// Everything in the clear on this machine, for development.
    #[must_use]
    pub const fn dev() -> Self {
        Self {
            dev: true,
            recovery: Vec::new(),
            approver: None,
            approver_key: None,
            publisher: None,
            witness: false,
            passphrase: None,
        }
    }
}

/// A key and where it is to be written; `None`: where the catalog's keys are.
struct NewKey {
    name: &'static str,
    key: SoftKey,
    place: Option<PathBuf>,
}

/// The new keys of a catalog, and who holds the roles of which none is new.
struct Keys {
    new: Vec<NewKey>,
    approver: PublicKey,
    publisher: PublicKey,
}

impl Keys {
    fn make(plan: &Plan) -> Result<Self> {
        let mut new = Vec::new();
        let mut make = |name: &'static str, place: Option<PathBuf>| -> Result<PublicKey> {
            let key = keys::generate()?;
            let public = key.public_key();
            new.push(NewKey { name, key, place });
            Ok(public)
        };
        make("root", None)?;
        for place in &plan.recovery {
            make("recovery", Some(place.clone()))?;
        }
        make("manufacturer", None)?;
        make("platform-publisher", None)?;
        if plan.witness {
            make("witness", None)?;
        }
        let publisher = plan.publisher.map_or_else(|| make("publisher", None), Ok)?;
        let place = plan.approver_key.as_ref().map(|(path, _)| path.clone());
        let approver = plan.approver.map_or_else(|| make("approver", place), Ok)?;
        Ok(Self { new, approver, publisher })
    }

    fn named<'k>(&'k self, names: &'k [&str]) -> impl Iterator<Item = &'k SoftKey> {
        self.new.iter().filter(|new| names.contains(&new.name)).map(|new| &new.key)
    }

    fn one(&self, name: &str) -> RoleKeysBuilder {
        let found = self.new.iter().find(|new| new.name == name);
        found.map_or(RoleKeysBuilder::new(0), |new| RoleKeysBuilder::of(new.key.public_key()))
    }

    /// The root of both sections: the one key of a `dev` catalog, or two of three.
    fn root(&self) -> Result<RoleKeysBuilder> {
        let keys: Vec<PublicKey> = self.named(ROOTS).map(Signer::public_key).collect();
        let mut role = RoleKeysBuilder::new(if keys.len() > 1 { 2 } else { 1 });
        keys.into_iter().try_for_each(|key| role.push(key))?;
        Ok(role)
    }

    fn seal(&self, section: &SectionBuilder) -> Result<Vec<u8>> {
        let (mut payload, mut object) = (vec![0u8; 8192], vec![0u8; 8192]);
        let payload = section.encode(&mut payload)?;
        // Parsing refuses what no device would take: one key on both sides of an approval.
        Section::parse(payload)?;
        let roots: Vec<&dyn Signer> = self.named(ROOTS).map(|key| key as &dyn Signer).collect();
        Ok(signed::seal(&Soft, Kind::TrustStore, payload, &roots, &mut object)?.to_vec())
    }
}

const ROOTS: &[&str] = &["root", "recovery"];

/// What came of it.
pub struct Made {
    /// The catalog.
    pub catalog: Catalog,
    /// What is kept of it here.
    pub folder: CatalogFolder,
}

/// Makes keys and sections, keeps them, and has the service create the catalog. If the service
/// refuses, nothing stays.
///
/// # Errors
/// `FileExists`, `FileNotWritten`, and the service's refusals.
pub async fn create(client: &mut Client, home: &Home, name: &str, plan: &Plan) -> Result<Made> {
    let info: ServiceInfo = client.call(Call::of(Operation::ServiceShow), None).await?;
    let keys = Keys::make(plan)?;
    let owner = keys.seal(&owner_section(&keys, plan, &info)?)?;
    let platform = keys.seal(&platform_section(&keys, plan)?)?;
    let id = CatalogId(Signed::parse(&owner)?.digest(&Soft).0);
    let folder = home.catalog(id);
    let mut written = Written::default();
    written.keys(&keys, plan, &folder)?;
    let body = CatalogCreate {
        name: name.to_owned(),
        owner_section: Base64(owner.clone()),
        platform_section: Base64(platform.clone()),
    };
    let created = client.call(Call::of(Operation::CatalogCreate).json(&body)?, None).await;
    let catalog: Catalog = created.inspect_err(|error| {
        // After any other error the catalog may exist, and its root must not be lost.
        written.keep = !error.is::<Refused>();
    })?;
    written.keep = true;
    // Another command may have seen a successor already.
    for (path, first) in [(folder.owner_path(), &owner), (folder.platform_path(), &platform)] {
        Memory::of(&path).await?.remember_first(first)?;
    }
    Ok(Made { catalog, folder })
}

/// Key files that go again unless they are to be kept.
#[derive(Default)]
struct Written {
    paths: Vec<PathBuf>,
    keep: bool,
}

impl Written {
    fn keys(&mut self, keys: &Keys, plan: &Plan, folder: &CatalogFolder) -> Result<()> {
        make_folder(&folder.0)?;
        for new in &keys.new {
            let path = new.place.clone().unwrap_or_else(|| folder.key_path(new.name));
            let passphrase = match (&new.place, &plan.approver_key) {
                (None, _) => plan.passphrase.as_ref(),
                (Some(_), Some((_, passphrase))) if new.name == "approver" => passphrase.as_ref(),
                // A recovery key must open when everything else is forgotten.
                (Some(_), _) => None,
            };
            keys::write(&path, &new.key, passphrase)?;
            self.paths.push(path);
        }
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
        let folder = self.paths.first().and_then(|path| path.parent());
        let _ = folder.map(fs::remove_dir);
    }
}

fn owner_section(keys: &Keys, plan: &Plan, info: &ServiceInfo) -> Result<SectionBuilder> {
    let service = |role: &str| -> Result<RoleKeysBuilder> {
        let key = info.keys.iter().find(|key| key.role == role);
        let key = key.with_context(|| format!("the service has no key for the role {role}"))?;
        Ok(RoleKeysBuilder::of(PublicKey::from_sec1(&key.key.0)?))
    };
    let mut section = SectionBuilder::genesis(SectionKind::Owner, plan.dev, CEILING);
    section.set_role(Role::Root, keys.root()?);
    section.set_role(Role::Publisher, RoleKeysBuilder::of(keys.publisher));
    section.set_role(Role::Approver, RoleKeysBuilder::of(keys.approver));
    section.set_role(Role::Catalog, service("catalog")?);
    section.set_role(Role::Online, service("online")?);
    section.set_role(Role::Service, service("service")?);
    section.set_role(Role::Log, service("log")?);
    section.set_role(Role::Witness, keys.one("witness"));
    Ok(section)
}

fn platform_section(keys: &Keys, plan: &Plan) -> Result<SectionBuilder> {
    let mut section = SectionBuilder::genesis(SectionKind::Platform, plan.dev, CEILING);
    section.set_role(Role::Root, keys.root()?);
    section.set_role(Role::Manufacturer, keys.one("manufacturer"));
    section.set_role(Role::Publisher, keys.one("platform-publisher"));
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(folder: &std::path::Path) -> Plan {
        let recovery = vec![folder.join("one.key"), folder.join("two.key")];
        Plan { dev: false, recovery, ..Plan::dev() }
    }

    #[test]
    fn a_production_root_is_two_of_three_and_no_key_is_of_two_minds() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::make(&plan(folder.path())).unwrap();
        let root = keys.root().unwrap();
        assert_eq!((root.threshold, root.role_keys().keys().len()), (2, 3));
        let section = platform_section(&keys, &plan(folder.path())).unwrap();
        let sealed = keys.seal(&section).unwrap();
        let signed = Signed::parse(&sealed).unwrap();
        assert!(craton_trust::store::accept_genesis(&Soft, &signed).is_ok());
        let dev = Keys::make(&Plan::dev()).unwrap().root().unwrap();
        assert_eq!((dev.threshold, dev.role_keys().keys().len()), (1, 1));
    }

    #[test]
    fn what_was_written_for_a_refused_catalog_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let keys = Keys::make(&plan).unwrap();
        let kept = CatalogFolder(folder.path().join("catalog"));
        let mut written = Written::default();
        written.keys(&keys, &plan, &kept).unwrap();
        assert!(plan.recovery[0].exists() && kept.key_path("root").exists());
        // A second catalog does not overwrite the first one's recovery keys, nor remove them.
        let other = CatalogFolder(folder.path().join("other"));
        let mut refused = Written::default();
        assert!(refused.keys(&keys, &plan, &other).is_err());
        drop(refused);
        assert!(plan.recovery[0].exists() && !other.key_path("root").exists());
        drop(written);
        assert!(!plan.recovery[0].exists() && !kept.0.exists());
    }
}
