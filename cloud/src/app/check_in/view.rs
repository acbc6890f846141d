//! What check-ins need of a catalog beside the device's own row: the same for thousands of devices,
//! so it is read once after each write that may have changed it.
//!
//! What is true here: what a check-in sees is no older than its beginning. A view holds while
//! [`Store::stamp`] is what it was before the view was read. What a view does not know yet it reads
//! when it is asked, and keeps if this catalog published it: what devices claim in vain takes no
//! memory.

use super::super::{AppError, Core, log, newest_section};
use super::op_digest;
use crate::attest::{AttestError, References, StoreVersions};
use crate::catalog::{self, CatalogError, section_of};
use crate::crypto::AwsLc;
use crate::store::{GroupRules, ReadTx, Store};
use craton_api::operator::{self, CatalogId, Deployment, ImageSetId, Section};
use craton_trust::assignment::Target;
use craton_trust::evidence::trust_store_digest;
use craton_trust::suit::ENVELOPE_MAX;
use craton_trust::{ComponentId, Digest, SetId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The views of all catalogs.
#[derive(Default)]
pub struct Views(Mutex<BTreeMap<CatalogId, (u64, Arc<View>)>>);

impl Views {
    /// A view of a catalog that exists, no older than this call.
    pub(super) fn of(&self, store: &Store, catalog: CatalogId) -> Result<Arc<View>, AppError> {
        let stamp = store.stamp();
        let kept = locked(&self.0).get(&catalog).cloned();
        if let Some((_, view)) = kept.filter(|(of, _)| Some(*of) == stamp) {
            return Ok(view);
        }
        let view = Arc::new(store.read(|db| View::read(db, catalog))?);
        let Some(stamp) = stamp else { return Ok(view) };
        let mut views = locked(&self.0);
        match views.get(&catalog) {
            // Others missed it at the same time, and have begun to fill theirs.
            Some((of, kept)) if *of >= stamp => Ok(kept.clone()),
            _ => {
                views.insert(catalog, (stamp, view.clone()));
                Ok(view)
            }
        }
    }
}

/// A device group: its rules and its deployment, if it has them.
pub(super) struct Group {
    pub(super) rules: Option<GroupRules>,
    pub(super) deployment: Option<Deployment>,
}

/// A set with the proof that it is logged.
pub(super) struct LoggedSet {
    set: ImageSetId,
    proof: log::LoggedProof,
    path: Vec<Digest>,
}

impl LoggedSet {
    /// Which set.
    pub(super) fn set(&self) -> ImageSetId {
        self.set
    }

    /// As an assignment carries it.
    pub(super) fn target(&self) -> Result<Target<'_>, AppError> {
        let set = SetId(self.set.0);
        let target = Target::new(set, self.proof.index, &self.proof.checkpoint, &self.path);
        Ok(target.map_err(AttestError::Evidence)?)
    }
}

/// One catalog.
pub(super) struct View {
    pub(super) catalog: CatalogId,
    /// Whether its root is on one machine.
    pub(super) dev: bool,
    /// Decides who is in which wave.
    pub(super) wave_secret: [u8; 32],
    /// The first version of the platform section.
    pub(super) platform: Digest,
    witnessed: bool,
    /// Every pair of section versions that a device may have.
    trust_stores: BTreeMap<Digest, StoreVersions>,
    asked: Mutex<AskedBefore>,
}

/// What was asked before.
#[derive(Default)]
struct AskedBefore {
    groups: BTreeMap<String, Arc<Group>>,
    runtimes: BTreeMap<(ComponentId, Digest, u64), u64>,
    admitted: BTreeMap<SetId, Arc<[u8]>>,
    logged: BTreeMap<ImageSetId, Option<Arc<LoggedSet>>>,
}

impl View {
    fn read(db: &ReadTx<'_>, catalog: CatalogId) -> Result<Self, AppError> {
        let owner = newest_section(db, catalog, Section::Owner)?;
        let wave_secret = db.wave_secret(catalog)?.ok_or(CatalogError::DeviceUnknown)?;
        // They arrive one by one, so that each may stand beside each.
        let platforms = db.trust_store_digests(catalog, 0)?;
        let owners = db.trust_store_digests(catalog, 1)?;
        let all = (1..).zip(&platforms);
        let pairs = all.flat_map(|p| (1..).zip(&owners).map(move |o| (p, o)));
        let named = |(p, o): ((u64, &operator::Digest), (u64, &operator::Digest))| {
            let digest = trust_store_digest(&AwsLc, (*p.1).into(), Some((*o.1).into()));
            (digest, StoreVersions { platform: p.0, owner: o.0 })
        };
        let trust_stores = pairs.map(named).collect();
        let platform = platforms.first().copied().ok_or(CatalogError::SectionUnknown)?.into();
        let (dev, witnessed) = (owner.section().dev, log::witnessed(&owner.section()));
        let asked = Mutex::default();
        Ok(Self { catalog, dev, wave_secret, platform, witnessed, trust_stores, asked })
    }

    /// A device group by its path, as a device's row names it.
    pub(super) fn group(&self, store: &Store, path: &str) -> Result<Arc<Group>, AppError> {
        if let Some(group) = locked(&self.asked).groups.get(path) {
            return Ok(group.clone());
        }
        let (product, name) = path.split_once('/').ok_or(CatalogError::GroupPathInvalid)?;
        let group = store.read(|db| {
            let rules = db.device_group(self.catalog, product, name)?;
            let deployment = db.deployment_current(self.catalog, product, name)?;
            let deployment = deployment.map(|row| row.deployment);
            Ok::<_, AppError>(Arc::new(Group { rules, deployment }))
        })?;
        locked(&self.asked).groups.insert(path.to_owned(), group.clone());
        Ok(group)
    }

    /// What of this catalog may be measured on a device (ATT-2).
    pub(super) fn references<'v>(&'v self, core: &'v Core) -> impl References {
        Published { view: self, core }
    }

    /// The security version of a runtime whose publisher is that of version `platform` of the
    /// platform section, or of the newest.
    fn read_runtime(
        &self,
        core: &Core,
        (component, payload): (ComponentId, Digest),
        platform: u64,
    ) -> Result<Option<u64>, AppError> {
        let component = operator::ComponentId(component.0);
        let (runtimes, sections) = core.store.read(|db| {
            let half = Section::Platform;
            let its = db.trust_store_section(self.catalog, half, platform)?;
            let its = section_of(&its.ok_or(CatalogError::SectionUnknown)?)?;
            let sections = [newest_section(db, self.catalog, half)?, its];
            let runtimes = db.runtimes(self.catalog, component, op_digest(payload))?;
            Ok::<_, AppError>((runtimes, sections))
        })?;
        for (version, envelope) in runtimes {
            // One that cannot be read is by nobody, and hides no other one.
            let Ok(envelope) = core.blobs.read(envelope, ENVELOPE_MAX as u64) else { continue };
            if sections.iter().any(|it| catalog::is_published(&it.section(), &envelope)) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// A set that a deployment offers, with its proof; `None` while there is no proof that devices
    /// believe.
    pub(super) fn logged(
        &self,
        store: &Store,
        set: ImageSetId,
    ) -> Result<Option<Arc<LoggedSet>>, AppError> {
        if let Some(known) = locked(&self.asked).logged.get(&set) {
            return Ok(known.clone());
        }
        let logged = store.read(|db| self.read_logged(db, set))?.map(Arc::new);
        locked(&self.asked).logged.insert(set, logged.clone());
        Ok(logged)
    }

    fn read_logged(&self, db: &ReadTx<'_>, set: ImageSetId) -> Result<Option<LoggedSet>, AppError> {
        let row = db.image_set(self.catalog, set)?.ok_or(CatalogError::SetUnknown)?;
        let Some(index) = row.set.log_index else { return Ok(None) };
        let proof = log::logged_proof(db, self.catalog, index, self.witnessed)?;
        Ok(proof.map(|proof| {
            let path = proof.path.iter().map(|digest| Digest(digest.0)).collect();
            LoggedSet { set, proof, path }
        }))
    }
}

/// A view with the database and the files behind it.
struct Published<'v> {
    view: &'v View,
    core: &'v Core,
}

impl References for Published<'_> {
    fn trust_store(&self, digest: Digest) -> Option<StoreVersions> {
        self.view.trust_stores.get(&digest).copied()
    }

    fn admitted_set(&self, set: SetId) -> Option<Arc<[u8]>> {
        if let Some(known) = locked(&self.view.asked).admitted.get(&set) {
            return Some(known.clone());
        }
        let read = |db: &ReadTx<'_>| db.image_set_admitted(self.view.catalog, ImageSetId(set.0));
        // A database that does not answer is no reason to believe.
        let admitted: Arc<[u8]> = self.core.store.read(read).ok().flatten()?.into();
        locked(&self.view.asked).admitted.insert(set, admitted.clone());
        Some(admitted)
    }

    fn runtime(&self, component: ComponentId, payload: Digest, store: Digest) -> Option<u64> {
        let platform = self.trust_store(store)?.platform;
        let key = (component, payload, platform);
        if let Some(known) = locked(&self.view.asked).runtimes.get(&key) {
            return Some(*known);
        }
        let read = self.view.read_runtime(self.core, (component, payload), platform);
        let version = read.ok().flatten()?;
        locked(&self.view.asked).runtimes.insert(key, version);
        Some(version)
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
