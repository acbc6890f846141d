//! What a device measured, against what its catalog published (ATT-2, ATT-6).

use super::AttestError;
use craton_trust::evidence::{Claims, IMAGE_SET, RESERVED, TRUST_STORE};
use craton_trust::set::ImageSet;
use craton_trust::{ComponentId, Digest, SetId, Signed};
use std::sync::Arc;

/// What a catalog published. A store that does not answer has published nothing.
pub trait References {
    /// The versions of the sections of this trust store, if a device may have it.
    fn trust_store(&self, digest: Digest) -> Option<StoreVersions>;

    /// The signed set, if it was admitted.
    fn admitted_set(&self, set: SetId) -> Option<Arc<[u8]>>;

    /// The security version of a runtime that the platform's publisher signed: as the trust store
    /// `store`, which the device has, names him, or as the newest does.
    fn runtime(&self, component: ComponentId, payload: Digest, store: Digest) -> Option<u64>;
}

/// Which version of each section a trust store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreVersions {
    /// Of the platform's.
    pub platform: u64,
    /// Of the owner's.
    pub owner: u64,
}

impl StoreVersions {
    /// Refuses a version below the one `before`: sections only follow one another, so that whoever
    /// shows an older one has the keys of it, and not what took its place.
    pub(super) fn check_not_below(self, before: Self) -> Result<(), AttestError> {
        let halves =
            [("platform", self.platform, before.platform), ("owner", self.owner, before.owner)];
        match halves.into_iter().find(|(_, shows, showed)| shows < showed) {
            Some((section, shows, showed)) => {
                Err(AttestError::SectionBelowShown { section, shows, showed })
            }
            None => Ok(()),
        }
    }
}

/// What measurements showed beside that they are reference values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which trust store the device has.
    pub store: StoreVersions,
    /// The components of its programs by the platform's publisher, in order.
    pub programs: Vec<ComponentId>,
}

/// Refuses measurements that are no reference values. An app counts only as a member of the set
/// that the device booted: that it was published once, for another set or another device, says
/// nothing.
pub fn check(claims: &Claims, references: &impl References) -> Result<Shown, AttestError> {
    let unknown = AttestError::MeasurementUnknown;
    let named = claims.measured.of(TRUST_STORE).ok_or(AttestError::MeasurementMissing)?;
    let store = references.trust_store(named).ok_or(unknown(TRUST_STORE, named))?;
    let booted = claims.measured.of(IMAGE_SET);
    let signed = booted.map(|id| {
        references.admitted_set(SetId(id.0)).ok_or(AttestError::MeasurementUnknown(IMAGE_SET, id))
    });
    let signed = signed.transpose()?;
    let set = signed.as_deref().map(|bytes| {
        Signed::parse(bytes).and_then(|signed| ImageSet::parse(signed.unchecked_payload()))
    });
    let set = set.transpose()?;
    let member =
        |component| set.iter().flat_map(ImageSet::members).find(|m| m.component == component);
    let (mut runtime_seen, mut programs) = (false, Vec::new());
    let others = claims.measured.iter().filter(|m| !RESERVED.contains(&m.component));
    for measured in others {
        let (component, digest) = (measured.component, measured.digest);
        let published = || references.runtime(component, digest, named);
        let runtime = if runtime_seen { None } else { published() };
        // The root of trust's own program is the platform's, too, and no runtime.
        runtime_seen |= runtime.is_some() && digest != claims.implementation;
        let version = match member(component) {
            // The root of trust's own program comes before or after the set that names it, and
            // shows which one runs: a published one is good. One whose publisher is gone would not
            // have started, whatever set it is in.
            Some(_) if digest == claims.implementation => published(),
            Some(member) if member.payload == digest => Some(member.security_version),
            Some(_) => None,
            None => runtime,
        };
        let version = version.ok_or(unknown(component, digest))?;
        if runtime.is_some() || digest == claims.implementation {
            programs.push(component);
        }
        if version < claims.floors.of(component) {
            return Err(AttestError::BelowOwnFloor(component)); // ATT-6
        }
    }
    let missing = set
        .iter()
        .flat_map(ImageSet::members)
        .find(|member| claims.measured.of(member.component).is_none());
    if let Some(member) = missing {
        return Err(AttestError::MemberUnmeasured(member.component));
    }
    if !runtime_seen {
        return Err(AttestError::RuntimeUnmeasured);
    }
    programs.sort_unstable();
    Ok(Shown { store, programs })
}
