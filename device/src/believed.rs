//! What a device believes, as plain values: the auth role reads it from the root of trust and hands
//! it to the roles that verify.

use craton_trust::rollback::Floors;
use craton_trust::store::KeptSection;
use craton_trust::{CatalogId, ClassId, Signed};
use serde::{Deserialize, Serialize};

/// The keys, limits and floors by which images are judged.
#[derive(Clone, Debug)]
pub struct Believed {
    /// The owner's section of the trust store.
    pub owner: KeptSection<Vec<u8>>,
    /// The device's catalog.
    pub catalog: CatalogId,
    /// Its class.
    pub class: ClassId,
    /// Whether development sets are believed (SET-4).
    pub development: bool,
    /// Whether this boot is one in mode Debug, by a capability.
    pub debug: bool,
    /// The anti-rollback floors.
    pub floors: Floors,
}

/// [`Believed`] on its way from one role to another, both ours: sections as signed bytes, floors as
/// CBOR.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BelievedBytes {
    /// The owner's section, encoded.
    pub owner: Vec<u8>,
    /// The catalog's id.
    pub catalog: [u8; 32],
    /// The class's id.
    pub class: [u8; 16],
    /// Whether development sets are believed.
    pub development: bool,
    /// Whether this boot is one in mode Debug.
    pub debug: bool,
    /// The floors, encoded.
    pub floors: Vec<u8>,
}

impl Believed {
    /// Packs the values for another role.
    ///
    /// # Errors
    /// `BufferTooSmall` never: the sizes are bounded.
    pub fn to_bytes(&self) -> craton_trust::error::Result<BelievedBytes> {
        let mut floors = [0u8; 1024];
        let mut writer = craton_trust::cbor::Writer::new(&mut floors);
        self.floors.write(&mut writer)?;
        let written = writer.length();
        Ok(BelievedBytes {
            owner: self.owner.bytes().to_vec(),
            catalog: self.catalog.0,
            class: self.class.0,
            development: self.development,
            debug: self.debug,
            floors: floors[..written].to_vec(),
        })
    }

    /// Unpacks what another role packed.
    ///
    /// # Errors
    /// Those of the encodings.
    pub fn from_bytes(bytes: &BelievedBytes) -> craton_trust::error::Result<Self> {
        let mut reader = craton_trust::cbor::Reader::new(&bytes.floors)?;
        Ok(Self {
            owner: KeptSection::parse(bytes.owner.clone())?,
            catalog: CatalogId(bytes.catalog),
            class: ClassId(bytes.class),
            development: bytes.development,
            debug: bytes.debug,
            floors: Floors::read(&mut reader)?,
        })
    }
}

/// The payload of a signed section, not verified again: it was when the root of trust took it in.
///
/// # Errors
/// Those of the encoding.
pub fn section_payload(signed: &[u8]) -> craton_trust::error::Result<&[u8]> {
    Ok(Signed::parse(signed)?.unchecked_payload())
}
