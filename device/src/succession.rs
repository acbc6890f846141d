//! Successors of the trust store: taken one by one, by root signatures alone, and only while what
//! is installed stays believed.
//!
//! The auth role takes them before it checks in, [`crate::stopped`] from a file. It is the root of
//! trust that judges (STORE-1, STORE-4): what is here reads it the sets and envelopes on the disk.

use crate::installed::{self, InstalledError};
use craton_rot::{RootOfTrust, SECTION_MAX};
use craton_trust::store::{KeptSection, Section, SectionKind};
use craton_trust::{SetId, Signed};
use std::path::Path;

/// Why a successor was not taken; the section before it is still in force.
#[derive(Debug, thiserror::Error)]
pub enum SuccessionError {
    /// The successor, or what it would do to an installed set, is refused.
    #[error("{0}")]
    Trust(#[from] craton_trust::Error),
    /// The root of trust refuses it.
    #[error("{0}")]
    Rot(#[from] craton_rot::Error),
    /// An installed set could not be read.
    #[error("{0}")]
    Installed(#[from] InstalledError),
}

impl SuccessionError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Trust(error) => error.code(),
            Self::Rot(error) => error.code(),
            Self::Installed(error) => error.code(),
        }
    }
}

/// The section of a kind that the root of trust has in force.
///
/// # Errors
/// The root of trust's.
pub fn in_force(
    rot: &dyn RootOfTrust,
    kind: SectionKind,
) -> craton_rot::Result<KeptSection<Vec<u8>>> {
    let mut room = vec![0u8; SECTION_MAX];
    let signed = Signed::parse(rot.section(kind, &mut room)?)?;
    // The root of trust verified it when it took it in.
    Ok(KeptSection::parse(signed.unchecked_payload().to_vec())?)
}

/// Takes one successor; `kept` are the sets on this device. Returns what is in force now.
///
/// The one write that commits is the root of trust's: a power cut leaves the old section or the
/// new one. What this boot measured stays as it was, so that only the next boot quotes the new one.
///
/// # Errors
/// The old section is still in force: `SuccessorVersion`, `SuccessorGenesis`, `SuccessorDev`,
/// `SuccessorOrphans`, the refusals of its signatures; `InstalledOmitted`, `DeviceIo`.
pub fn take(
    rot: &mut dyn RootOfTrust,
    device: &Path,
    kept: &[SetId],
    successor: &[u8],
) -> Result<(SectionKind, u64), SuccessionError> {
    let section = Section::parse(Signed::parse(successor)?.unchecked_payload())?;
    let (mut sets, mut envelopes) = (Vec::new(), Vec::new());
    for set in kept {
        if let Some(signed) = installed::signed_objects(device, *set)? {
            sets.push(signed.set);
            envelopes.extend(signed.envelopes);
        }
    }
    let sets: Vec<&[u8]> = sets.iter().map(Vec::as_slice).collect();
    let envelopes: Vec<&[u8]> = envelopes.iter().map(Vec::as_slice).collect();
    rot.replace(successor, &sets, &envelopes)?;
    Ok((section.kind, section.version))
}
