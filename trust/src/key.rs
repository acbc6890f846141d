//! Public keys as COSE_Key (RFC 9052 §7), one algorithm to a key.

use crate::cbor::{Reader, Writer};
use crate::copy::join;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::lms;
use core::fmt;

/// COSE algorithm identifier of ES256 (RFC 9053). ML-DSA-65 (-49, RFC 9964) has its place here when
/// its verifier arrives.
pub const ES256: i64 = -7;

/// COSE algorithm identifier of HSS/LMS (RFC 8778).
pub const HSS_LMS: i64 = -46;

/// Bytes of an encoded [`PublicKey`].
pub const COSE_KEY_SIZE: usize = 77;

/// Bytes of a key id: a hint that finds the key, never a reason to believe it.
pub const KEY_ID_SIZE: usize = 8;

/// What stands before the algorithm, and before x, in the one form that we accept, and what between
/// x and y.
const FORM_TO_ALGORITHM: [u8; 4] = [0xa5, 0x01, 0x02, 0x03];
const FORM_ALGORITHM: u8 = 0x26;
const FORM_TO_X: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, FORM_ALGORITHM, 0x20, 0x01, 0x21, 0x58, 0x20];
const FORM_TO_Y: [u8; 3] = [0x22, 0x58, 0x20];

/// A P-256 key for ES256: the affine coordinates, x ‖ y.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)] // a ROM's table takes its bytes
pub struct PublicKey(pub [u8; 64]);

impl PublicKey {
    /// The COSE_Key: `{1: 2, 3: -7, -1: 1, -2: x, -3: y}`.
    #[must_use]
    pub fn to_cose(&self) -> [u8; COSE_KEY_SIZE] {
        let mut cose = [0u8; COSE_KEY_SIZE];
        let (x, y) = self.0.split_at(32);
        join(&mut cose, &[&FORM_TO_X, x, &FORM_TO_Y, y]);
        cose
    }

    /// Reads the one form that [`PublicKey::to_cose`] writes.
    ///
    /// # Errors
    /// `AlgorithmMismatch` for another algorithm, `KeyInvalid` for another form.
    pub fn from_cose(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        let key = Self::read(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// Reads a COSE_Key in place.
    ///
    /// # Errors
    /// As [`PublicKey::from_cose`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let cose = reader.raw()?;
        let rest = cose.strip_prefix(&FORM_TO_ALGORITHM).ok_or(Error::KeyInvalid)?;
        if rest.first() != Some(&FORM_ALGORITHM) {
            return Err(Error::AlgorithmMismatch);
        }
        // A canonical item has one encoding: what is not as we would write it is another form.
        let cose = cose.try_into().map_err(|_| Error::KeyInvalid)?;
        let key = Self::of_form(cose);
        if key.to_cose() == *cose { Ok(key) } else { Err(Error::KeyInvalid) }
    }

    /// From bytes that [`PublicKey::read`] takes: only the coordinates are read.
    pub(crate) fn of_form(cose: &[u8; COSE_KEY_SIZE]) -> Self {
        let (_, rest) = cose.split_at(FORM_TO_X.len());
        let (x, rest) = rest.split_at(32);
        let (_, y) = rest.split_at(FORM_TO_Y.len());
        let mut both = [0u8; 64];
        join(&mut both, &[x, y]);
        Self(both)
    }

    /// Writes the COSE_Key in place.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.raw(&self.to_cose()).map(|_| ())
    }

    /// The hint by which a signature names this key.
    #[must_use]
    pub fn key_id(&self, crypto: &impl Crypto) -> [u8; KEY_ID_SIZE] {
        key_id(crypto, &self.to_cose())
    }

    /// The device whose identity this key is.
    #[must_use]
    pub fn device_id(&self, crypto: &impl Crypto) -> DeviceId {
        DeviceId(crypto.sha256(&[&self.to_cose()]).0)
    }

    /// The uncompressed SEC 1 point, `04 ‖ x ‖ y`.
    #[must_use]
    pub fn to_sec1(&self) -> [u8; 65] {
        let mut point = [0u8; 65];
        join(&mut point, &[&[4], &self.0]);
        point
    }

    /// From an uncompressed SEC 1 point.
    ///
    /// # Errors
    /// `KeyInvalid` for another form; whether the point is on the curve shows at the first use.
    pub fn from_sec1(point: &[u8]) -> Result<Self> {
        match point.split_first() {
            Some((4, rest)) => rest.try_into().map(Self).map_err(|_| Error::KeyInvalid),
            _ => Err(Error::KeyInvalid),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// Bytes of an encoded [`LmsPublicKey`].
pub const LMS_COSE_KEY_SIZE: usize = 61;

/// The key of a tree of hashes, of the one set that is believed here ([`lms::SET`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)] // a ROM's table passes it on
pub struct LmsPublicKey {
    /// What makes every hash of the tree one of this tree.
    pub id: [u8; lms::ID_SIZE],
    /// The top of the tree.
    pub root: lms::Root,
}

/// Before the key's bytes (RFC 8778 §4): `{1: 5, 3: -46, -1: h'52 bytes'}`.
const LMS_HEAD: [u8; 9] = [0xa3, 0x01, 0x05, 0x03, 0x38, 0x2d, 0x20, 0x58, 0x34];

impl LmsPublicKey {
    /// The HSS key (RFC 8554 §6.1): levels, types, identifier, root.
    #[must_use]
    pub fn to_hss(&self) -> [u8; lms::KEY_SIZE] {
        let mut hss = [0u8; lms::KEY_SIZE];
        join(&mut hss, &[&lms::SET, &self.id, &self.root]);
        hss
    }

    /// Reads an HSS key.
    ///
    /// # Errors
    /// `LmsSetUnknown` for another set, more levels, or another size.
    pub fn from_hss(hss: &[u8]) -> Result<Self> {
        let key = |rest: &[u8]| {
            let (id, root) = rest.split_first_chunk()?;
            Some(Self { id: *id, root: root.try_into().ok()? })
        };
        hss.strip_prefix(&lms::SET).and_then(key).ok_or(Error::LmsSetUnknown)
    }

    /// The COSE_Key: `{1: 5, 3: -46, -1: key}`.
    #[must_use]
    pub fn to_cose(&self) -> [u8; LMS_COSE_KEY_SIZE] {
        let mut cose = [0u8; LMS_COSE_KEY_SIZE];
        join(&mut cose, &[&LMS_HEAD, &self.to_hss()]);
        cose
    }

    /// Reads the one form that [`LmsPublicKey::to_cose`] writes.
    ///
    /// # Errors
    /// As [`LmsPublicKey::read`].
    pub fn from_cose(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        let key = Self::read(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// Reads a COSE_Key in place.
    ///
    /// # Errors
    /// `AlgorithmMismatch` for another algorithm, `LmsSetUnknown` for another set, `KeyInvalid` for
    /// another form.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self> {
        // A canonical item has one encoding: its bytes are compared, in the order of what is said.
        let rest =
            reader.raw()?.strip_prefix(&[0xa3, 0x01, 0x05, 0x03]).ok_or(Error::KeyInvalid)?;
        let rest = rest.strip_prefix(&[0x38, 0x2d, 0x20]).ok_or(Error::AlgorithmMismatch)?;
        Self::from_hss(rest.strip_prefix(&[0x58, 0x34]).ok_or(Error::LmsSetUnknown)?)
    }

    /// From bytes that [`LmsPublicKey::read`] has taken before.
    pub(crate) fn of_form(cose: &[u8; LMS_COSE_KEY_SIZE]) -> Self {
        let mut key = Self { id: [0; lms::ID_SIZE], root: [0; lms::ROOT_SIZE] };
        let (_, rest) = cose.split_at(LMS_HEAD.len() + lms::SET.len());
        let (id, root) = rest.split_at(lms::ID_SIZE);
        join(&mut key.id, &[id]);
        join(&mut key.root, &[root]);
        key
    }

    /// The hint by which a signature names this key.
    #[must_use]
    pub fn key_id(&self, crypto: &impl Crypto) -> [u8; KEY_ID_SIZE] {
        key_id(crypto, &self.to_cose())
    }
}

impl fmt::Debug for LmsPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LmsPublicKey({:02x}{:02x}…)", self.root[0], self.root[1])
    }
}

fn key_id(crypto: &impl Crypto, cose: &[u8]) -> [u8; KEY_ID_SIZE] {
    let mut id = [0u8; KEY_ID_SIZE];
    join(&mut id, &[&crypto.sha256(&[cose]).0]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cose_key_round_trips_and_other_forms_are_key_invalid() {
        let key = PublicKey([7; 64]);
        let cose = key.to_cose();
        assert_eq!(PublicKey::from_cose(&cose), Ok(key));
        let mut other_algorithm = cose;
        other_algorithm[4] = 0x27; // EdDSA
        assert_eq!(PublicKey::from_cose(&other_algorithm), Err(Error::AlgorithmMismatch));
        let mut other_curve = cose;
        other_curve[6] = 0x02;
        assert_eq!(PublicKey::from_cose(&other_curve), Err(Error::KeyInvalid));
        assert_eq!(PublicKey::from_sec1(&[4; 64]), Err(Error::KeyInvalid));
    }

    #[test]
    fn an_lms_key_round_trips_and_every_other_form_is_refused() {
        let key = LmsPublicKey { id: [7; 16], root: [8; 24] };
        let cose = key.to_cose();
        assert_eq!(LmsPublicKey::from_cose(&cose), Ok(key));
        assert_eq!(LmsPublicKey::of_form(&cose), key);
        for bit in 0..21 * 8 {
            let mut other = cose;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(LmsPublicKey::from_cose(&other).is_err(), "bit {bit}");
        }
        let mut other_algorithm = cose;
        other_algorithm[5] = 0x2e;
        assert_eq!(LmsPublicKey::from_cose(&other_algorithm), Err(Error::AlgorithmMismatch));
        let mut other_kind = cose;
        other_kind[2] = 0x02;
        assert_eq!(LmsPublicKey::from_cose(&other_kind), Err(Error::KeyInvalid));
        assert_eq!(PublicKey::from_cose(&cose), Err(Error::KeyInvalid));
    }

    /// Two levels, another height, other digits, hashes of 32 bytes, and the lengths beside.
    #[test]
    fn an_lms_key_of_another_set_is_lms_set_unknown() {
        let hss = LmsPublicKey { id: [7; 16], root: [8; 24] }.to_hss();
        for (place, other) in [(3, 0), (3, 2), (7, 0x0a), (7, 0x0c), (7, 6), (11, 8), (11, 3)] {
            let mut hss = hss;
            hss[place] = other;
            assert_eq!(LmsPublicKey::from_hss(&hss), Err(Error::LmsSetUnknown));
        }
        assert_eq!(LmsPublicKey::from_hss(&hss[..51]), Err(Error::LmsSetUnknown));
        assert_eq!(LmsPublicKey::from_hss(&[&hss[..], &[0]].concat()), Err(Error::LmsSetUnknown));
        let longer = [&LMS_HEAD[..8], &[53], &hss, &[0]].concat();
        assert_eq!(LmsPublicKey::from_cose(&longer), Err(Error::LmsSetUnknown));
    }
}
