//! Attestation: evidence → [`Authentic`] → [`Appraised`] (RATS, RFC 9334).
//!
//! What is true here: a device is appraised only if its evidence is authentic from its endorsed
//! identity down, answers this connection and this request, was never seen before, and shows
//! nothing but what this catalog published. Rules: ATT-1 the pair (boot, check-in) only rises;
//! ATT-2 everything measured is a reference value; ATT-3 a device is what its endorsement says, at
//! least as good as its product demands; ATT-4 no production certificate outside mode Normal.

mod error;
#[cfg(test)]
pub mod tests;

pub use error::AttestError;

use crate::crypto::AwsLc;
use craton_trust::dice::Mode;
use craton_trust::endorsement::RotClass;
use craton_trust::evidence::{
    self, Authentic, IMAGE_SET, Lifecycle, Purpose, TRUST_STORE, check_in_nonce,
};
use craton_trust::{CatalogId, ComponentId, DeviceId, Digest, PublicKey, SetId};

/// What the service knows of a device before it checks in.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its catalog.
    pub catalog: CatalogId,
    /// Its identity key, from its endorsement.
    pub identity: PublicKey,
    /// The class of its root of trust, from its endorsement (ATT-3).
    pub rot: RotClass,
    /// The least class that its product accepts.
    pub least_rot: RotClass,
    /// Its ownership epoch.
    pub epoch: u64,
    /// The last (boot, check-in) pair that was believed.
    pub last: Option<(u64, u64)>,
    /// Whether its catalog's root is on one machine: such a catalog takes devices before
    /// `DeviceComplete`.
    pub dev: bool,
}

/// What the evidence must answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The exporter of the connection, or the challenge.
    pub freshness: [u8; 32],
    /// SHA-256 of the request.
    pub request: Digest,
    /// The client key that the request names.
    pub client_key: PublicKey,
    /// The epoch that the request names.
    pub epoch: u64,
}

/// A device whose evidence was believed. Only [`appraise`] makes one.
#[derive(Clone, Debug)]
pub struct Appraised {
    catalog: CatalogId,
    authentic: Authentic,
}

impl Appraised {
    /// Its catalog.
    #[must_use]
    pub fn catalog(&self) -> CatalogId {
        self.catalog
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.authentic.claims.device
    }

    /// Its ownership epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.authentic.claims.epoch
    }

    /// The key for its certificate.
    #[must_use]
    pub fn client_key(&self) -> PublicKey {
        self.authentic.claims.client_key
    }

    /// The (boot, check-in) pair.
    #[must_use]
    pub fn counters(&self) -> (u64, u64) {
        (self.authentic.claims.boot, self.authentic.claims.check_in)
    }

    /// The set that it runs, as measured.
    #[must_use]
    pub fn set(&self) -> Option<SetId> {
        self.authentic.claims.measured.of(IMAGE_SET).map(|digest| SetId(digest.0))
    }

    /// All that was measured.
    pub fn measured(&self) -> impl Iterator<Item = (ComponentId, Digest)> {
        self.authentic.claims.measured.iter().map(|m| (m.component, m.digest))
    }

    /// In which mode it booted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.authentic.claims.mode
    }

    /// Where in its life it is.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.authentic.claims.lifecycle
    }
}

/// Appraises a check-in. `is_reference` says whether this catalog published that digest of that
/// component.
///
/// # Errors
/// One of [`AttestError`] for each way in which evidence can be wrong.
pub fn appraise(
    known: &Known,
    asked: &Asked,
    evidence: &[u8],
    is_reference: impl Fn(ComponentId, Digest) -> bool,
) -> Result<Appraised, AttestError> {
    let authentic = evidence::verify(&AwsLc, &known.identity, evidence)?;
    let claims = &authentic.claims;
    let nonce = check_in_nonce(&AwsLc, &known.catalog, &asked.freshness, &asked.request);
    claims.check(&nonce, Purpose::CheckIn, &known.catalog)?;
    if claims.client_key != asked.client_key {
        return Err(AttestError::ClientKeyOther);
    }
    if claims.epoch != asked.epoch || claims.epoch != known.epoch {
        return Err(AttestError::EpochOther);
    }
    if known.last.is_some_and(|last| (claims.boot, claims.check_in) <= last) {
        return Err(AttestError::CountersStale); // ATT-1
    }
    if known.rot < known.least_rot {
        return Err(AttestError::RotClassBelow); // ATT-3
    }
    check_lifecycle(claims.lifecycle, known.dev)?;
    if claims.mode != Mode::Normal {
        return Err(AttestError::ModeNotNormal); // ATT-4
    }
    if claims.measured.of(TRUST_STORE).is_none() {
        return Err(AttestError::MeasurementMissing); // ATT-2
    }
    let unknown = claims.measured.iter().find(|m| !is_reference(m.component, m.digest));
    if let Some(measured) = unknown {
        return Err(AttestError::MeasurementUnknown(measured.component, measured.digest)); // ATT-2
    }
    Ok(Appraised { catalog: known.catalog, authentic: (*authentic).clone() })
}

fn check_lifecycle(lifecycle: Lifecycle, dev: bool) -> Result<(), AttestError> {
    match lifecycle {
        Lifecycle::DeviceComplete => Ok(()),
        Lifecycle::Module1Complete if dev => Ok(()),
        other => Err(AttestError::LifecycleRefused(other.name())),
    }
}
