//! Device capabilities: a signed permission for one device, one epoch and one boot.
//!
//! Rules: CAP-1 a capability needs publisher and catalog both, like an image; CAP-2 it answers a
//! random challenge of the root of trust made since the last boot began, and is consumed by the
//! reset that begins exactly one boot.

use crate::assignment::Address;
use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};

/// What a capability permits; the numbers are Azure Sphere's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Permission {
    /// Development sets and a debugger, for one boot in mode Debug.
    AppDevelopment = 11,
}

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Whose device; the request is the challenge of its root of trust.
    pub address: Address,
    /// What it permits.
    pub permission: Permission,
}

impl Capability {
    /// Reads `[1, catalog, device, epoch, challenge, permission]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(6)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let address = Address::read(&mut reader)?;
        let permission = match reader.u8()? {
            11 => Permission::AppDevelopment,
            _ => return Err(Error::FieldInvalid),
        };
        reader.end()?;
        Ok(Self { address, permission })
    }

    /// Writes the capability into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        let to = &self.address;
        writer.array(6)?.u64(1)?.bytes(&to.catalog.0)?.bytes(&to.device.0)?;
        writer.u64(to.epoch)?.bytes(&to.request.0)?.u64(self.permission as u64)?;
        writer.written()
    }

    /// Verifies a capability by both approvals (CAP-1) against the open challenge (CAP-2).
    ///
    /// # Errors
    /// `SectionKind` (STORE-5), those of [`Signed::verify`]; `OtherCatalog`, `OtherDevice`,
    /// `OtherEpoch`, `ChallengeMismatch`.
    pub fn verify(
        crypto: &impl Crypto,
        section: &Section<'_>,
        open: &Address,
        signed: &Signed<'_>,
    ) -> Result<Verified<Self>> {
        section.require(SectionKind::Owner)?;
        let roles = [section.role(Role::Publisher), section.role(Role::Catalog)];
        let capability = signed.verify(crypto, Kind::Capability, &roles, Self::parse)?;
        capability.address.check(open, Error::ChallengeMismatch)?;
        Ok(capability)
    }
}
