//! Signed orders to a root of trust: a step of the lifecycle, or an erase.
//!
//! Rules: ROT-2 an order is for one device in one epoch, so that an erase cannot be replayed; a
//! step of the lifecycle is one-way anyway.

use craton_trust::cbor::{Reader, Writer};
use craton_trust::cose::Kind;
use craton_trust::crypto::Crypto;
use craton_trust::error::{Error, Result};
use craton_trust::evidence::Lifecycle;
use craton_trust::store::RoleKeys;
use craton_trust::{DeviceId, Digest, Signed, Verified};

/// The largest order before its signatures, bytes.
pub const ORDER_MAX: usize = 96;

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Move the lifecycle there. Signed by the platform section's `Manufacturer`.
    Lifecycle(Lifecycle),
    /// Cryptographic erase: a new epoch. With an owner section's digest the device goes to that
    /// owner. Signed by the owner section's `Root`; of an unowned device by the `Manufacturer`.
    NewEpoch(Option<Digest>),
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which device.
    pub device: DeviceId,
    /// In which ownership epoch.
    pub epoch: u64,
    /// What to do.
    pub action: Action,
}

impl Order {
    /// Reads `[1, device, epoch, 1, lifecycle]` or `[1, device, epoch, 2, owner genesis or null]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `FieldInvalid`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(5)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let (device, epoch) = (DeviceId(reader.fixed()?), reader.u64()?);
        let action = match reader.u8()? {
            1 => Action::Lifecycle(Lifecycle::from_number(reader.u64()?)?),
            2 => Action::NewEpoch(reader.optional(Reader::digest)?),
            _ => return Err(Error::FieldInvalid),
        };
        reader.end()?;
        Ok(Self { device, epoch, action })
    }

    /// Writes the order into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(5)?.u64(1)?.bytes(&self.device.0)?.u64(self.epoch)?;
        match &self.action {
            Action::Lifecycle(to) => writer.u64(1)?.u64(*to as u64)?,
            Action::NewEpoch(owner) => {
                writer.u64(2)?.bytes_or_null(owner.as_ref().map(|d| &d.0[..]))?
            }
        };
        writer.written()
    }

    /// Verifies an order by the role that may give it, for this device and epoch (ROT-2).
    ///
    /// # Errors
    /// Those of [`Signed::verify`]; `OtherDevice`, `OtherEpoch`.
    pub fn verify(
        crypto: &impl Crypto,
        role: RoleKeys<'_>,
        device: DeviceId,
        epoch: u64,
        signed: &Signed<'_>,
    ) -> Result<Verified<Self>> {
        let order = signed.verify(crypto, Kind::Lifecycle, &[role], Self::parse)?;
        if order.device != device {
            return Err(Error::OtherDevice);
        }
        if order.epoch != epoch {
            return Err(Error::OtherEpoch);
        }
        Ok(order)
    }
}
