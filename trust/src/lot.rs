//! A lot: the devices that one station made, as the list that their maker signs.
//!
//! Rule LOT-1: a lot names each device once, in the order of their ids, and only its own
//! signature says which devices belong to it. Each row is an endorsement with its own signatures,
//! by which alone that device is believed (END-1). Without the lot's signature whoever carries the
//! list could leave devices out, or put in endorsements of devices that went elsewhere: each row
//! would still verify.

use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::endorsement::Endorsement;
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};

/// The most devices of a lot. With one signature on each row it has 57 KB, below
/// [`crate::signed::PAYLOAD_MAX`].
pub const DEVICES_MAX: usize = 256;
/// The largest signed endorsement, bytes: one with all the signatures that an object may have.
const ROW_MAX: usize = 1024;

/// A lot, read in place.
#[derive(Clone)]
pub struct Lot<'b> {
    rows: Reader<'b>,
    count: usize,
}

impl<'b> Lot<'b> {
    /// Reads `[1, [signed endorsement…]]`.
    ///
    /// # Errors
    /// Those of the encoding and of [`Endorsement::parse`]; `VersionUnknown`, `FieldTooLong`,
    /// `FieldInvalid` for a lot of no device, `LotOrder`.
    pub fn parse(crypto: &impl Crypto, bytes: &'b [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(2)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let count = reader.list(DEVICES_MAX)?;
        if count == 0 {
            return Err(Error::FieldInvalid);
        }
        let lot = Self { rows: reader.clone(), count };
        let mut last = None;
        for _ in 0..count {
            check_order(crypto, &mut last, reader.bytes(ROW_MAX)?)?;
        }
        reader.end()?;
        Ok(lot)
    }

    /// Verifies a lot by the manufacturer of a platform section (LOT-1).
    ///
    /// # Errors
    /// `SectionKind`; those of [`Signed::verify`] and of [`Lot::parse`].
    pub fn verify(
        crypto: &impl Crypto,
        platform: &Section<'_>,
        signed: &Signed<'b>,
    ) -> Result<Verified<Self>> {
        platform.require(SectionKind::Platform)?;
        let manufacturer = [platform.role(Role::Manufacturer)];
        signed.verify(crypto, Kind::Lot, &manufacturer, |bytes| Self::parse(crypto, bytes))
    }

    /// Its devices, each with its signed endorsement, which nobody has verified yet.
    pub fn rows(&self, crypto: &impl Crypto) -> impl Iterator<Item = (DeviceId, &'b [u8])> {
        let mut rows = self.rows.clone();
        // `parse` has read all of them from these bytes.
        (0..self.count).map_while(move |_| {
            let row = rows.bytes(ROW_MAX).ok()?;
            Some((device_of(crypto, row).ok()?, row))
        })
    }
}

/// Writes the lot of these signed endorsements, in the order of their devices, into `out`; returns
/// the bytes written.
///
/// # Errors
/// Those of [`Endorsement::parse`]; `FieldTooLong`, `FieldInvalid` for no device, `LotOrder`,
/// `BufferTooSmall`.
pub fn encode<'o>(crypto: &impl Crypto, rows: &[&[u8]], out: &'o mut [u8]) -> Result<&'o [u8]> {
    if rows.len() > DEVICES_MAX {
        return Err(Error::FieldTooLong);
    }
    if rows.is_empty() {
        return Err(Error::FieldInvalid);
    }
    let (mut writer, mut last) = (Writer::new(out), None);
    writer.array(2)?.u64(1)?.array(rows.len())?;
    for row in rows {
        check_order(crypto, &mut last, row)?;
        writer.bytes(row)?;
    }
    writer.written()
}

/// The device that a signed endorsement is about, not verified.
///
/// # Errors
/// Those of [`Signed::parse`] and [`Endorsement::parse`].
pub fn device_of(crypto: &impl Crypto, endorsement: &[u8]) -> Result<DeviceId> {
    let payload = Signed::parse(endorsement)?.unchecked_payload();
    Ok(Endorsement::parse(payload)?.identity.device_id(crypto))
}

/// Each device once, in order (LOT-1).
fn check_order(crypto: &impl Crypto, last: &mut Option<DeviceId>, row: &[u8]) -> Result<()> {
    let device = device_of(crypto, row)?;
    if last.is_some_and(|last| last >= device) {
        return Err(Error::LotOrder);
    }
    *last = Some(device);
    Ok(())
}
