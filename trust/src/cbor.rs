//! Canonical CBOR: the one encoding of a value that we accept (RFC 8949 §4.2.1), on minicbor.
//!
//! Rules: CBOR-1 only the deterministic encoding is read; CBOR-2 nothing nests deeper than
//! [`DEPTH_MAX`]; CBOR-3 nothing follows the item; CBOR-4 a text has no control characters, because
//! it is shown to a person before its signer is known.
//!
//! The time to read is linear: every head that is passed costs at least one byte of input, so a
//! count of 2⁶⁴ items ends where the bytes do, and the stack is bounded by [`DEPTH_MAX`].

use crate::error::{Error, Result};
use crate::id::Digest;
use minicbor::data::Type;
use minicbor::encode::write::Cursor;
use minicbor::{Decoder, Encoder};

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 8;

/// Refuses bytes that are not exactly one canonical item.
///
/// Shortest heads, definite lengths, map keys in bytewise order without repeats, UTF-8 text;
/// integers, byte and text strings, arrays, maps, booleans and null only.
///
/// # Errors
/// `CborMalformed`, `CborNotCanonical`, `CborTooDeep`, `CborTrailing`.
pub fn canonical(bytes: &[u8]) -> Result<()> {
    let end = item(bytes, 0, 0)?;
    if end == bytes.len() { Ok(()) } else { Err(Error::CborTrailing) } // CBOR-3
}

fn item(bytes: &[u8], at: usize, depth: usize) -> Result<usize> {
    if depth > DEPTH_MAX {
        return Err(Error::CborTooDeep); // CBOR-2
    }
    let (major, value, at) = head(bytes, at)?;
    match major {
        0 | 1 => Ok(at),
        2 => span(bytes, at, value).map(|(_, end)| end),
        3 => {
            let (text, end) = span(bytes, at, value)?;
            core::str::from_utf8(text).map_err(|_| Error::CborMalformed)?;
            Ok(end)
        }
        4 => (0..value).try_fold(at, |at, _| item(bytes, at, depth + 1)),
        5 => map(bytes, at, depth, value),
        7 if matches!(value, 20..=22) => Ok(at),
        // Tags, floats and other simple values have no place in what we sign.
        _ => Err(Error::CborNotCanonical),
    }
}

fn map(bytes: &[u8], at: usize, depth: usize, pairs: u64) -> Result<usize> {
    let mut at = at;
    let mut last: &[u8] = &[];
    for _ in 0..pairs {
        let end = item(bytes, at, depth + 1)?;
        let key = bytes.get(at..end).ok_or(Error::CborMalformed)?;
        if key <= last {
            return Err(Error::CborNotCanonical); // CBOR-1: sorted, so a repeat is out of order, too
        }
        last = key;
        at = item(bytes, end, depth + 1)?;
    }
    Ok(at)
}

fn head(bytes: &[u8], at: usize) -> Result<(u8, u64, usize)> {
    let first = *bytes.get(at).ok_or(Error::CborMalformed)?;
    let (major, short) = (first >> 5, first & 0x1f);
    let width = match short {
        0..=23 => return Ok((major, u64::from(short), at + 1)),
        24..=27 => 1usize << (short - 24),
        28..=30 => return Err(Error::CborMalformed),
        _ => return Err(Error::CborNotCanonical), // CBOR-1: no indefinite length
    };
    if major == 7 {
        return Err(Error::CborNotCanonical);
    }
    let raw = bytes.get(at + 1..at + 1 + width).ok_or(Error::CborMalformed)?;
    let value = raw.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let least = [24, 0x100, 0x1_0000, 0x1_0000_0000].get(usize::from(short - 24)).copied();
    if Some(value) < least {
        return Err(Error::CborNotCanonical); // CBOR-1: shortest head
    }
    Ok((major, value, at + 1 + width))
}

fn span(bytes: &[u8], at: usize, length: u64) -> Result<(&[u8], usize)> {
    let length = usize::try_from(length).map_err(|_| Error::CborMalformed)?;
    let end = at.checked_add(length).ok_or(Error::CborMalformed)?;
    let inside = bytes.get(at..end).ok_or(Error::CborMalformed)?;
    Ok((inside, end))
}

/// Whether a character drives a terminal, turns the direction of what follows it, or takes no
/// place: two names that differ only by such look the same (CBOR-4).
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

/// Reads one canonical item field by field, in the order of its specification.
#[derive(Clone)]
pub struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// A reader over bytes that are exactly one canonical item.
    ///
    /// # Errors
    /// As [`canonical`].
    pub fn new(bytes: &'b [u8]) -> Result<Self> {
        canonical(bytes)?;
        Ok(Self { decoder: Decoder::new(bytes) })
    }

    /// Enters an array and returns its length.
    pub fn array_any(&mut self) -> Result<u64> {
        self.decoder.array().map_err(invalid)?.ok_or(Error::FieldInvalid)
    }

    /// Enters an array of exactly `length` items.
    pub fn array(&mut self, length: u64) -> Result<()> {
        if self.array_any()? == length { Ok(()) } else { Err(Error::FieldInvalid) }
    }

    /// Enters a list of at most `most` items and returns how many there are.
    pub fn list(&mut self, most: usize) -> Result<usize> {
        let length = self.array_any()?;
        usize::try_from(length).ok().filter(|n| *n <= most).ok_or(Error::FieldTooLong)
    }

    /// Enters a map of exactly `pairs` pairs.
    pub fn map(&mut self, pairs: u64) -> Result<()> {
        match self.decoder.map().map_err(invalid)? {
            Some(found) if found == pairs => Ok(()),
            _ => Err(Error::FieldInvalid),
        }
    }

    /// Reads the map key `expected`.
    pub fn key(&mut self, expected: i64) -> Result<()> {
        let found = self.decoder.i64().map_err(invalid)?;
        if found == expected { Ok(()) } else { Err(Error::FieldInvalid) }
    }

    /// Reads an unsigned integer.
    pub fn u64(&mut self) -> Result<u64> {
        self.decoder.u64().map_err(invalid)
    }

    /// Reads a signed integer.
    pub fn i64(&mut self) -> Result<i64> {
        self.decoder.i64().map_err(invalid)
    }

    /// Reads a small unsigned integer.
    pub fn u8(&mut self) -> Result<u8> {
        self.decoder.u8().map_err(invalid)
    }

    /// Reads an unsigned integer of 32 bits.
    pub fn u32(&mut self) -> Result<u32> {
        self.decoder.u32().map_err(invalid)
    }

    /// Reads a boolean.
    pub fn bool(&mut self) -> Result<bool> {
        self.decoder.bool().map_err(invalid)
    }

    /// Reads a byte string of at most `most` bytes.
    pub fn bytes(&mut self, most: usize) -> Result<&'b [u8]> {
        let bytes = self.decoder.bytes().map_err(invalid)?;
        if bytes.len() <= most { Ok(bytes) } else { Err(Error::FieldTooLong) }
    }

    /// Reads a byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.fixed_in_place().copied()
    }

    /// As [`Reader::fixed`], without a copy.
    pub fn fixed_in_place<const N: usize>(&mut self) -> Result<&'b [u8; N]> {
        let bytes = self.decoder.bytes().map_err(invalid)?;
        bytes.try_into().map_err(|_| Error::FieldInvalid)
    }

    /// Reads a SHA-256 digest.
    pub fn digest(&mut self) -> Result<Digest> {
        self.fixed::<32>().map(Digest)
    }

    /// Reads a text of at most `most` bytes without characters that show something else than what
    /// was signed (CBOR-4).
    pub fn text(&mut self, most: usize) -> Result<&'b str> {
        let text = self.decoder.str().map_err(invalid)?;
        if text.len() > most {
            return Err(Error::FieldTooLong);
        }
        if text.chars().any(deceives) { Err(Error::FieldInvalid) } else { Ok(text) }
    }

    /// Reads `null` as `None`, anything else by `read`.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.decoder.datatype().map_err(invalid)? == Type::Null {
            self.decoder.null().map_err(invalid)?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// The bytes of the next item, which is passed over.
    pub fn raw(&mut self) -> Result<&'b [u8]> {
        let (bytes, from) = (self.decoder.input(), self.decoder.position());
        let to = item(bytes, from, 0).map_err(|_| Error::FieldInvalid)?;
        self.decoder.set_position(to);
        bytes.get(from..to).ok_or(Error::CborMalformed)
    }

    /// The bytes that were not read yet.
    #[must_use]
    pub fn rest(&self) -> &'b [u8] {
        self.decoder.input().get(self.decoder.position()..).unwrap_or(&[])
    }

    /// Refuses when fields are left over.
    pub fn end(&self) -> Result<()> {
        let whole = self.decoder.position() == self.decoder.input().len();
        if whole { Ok(()) } else { Err(Error::CborTrailing) }
    }
}

fn invalid(_: minicbor::decode::Error) -> Error {
    Error::FieldInvalid
}

/// Writes canonical CBOR into a caller's buffer. Map keys are the caller's to sort; a test of every
/// object reads back what it wrote.
pub struct Writer<'a> {
    encoder: Encoder<Cursor<&'a mut [u8]>>,
}

impl<'a> Writer<'a> {
    /// A writer that fills `buffer` from its start.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { encoder: Encoder::new(Cursor::new(buffer)) }
    }

    /// How many bytes were written.
    #[must_use]
    pub fn length(&self) -> usize {
        self.encoder.writer().position()
    }

    /// Begins an array of `length` items.
    pub fn array(&mut self, length: usize) -> Result<&mut Self> {
        self.encoder.array(length as u64).map_err(full)?;
        Ok(self)
    }

    /// Begins a map of `pairs` pairs.
    pub fn map(&mut self, pairs: usize) -> Result<&mut Self> {
        self.encoder.map(pairs as u64).map_err(full)?;
        Ok(self)
    }

    /// Writes an unsigned integer.
    pub fn u64(&mut self, value: u64) -> Result<&mut Self> {
        self.encoder.u64(value).map_err(full)?;
        Ok(self)
    }

    /// Writes a signed integer, a map key for instance.
    pub fn i64(&mut self, value: i64) -> Result<&mut Self> {
        self.encoder.i64(value).map_err(full)?;
        Ok(self)
    }

    /// Writes a boolean.
    pub fn bool(&mut self, value: bool) -> Result<&mut Self> {
        self.encoder.bool(value).map_err(full)?;
        Ok(self)
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> Result<&mut Self> {
        self.encoder.bytes(value).map_err(full)?;
        Ok(self)
    }

    /// Writes a text string.
    pub fn text(&mut self, value: &str) -> Result<&mut Self> {
        self.encoder.str(value).map_err(full)?;
        Ok(self)
    }

    /// Writes `null`.
    pub fn null(&mut self) -> Result<&mut Self> {
        self.encoder.null().map_err(full)?;
        Ok(self)
    }

    /// Writes a byte string, or `null`.
    pub fn bytes_or_null(&mut self, value: Option<&[u8]>) -> Result<&mut Self> {
        match value {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }

    /// Writes an item that is encoded already.
    pub fn raw(&mut self, item: &[u8]) -> Result<&mut Self> {
        use minicbor::encode::Write as _;
        self.encoder.writer_mut().write_all(item).map_err(|_| Error::BufferTooSmall)?;
        Ok(self)
    }

    /// Begins a byte string of `length` bytes that follow through [`Writer::raw`].
    pub fn bytes_head(&mut self, length: usize) -> Result<&mut Self> {
        self.encoder.bytes_len(length as u64).map_err(full)?;
        Ok(self)
    }
}

fn full<E>(_: minicbor::encode::Error<E>) -> Error {
    Error::BufferTooSmall
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cbor_1_refuses_every_other_encoding_of_the_same_value() {
        let others: [&[u8]; 9] = [
            &[0x18, 0x01],                   // long head
            &[0x19, 0x00, 0xff],             // longer head
            &[0x5f, 0x41, 0x00, 0xff],       // indefinite bytes
            &[0x9f, 0xff],                   // indefinite array
            &[0xa2, 0x02, 0x00, 0x01, 0x00], // keys out of order
            &[0xa2, 0x01, 0x00, 0x01, 0x00], // key twice
            &[0xf9, 0x00, 0x00],             // float
            &[0xc1, 0x00],                   // tag
            &[0xf7],                         // undefined
        ];
        for bytes in others {
            assert_eq!(canonical(bytes), Err(Error::CborNotCanonical), "{bytes:x?}");
        }
    }

    #[test]
    fn cbor_2_refuses_nine_levels() {
        let eight = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00];
        assert_eq!(canonical(&eight), Ok(()));
        let nine = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00];
        assert_eq!(canonical(&nine), Err(Error::CborTooDeep));
    }

    #[test]
    fn cbor_3_refuses_trailing_bytes() {
        assert_eq!(canonical(&[0x00, 0x00]), Err(Error::CborTrailing));
    }

    #[test]
    fn refuses_malformed_items_as_cbor_malformed() {
        let broken: [&[u8]; 6] = [
            &[],
            &[0x41],
            &[0x1c],
            &[0x61, 0xff],
            &[0x82, 0x00],
            &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
        ];
        for bytes in broken {
            assert_eq!(canonical(bytes), Err(Error::CborMalformed), "{bytes:x?}");
        }
    }

    #[test]
    fn reader_refuses_other_shapes_as_field_invalid_and_too_long() {
        assert_eq!(Reader::new(&[0x82, 0, 0]).unwrap().array(3), Err(Error::FieldInvalid));
        assert_eq!(Reader::new(&[0x82, 0, 0]).unwrap().list(1), Err(Error::FieldTooLong));
        assert_eq!(Reader::new(&[0x42, 0, 0]).unwrap().bytes(1), Err(Error::FieldTooLong));
        assert_eq!(Reader::new(&[0x42, 0, 0]).unwrap().fixed::<3>(), Err(Error::FieldInvalid));
        assert_eq!(Reader::new(&[0x00]).unwrap().text(1), Err(Error::FieldInvalid));
    }

    #[test]
    fn writer_refuses_a_full_buffer_as_buffer_too_small() {
        let mut room = [0u8; 3];
        let mut writer = Writer::new(&mut room);
        writer.bytes(&[1, 2]).unwrap();
        assert_eq!(writer.null().err(), Some(Error::BufferTooSmall));
    }
}
