//! Public keys as COSE_Key (RFC 9052 §7), one algorithm to a key.

use crate::cbor::{Reader, Writer};
use crate::copy::join;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use core::fmt;

/// COSE algorithm identifier of ES256 (RFC 9053). ML-DSA-65 (-49, RFC 9964) and HSS-LMS (-46, RFC
/// 8778) have their place here when their verifiers arrive.
pub const ES256: i64 = -7;

/// Bytes of an encoded [`PublicKey`].
pub const COSE_KEY_SIZE: usize = 77;

/// Bytes of a key id: a hint that finds the key, never a reason to believe it.
pub const KEY_ID_SIZE: usize = 8;

/// What stands before x in the one form that we accept, and what between x and y.
const FORM_TO_X: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
const FORM_TO_Y: [u8; 3] = [0x22, 0x58, 0x20];

/// A P-256 key for ES256: the affine coordinates, x ‖ y.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
        let shape = |_| Error::KeyInvalid;
        reader.map(5).map_err(shape)?;
        reader.key(1).map_err(shape)?;
        reader.key(2).map_err(shape)?;
        reader.key(3).map_err(shape)?;
        if reader.i64().map_err(shape)? != ES256 {
            return Err(Error::AlgorithmMismatch);
        }
        reader.key(-1).map_err(shape)?;
        reader.key(1).map_err(shape)?;
        reader.key(-2).map_err(shape)?;
        let x = reader.fixed_in_place::<32>().map_err(shape)?;
        reader.key(-3).map_err(shape)?;
        let y = reader.fixed_in_place::<32>().map_err(shape)?;
        let mut both = [0u8; 64];
        join(&mut both, &[x, y]);
        Ok(Self(both))
    }

    /// From bytes that [`PublicKey::read`] has taken before: only the coordinates are read.
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
        let mut id = [0u8; KEY_ID_SIZE];
        join(&mut id, &[&crypto.sha256(&[&self.to_cose()]).0]);
        id
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
}
