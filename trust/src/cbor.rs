//! Canonical CBOR: the one encoding of a value that we accept (RFC 8949 §4.2.1).
//!
//! Rules: CBOR-1 only the deterministic encoding is read; CBOR-2 nothing nests deeper than
//! [`DEPTH_MAX`]; CBOR-3 nothing follows the item; CBOR-4 a text has no control characters, because
//! it is shown to a person before its signer is known.
//!
//! The time to read is linear: every head that is passed costs at least one byte of input, so a
//! count of 2⁶⁴ items ends where the bytes do, and the stack is bounded by [`DEPTH_MAX`].

use crate::copy::copy;
use crate::error::{Error, Result};
use crate::id::Digest;

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 8;

/// Major types (RFC 8949 §3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// The simple values that we read (RFC 8949 §3.3), each a head of its own.
const FALSE: u64 = 20;
const TRUE: u64 = 21;
const NULL: u64 = 22;

/// The byte that false is.
pub const FALSE_HEAD: u8 = (SIMPLE << 5) | FALSE as u8;

/// Refuses bytes that are not exactly one canonical item.
///
/// Shortest heads, definite lengths, map keys in bytewise order without repeats, UTF-8 text;
/// integers, byte and text strings, arrays, maps, booleans and null only.
///
/// # Errors
/// `CborMalformed`, `CborNotCanonical`, `CborTooDeep`, `CborTrailing`.
pub fn canonical(bytes: &[u8]) -> Result<()> {
    let mut reader = Reader { rest: bytes };
    reader.item(0)?;
    reader.end() // CBOR-3
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
///
/// What is inlined here says which refusal it is: what it calls only finds or finds not, which a
/// chip returns in registers.
#[derive(Clone)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

/// The head of an item: its major type, and its value, length or count.
type Head = (u8, u64);

impl<'b> Reader<'b> {
    /// A reader over bytes that are exactly one canonical item.
    ///
    /// # Errors
    /// As [`canonical`].
    #[inline(always)]
    pub fn new(bytes: &'b [u8]) -> Result<Self> {
        canonical(bytes)?;
        Ok(Self { rest: bytes })
    }

    /// Enters an array and returns its length.
    pub fn array_any(&mut self) -> Result<u64> {
        self.of(ARRAY).ok_or(Error::FieldInvalid)
    }

    /// Enters an array of exactly `length` items.
    #[inline(always)]
    pub fn array(&mut self, length: u64) -> Result<()> {
        self.expect(ARRAY, length)
    }

    /// Enters a list of at most `most` items and returns how many there are.
    #[inline(always)]
    pub fn list(&mut self, most: usize) -> Result<usize> {
        let length = self.count().ok_or(Error::FieldInvalid)?;
        if length <= most { Ok(length) } else { Err(Error::FieldTooLong) }
    }

    /// Enters a map of exactly `pairs` pairs.
    #[inline(always)]
    pub fn map(&mut self, pairs: u64) -> Result<()> {
        self.expect(MAP, pairs)
    }

    /// Reads the map key `expected`.
    #[inline(always)]
    pub fn key(&mut self, expected: i64) -> Result<()> {
        let (major, value) = integer(expected);
        self.expect(major, value)
    }

    /// Reads an unsigned integer.
    #[inline(always)]
    pub fn u64(&mut self) -> Result<u64> {
        self.unsigned().ok_or(Error::FieldInvalid)
    }

    /// Reads a signed integer.
    pub fn i64(&mut self) -> Result<i64> {
        let (major, value) = self.head().map_err(|_| Error::FieldInvalid)?;
        let value = i64::try_from(value).map_err(|_| Error::FieldInvalid)?;
        match major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(!value), // −1 − value
            _ => Err(Error::FieldInvalid),
        }
    }

    /// Reads a small unsigned integer.
    pub fn u8(&mut self) -> Result<u8> {
        self.u64()?.try_into().map_err(|_| Error::FieldInvalid)
    }

    /// Reads an unsigned integer of 32 bits.
    pub fn u32(&mut self) -> Result<u32> {
        self.u64()?.try_into().map_err(|_| Error::FieldInvalid)
    }

    /// Reads a boolean.
    pub fn bool(&mut self) -> Result<bool> {
        match self.of(SIMPLE) {
            Some(FALSE) => Ok(false),
            Some(TRUE) => Ok(true),
            _ => Err(Error::FieldInvalid),
        }
    }

    /// Reads a byte string of at most `most` bytes.
    #[inline(always)]
    pub fn bytes(&mut self, most: usize) -> Result<&'b [u8]> {
        let bytes = self.byte_string().ok_or(Error::FieldInvalid)?;
        if bytes.len() <= most { Ok(bytes) } else { Err(Error::FieldTooLong) }
    }

    /// Reads a byte string of exactly `N` bytes.
    #[inline(always)] // copied once, from the input to where the caller keeps it
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.fixed_in_place().copied()
    }

    /// As [`Reader::fixed`], without a copy.
    #[inline(always)]
    pub fn fixed_in_place<const N: usize>(&mut self) -> Result<&'b [u8; N]> {
        self.exact().ok_or(Error::FieldInvalid)
    }

    /// Reads a SHA-256 digest.
    #[inline(always)] // as `fixed`
    pub fn digest(&mut self) -> Result<Digest> {
        self.fixed::<32>().map(Digest)
    }

    /// Reads a text of at most `most` bytes without characters that show something else than what
    /// was signed (CBOR-4).
    pub fn text(&mut self, most: usize) -> Result<&'b str> {
        let bytes = self.string(TEXT).ok_or(Error::FieldInvalid)?;
        let text = core::str::from_utf8(bytes).map_err(|_| Error::FieldInvalid)?;
        if text.len() > most {
            return Err(Error::FieldTooLong);
        }
        if text.chars().any(deceives) { Err(Error::FieldInvalid) } else { Ok(text) }
    }

    /// Reads `null` as `None`, anything else by `read`.
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.null()? { Ok(None) } else { read(self).map(Some) }
    }

    /// Whether the next item is `null`, which is passed over then.
    fn null(&mut self) -> Result<bool> {
        let mut ahead = self.clone();
        let null = ahead.head().map_err(|_| Error::FieldInvalid)? == (SIMPLE, NULL);
        if null {
            *self = ahead;
        }
        Ok(null)
    }

    /// The bytes of the next item, which is passed over.
    pub fn raw(&mut self) -> Result<&'b [u8]> {
        self.passed(0).map_err(|_| Error::FieldInvalid)
    }

    /// The bytes that were not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Refuses when fields are left over.
    pub const fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::CborTrailing) }
    }

    /// Reads a head that is known, most of them a byte.
    #[inline(always)]
    fn expect(&mut self, major: u8, value: u64) -> Result<()> {
        let is = match short_of(value) {
            short @ 0..=23 => self.is_byte(major << 5 | short),
            _ => self.is(major, value),
        };
        if is { Ok(()) } else { Err(Error::FieldInvalid) }
    }

    #[inline(never)]
    fn is_byte(&mut self, head: u8) -> bool {
        let found = self.rest.split_first().filter(|(first, _)| **first == head);
        found.map(|(_, rest)| self.rest = rest).is_some()
    }

    /// Whether the next head is this one.
    #[inline(never)]
    fn is(&mut self, major: u8, value: u64) -> bool {
        self.of(major) == Some(value)
    }

    /// The value of the next head, if it is of this major type.
    fn of(&mut self, wanted: u8) -> Option<u64> {
        self.head().ok().filter(|(major, _)| *major == wanted).map(|(_, value)| value)
    }

    #[inline(never)]
    fn unsigned(&mut self) -> Option<u64> {
        self.of(UNSIGNED)
    }

    /// The length of an array; one that no memory holds is the greatest.
    #[inline(never)]
    fn count(&mut self) -> Option<usize> {
        self.of(ARRAY).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A string of this major type.
    fn string(&mut self, wanted: u8) -> Option<&'b [u8]> {
        let length = self.of(wanted)?;
        self.span(length).ok()
    }

    #[inline(never)]
    fn byte_string(&mut self) -> Option<&'b [u8]> {
        self.string(BYTES)
    }

    #[inline(never)]
    fn exact<const N: usize>(&mut self) -> Option<&'b [u8; N]> {
        self.byte_string()?.try_into().ok()
    }

    /// Passes one item over that nothing is known of.
    fn item(&mut self, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::CborTooDeep); // CBOR-2
        }
        let (major, value) = self.head()?;
        match major {
            UNSIGNED | NEGATIVE => Ok(()),
            BYTES => self.span(value).map(|_| ()),
            TEXT => {
                let text = self.span(value)?;
                core::str::from_utf8(text).map(|_| ()).map_err(|_| Error::CborMalformed)
            }
            ARRAY => (0..value).try_for_each(|_| self.item(depth + 1)),
            MAP => self.pairs(depth, value),
            SIMPLE if matches!(value, FALSE..=NULL) => Ok(()),
            // Tags, floats and other simple values have no place in what we sign.
            _ => Err(Error::CborNotCanonical),
        }
    }

    fn pairs(&mut self, depth: usize, count: u64) -> Result<()> {
        let mut last: &[u8] = &[];
        for _ in 0..count {
            let key = self.passed(depth + 1)?;
            if key <= last {
                // CBOR-1: sorted, so a repeat is out of order, too
                return Err(Error::CborNotCanonical);
            }
            last = key;
            self.item(depth + 1)?;
        }
        Ok(())
    }

    /// The bytes of an item that is passed over.
    fn passed(&mut self, depth: usize) -> Result<&'b [u8]> {
        let from = self.rest;
        self.item(depth)?;
        from.get(..from.len() - self.rest.len()).ok_or(Error::CborMalformed)
    }

    fn head(&mut self) -> Result<Head> {
        let (first, rest) = self.rest.split_first().ok_or(Error::CborMalformed)?;
        let (major, short) = (first >> 5, first & 0x1f);
        self.rest = rest;
        let width = match short {
            0..=23 => return Ok((major, u64::from(short))),
            24..=27 => 1 << (short - 24),
            28..=30 => return Err(Error::CborMalformed),
            _ => return Err(Error::CborNotCanonical), // CBOR-1: no indefinite length
        };
        if major == SIMPLE {
            return Err(Error::CborNotCanonical);
        }
        let raw = self.span(width)?;
        let value = raw.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        if short != short_of(value) {
            return Err(Error::CborNotCanonical); // CBOR-1: shortest head
        }
        // A count of more than what is left is not kept: to a ROM it would be a word on the stack
        // that somebody chose (ROT-25).
        if matches!(major, BYTES..=MAP) && value > self.rest.len() as u64 {
            return Err(Error::CborMalformed);
        }
        Ok((major, value))
    }

    fn span(&mut self, length: u64) -> Result<&'b [u8]> {
        let length = usize::try_from(length).map_err(|_| Error::CborMalformed)?;
        let (inside, rest) = self.rest.split_at_checked(length).ok_or(Error::CborMalformed)?;
        self.rest = rest;
        Ok(inside)
    }
}

/// The low bits of the shortest head of a value: itself, or how many bytes follow.
const fn short_of(value: u64) -> u8 {
    match value {
        0..=23 => value as u8,
        24..=0xff => 24,
        0x100..=0xffff => 25,
        0x1_0000..=0xffff_ffff => 26,
        _ => 27,
    }
}

/// Major type and value of an integer.
const fn integer(value: i64) -> Head {
    let magnitude = (value ^ (value >> 63)).cast_unsigned(); // −1 − value of a negative one
    (if value < 0 { NEGATIVE } else { UNSIGNED }, magnitude)
}

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

/// What a writer refuses for; inlined for the reason that [`Reader`] has.
#[inline(always)]
fn fits<T>(written: Option<T>) -> Result<T> {
    written.ok_or(Error::BufferTooSmall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

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

    /// RFC 8949, appendix A, and both ends of each width of a head.
    const INTEGERS: [(i128, &[u8]); 20] = [
        (0, &[0x00]),
        (1, &[0x01]),
        (10, &[0x0a]),
        (23, &[0x17]),
        (24, &[0x18, 24]),
        (100, &[0x18, 100]),
        (255, &[0x18, 255]),
        (256, &[0x19, 1, 0]),
        (1000, &[0x19, 0x03, 0xe8]),
        (65_535, &[0x19, 255, 255]),
        (65_536, &[0x1a, 0, 1, 0, 0]),
        (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
        (0xffff_ffff, &[0x1a, 255, 255, 255, 255]),
        (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
        (i64::MAX as i128, &[0x1b, 127, 255, 255, 255, 255, 255, 255, 255]),
        (u64::MAX as i128, &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]),
        (-1, &[0x20]),
        (-100, &[0x38, 99]),
        (-1000, &[0x39, 0x03, 0xe7]),
        (i64::MIN as i128, &[0x3b, 127, 255, 255, 255, 255, 255, 255, 255]),
    ];

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Vec<u8> {
        let mut room = [0; 20];
        let mut writer = Writer::new(&mut room);
        write(&mut writer).unwrap();
        writer.written().unwrap().to_vec()
    }

    #[test]
    fn integers_are_written_and_read_as_the_rfc_has_them() {
        for (value, bytes) in INTEGERS {
            if let Ok(value) = u64::try_from(value) {
                assert_eq!(written(|writer| writer.u64(value).map(|_| ())), bytes);
            }
            if let Ok(value) = i64::try_from(value) {
                assert_eq!(written(|writer| writer.i64(value).map(|_| ())), bytes);
            }
            let reader = || Reader::new(bytes).unwrap();
            assert_eq!(reader().u64(), u64::try_from(value).map_err(|_| Error::FieldInvalid));
            assert_eq!(reader().i64(), i64::try_from(value).map_err(|_| Error::FieldInvalid));
            assert_eq!(reader().u32(), u32::try_from(value).map_err(|_| Error::FieldInvalid));
            assert_eq!(reader().u8(), u8::try_from(value).map_err(|_| Error::FieldInvalid));
        }
        let below = Reader::new(&[0x3b, 128, 0, 0, 0, 0, 0, 0, 0]).unwrap().i64();
        assert_eq!(below, Err(Error::FieldInvalid));
    }

    #[test]
    fn what_is_not_an_integer_is_written_and_read_as_the_rfc_has_it() {
        let bytes = [0x85, 0xf4, 0xf5, 0xf6, 0x63, 0xe6, 0xb0, 0xb4, 0xa1, 0x42, 1, 2, 0xf6];
        let same = written(|writer| {
            writer.array(5)?.bool(false)?.bool(true)?.null()?.text("\u{6c34}")?;
            writer.map(1)?.bytes(&[1, 2])?.bytes_or_null(None).map(|_| ())
        });
        assert_eq!(same, bytes);
        let mut reader = Reader { rest: &bytes };
        assert_eq!(reader.array_any(), Ok(5));
        assert_eq!((reader.bool(), reader.bool()), (Ok(false), Ok(true)));
        assert_eq!(reader.optional(Reader::u64), Ok(None));
        assert_eq!(reader.optional(|r| r.text(3)), Ok(Some("\u{6c34}")));
        assert_eq!(reader.map(1), Ok(()));
        assert_eq!(reader.fixed_in_place(), Ok(&[1, 2]));
        assert_eq!(reader.end(), Err(Error::CborTrailing));
        assert_eq!(reader.raw(), Ok(&[0xf6][..]));
        assert_eq!((reader.end(), reader.raw()), (Ok(()), Err(Error::FieldInvalid)));
    }

    /// Read as anything that it is not, or past the end, an item is no field.
    #[test]
    fn reader_refuses_other_types_as_field_invalid() {
        let items: [&[u8]; 8] =
            [&[0], &[0x20], &[0x40], &[0x60], &[0x80], &[0xa0], &[0xf5], &[0xf6]];
        for (place, item) in items.into_iter().enumerate() {
            let found = || Reader::new(item).unwrap();
            let read = [
                found().u64().is_ok(),
                found().i64().is_ok(),
                found().bytes(1).is_ok(),
                found().text(1).is_ok(),
                found().array(0).is_ok(),
                found().map(0).is_ok(),
                found().bool().is_ok(),
                found().null() == Ok(true),
            ];
            for (kind, read) in read.into_iter().enumerate() {
                let integer = place == 0 && kind == 1; // an unsigned one is a signed one, too
                assert_eq!(read, kind == place || integer, "{item:x?} as {kind}");
            }
        }
        let mut ended = Reader::new(&[0]).unwrap();
        assert_eq!(ended.u64(), Ok(0));
        assert_eq!(ended.u64(), Err(Error::FieldInvalid));
        assert_eq!(ended.optional(Reader::u64), Err(Error::FieldInvalid));
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
