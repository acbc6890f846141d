//! Writing of canonical CBOR.

use super::{ARRAY, BYTES, FALSE, MAP, NULL, SIMPLE, TEXT, UNSIGNED, integer, short_of};
use crate::copy::copy;
use crate::error::{Error, Result};

/// Writes canonical CBOR into a caller's buffer. Map keys are the caller's to sort; a test of every
/// object reads back what it wrote.
pub struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// A writer that fills `buffer` from its start.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { out: buffer, length: 0 }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// What was written.
    ///
    /// # Errors
    /// `BufferTooSmall`, which no writer is that wrote.
    pub fn written(self) -> Result<&'a [u8]> {
        let Self { out, length } = self;
        out.get(..length).ok_or(Error::BufferTooSmall)
    }

    /// Begins an array of `length` items.
    #[inline(always)]
    pub fn array(&mut self, length: usize) -> Result<&mut Self> {
        fits(self.head(ARRAY, length as u64))
    }

    /// Begins a map of `pairs` pairs.
    #[inline(always)]
    pub fn map(&mut self, pairs: usize) -> Result<&mut Self> {
        fits(self.head(MAP, pairs as u64))
    }

    /// Writes an unsigned integer.
    #[inline(always)]
    pub fn u64(&mut self, value: u64) -> Result<&mut Self> {
        fits(self.head(UNSIGNED, value))
    }

    /// Writes a signed integer, a map key for instance.
    #[inline(always)]
    pub fn i64(&mut self, value: i64) -> Result<&mut Self> {
        let (major, value) = integer(value);
        fits(self.head(major, value))
    }

    /// Writes a boolean.
    #[inline(always)]
    pub fn bool(&mut self, value: bool) -> Result<&mut Self> {
        fits(self.head(SIMPLE, FALSE + u64::from(value)))
    }

    /// Writes a byte string.
    #[inline(always)]
    pub fn bytes(&mut self, value: &[u8]) -> Result<&mut Self> {
        fits(self.string(BYTES, value))
    }

    /// Writes a text string.
    #[inline(always)]
    pub fn text(&mut self, value: &str) -> Result<&mut Self> {
        fits(self.string(TEXT, value.as_bytes()))
    }

    /// Writes `null`.
    #[inline(always)]
    pub fn null(&mut self) -> Result<&mut Self> {
        fits(self.head(SIMPLE, NULL))
    }

    /// Writes a byte string, or `null`.
    pub fn bytes_or_null(&mut self, value: Option<&[u8]>) -> Result<&mut Self> {
        match value {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// Writes an item that is encoded already.
    #[inline(always)]
    pub fn raw(&mut self, item: &[u8]) -> Result<&mut Self> {
        fits(self.put(item))
    }

    /// Begins a byte string of `length` bytes that follow through [`Writer::raw`].
    #[inline(always)]
    pub fn bytes_head(&mut self, length: usize) -> Result<&mut Self> {
        fits(self.head(BYTES, length as u64))
    }

    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) -> Option<&mut Self> {
        let room = self.out.get_mut(self.length..)?;
        copy(room.get_mut(..bytes.len())?, bytes);
        self.length += bytes.len();
        Some(self)
    }

    #[inline(never)]
    fn string(&mut self, major: u8, bytes: &[u8]) -> Option<&mut Self> {
        self.head(major, bytes.len() as u64)?.put(bytes)
    }

    #[inline(never)]
    fn head(&mut self, major: u8, value: u64) -> Option<&mut Self> {
        let short = short_of(value);
        self.put(&[major << 5 | short])?;
        let width = if short < 24 { 0 } else { 1 << (short - 24) };
        self.put(value.to_be_bytes().get(8 - width..)?)
    }
}

/// What a writer refuses for; inlined for the reason that [`super::Reader`] has.
#[inline(always)]
fn fits<T>(written: Option<T>) -> Result<T> {
    written.ok_or(Error::BufferTooSmall)
}
