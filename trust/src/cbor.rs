//! Canonical CBOR: the one encoding of a value that we accept (RFC 8949 §4.2.1).
//!
//! Rules: CBOR-1 only the deterministic encoding is read; CBOR-2 nothing nests deeper than
//! [`DEPTH_MAX`]; CBOR-3 nothing follows the item; CBOR-4 a text has no control characters, because
//! it is shown to a person before its signer is known.
//!
//! The time to read is linear: every head that is passed costs at least one byte of input, so a
//! count of 2⁶⁴ items ends where the bytes do, and the stack is bounded by [`DEPTH_MAX`].

use crate::error::{Error, Result};
use crate::id::Digest;

mod writer;

pub use writer::Writer;

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

/// A head of which the value was not read yet: its major type, its low bits, and what follows them.
struct Begun<'b> {
    major: u8,
    short: u8,
    raw: &'b [u8],
}

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
        let begun = self.begin()?;
        if matches!(begun.major, UNSIGNED | NEGATIVE) {
            return Ok(()); // nobody asks for the number
        }
        let (major, value) = self.value(begun)?;
        match major {
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
        let begun = self.begin()?;
        self.value(begun)
    }

    /// Passes a head over, which is the shortest one of its value.
    fn begin(&mut self) -> Result<Begun<'b>> {
        let (first, rest) = self.rest.split_first().ok_or(Error::CborMalformed)?;
        let (major, short) = (first >> 5, first & 0x1f);
        self.rest = rest;
        let width = match short {
            0..=23 => 0,
            24..=27 => 1 << (short - 24),
            28..=30 => return Err(Error::CborMalformed),
            _ => return Err(Error::CborNotCanonical), // CBOR-1: no indefinite length
        };
        if major == SIMPLE && width > 0 {
            return Err(Error::CborNotCanonical);
        }
        let raw = self.span(width)?;
        // CBOR-1: the first half of the bytes says something, and a single one more than 23.
        let (half, _) = raw.split_at(raw.len() / 2);
        let is_short = match raw {
            [] => true,
            [byte] => *byte > 23,
            _ => half.iter().any(|byte| *byte != 0),
        };
        if is_short { Ok(Begun { major, short, raw }) } else { Err(Error::CborNotCanonical) }
    }

    /// The value of a head that was passed over. A count of more than what is left is none, and is
    /// not even made: to a ROM it would be a word on the stack that somebody chose (ROT-25).
    fn value(&self, Begun { major, short, raw }: Begun<'_>) -> Result<Head> {
        let counts = matches!(major, BYTES..=MAP);
        if counts && (raw.len() > 4 || raw.len() == 4 && raw.first() != Some(&0)) {
            return Err(Error::CborMalformed);
        }
        let value = match raw {
            [] => u64::from(short),
            _ => raw.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte)),
        };
        if counts && value > self.rest.len() as u64 {
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

#[cfg(test)]
mod tests;
