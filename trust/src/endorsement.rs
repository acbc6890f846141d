//! What a manufacturer says of a device: its identity key, its class of root of trust, its claim
//! code.
//!
//! Rule END-1: the class of a root of trust comes from here, never from a claim of the device.

use crate::cbor::{Reader, Writer};
use crate::cose::Kind;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use crate::id::{ClassId, Digest};
use crate::key::PublicKey;
use crate::signed::{Signed, Verified};
use crate::store::{Role, Section, SectionKind};

/// How a root of trust is kept, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RotClass {
    /// The engine in a process of the host it measures.
    Software = 0,
    /// The engine on a chip, real or emulated, behind a mailbox.
    Firmware = 1,
    /// A TPM 2.0.
    Tpm = 2,
    /// A security subsystem in silicon.
    Silicon = 3,
}

impl RotClass {
    /// The word that evidence, tables and pages show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Firmware => "firmware",
            Self::Tpm => "tpm",
            Self::Silicon => "silicon",
        }
    }

    /// From its number.
    ///
    /// # Errors
    /// `FieldInvalid`.
    pub const fn from_number(number: u8) -> Result<Self> {
        match number {
            0 => Ok(Self::Software),
            1 => Ok(Self::Firmware),
            2 => Ok(Self::Tpm),
            3 => Ok(Self::Silicon),
            _ => Err(Error::FieldInvalid),
        }
    }
}

/// An endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsement {
    /// The device's identity: its UDS-derived key.
    pub identity: PublicKey,
    /// How its root of trust is kept (END-1).
    pub rot: RotClass,
    /// The class of devices.
    pub class: ClassId,
    /// SHA-256 of the one-time claim code.
    pub claim_code: Digest,
}

impl Endorsement {
    /// Reads `[1, COSE_Key, rot, class, claim code digest]`.
    ///
    /// # Errors
    /// Those of the encoding; `VersionUnknown`, `KeyInvalid`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes)?;
        reader.array(5)?;
        if reader.u64()? != 1 {
            return Err(Error::VersionUnknown);
        }
        let identity = PublicKey::read(&mut reader)?;
        let rot = RotClass::from_number(reader.u8()?)?;
        let class = ClassId(reader.fixed()?);
        let claim_code = reader.digest()?;
        reader.end()?;
        Ok(Self { identity, rot, class, claim_code })
    }

    /// Writes the endorsement into `out`; returns the bytes written.
    ///
    /// # Errors
    /// `BufferTooSmall`.
    pub fn encode<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8]> {
        let mut writer = Writer::new(out);
        writer.array(5)?.u64(1)?;
        self.identity.write(&mut writer)?;
        writer.u64(self.rot as u64)?.bytes(&self.class.0)?.bytes(&self.claim_code.0)?;
        writer.written()
    }

    /// Verifies an endorsement by the manufacturer of a platform section: an owner has a role of
    /// that name, too, and endorses nothing.
    ///
    /// # Errors
    /// `SectionKind`; those of [`Signed::verify`].
    pub fn verify(
        crypto: &impl Crypto,
        platform: &Section<'_>,
        signed: &Signed<'_>,
    ) -> Result<Verified<Self>> {
        platform.require(SectionKind::Platform)?;
        let manufacturer = [platform.role(Role::Manufacturer)];
        signed.verify(crypto, Kind::Endorsement, &manufacturer, Self::parse)
    }
}
