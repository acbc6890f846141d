//! The trust store's sections in flash: two places for each, of which the state names the one in
//! force.

use super::Engine;
use super::state::{Installed, State};
use crate::SECTION_MAX;
use crate::error::{Error, Result};
use crate::platform::{Platform, SECTOR_SIZE, Sector, Source};
use craton_trust::crypto::{Crypto, KeyedCrypto, Mixed};
use craton_trust::signed::unchecked_payload;
use craton_trust::store::{Role, Section, SectionKind, catalog_id};
use craton_trust::{CatalogId, Digest, Verified};

const _: () = assert!(SECTION_MAX <= SECTOR_SIZE);

impl<P: Platform, C: KeyedCrypto> Engine<P, C> {
    /// The owner's catalog.
    pub(super) fn catalog(&self) -> Result<CatalogId> {
        self.state.owner.map(|owner| catalog_id(owner.genesis)).ok_or(Error::Unowned)
    }

    pub(super) fn read_section<'o>(
        &self,
        kind: SectionKind,
        out: &'o mut [u8],
    ) -> Result<&'o [u8]> {
        let installed = self.state.installed(kind).ok_or(Error::Unowned)?;
        read(&self.platform, &self.crypto, kind, installed, out)
    }

    /// Of the section in force what [`load`] says.
    pub(super) fn load_section<'r>(
        &self,
        kind: SectionKind,
        roles: &[Role],
        room: &'r mut [u8],
    ) -> Result<Section<'r>> {
        let installed = self.state.installed(kind).ok_or(Error::Unowned)?;
        Ok(load(&self.platform, &self.crypto, kind, installed, roles, room)?.0)
    }

    /// Of the section in force what it says beside its keys.
    pub(super) fn load_limits(&self, kind: SectionKind) -> Result<(u64, bool)> {
        let mut room = [0u8; Section::excerpt_size(0)];
        let section = self.load_section(kind, &[], &mut room)?;
        Ok((section.ceiling, section.dev))
    }

    /// Writes a believed section into the place that is not in force; `next` names it from its
    /// commit on.
    pub(super) fn stage_section(
        &mut self,
        next: &mut State,
        section: &Verified<Section<'_>>,
        genesis: Digest,
        bytes: &[u8],
    ) -> Result<()> {
        // The place that is not in force by this state may be in force by the one on the disk.
        self.journal.check_certain()?;
        let now = self.state.installed(section.kind);
        let second = now.is_some_and(|installed| !installed.second);
        let installed = write(&mut self.platform, &self.crypto, second, section, genesis, bytes)?;
        match section.kind {
            SectionKind::Platform => next.platform = installed,
            SectionKind::Owner => next.owner = Some(installed),
        }
        Ok(())
    }
}

/// Reads a section, and keeps the keys of `roles` in `room`. Its bytes are those that were
/// believed: their digest stands in the state. What speaks against that is returned, too: 0 is
/// nothing (ROT-18).
#[inline(never)] // the whole section is gone from the stack before a signature is verified
pub fn load<'r>(
    platform: &impl Source,
    crypto: &impl Crypto,
    kind: SectionKind,
    installed: &Installed,
    roles: &[Role],
    room: &'r mut [u8],
) -> Result<(Section<'r>, u32)> {
    platform.look(sector(kind, installed.second), |whole: &[u8; SECTION_MAX]| {
        let bytes = whole.get(..installed.length).ok_or(Error::StorageDamaged)?;
        let found = believed(crypto, installed, bytes)?;
        let section = Section::parse(unchecked_payload(bytes)?)?;
        Ok((section.excerpt(roles, room)?, found.difference(&installed.digest.0)))
    })?
}

/// Reads a section as it was signed.
pub fn read<'o>(
    platform: &impl Platform,
    crypto: &impl Crypto,
    kind: SectionKind,
    installed: &Installed,
    out: &'o mut [u8],
) -> Result<&'o [u8]> {
    let room = out.get_mut(..installed.length).ok_or(Error::RoomTooSmall)?;
    platform.read(sector(kind, installed.second), 0, room)?;
    believed(crypto, installed, room)?;
    Ok(room)
}

/// The digest of a section's bytes, if it is that of those that were believed.
fn believed(crypto: &impl Crypto, installed: &Installed, bytes: &[u8]) -> Result<Mixed> {
    let found = crypto.sha256_mixed(&[bytes]);
    if found.is(&installed.digest.0) { Ok(found) } else { Err(Error::StorageDamaged) }
}

/// Writes a section and says where it lies.
pub fn write(
    platform: &mut impl Platform,
    crypto: &impl Crypto,
    second: bool,
    section: &Verified<Section<'_>>,
    genesis: Digest,
    bytes: &[u8],
) -> Result<Installed> {
    if bytes.len() > SECTION_MAX {
        return Err(Error::Trust(craton_trust::Error::FieldTooLong));
    }
    let sector = sector(section.kind, second);
    platform.erase(sector)?;
    platform.program(sector, 0, bytes)?;
    platform.sync()?;
    let digest = crypto.sha256(&[bytes]);
    Ok(Installed { second, length: bytes.len(), digest, section: section.digest(), genesis })
}

const fn sector(kind: SectionKind, second: bool) -> Sector {
    match (kind, second) {
        (SectionKind::Platform, false) => Sector::PlatformA,
        (SectionKind::Platform, true) => Sector::PlatformB,
        (SectionKind::Owner, false) => Sector::OwnerA,
        (SectionKind::Owner, true) => Sector::OwnerB,
    }
}
