//! The trust store: the keys a device believes, in two sections with a root of their own each.
//!
//! Rules: STORE-1 a section follows its predecessor only at version + 1, signed by a threshold of
//! the old root and of its own; STORE-2 it keeps the genesis and its kind; STORE-3 it never turns a
//! production root into a development one; STORE-4 it is refused if an installed set or image, its
//! fallback or the recovery image would lose its signers, stand above the ceiling, or be a
//! development set under a production root; STORE-5 what an owner signs is believed by an `owner`
//! section only; STORE-6 two roles that must approve independently share no key, nor does one that
//! people hold with one that the service holds; STORE-7 nothing is believed that the device could
//! not do: no ceiling above the ladder of sealing keys, no other freshness than the exporter of the
//! connection.

use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{CatalogId, Digest};
use crate::key::PublicKey;
use crate::rollback::SECURITY_VERSION_MAX;
use crate::set::{ImageSet, Purpose};
use crate::signed::{Signed, Verified};
use crate::suit;

/// The format of a section.
const FORMAT: u64 = 1;

/// The most keys of one role.
pub const KEYS_MAX: usize = 8;

/// The longest chain of successors that is accepted at once.
pub const CHAIN_MAX: usize = 64;

/// Whose keys a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// The root of trust and the OS.
    Platform = 0,
    /// Apps, catalog and service.
    Owner = 1,
}

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Successors of its section.
    Root = 0,
    /// Images and image sets.
    Publisher = 1,
    /// Image sets, on admission; capabilities.
    Catalog = 2,
    /// Assignments.
    Online = 3,
    /// The TLS key of the service.
    Service = 4,
    /// Checkpoints of the log.
    Log = 5,
    /// Cosignatures of checkpoints.
    Witness = 6,
    /// Endorsements of devices, and the lifecycle (platform section).
    Manufacturer = 7,
    /// Approvals of production sets.
    Approver = 8,
    /// Recovery of a lost owner.
    Recovery = 9,
}

/// How many roles there are.
const ROLES: usize = 10;

const ALL_ROLES: [Role; ROLES] = [
    Role::Root,
    Role::Publisher,
    Role::Catalog,
    Role::Online,
    Role::Service,
    Role::Log,
    Role::Witness,
    Role::Manufacturer,
    Role::Approver,
    Role::Recovery,
];

/// Which roles share no key (STORE-6): those that approve the same object, each for itself (sets,
/// production sets, checkpoints); and those whose keys people keep apart from the service, with
/// those that the service holds.
const INDEPENDENT: [(Role, Role); 15] = [
    (Role::Publisher, Role::Catalog),
    (Role::Publisher, Role::Approver),
    (Role::Catalog, Role::Approver),
    (Role::Log, Role::Witness),
    (Role::Online, Role::Witness),
    (Role::Publisher, Role::Online),
    (Role::Publisher, Role::Service),
    (Role::Publisher, Role::Log),
    (Role::Approver, Role::Online),
    (Role::Approver, Role::Service),
    (Role::Approver, Role::Log),
    (Role::Root, Role::Catalog),
    (Role::Root, Role::Online),
    (Role::Root, Role::Service),
    (Role::Root, Role::Log),
];

/// A role's keys and how many distinct ones must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKeys {
    /// How many distinct keys must sign; 0 only in a role without keys.
    pub threshold: u8,
    keys: [PublicKey; KEYS_MAX],
    count: usize,
}

impl RoleKeys {
    /// A role without keys yet.
    #[must_use]
    pub const fn new(threshold: u8) -> Self {
        Self { threshold, keys: [PublicKey([0; 64]); KEYS_MAX], count: 0 }
    }

    /// A role of one key.
    #[must_use]
    pub const fn of(key: PublicKey) -> Self {
        let mut keys = Self::new(1);
        keys.keys[0] = key;
        keys.count = 1;
        keys
    }

    /// Adds a key.
    ///
    /// # Errors
    /// `KeyRepeated`, `FieldTooLong`.
    pub fn push(&mut self, key: PublicKey) -> Result<()> {
        if self.keys().contains(&key) {
            return Err(Error::KeyRepeated);
        }
        *self.keys.get_mut(self.count).ok_or(Error::FieldTooLong)? = key;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The role's distinct keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        self.keys.get(..self.count).unwrap_or(&[])
    }
}

/// How a check-in proves that it is fresh; fixed here and never negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// By the exporter of the TLS connection.
    Exporter = 0,
    /// By a challenge of the service, where TLS ends before it. Not built: [`Section::parse`]
    /// refuses it, so that no device asks for one proof while its service takes another.
    Challenge = 1,
}

/// One section of the trust store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
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
    roles: [RoleKeys; ROLES],
}

impl Section {
    /// A first version without keys.
    #[must_use]
    pub fn genesis(kind: SectionKind, dev: bool, ceiling: u64) -> Self {
        const NONE: RoleKeys = RoleKeys::new(0);
        Self {
            kind,
            genesis: None,
            version: 1,
            dev,
            ceiling,
            freshness: Freshness::Exporter,
            roles: [NONE; ROLES],
        }
    }

    /// The keys of a role; without keys it can never be satisfied.
    #[must_use]
    pub fn role(&self, role: Role) -> &RoleKeys {
        const NONE: &RoleKeys = &RoleKeys::new(0);
        self.roles.get(role as usize).unwrap_or(NONE)
    }

    /// Sets the keys of a role.
    pub fn set_role(&mut self, role: Role, keys: RoleKeys) {
        if let Some(place) = self.roles.get_mut(role as usize) {
            *place = keys;
        }
    }

    /// Reads a section.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `SectionKind`, `SuccessorVersion`, `KeyRepeated`,
    /// `ThresholdImpossible`, `KeyInvalid`, `RoleEmpty` without a root; `CeilingTooHigh`,
    /// `FreshnessUnbuilt`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(8)?;
        if reader.u64()? != FORMAT {
            return Err(Error::VersionUnknown);
        }
        let kind = match reader.u8()? {
            0 => SectionKind::Platform,
            1 => SectionKind::Owner,
            _ => return Err(Error::SectionKind),
        };
        let genesis = reader.optional(Reader::digest)?;
        let version = reader.u64()?;
        if version == 0 || genesis.is_none() != (version == 1) {
            return Err(Error::SuccessorVersion);
        }
        let mut section = Self::genesis(kind, reader.bool()?, 0);
        (section.genesis, section.version) = (genesis, version);
        section.ceiling = reader.u64()?;
        if section.ceiling > SECURITY_VERSION_MAX {
            return Err(Error::CeilingTooHigh); // STORE-7
        }
        section.freshness = match reader.u8()? {
            0 => Freshness::Exporter,
            1 => return Err(Error::FreshnessUnbuilt), // STORE-7
            _ => return Err(Error::FieldInvalid),
        };
        reader.array(ROLES as u64)?;
        for place in &mut section.roles {
            *place = read_role(&mut reader)?;
        }
        reader.end()?;
        if section.role(Role::Root).keys().is_empty() {
            return Err(Error::RoleEmpty);
        }
        section.check_independence()?;
        Ok(section)
    }

    /// Refuses one key on both sides of an approval, or of the service's door: one signature would
    /// satisfy both (STORE-6).
    fn check_independence(&self) -> Result<()> {
        let shared = |(one, other): &(Role, Role)| {
            let others = self.role(*other).keys();
            self.role(*one).keys().iter().any(|key| others.contains(key))
        };
        if INDEPENDENT.iter().any(shared) { Err(Error::KeyRepeated) } else { Ok(()) }
    }

    /// Refuses a section of the other kind (STORE-5): its roles have the same names and other
    /// holders.
    ///
    /// # Errors
    /// `SectionKind`.
    pub fn require(&self, kind: SectionKind) -> Result<()> {
        if self.kind == kind { Ok(()) } else { Err(Error::SectionKind) }
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
        for role in ALL_ROLES {
            let keys = self.role(role);
            writer.array(2)?.u64(u64::from(keys.threshold))?.array(keys.keys().len())?;
            keys.keys().iter().try_for_each(|key| key.write(&mut writer))?;
        }
        let length = writer.length();
        out.get(..length).ok_or(Error::BufferTooSmall)
    }
}

fn read_role(reader: &mut Reader<'_>) -> Result<RoleKeys> {
    reader.array(2)?;
    let mut role = RoleKeys::new(reader.u8()?);
    for _ in 0..reader.list(KEYS_MAX)? {
        role.push(PublicKey::read(reader)?)?;
    }
    let most = role.keys().len();
    let possible = if most == 0 {
        role.threshold == 0
    } else {
        (1..=most).contains(&usize::from(role.threshold))
    };
    if possible { Ok(role) } else { Err(Error::ThresholdImpossible) }
}

/// The first version of a section, believed because it was installed in the factory or with a
/// claim.
///
/// # Errors
/// `SuccessorVersion` if it is a later one, and those of [`Signed::verify`] by its own root.
pub fn accept_genesis(crypto: &impl Crypto, signed: &Signed<'_>) -> Result<Verified<Section>> {
    let own = Section::parse(signed.unchecked_payload())?;
    if own.version != 1 {
        return Err(Error::SuccessorVersion);
    }
    signed.verify(crypto, Kind::TrustStore, &[own.role(Role::Root)], Section::parse)
}

/// The next version of `old`, believed because both roots signed it. `genesis` is the digest of the
/// first.
///
/// # Errors
/// STORE-1 `SuccessorVersion`, `ThresholdNotMet` and the like; STORE-2 `SuccessorGenesis`,
/// `SectionKind`; STORE-3 `SuccessorDev`.
pub fn accept_successor(
    crypto: &impl Crypto,
    old: &Section,
    genesis: Digest,
    signed: &Signed<'_>,
) -> Result<Verified<Section>> {
    let new = Section::parse(signed.unchecked_payload())?;
    if new.kind != old.kind {
        return Err(Error::SectionKind); // STORE-2
    }
    if new.genesis != Some(genesis) {
        return Err(Error::SuccessorGenesis); // STORE-2
    }
    if Some(new.version) != old.version.checked_add(1) {
        return Err(Error::SuccessorVersion); // STORE-1
    }
    if new.dev && !old.dev {
        return Err(Error::SuccessorDev); // STORE-3
    }
    let roots = [old.role(Role::Root), new.role(Role::Root)]; // STORE-1
    signed.verify(crypto, Kind::TrustStore, &roots, Section::parse)
}

/// A chain of successors, each believed by the one before.
///
/// # Errors
/// `ChainTooLong`, and those of [`accept_successor`].
pub fn accept_chain<'b>(
    crypto: &impl Crypto,
    old: Section,
    genesis: Digest,
    chain: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Section> {
    let mut section = old;
    for (place, bytes) in chain.into_iter().enumerate() {
        if place >= CHAIN_MAX {
            return Err(Error::ChainTooLong);
        }
        let next = accept_successor(crypto, &section, genesis, &Signed::parse(bytes)?)?;
        section = (*next).clone();
    }
    Ok(section)
}

/// Refuses an owner's successor under which one of `installed` sets would no longer verify, or
/// could no longer boot, because it is above the new ceiling, or a development set under a
/// production root (STORE-4).
///
/// # Errors
/// `SuccessorOrphans`.
pub fn keeps_installed<'b>(
    crypto: &impl Crypto,
    new: &Section,
    installed: impl IntoIterator<Item = &'b [u8]>,
) -> Result<()> {
    let roles = [new.role(Role::Publisher), new.role(Role::Catalog)];
    let keeps = |bytes: &'b [u8]| {
        let set = Signed::parse(bytes)?.verify(crypto, Kind::ImageSet, &roles, ImageSet::parse)?;
        if set.purpose == Purpose::Development && !new.dev {
            return Err(Error::DevelopmentSet); // SET-4 would refuse it from the next boot on
        }
        let bootable = set.members().all(|member| member.security_version <= new.ceiling);
        if bootable { Ok(()) } else { Err(Error::AboveCeiling) }
    };
    // Why one was lost is for the log of whoever made the successor; the device only refuses it.
    installed.into_iter().try_for_each(keeps).map_err(|_| Error::SuccessorOrphans)
}

/// Refuses a successor of either kind under which one of the `installed` envelopes would no longer
/// verify, or stand above the new ceiling (STORE-4): envelopes are signed again first. Those whose
/// type belongs to the other section are not its concern.
///
/// # Errors
/// `SuccessorOrphans`.
pub fn keeps_images<'b>(
    crypto: &impl Crypto,
    new: &Section,
    installed: impl IntoIterator<Item = &'b [u8]>,
) -> Result<()> {
    let keeps = |envelope: &'b [u8]| {
        let (_, claimed) = suit::unchecked_parse(crypto, envelope)?;
        if claimed.image_type.section() != new.kind {
            return Ok(());
        }
        suit::verify_by(crypto, new, envelope).map(|_| ())
    };
    installed.into_iter().try_for_each(keeps).map_err(|_| Error::SuccessorOrphans)
}

/// The catalog that an `owner` section of this genesis makes.
#[must_use]
pub const fn catalog_id(genesis: Digest) -> CatalogId {
    CatalogId(genesis.0)
}
