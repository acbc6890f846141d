//! What a device measured, against what its catalog published (ATT-2, ATT-6).

use super::AttestError;
use craton_trust::evidence::{Claims, IMAGE_SET, RESERVED, TRUST_STORE};
use craton_trust::set::ImageSet;
use craton_trust::{ComponentId, Digest, SetId, Signed};
use std::sync::Arc;

/// What a catalog published. A store that does not answer has published nothing.
pub trait References {
    /// Whether a device may have this trust store.
    fn has_trust_store(&self, digest: Digest) -> bool;

    /// The signed set, if it was admitted.
    fn admitted_set(&self, set: SetId) -> Option<Arc<[u8]>>;

    /// The security version of a runtime that the platform's publisher signed: as the trust store
    /// `store`, which the device has, names him, or as the newest does.
    fn runtime(&self, component: ComponentId, payload: Digest, store: Digest) -> Option<u64>;
}

/// Refuses measurements that are no reference values. An app counts only as a member of the set
/// that the device booted: that it was published once, for another set or another device, says
/// nothing.
pub fn check(claims: &Claims, references: &impl References) -> Result<(), AttestError> {
    let unknown = AttestError::MeasurementUnknown;
    let store = claims.measured.of(TRUST_STORE).ok_or(AttestError::MeasurementMissing)?;
    if !references.has_trust_store(store) {
        return Err(unknown(TRUST_STORE, store));
    }
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
    let mut runtime_seen = false;
    let others = claims.measured.iter().filter(|m| !RESERVED.contains(&m.component));
    for measured in others {
        let (component, digest) = (measured.component, measured.digest);
        let published = || references.runtime(component, digest, store);
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
    if runtime_seen { Ok(()) } else { Err(AttestError::RuntimeUnmeasured) }
}
