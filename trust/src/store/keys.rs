//! The keys of a role, as they stand in a section: those of ES256, then those of LMS (STORE-8).

use super::KEYS_MAX;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::key::{COSE_KEY_SIZE, LMS_COSE_KEY_SIZE, LmsPublicKey, PublicKey};
use core::fmt;

/// A role's keys and how many distinct ones must sign, read in place: the keys stay in the bytes
/// of their section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoleKeys<'b> {
    /// How many distinct keys of each algorithm must sign; 0 only in a role without keys.
    pub threshold: u8,
    /// How many keys of all algorithms the section says that there are. They are counted one by one
    /// as they are read; who looks twice compares.
    pub listed: u8,
    /// Each in the one form that [`PublicKey::read`] takes.
    pub(super) keys: &'b [CoseKey],
    /// Each in the one form that [`LmsPublicKey::read`] takes; none unless the role is hybrid.
    pub(super) lms: &'b [LmsCoseKey],
}

/// A key as it stands in a section.
pub(super) type CoseKey = [u8; COSE_KEY_SIZE];
/// An LMS key as it stands in a section.
pub(super) type LmsCoseKey = [u8; LMS_COSE_KEY_SIZE];

impl<'b> RoleKeys<'b> {
    /// A role that nobody has.
    pub(super) const NONE: Self = Self { threshold: 0, listed: 0, keys: &[], lms: &[] };

    /// The role's distinct keys of ES256.
    #[must_use]
    pub fn keys(self) -> impl ExactSizeIterator<Item = PublicKey> + Clone + use<'b> {
        self.keys.iter().map(PublicKey::of_form)
    }

    /// The role's distinct keys of LMS; none unless the role is hybrid.
    #[must_use]
    pub fn lms_keys(self) -> impl ExactSizeIterator<Item = LmsPublicKey> + Clone + use<'b> {
        self.lms.iter().map(LmsPublicKey::of_form)
    }

    /// How many distinct LMS keys must sign: the threshold in a hybrid role, and 0 otherwise.
    #[must_use]
    pub const fn lms_threshold(self) -> u8 {
        if self.lms.is_empty() { 0 } else { self.threshold }
    }

    /// Whether nobody has the role.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.keys.is_empty()
    }

    /// Whether this key has the role.
    #[must_use]
    pub fn contains(self, key: &PublicKey) -> bool {
        self.keys.contains(&key.to_cose())
    }

    /// Whether this LMS key has the role.
    #[must_use]
    pub fn contains_lms(self, key: &LmsPublicKey) -> bool {
        self.lms.contains(&key.to_cose())
    }

    pub(super) const fn size(self) -> RoleSize {
        let (count, lms) = (self.keys.len() as u8, self.lms.len() as u8);
        RoleSize { threshold: self.threshold, listed: self.listed, count, lms }
    }
}

impl fmt::Debug for RoleKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of ", self.threshold)?;
        f.debug_list().entries(self.keys()).entries(self.lms_keys()).finish()
    }
}

/// What says where the keys of a role stand, and of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct RoleSize {
    pub(super) threshold: u8,
    /// All keys, as the list says.
    pub(super) listed: u8,
    /// Keys of ES256, which stand first.
    pub(super) count: u8,
    /// Keys of LMS.
    pub(super) lms: u8,
}

impl RoleSize {
    /// Bytes before a role's keys: the heads of role and list, and the threshold between them. None
    /// of them is above [`KEYS_MAX`], so that each is one byte.
    pub(super) const HEAD_SIZE: usize = 3;

    /// Those bytes.
    pub(super) const fn head(self) -> [u8; Self::HEAD_SIZE] {
        [0x82, self.threshold, 0x80 | self.listed]
    }

    pub(super) const fn keys_size(self) -> usize {
        self.es256_size() + self.lms as usize * LMS_COSE_KEY_SIZE
    }

    pub(super) const fn es256_size(self) -> usize {
        self.count as usize * COSE_KEY_SIZE
    }
}

const _: () = assert!(KEYS_MAX < 24);

/// What a map of three pairs begins with: an LMS key, where one of ES256 has five.
const THREE_PAIRS: u8 = 0xa3;

pub(super) fn read_role(reader: &mut Reader<'_>, hybrid: bool) -> Result<RoleSize> {
    reader.array(2)?;
    let (threshold, count) = (reader.u8()?, reader.list(KEYS_MAX)?);
    // A key that was read is as long as every other one of its algorithm, so that each stands where
    // its chunk is.
    let all = reader.rest();
    let mut size = RoleSize { threshold, listed: count as u8, count: 0, lms: 0 };
    let is_lms = |reader: &Reader<'_>| reader.rest().first() == Some(&THREE_PAIRS);
    while usize::from(size.count) < count && !is_lms(reader) {
        PublicKey::read(reader)?;
        check_distinct::<COSE_KEY_SIZE>(all, size.count)?;
        size.count += 1;
    }
    let all = reader.rest();
    while usize::from(size.count + size.lms) < count {
        if !hybrid && is_lms(reader) {
            return Err(Error::AlgorithmMismatch); // STORE-8
        }
        LmsPublicKey::read(reader)?;
        check_distinct::<LMS_COSE_KEY_SIZE>(all, size.lms)?;
        size.lms += 1;
    }
    let enough = |keys: u8| (1..=keys).contains(&threshold);
    let possible = match size {
        RoleSize { count: 0, lms: 0, .. } => threshold == 0,
        RoleSize { count, lms: 0, .. } => enough(count),
        RoleSize { count, lms, .. } => enough(count) && enough(lms), // STORE-8
    };
    if possible { Ok(size) } else { Err(Error::ThresholdImpossible) }
}

/// Refuses the key at `place` if it is one of those before.
fn check_distinct<const SIZE: usize>(keys: &[u8], place: u8) -> Result<()> {
    let keys = keys.as_chunks::<SIZE>().0.get(..=usize::from(place));
    let (key, before) = keys.and_then(<[_]>::split_last).ok_or(Error::KeyInvalid)?;
    if before.contains(key) { Err(Error::KeyRepeated) } else { Ok(()) }
}
