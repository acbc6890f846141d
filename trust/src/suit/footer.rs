//! Where a package file's envelope is.

use super::ENVELOPE_MAX;
use crate::copy::copy;
use crate::error::{Error, Result};

/// The footer at the end of a package file: it finds the envelope behind the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Bytes of the payload, from the file's start.
    pub payload_size: u64,
    /// Bytes of the envelope behind it.
    pub envelope_size: u64,
}

/// Bytes of a footer.
pub const FOOTER_SIZE: usize = 24;
const FOOTER_MAGIC: [u8; 8] = *b"CRATON\x001";

impl Footer {
    /// The footer's bytes: magic, payload size, envelope size; little-endian.
    #[must_use]
    pub fn encode(&self) -> [u8; FOOTER_SIZE] {
        let mut bytes = [0u8; FOOTER_SIZE];
        let (magic, sizes) = bytes.split_at_mut(8);
        copy(magic, &FOOTER_MAGIC);
        let (payload, envelope) = sizes.split_at_mut(8);
        copy(payload, &self.payload_size.to_le_bytes());
        copy(envelope, &self.envelope_size.to_le_bytes());
        bytes
    }

    /// Reads the footer of a file of `file_size` bytes; the sizes must account for every byte of
    /// it.
    ///
    /// # Errors
    /// `FooterInvalid`.
    pub fn parse(bytes: &[u8; FOOTER_SIZE], file_size: u64) -> Result<Self> {
        let number = |from: usize| -> Option<u64> {
            Some(u64::from_le_bytes(bytes.get(from..from + 8)?.try_into().ok()?))
        };
        let sizes = number(8).zip(number(16)).filter(|_| bytes.starts_with(&FOOTER_MAGIC));
        let (payload_size, envelope_size) = sizes.ok_or(Error::FooterInvalid)?;
        let sum = payload_size.checked_add(envelope_size);
        let whole = sum.and_then(|sum| sum.checked_add(FOOTER_SIZE as u64)) == Some(file_size);
        if whole && envelope_size <= ENVELOPE_MAX as u64 {
            Ok(Self { payload_size, envelope_size })
        } else {
            Err(Error::FooterInvalid)
        }
    }
}
