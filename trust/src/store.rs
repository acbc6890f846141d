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
//! connection; STORE-8 an LMS key stands only in a platform's root or publisher, behind the role's
//! ES256 keys and never without one, and each algorithm has keys enough for the threshold.
//!
//! The two go together: a publisher alone would be no stronger than the root that may replace it.
//! What an owner signs is checked while he is there, and can be signed anew.

use crate::cbor::Reader;
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{CatalogId, Digest};
use crate::key::COSE_KEY_SIZE;
use crate::rollback::SECURITY_VERSION_MAX;
use crate::set::{ImageSet, Purpose};
use crate::signed::{Signed, Verified};
use crate::suit;
use core::hint::black_box;

mod builder;
mod keys;

pub use builder::{KeptSection, RoleKeysBuilder, SectionBuilder};
pub use keys::RoleKeys;
use keys::{RoleSize, read_role};

/// The format of a section.
const FORMAT: u64 = 1;

/// The most keys of one role, of all algorithms.
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

/// How a check-in proves that it is fresh; fixed here and never negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// By the exporter of the TLS connection.
    Exporter = 0,
    /// By a challenge of the service, where TLS ends before it. Not built: [`Section::parse`]
    /// refuses it, so that no device asks for one proof while its service takes another.
    Challenge = 1,
}

/// One section of the trust store, read in place: its keys stay in the bytes that were signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'b> {
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
    roles: [RoleSize; ROLES],
    /// The roles, one after another.
    bytes: &'b [u8],
}

// On the stack of a root of trust with 32 KiB of memory.
const _: () = assert!(size_of::<Section<'_>>() <= 112);

impl<'b> Section<'b> {
    /// The keys of a role; without keys it can never be satisfied.
    #[must_use]
    pub fn role(&self, role: Role) -> RoleKeys<'b> {
        let Some((own, bytes)) = self.role_bytes(role) else { return RoleKeys::NONE };
        let keys = bytes.get(RoleSize::HEAD_SIZE..).and_then(|keys| keys.get(..own.keys_size()));
        let keys = keys.and_then(|keys| keys.split_at_checked(own.es256_size()));
        // `Section::parse` has read these keys from these bytes.
        keys.map_or(RoleKeys::NONE, |(keys, lms)| RoleKeys {
            threshold: own.threshold,
            listed: own.listed,
            keys: keys.as_chunks().0,
            lms: lms.as_chunks().0,
        })
    }

    /// What is kept of a role, and the bytes from its head on.
    fn role_bytes(&self, role: Role) -> Option<(RoleSize, &'b [u8])> {
        let (own, before) = self.roles.get(..=role as usize)?.split_last()?;
        let from = RoleSize::HEAD_SIZE * before.len()
            + before.iter().map(|size| size.keys_size()).sum::<usize>();
        Some((*own, self.bytes.get(from..)?))
    }

    /// The bits by which a role's head differs from what is kept of it: 0 if that is this role's
    /// (ROT-18).
    #[must_use]
    pub fn doubt_role(&self, role: Role) -> u32 {
        let Some((own, bytes)) = self.role_bytes(role) else { return !0 };
        let Some(head) = bytes.first_chunk::<{ RoleSize::HEAD_SIZE }>() else { return !0 };
        let pairs = head.iter().zip(black_box(own).head());
        pairs.fold(0, |bits, (found, right)| bits | u32::from(found ^ right))
    }

    /// Reads a section.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `SectionKind`, `SuccessorVersion`, `KeyRepeated`,
    /// `ThresholdImpossible`, `KeyInvalid`, `RoleEmpty` without a root; `CeilingTooHigh`,
    /// `FreshnessUnbuilt`.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
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
        let (dev, ceiling) = (reader.bool()?, reader.u64()?);
        if ceiling > SECURITY_VERSION_MAX {
            return Err(Error::CeilingTooHigh); // STORE-7
        }
        let freshness = match reader.u8()? {
            0 => Freshness::Exporter,
            1 => return Err(Error::FreshnessUnbuilt), // STORE-7
            _ => return Err(Error::FieldInvalid),
        };
        reader.array(ROLES as u64)?;
        let (mut roles, bytes) = ([RoleSize::default(); ROLES], reader.rest());
        for (role, size) in ALL_ROLES.into_iter().zip(&mut roles) {
            let hybrid = kind == SectionKind::Platform && role <= Role::Publisher; // STORE-8
            *size = read_role(&mut reader, hybrid)?;
        }
        reader.end()?;
        let section = Self { kind, genesis, version, dev, ceiling, freshness, roles, bytes };
        if section.role(Role::Root).is_empty() {
            return Err(Error::RoleEmpty);
        }
        section.check_independence()?;
        Ok(section)
    }

    /// What the section says, with the keys of `roles` alone, copied into `room`: for a chip that
    /// cannot keep all of it while it verifies a signature. A role that is left out is as one that
    /// nobody has; the witnesses come with the log, because without any a checkpoint needs none.
    ///
    /// # Errors
    /// `BufferTooSmall`, which [`Section::excerpt_size`] bytes are not.
    pub fn excerpt<'r>(&self, roles: &[Role], room: &'r mut [u8]) -> Result<Section<'r>> {
        let mut sizes = [RoleSize::default(); ROLES];
        let mut end = 0usize;
        for (role, size) in ALL_ROLES.into_iter().zip(&mut sizes) {
            let witness = role == Role::Witness && roles.contains(&Role::Log);
            let wanted = witness || roles.contains(&role);
            let keys = if wanted { self.role(role) } else { RoleKeys::NONE };
            *size = keys.size();
            let from = end;
            end = from + RoleSize::HEAD_SIZE + size.keys_size();
            let place = room.get_mut(from..end).ok_or(Error::BufferTooSmall)?;
            // They are as long as each other, which the compiler cannot see: copying them as
            // slices would be a panic site.
            let head = size.head();
            let all = keys.keys.as_flattened().iter().chain(keys.lms.as_flattened());
            let bytes = place.iter_mut().zip(head.iter().chain(all));
            bytes.for_each(|(place, byte)| *place = *byte);
        }
        Ok(self.with_roles(sizes, room.get(..end).ok_or(Error::BufferTooSmall)?))
    }

    /// All keys that it has, as they stand in it.
    #[must_use]
    pub const fn keys(&self) -> &'b [u8] {
        self.bytes
    }

    /// Bytes that an excerpt of so many roles needs at most.
    #[must_use]
    pub const fn excerpt_size(roles: usize) -> usize {
        ROLES * RoleSize::HEAD_SIZE + roles * KEYS_MAX * COSE_KEY_SIZE
    }

    const fn with_roles<'r>(&self, roles: [RoleSize; ROLES], bytes: &'r [u8]) -> Section<'r> {
        let Self { kind, genesis, version, dev, ceiling, freshness, .. } = *self;
        Section { kind, genesis, version, dev, ceiling, freshness, roles, bytes }
    }

    /// Refuses one key on both sides of an approval, or of the service's door: one signature would
    /// satisfy both (STORE-6).
    fn check_independence(&self) -> Result<()> {
        let shared = |(one, other): &(Role, Role)| {
            let others = self.role(*other).keys;
            self.role(*one).keys.iter().any(|key| others.contains(key))
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
}

/// The first version of a section, believed because it was installed in the factory or with a
/// claim.
///
/// # Errors
/// `SuccessorVersion` if it is a later one, and those of [`Signed::verify`] by its own root.
pub fn accept_genesis<'b>(
    crypto: &impl Crypto,
    signed: &Signed<'b>,
) -> Result<Verified<Section<'b>>> {
    let own = Section::parse(signed.unchecked_payload())?;
    if own.version != 1 {
        return Err(Error::SuccessorVersion);
    }
    signed.verify(crypto, Kind::TrustStore, &[own.role(Role::Root)], |_| Ok(own))
}

/// The next version of `old`, believed because both roots signed it. `genesis` is the digest of the
/// first.
///
/// # Errors
/// STORE-1 `SuccessorVersion`, `ThresholdNotMet` and the like; STORE-2 `SuccessorGenesis`,
/// `SectionKind`; STORE-3 `SuccessorDev`.
pub fn accept_successor<'b>(
    crypto: &impl Crypto,
    old: &Section<'_>,
    genesis: Digest,
    signed: &Signed<'b>,
) -> Result<Verified<Section<'b>>> {
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
    signed.verify(crypto, Kind::TrustStore, &roots, |_| Ok(new))
}

/// A chain of successors, each believed by the one before.
///
/// # Errors
/// `ChainTooLong`, and those of [`accept_successor`].
pub fn accept_chain<'b>(
    crypto: &impl Crypto,
    old: Section<'b>,
    genesis: Digest,
    chain: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Section<'b>> {
    let mut section = old;
    for (place, bytes) in chain.into_iter().enumerate() {
        if place >= CHAIN_MAX {
            return Err(Error::ChainTooLong);
        }
        section = *accept_successor(crypto, &section, genesis, &Signed::parse(bytes)?)?;
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
    new: &Section<'_>,
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
    new: &Section<'_>,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two roles, of which the second one has a key of either algorithm.
    #[test]
    fn rot_18_a_role_that_is_kept_as_another_one_is_a_doubt() {
        let one = RoleSize { threshold: 1, listed: 1, count: 1, lms: 0 };
        let two = RoleSize { threshold: 1, listed: 2, count: 1, lms: 1 };
        let sizes = [one, two];
        let mut bytes = std::vec::Vec::new();
        for size in sizes {
            bytes.extend(size.head());
            bytes.resize(bytes.len() + size.keys_size(), 0x5a);
        }
        let section = |roles: [RoleSize; 2]| {
            let mut all = [RoleSize::default(); ROLES];
            all[..2].copy_from_slice(&roles);
            let (kind, freshness) = (SectionKind::Platform, Freshness::Exporter);
            let (genesis, version, dev, ceiling) = (None, 1, false, 1);
            Section { kind, genesis, version, dev, ceiling, freshness, roles: all, bytes: &bytes }
        };
        let [first, second] = [ALL_ROLES[0], ALL_ROLES[1]];
        let right = section(sizes);
        assert_eq!([right.doubt_role(first), right.doubt_role(second)], [0, 0]);
        for other in [one, RoleSize::default(), RoleSize { threshold: 0, ..two }] {
            assert_ne!(section([one, other]).doubt_role(second), 0, "{other:?}");
        }
        // Nor is it the second role's where the first one is kept as another.
        assert_ne!(section([two, two]).doubt_role(second), 0);
        let mut room = [0; Section::excerpt_size(2)];
        let roles = [first, second];
        let excerpt = right.excerpt(&roles, &mut room).unwrap();
        assert_eq!([excerpt.doubt_role(first), excerpt.doubt_role(second)], [0, 0]);
    }
}
