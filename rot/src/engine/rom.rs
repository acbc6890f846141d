//! The first decision after a reset: whether a program may become the runtime.
//!
//! Rule ROT-15: what a ROM starts is byte for byte what it verified here: signed by the publisher
//! of the platform section in force, for this class of devices, of the component that runs on this
//! device, at or above its floor. Nothing is read twice: the caller passes the only copy, and
//! starts that one.
//!
//! It needs no identity and no secret: the device secret is not read. It promises nothing about
//! faults that skip or change an instruction.

use super::journal::{BODY_MAX, Journal};
use super::state::State;
use super::{lifecycle, sections};
use crate::SECTION_MAX;
use crate::error::{Error, Result};
use crate::platform::{Platform, Row};
use craton_trust::crypto::Crypto;
use craton_trust::store::{Role, RoleKeys, Section, SectionKind};
use craton_trust::suit::{self, FOOTER_SIZE, Footer, Image};
use craton_trust::{ClassId, ComponentId, Digest, Signed};
use zeroize::Zeroize as _;

/// A program that may be started. Only [`select`] makes one.
#[derive(Debug)]
pub struct Runtime<'p> {
    program: &'p [u8],
    component: ComponentId,
    digest: Digest,
    security_version: u64,
}

impl<'p> Runtime<'p> {
    /// The program, as it was verified.
    #[must_use]
    pub const fn program(&self) -> &'p [u8] {
        self.program
    }

    /// Its component.
    #[must_use]
    pub const fn component(&self) -> ComponentId {
        self.component
    }

    /// SHA-256 of the program: what a boot measures.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its security version. Starting it raises no floor (ROT-4).
    #[must_use]
    pub const fn security_version(&self) -> u64 {
        self.security_version
    }
}

/// Verifies `package` (payload, envelope, footer) as the runtime of this chip.
///
/// # Errors
/// `NotManufactured`, `StorageDamaged`, `StorageFailed`; `RuntimeForeign`; `Trust` for the package:
/// `FooterInvalid`, `SignerUnknown`, `SignatureInvalid`, `ClassMismatch`, `RolledBack`,
/// `AboveCeiling`, `PayloadMismatch` and the like.
pub fn select<'p>(
    platform: &impl Platform,
    crypto: &impl Crypto,
    package: &'p [u8],
) -> Result<Runtime<'p>> {
    if !lifecycle::is_manufactured(platform)? {
        return Err(Error::NotManufactured);
    }
    let state = load_state(platform, crypto)?;
    let (program, envelope) = split(package)?;
    let authority = load_authority(platform, crypto, &state)?;
    let image = suit::verify(crypto, &authority.publisher, envelope)?;
    admit(platform, &state, authority.ceiling, &image)?;
    let digest = crypto.sha256(&[program]);
    image.check_payload(&digest, program.len() as u64)?; // IMG-3
    let (component, security_version) = (image.component, image.security_version);
    Ok(Runtime { program, component, digest, security_version })
}

/// Program and envelope of a package; nothing of it is believed.
fn split(package: &[u8]) -> Result<(&[u8], &[u8])> {
    let invalid = Error::Trust(craton_trust::Error::FooterInvalid);
    let footer = package.last_chunk::<FOOTER_SIZE>().ok_or(invalid)?;
    let footer = Footer::parse(footer, package.len() as u64)?;
    let payload_size = usize::try_from(footer.payload_size).map_err(|_| invalid)?;
    let (program, rest) = package.split_at_checked(payload_size).ok_or(invalid)?;
    let envelope_size = usize::try_from(footer.envelope_size).map_err(|_| invalid)?;
    Ok((program, rest.get(..envelope_size).ok_or(invalid)?))
}

/// The state in force, of this chip and no other.
#[inline(never)] // its rooms leave the stack before a signature is verified
fn load_state(platform: &impl Platform, crypto: &impl Crypto) -> Result<State> {
    let mut body = [0u8; BODY_MAX];
    let loaded = Journal::load(platform, crypto, &mut body);
    let state = loaded.and_then(|(_, length)| State::parse(body.get(..length).unwrap_or(&[])));
    body.zeroize();
    let state = state?;
    let mut genesis = [0u8; 32];
    platform.fuses(Row::PlatformGenesis, &mut genesis)?;
    if state.platform.genesis.0 == genesis { Ok(state) } else { Err(Error::StorageDamaged) }
}

/// What the platform section in force says of runtimes. A whole section is 5 KiB of a chip's stack.
struct Authority {
    publisher: RoleKeys,
    ceiling: u64,
}

#[inline(never)] // as above
fn load_authority(
    platform: &impl Platform,
    crypto: &impl Crypto,
    state: &State,
) -> Result<Authority> {
    let mut room = [0u8; SECTION_MAX];
    let kind = SectionKind::Platform;
    let bytes = sections::read(platform, crypto, kind, &state.platform, &mut room)?;
    let section = Section::parse(Signed::parse(bytes)?.unchecked_payload())?;
    Ok(Authority { publisher: section.role(Role::Publisher).clone(), ceiling: section.ceiling })
}

/// Refuses an authentic image that is not for here, or not for now.
fn admit(platform: &impl Platform, state: &State, ceiling: u64, image: &Image<'_>) -> Result<()> {
    if image.image_type.section() != SectionKind::Platform {
        return Err(Error::Trust(craton_trust::Error::SectionKind)); // IMG-5
    }
    let mut class = ClassId([0; 16]);
    platform.fuses(Row::Class, &mut class.0)?;
    image.check_class(class)?; // IMG-4
    // Under another id it would begin at floor 0: every old version would be admitted (ROLL-1).
    if state.runtime.is_some_and(|confirmed| confirmed != image.component) {
        return Err(Error::RuntimeForeign);
    }
    let (component, version) = (image.component, image.security_version);
    Ok(state.floors.admit(component, version, ceiling)?)
}
