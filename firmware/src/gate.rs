//! The gate between the two sides: one flat block in non-secure memory, and one entry.
//!
//! Rule MBX-5: what the secure side reads of a block it copies first; every place that a block
//! names lies whole in the memory of the non-secure side, and the place to write into overlaps none
//! to read from. During a call nothing else writes there: interrupts are off, and no other bus
//! master is the non-secure side's.

use crate::map;
use craton_rot::Error;
use craton_rot::mailbox::call::{BYTES_MAX, NUMBERS_MAX, Numbers};
use craton_rot::mailbox::{Answer, Call};

/// A place in non-secure memory.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Place {
    /// Its first address.
    pub at: u32,
    /// Bytes of it.
    pub length: u32,
}

/// A call, and room for its answer.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Block {
    /// The operation's number.
    pub operation: u32,
    /// How many numbers it has.
    pub number_count: u32,
    /// The numbers.
    pub numbers: [u64; NUMBERS_MAX],
    /// How many byte strings it has.
    pub byte_count: u32,
    /// The byte strings.
    pub bytes: [Place; BYTES_MAX],
    /// Where bytes of the answer go.
    pub out: Place,
    /// 0, or the number of the refusal.
    pub code: u32,
    /// How many numbers the answer has.
    pub answer_count: u32,
    /// They.
    pub answer: [u64; NUMBERS_MAX],
    /// How many bytes were written.
    pub written: u32,
}

/// Bytes of a block.
pub const BLOCK_SIZE: usize = size_of::<Block>();

impl Block {
    /// Of no call.
    pub const EMPTY: Self = Self {
        operation: 0,
        number_count: 0,
        numbers: [0; NUMBERS_MAX],
        byte_count: 0,
        bytes: [Place { at: 0, length: 0 }; BYTES_MAX],
        out: Place { at: 0, length: 0 },
        code: 0,
        answer_count: 0,
        answer: [0; NUMBERS_MAX],
        written: 0,
    };

    /// Makes an empty block that of a call. In place: a copy would be a sixth of the stack that the
    /// mailbox has.
    pub fn ask(&mut self, call: &Call<'_>, out: &[u8]) {
        let place = |bytes: &[u8]| Place {
            at: bytes.as_ptr().expose_provenance() as u32,
            length: bytes.len() as u32,
        };
        self.operation = call.operation as u32;
        self.number_count = call.numbers().len() as u32;
        self.numbers.iter_mut().zip(call.numbers()).for_each(|(to, from)| *to = *from);
        self.byte_count = call.bytes().len() as u32;
        self.bytes.iter_mut().zip(call.bytes()).for_each(|(to, from)| *to = place(from));
        self.out = place(out);
        self.code = u32::from(Error::GateRefused.code());
    }

    /// What came of it.
    ///
    /// # Errors
    /// `CallShape` if the numbers are too many.
    pub fn answered(&self) -> Result<Answer, Error> {
        let numbers = self.answer.get(..self.answer_count as usize).ok_or(Error::CallShape)?;
        Ok(Answer {
            code: u16::try_from(self.code).map_err(|_| Error::CallShape)?,
            numbers: Numbers::of(numbers)?,
            length: self.written as usize,
        })
    }

    /// Writes an answer.
    pub fn answer(&mut self, answer: &Answer) {
        let numbers = answer.numbers.as_slice();
        self.code = u32::from(answer.code);
        self.answer_count = numbers.len() as u32;
        self.answer.iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
        self.written = answer.length as u32;
    }

    /// Refuses a block that names memory of the secure side, or is written while it is read. `own`
    /// is where the block lies.
    ///
    /// # Errors
    /// `GateRefused`, `CallShape`.
    pub fn check(&self, own: Place) -> Result<(), Error> {
        let (numbers, bytes) = (self.number_count as usize, self.byte_count as usize);
        if numbers > NUMBERS_MAX {
            return Err(Error::CallShape);
        }
        let bytes = self.bytes.get(..bytes).ok_or(Error::CallShape)?;
        let inside = bytes.iter().chain([&self.out]).all(|place| place.is_non_secure());
        let apart = bytes.iter().chain([&own]).all(|place| !place.overlaps(&self.out));
        if inside && apart { Ok(()) } else { Err(Error::GateRefused) }
    }
}

impl Place {
    /// Whether all of it is memory of the non-secure side.
    #[must_use]
    pub const fn is_non_secure(&self) -> bool {
        let (first, end) = (map::NON_SECURE_RAM, map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE);
        let (at, length) = (self.at as usize, self.length as usize);
        at >= first && at <= end && length <= end - at
    }

    const fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.at as u64, other.at as u64);
        a < b + other.length as u64 && b < a + self.length as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Place = Place { at: map::NON_SECURE_RAM as u32 + 1024, length: BLOCK_SIZE as u32 };
    const RAM: u32 = map::NON_SECURE_RAM as u32;
    const END: u32 = RAM + map::NON_SECURE_RAM_SIZE as u32;

    fn block(bytes: &[Place], out: Place) -> Block {
        let call = Call::new(16, &[], &[]).unwrap();
        let mut block = Block::EMPTY;
        block.ask(&call, &[]);
        block.byte_count = bytes.len() as u32;
        block.bytes[..bytes.len()].copy_from_slice(bytes);
        block.out = out;
        block
    }

    fn at(at: u32, length: u32) -> Place {
        Place { at, length }
    }

    #[test]
    fn mbx_5_refuses_a_place_outside_the_non_secure_memory() {
        let out = at(RAM, 16);
        assert_eq!(block(&[at(RAM + 16, 8), at(END - 1, 1), at(END, 0)], out).check(OWN), Ok(()));
        let outside = [
            at(0, 4),
            at(RAM - 1, 1),
            at(RAM - 1, 2),
            at(END, 1),
            at(END - 1, 2),
            at(RAM + 16, u32::MAX),
            at(u32::MAX, 1),
            at(0x3000_0000, 32),
            at(0x8000_0000, 32),
        ];
        for place in outside {
            assert_eq!(block(&[place], out).check(OWN), Err(Error::GateRefused), "{:x}", place.at);
            assert_eq!(block(&[], place).check(OWN), Err(Error::GateRefused), "{:x}", place.at);
        }
    }

    #[test]
    fn mbx_5_refuses_to_write_where_it_reads() {
        let out = at(RAM + 100, 50);
        assert_eq!(block(&[], OWN).check(OWN), Err(Error::GateRefused), "its own block");
        for place in [at(RAM + 100, 1), at(RAM + 149, 1), at(RAM, 200), at(RAM + 120, 4)] {
            assert_eq!(block(&[place], out).check(OWN), Err(Error::GateRefused));
        }
        assert_eq!(block(&[at(RAM + 99, 1), at(RAM + 150, 1)], out).check(OWN), Ok(()));
    }

    #[test]
    fn mbx_5_refuses_more_than_a_block_has() {
        let mut many = block(&[], at(RAM, 0));
        many.number_count = NUMBERS_MAX as u32 + 1;
        assert_eq!(many.check(OWN), Err(Error::CallShape));
        let mut many = block(&[], at(RAM, 0));
        many.byte_count = u32::MAX;
        assert_eq!(many.check(OWN), Err(Error::CallShape));
    }
}
