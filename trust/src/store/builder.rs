//! Sections in the making, and sections that are kept: what no device of 32 KiB does.

use super::keys::{CoseKey, LmsCoseKey, RoleKeys};
use super::{FORMAT, Freshness, KEYS_MAX, ROLES, Role, Section, SectionKind};
use crate::cbor::Writer;
use crate::error::{Error, Result};
use crate::id::Digest;
use crate::key::{COSE_KEY_SIZE, LMS_COSE_KEY_SIZE, LmsPublicKey, PublicKey};

/// The keys of a role in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKeysBuilder {
    /// How many distinct keys of each algorithm must sign; 0 only in a role without keys.
    pub threshold: u8,
    keys: [CoseKey; KEYS_MAX],
    count: usize,
    lms: [LmsCoseKey; KEYS_MAX],
    lms_count: usize,
}

impl RoleKeysBuilder {
    /// A role without keys yet.
    #[must_use]
    pub const fn new(threshold: u8) -> Self {
        let (keys, lms) = ([[0; COSE_KEY_SIZE]; KEYS_MAX], [[0; LMS_COSE_KEY_SIZE]; KEYS_MAX]);
        Self { threshold, keys, count: 0, lms, lms_count: 0 }
    }

    /// A role of one key.
    #[must_use]
    pub fn of(key: PublicKey) -> Self {
        let mut keys = Self::new(1);
        keys.keys[0] = key.to_cose();
        keys.count = 1;
        keys
    }

    /// Adds a key.
    ///
    /// # Errors
    /// `KeyRepeated`, `FieldTooLong`.
    pub fn push(&mut self, key: PublicKey) -> Result<()> {
        if self.role_keys().contains(&key) {
            return Err(Error::KeyRepeated);
        }
        *self.keys.get_mut(self.count).ok_or(Error::FieldTooLong)? = key.to_cose();
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// Adds an LMS key: the role becomes hybrid (STORE-8 says which ones may).
    ///
    /// # Errors
    /// `KeyRepeated`, `FieldTooLong`.
    pub fn push_lms(&mut self, key: LmsPublicKey) -> Result<()> {
        if self.role_keys().contains_lms(&key) {
            return Err(Error::KeyRepeated);
        }
        *self.lms.get_mut(self.lms_count).ok_or(Error::FieldTooLong)? = key.to_cose();
        self.lms_count = self.lms_count.saturating_add(1);
        Ok(())
    }

    /// The role with the keys that it has by now.
    #[must_use]
    pub fn role_keys(&self) -> RoleKeys<'_> {
        let keys = self.keys.get(..self.count).unwrap_or(&[]);
        let lms = self.lms.get(..self.lms_count).unwrap_or(&[]);
        let listed = (self.count + self.lms_count) as u8;
        RoleKeys { threshold: self.threshold, listed, keys, lms }
    }
}

impl From<RoleKeys<'_>> for RoleKeysBuilder {
    /// The same role, to be changed.
    fn from(role: RoleKeys<'_>) -> Self {
        let mut same = Self::new(role.threshold);
        // A section has no more keys in a role than there are places.
        same.keys.iter_mut().zip(role.keys).for_each(|(place, key)| *place = *key);
        same.lms.iter_mut().zip(role.lms).for_each(|(place, key)| *place = *key);
        (same.count, same.lms_count) = (role.keys.len(), role.lms.len());
        same
    }
}

/// A section in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionBuilder {
    /// Whose keys these are.
    pub kind: SectionKind,
    /// Digest of the first version's signed bytes; `None` in the first version itself.
    pub genesis: Option<Digest>,
    /// 1, 2, 3 …
    pub version: u64,
    /// A root on one machine, which `DeviceComplete` refuses.
    pub dev: bool,
    /// No security version above this is believed.
    pub ceiling: u64,
    /// How check-ins prove freshness.
    pub freshness: Freshness,
    roles: [RoleKeysBuilder; ROLES],
}

impl SectionBuilder {
    /// A first version without keys.
    #[must_use]
    pub fn genesis(kind: SectionKind, dev: bool, ceiling: u64) -> Self {
        let roles = [const { RoleKeysBuilder::new(0) }; ROLES];
        let freshness = Freshness::Exporter;
        Self { kind, genesis: None, version: 1, dev, ceiling, freshness, roles }
    }

    /// The keys of a role.
    #[must_use]
    pub fn role(&self, role: Role) -> RoleKeys<'_> {
        self.roles.get(role as usize).map_or(RoleKeys::NONE, RoleKeysBuilder::role_keys)
    }

    /// Sets the keys of a role.
    pub fn set_role(&mut self, role: Role, keys: RoleKeysBuilder) {
        if let Some(place) = self.roles.get_mut(role as usize) {
            *place = keys;
        }
    }

    /// Writes the section into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(8)?.u64(FORMAT)?.u64(self.kind as u64)?;
        writer.bytes_or_null(self.genesis.as_ref().map(|d| &d.0[..]))?.u64(self.version)?;
        writer.bool(self.dev)?.u64(self.ceiling)?.u64(self.freshness as u64)?.array(ROLES)?;
        for role in &self.roles {
            let RoleKeys { threshold, keys, lms, .. } = role.role_keys();
            writer.array(2)?.u64(u64::from(threshold))?.array(keys.len() + lms.len())?;
            writer.raw(keys.as_flattened())?.raw(lms.as_flattened())?;
        }
        writer.written()
    }
}

impl From<&Section<'_>> for SectionBuilder {
    /// The same section, to be changed.
    fn from(section: &Section<'_>) -> Self {
        let mut same = Self::genesis(section.kind, section.dev, section.ceiling);
        (same.genesis, same.version) = (section.genesis, section.version);
        same.freshness = section.freshness;
        for role in super::ALL_ROLES {
            same.set_role(role, section.role(role).into());
        }
        same
    }
}

/// A section together with the bytes that it is read from, for a host that keeps one.
#[derive(Clone, Debug)]
pub struct KeptSection<B> {
    /// All of it but its keys.
    section: Section<'static>,
    roles_at: usize,
    bytes: B,
}

impl<B: AsRef<[u8]>> KeptSection<B> {
    /// Reads a section, once.
    ///
    /// # Errors
    /// Those of [`Section::parse`].
    pub fn parse(bytes: B) -> Result<Self> {
        let section = Section::parse(bytes.as_ref())?;
        let roles_at = bytes.as_ref().len().saturating_sub(section.bytes.len());
        Ok(Self { section: section.with_roles(section.roles, &[]), roles_at, bytes })
    }

    /// The section.
    #[must_use]
    pub fn section(&self) -> Section<'_> {
        Section { bytes: self.bytes().get(self.roles_at..).unwrap_or(&[]), ..self.section }
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}
