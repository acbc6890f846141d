//! What a TPM 2.0 signs when it quotes: TPMS_ATTEST (TPM 2.0 Library, part 2, §10.12), in the one
//! shape that we ask for: one bank, SHA-256, and 32 bytes of qualifying data.

use crate::error::{Error, Result};
use crate::id::Digest;

/// The largest TPMS_ATTEST of a quote that we read, bytes: a name of 34 bytes, 32 of qualifying
/// data, three bytes of selection and a digest make 145.
pub const ATTEST_MAX: usize = 160;
/// How many registers a bank has.
pub const REGISTERS: u8 = 24;

/// TPM_GENERATED_VALUE: no restricted key signs outside bytes that begin with it.
const GENERATED: u32 = 0xff54_4347;
const QUOTE: u16 = 0x8018;
const SHA256: u16 = 0x000b;
const NAME_MAX: usize = 68;

/// The fields of a structure, big-endian, one after another.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// From the first byte on.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// `QuoteShape` if there are fewer.
    pub fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::QuoteShape)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Error::QuoteShape)
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn u8(&mut self) -> Result<u8> {
        self.fixed().map(u8::from_be_bytes)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn u16(&mut self) -> Result<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn u32(&mut self) -> Result<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// As [`Fields::take`].
    pub fn u64(&mut self) -> Result<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    /// A TPM2B: two bytes of size, and that many.
    ///
    /// # Errors
    /// As [`Fields::take`]; above `max`, too.
    pub fn sized(&mut self, max: usize) -> Result<&'b [u8]> {
        let size = usize::from(self.u16()?);
        if size > max { Err(Error::QuoteShape) } else { self.take(size) }
    }

    /// All that is left.
    #[must_use]
    pub const fn rest(self) -> &'b [u8] {
        self.0
    }

    /// Refuses bytes that follow.
    ///
    /// # Errors
    /// `QuoteShape`.
    pub const fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::QuoteShape) }
    }
}

/// A set of registers of the SHA-256 bank, bit n for register n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection(pub u32);

impl Selection {
    /// The registers of the set, lowest first.
    pub fn registers(self) -> impl Iterator<Item = u8> {
        (0..REGISTERS).filter(move |register| self.0 >> register & 1 == 1)
    }

    /// TPML_PCR_SELECTION: one bank, three bytes.
    #[must_use]
    pub const fn encode(self) -> [u8; 10] {
        let [first, second, third, _] = self.0.to_le_bytes();
        [0, 0, 0, 1, 0, SHA256 as u8, 3, first, second, third]
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        if (fields.u32()?, fields.u16()?, fields.u8()?) != (1, SHA256, 3) {
            return Err(Error::QuoteShape);
        }
        let [first, second, third] = fields.fixed()?;
        Ok(Self(u32::from_le_bytes([first, second, third, 0])))
    }
}

/// A quote, not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What the asker had signed along.
    pub qualifying: Digest,
    /// Milliseconds that the TPM ran, and how often it was reset and resumed.
    pub clock: (u64, u32, u32),
    /// Its firmware.
    pub firmware: u64,
    /// Which registers.
    pub selection: Selection,
    /// SHA-256 over their values, lowest register first.
    pub registers: Digest,
}

impl Quote {
    /// Reads a quote.
    ///
    /// # Errors
    /// `QuoteShape` for any other structure that a TPM signs, and for another shape.
    pub fn parse(attest: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(attest);
        if (fields.u32()?, fields.u16()?) != (GENERATED, QUOTE) {
            return Err(Error::QuoteShape);
        }
        fields.sized(NAME_MAX)?;
        let qualifying = digest(&mut fields)?;
        let clock = (fields.u64()?, fields.u32()?, fields.u32()?);
        fields.u8()?; // whether the clock is safe: nothing here is decided by it
        let firmware = fields.u64()?;
        let selection = Selection::read(&mut fields)?;
        let registers = digest(&mut fields)?;
        fields.end()?;
        Ok(Self { qualifying, clock, firmware, selection, registers })
    }
}

fn digest(fields: &mut Fields<'_>) -> Result<Digest> {
    fields.sized(32)?.try_into().map(Digest).map_err(|_| Error::QuoteShape)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::vec::Vec;

    /// As a TPM writes it.
    pub(crate) fn attest(qualifying: Digest, selection: Selection, registers: Digest) -> Vec<u8> {
        let mut bytes = [&[0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 34][..], &[7; 34]].concat();
        bytes.extend_from_slice(&[0, 32]);
        bytes.extend_from_slice(&qualifying.0);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3, 1]);
        bytes.extend_from_slice(&[4; 8]);
        bytes.extend_from_slice(&selection.encode());
        bytes.extend_from_slice(&[0, 32]);
        bytes.extend_from_slice(&registers.0);
        bytes
    }

    fn quote() -> Vec<u8> {
        attest(Digest([8; 32]), Selection(0x80_00ff), Digest([5; 32]))
    }

    #[test]
    fn a_quote_is_read_whole_and_only_in_its_one_quote_shape() {
        let bytes = quote();
        assert_eq!(bytes.len(), 145);
        let read = Quote::parse(&bytes).unwrap();
        assert_eq!((read.qualifying, read.registers), (Digest([8; 32]), Digest([5; 32])));
        assert_eq!((read.clock, read.firmware), ((9, 2, 3), 0x0404_0404_0404_0404));
        assert!(read.selection.registers().eq([0, 1, 2, 3, 4, 5, 6, 7, 23]));
        for length in 0..bytes.len() {
            assert_eq!(Quote::parse(&bytes[..length]), Err(Error::QuoteShape));
        }
        assert_eq!(Quote::parse(&[&bytes[..], &[0]].concat()), Err(Error::QuoteShape));
        // Magic, type, size of the name, of the qualifying data, count, bank, size of the
        // selection, size of the digest.
        for at in [0, 1, 2, 3, 4, 5, 7, 43, 104, 106, 107, 112] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_eq!(Quote::parse(&other), Err(Error::QuoteShape), "{at}");
        }
    }
}
