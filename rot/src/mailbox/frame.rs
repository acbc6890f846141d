//! Frames on a byte stream.
//!
//! A frame is: format (1 byte), direction (1), sequence number (4), payload, CRC-32C of all that
//! (4). It goes over the line with consistent overhead byte stuffing (Cheshire and Baker, 1999),
//! between two zero bytes. A zero byte stands nowhere else, so that whatever came before, the next
//! frame is read (MBX-1), with no length to believe, no clock, and nothing to read twice. It costs
//! one byte in 254.
//!
//! The CRC finds noise on the line and is no protection against anybody: what is believed is
//! signed. It is Castagnoli's: on 12 KiB it still finds any three flipped bits, which that of
//! Ethernet does on 11 KiB only (Koopman, DSN 2002).

/// The format of frames.
pub(super) const FORMAT: u8 = 1;
/// Format, direction, number.
const HEAD_SIZE: usize = 6;
const CHECK_SIZE: usize = 4;
/// Bytes of a frame beside its payload.
pub const OVERHEAD: usize = HEAD_SIZE + CHECK_SIZE;
/// The most bytes of a block after its code.
const BLOCK: usize = 254;

/// Which way a frame goes: an echo of a request is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// To the root of trust.
    Request = 1,
    /// From it.
    Reply = 2,
}

impl Direction {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Request),
            2 => Some(Self::Reply),
            _ => None,
        }
    }
}

/// A word that somebody sent, as its halves: in the memory of a ROM neither is an address of code
/// (ROT-25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halves {
    high: u32,
    low: u32,
}

impl Halves {
    pub(super) const fn of([a, b, c, d]: [u8; 4]) -> Self {
        Self { high: (a as u32) << 8 | b as u32, low: (c as u32) << 8 | d as u32 }
    }

    const fn of_word(word: u32) -> Self {
        Self { high: word >> 16, low: word & 0xffff }
    }

    /// The word.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.high << 16 | self.low
    }

    /// One of its bytes, the highest first.
    pub(super) const fn byte(self, place: usize) -> u8 {
        let half = if place < 2 { self.high } else { self.low };
        if place.is_multiple_of(2) { (half >> 8) as u8 } else { half as u8 }
    }
}

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// Which way.
    pub direction: Direction,
    /// The request's number, which its reply bears too.
    pub number: Halves,
    /// The message.
    pub payload: &'b [u8],
    /// The checksum of it all: what tells a repeated request from another one of its number.
    pub check: Halves,
}

impl<'b> Frame<'b> {
    /// Reads a frame that is no longer stuffed; `None` for anything that is none.
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let (covered, check) = bytes.split_last_chunk::<CHECK_SIZE>()?;
        let check = Halves::of(*check);
        let (head, payload) = covered.split_first_chunk::<HEAD_SIZE>()?;
        let [format, direction, number @ ..] = head;
        let number = Halves::of(*number);
        let right = *format == FORMAT && checksum(covered) == check;
        let direction = Direction::from_number(*direction).filter(|_| right)?;
        Some(Self { direction, number, payload, check })
    }
}

/// Memory for a frame. A place is below the length of [`FrameMemory::bytes`].
pub trait FrameMemory {
    /// All of it.
    fn bytes(&self) -> &[u8];

    /// All of it, to change.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Puts a byte of the stream to a place.
    fn put(&mut self, place: usize, byte: u8);

    /// Moves so many bytes from a place to the beginning, if there are as many.
    fn move_to_front(&mut self, from: usize, length: usize);
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FrameMemory for B {
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.as_mut()
    }

    fn put(&mut self, place: usize, byte: u8) {
        if let Some(place) = self.as_mut().get_mut(place) {
            *place = byte;
        }
    }

    fn move_to_front(&mut self, from: usize, length: usize) {
        let bytes = self.as_mut();
        if let Some(end) = from.checked_add(length).filter(|end| *end <= bytes.len()) {
            bytes.copy_within(from..end, 0);
        }
    }
}

/// Finds frames in a stream, byte by byte, in a buffer of the caller's; a frame that the buffer
/// cannot hold is dropped like any other garbage.
pub struct Decoder<B> {
    buffer: B,
    length: usize,
    /// Bytes that are left of the block.
    left: u8,
    /// Whether a zero stood at the block's end, if another block follows.
    zero: bool,
    begun: bool,
    broken: bool,
    dropped: u32,
    /// How many bytes at the buffer's end are no frame's.
    kept: usize,
}

impl<B: FrameMemory> Decoder<B> {
    /// A decoder of frames up to the size of `buffer`.
    pub const fn new(buffer: B) -> Self {
        let (length, left, dropped, kept) = (0, 0, 0, 0);
        Self { buffer, length, left, zero: false, begun: false, broken: false, dropped, kept }
    }

    /// How often something stood between two zeros that was no frame.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The payload of the frame that was given last, moved to where the buffer begins.
    pub fn take_payload(&mut self, length: usize) -> &[u8] {
        self.buffer.move_to_front(HEAD_SIZE, length);
        self.buffer.bytes().get(..length).unwrap_or(&[])
    }

    /// Keeps so many bytes at the buffer's end from frames.
    pub(super) const fn keep(&mut self, length: usize) {
        self.kept = length;
    }

    /// What is kept from frames.
    pub(super) fn kept(&self) -> &[u8] {
        let bytes = self.buffer.bytes();
        bytes.get(self.room()..).unwrap_or(&[])
    }

    /// Bytes for frames.
    fn room(&self) -> usize {
        self.buffer.bytes().len().saturating_sub(self.kept)
    }

    /// The number, as it says, of a frame that needs the place of what is kept.
    pub(super) fn blocked(&self) -> Option<u32> {
        let head = self.buffer.bytes().first_chunk::<HEAD_SIZE>();
        let head = head.filter(|_| self.kept > 0 && self.length == self.room());
        head.map(|[_, _, number @ ..]| u32::from_be_bytes(*number))
    }

    /// Takes the next byte of the stream; gives a frame when it ended with this one.
    pub fn push(&mut self, byte: u8) -> Option<Frame<'_>> {
        self.push_beside(byte).map(|(frame, _)| frame)
    }

    /// As [`Decoder::push`]; with what of the buffer is behind the frame.
    pub fn push_beside(&mut self, byte: u8) -> Option<(Frame<'_>, &mut [u8])> {
        match (byte, self.left) {
            (0, left) => return self.end(left == 0),
            (code, 0) => {
                if self.zero {
                    self.store(0);
                }
                (self.left, self.zero) = (code - 1, usize::from(code) <= BLOCK);
                self.begun = true;
            }
            (byte, _) => {
                self.left -= 1;
                self.store(byte);
            }
        }
        None
    }

    fn store(&mut self, byte: u8) {
        if self.length < self.room() {
            self.buffer.put(self.length, byte);
            self.length += 1;
        } else {
            self.broken = true;
        }
    }

    fn end(&mut self, whole: bool) -> Option<(Frame<'_>, &mut [u8])> {
        let (length, begun, whole) = (self.length, self.begun, whole && !self.broken);
        (self.length, self.left, self.zero) = (0, 0, false);
        (self.begun, self.broken) = (false, false);
        if !begun {
            return None;
        }
        let parts = self.buffer.bytes_mut().split_at_mut_checked(length).filter(|_| whole);
        let found = parts.and_then(|(bytes, rest)| Some((Frame::read(bytes)?, rest)));
        if found.is_none() {
            self.dropped = self.dropped.wrapping_add(1);
        }
        found
    }
}

/// Writes one frame into a sink as its payload comes; it needs no buffer for the whole.
pub struct FrameWriter<S: FnMut(&[u8])> {
    sink: S,
    /// The block's code, and its bytes.
    block: [u8; BLOCK + 1],
    length: usize,
    check: Halves,
}

impl<S: FnMut(&[u8])> FrameWriter<S> {
    /// Begins a frame.
    pub fn new(direction: Direction, number: u32, mut sink: S) -> Self {
        sink(&[0]);
        let mut writer = Self { sink, block: [0; BLOCK + 1], length: 0, check: UNCHECKED };
        writer.put(&[FORMAT, direction as u8]);
        writer.put(&number.to_be_bytes());
        writer
    }

    /// Adds to the payload.
    pub fn put(&mut self, bytes: &[u8]) {
        self.check = bytes.iter().fold(self.check, |check, byte| step(check, *byte));
        self.stuff(bytes);
    }

    /// Ends the frame.
    pub fn end(mut self) {
        let check = checked(self.check);
        self.stuff(&[0, 1, 2, 3].map(|place| check.byte(place)));
        self.flush();
        (self.sink)(&[0]);
    }

    fn stuff(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == 0 {
                self.flush();
                continue;
            }
            self.length += 1;
            if let Some(place) = self.block.get_mut(self.length) {
                *place = *byte;
            }
            if self.length == BLOCK {
                self.flush();
            }
        }
    }

    /// Sends the block: its code is its length with the code itself.
    fn flush(&mut self) {
        let [code, ..] = &mut self.block;
        *code = self.length as u8 + 1;
        (self.sink)(self.block.get(..=self.length).unwrap_or(&[]));
        self.length = 0;
    }
}

/// CRC-32C (Castagnoli's polynomial, reflected), by half bytes, and in halves: who sends a frame
/// has its CRC as he likes.
const TABLE: [Halves; 16] = table();

const fn table() -> [Halves; 16] {
    let mut table = [Halves::of_word(0); 16];
    let mut index = 0;
    while index < 16 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 4 {
            value = (value >> 1) ^ (0x82f6_3b78 * (value & 1));
            bit += 1;
        }
        table[index] = Halves::of_word(value);
        index += 1;
    }
    table
}

/// The CRC of nothing yet.
pub(super) const UNCHECKED: Halves = Halves::of_word(!0);

/// The CRC with one more byte.
pub(super) fn step(check: Halves, byte: u8) -> Halves {
    let half = |check: Halves| {
        let entry = TABLE.get((check.low & 15) as usize).copied().unwrap_or(UNCHECKED);
        Halves {
            high: (check.high >> 4) ^ entry.high,
            low: (check.low >> 4 | (check.high & 15) << 12) ^ entry.low,
        }
    };
    half(half(Halves { low: check.low ^ u32::from(byte), ..check }))
}

/// The CRC as it is sent.
pub(super) const fn checked(check: Halves) -> Halves {
    Halves { high: check.high ^ 0xffff, low: check.low ^ 0xffff }
}

fn checksum(bytes: &[u8]) -> Halves {
    checked(bytes.iter().fold(UNCHECKED, |check, byte| step(check, *byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::FRAME_MAX;
    use std::vec::Vec;

    fn framed(number: u32, payload: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        let mut writer = FrameWriter::new(Direction::Request, number, |b: &[u8]| {
            line.extend_from_slice(b);
        });
        writer.put(payload);
        writer.end();
        line
    }

    /// Numbers and payloads of the frames in a stream.
    fn read(line: &[u8], room: usize) -> Vec<(u32, Vec<u8>)> {
        let mut decoder = Decoder::new(std::vec![0; room]);
        let mut found = Vec::new();
        for byte in line {
            if let Some(frame) = decoder.push(*byte) {
                found.push((frame.number.get(), frame.payload.to_vec()));
            }
        }
        found
    }

    /// A cheap generator: the same numbers for the same seed.
    fn noise(seed: u64) -> impl Iterator<Item = u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        core::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(checksum(b"123456789").get(), 0xe306_9283);
    }

    #[test]
    fn every_length_and_every_run_of_zeros_comes_back() {
        for length in (0..1100).chain([FRAME_MAX - OVERHEAD]) {
            for payload in [
                std::vec![0; length],
                std::vec![0xff; length],
                noise(length as u64).map(|byte| byte % 3).take(length).collect(),
            ] {
                let line = framed(7, &payload);
                assert_eq!(line.iter().filter(|byte| **byte == 0).count(), 2);
                assert_eq!(read(&line, FRAME_MAX), [(7, payload)]);
            }
        }
    }

    #[test]
    fn mbx_1_after_any_garbage_the_next_frame_is_read() {
        let good = framed(1, b"good");
        for seed in 0..20_000u64 {
            let length = noise(seed + 7).next().map_or(0, usize::from) * 3;
            let mut line: Vec<u8> = noise(seed).take(length).collect();
            line.extend_from_slice(&good);
            assert!(read(&line, 64).contains(&(1, b"good".to_vec())), "{seed}");
        }
    }

    #[test]
    fn mbx_1_a_frame_cut_short_or_too_long_costs_itself_alone() {
        let (good, long) = (framed(2, b"good"), framed(1, &[9; 300]));
        for cut in 0..=long.len() {
            let line = [&long[..cut], &good[..]].concat();
            let found = read(&line, FRAME_MAX);
            assert!(found.contains(&(2, b"good".to_vec())), "{cut}");
            assert!(found.len() == 1 || cut >= long.len() - 1, "{cut}");
        }
        assert_eq!(read(&[&long[..], &good].concat(), 64), [(2, b"good".to_vec())]);
        assert_eq!(read(&long, 310).len(), 1, "as large as the buffer");
        assert_eq!(read(&long, 309).len(), 0, "one byte too large for it");
    }

    #[test]
    fn mbx_1_a_changed_frame_is_none() {
        let line = framed(1, &noise(3).take(60).collect::<Vec<u8>>());
        for bit in 8..(line.len() - 1) * 8 {
            let mut broken = line.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&broken, 256), [], "bit {bit}");
        }
    }

    #[test]
    fn of_another_format_or_direction_nothing_is_a_frame() {
        for head in [[2, 1], [1, 0], [1, 3]] {
            let mut bytes = [&head[..], &[0, 0, 0, 1, 7]].concat();
            let check = checksum(&bytes);
            bytes.extend_from_slice(&check.get().to_be_bytes());
            assert_eq!(Frame::read(&bytes), None);
        }
        assert_eq!(Frame::read(&[0; 9]), None);
    }

    #[test]
    fn what_was_dropped_is_counted() {
        let mut decoder = Decoder::new([0; 64]);
        for byte in [0, 0, 5, 0, 0, 2, 2, 0] {
            assert_eq!(decoder.push(byte), None);
        }
        assert_eq!(decoder.dropped(), 2);
    }
}
