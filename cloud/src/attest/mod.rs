//! Attestation: evidence → [`Authentic`] → [`Appraised`] (RATS, RFC 9334).
//!
//! What is true here: a device is appraised only if its evidence is authentic from its endorsed
//! identity down, answers this connection and this request, was never seen before, and shows
//! nothing but what this catalog published. Rules: ATT-1 the pair (boot, check-in) only rises;
//! ATT-2 everything measured is a reference value: the trust store, a runtime that the platform's
//! publisher signed (as that trust store names him, or the newest), an admitted set, and exactly
//! that set's images; ATT-3 a device is what its
//! endorsement says, at least as good as its product demands; ATT-4 no production certificate
//! outside mode Normal; ATT-5 the root of trust's own layer agrees with the platform, the
//! endorsement and the claims; ATT-6 nothing measured is below a floor that the device claims;
//! ATT-7 which scheme counts is the endorsement's word: a TPM's identity is believed by its quotes
//! and by nothing else, and nobody else by a quote; ATT-10 a device shows no older version of a
//! section of its trust store than it showed before.
//!
//! Which program the root of trust is (the layer's code, the implementation id) is compared only
//! where the set that booted names it: no list of good ones is published yet.

pub mod baseline;
pub mod boot_log;
mod error;
mod measured;
#[cfg(test)]
pub mod tests;

pub use error::AttestError;
use measured::Shown;
pub use measured::{References, StoreVersions};

use crate::crypto::AwsLc;
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::endorsement::RotClass;
use craton_trust::evidence::{self, Authentic, IMAGE_SET, Lifecycle, Purpose, check_in_nonce};
use craton_trust::quoted::{self, Registers};
use craton_trust::{CatalogId, ClassId, ComponentId, DeviceId, Digest, PublicKey, SetId};

/// The registers that tell of firmware, its drivers, loader and secure boot (PC Client Platform
/// Firmware Profile, §3.3.4). The host chooses what is quoted: one that leaves them out would have
/// a baseline from which nothing differs.
const BOOT_REGISTERS: u32 = 0xff;

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
    /// The class of devices, from its endorsement (ATT-5).
    pub class: ClassId,
    /// Digest of the first version of its platform's section (ATT-5).
    pub platform: Digest,
    /// The versions of its sections that it showed last (ATT-10); `None` if it never showed any.
    pub store: Option<StoreVersions>,
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
    registers: Option<Registers>,
    shown: Shown,
}

impl Appraised {
    /// Which versions of the sections of its trust store it has.
    #[must_use]
    pub const fn store(&self) -> StoreVersions {
        self.shown.store
    }

    /// The components of its programs by the platform's publisher, in order.
    #[must_use]
    pub fn programs(&self) -> &[ComponentId] {
        &self.shown.programs
    }

    /// What the firmware and the loader measured into a TPM: for [`baseline`], and no reference
    /// value.
    #[must_use]
    pub fn registers(&self) -> Option<&Registers> {
        self.registers.as_ref()
    }

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

/// Appraises a check-in against what its catalog published.
///
/// # Errors
/// One of [`AttestError`] for each way in which evidence can be wrong.
pub fn appraise(
    known: &Known,
    asked: &Asked,
    evidence: &[u8],
    references: &impl References,
) -> Result<Appraised, AttestError> {
    let (authentic, registers) = verify(known, evidence)?;
    if registers.is_some_and(|shown| shown.selection.0 & BOOT_REGISTERS != BOOT_REGISTERS) {
        return Err(AttestError::RegistersMissing); // ATT-8
    }
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
        return Err(AttestError::ModeNotNormal(claims.mode)); // ATT-4
    }
    check_layer(&authentic, known)?;
    let shown = measured::check(claims, references)?;
    known.store.map_or(Ok(()), |before| shown.store.check_not_below(before))?; // ATT-10
    Ok(Appraised { catalog: known.catalog, authentic, registers, shown })
}

/// By the scheme of the endorsed class (ATT-7).
fn verify(
    known: &Known,
    evidence: &[u8],
) -> Result<(Authentic, Option<Registers>), craton_trust::Error> {
    if known.rot == RotClass::Tpm {
        let quoted = quoted::verify(&AwsLc, &known.identity, evidence)?;
        return Ok((quoted.authentic.clone(), Some(quoted.registers)));
    }
    Ok(((*evidence::verify(&AwsLc, &known.identity, evidence)?).clone(), None))
}

/// What the root of trust's certificate says of itself against what others say of it (ATT-5).
fn check_layer(authentic: &Authentic, known: &Known) -> Result<(), AttestError> {
    let layer = &authentic.layer;
    if layer.authority != AwsLc.sha512(&[&known.platform.0]) {
        return Err(AttestError::PlatformForeign);
    }
    let configuration = evidence::layer_configuration(authentic.claims.lifecycle, &known.class);
    if layer.configuration[..3] != configuration[..3] {
        return Err(AttestError::LifecycleContradicts);
    }
    if layer.configuration != configuration {
        return Err(AttestError::ClassOther);
    }
    Ok(())
}

fn check_lifecycle(lifecycle: Lifecycle, dev: bool) -> Result<(), AttestError> {
    match lifecycle {
        Lifecycle::DeviceComplete => Ok(()),
        Lifecycle::Module1Complete if dev => Ok(()),
        other => Err(AttestError::LifecycleRefused(other.name())),
    }
}
