//! One window of output: which old bytes to copy, what to add to them, and what stands between.
//!
//! Three streams, one after the other, in one zstd frame:
//! - control: operations of three varints each: bytes to copy, bytes of extra after them, and the
//!   step (zigzag) from where the last copy ended in the old payload to where this one starts.
//!   The first step counts from the window's own offset, so that each window stands alone;
//! - diff: for each copied byte, the new byte less the old one (its addresses corrected, see
//!   `address.rs`), modulo 256;
//! - extra: bytes that resemble nothing old.

use super::address::AddressMap;
use super::matching::Run;
use super::varint::{put_varint, take_varint, unzigzag, zigzag};
use super::{CONTROL_BYTES_MAX, DeltaError, FRAME_BYTES_MAX};
use std::io::Read;
use std::ops::Range;

/// The streams of one window.
#[derive(Default)]
pub(super) struct Streams {
    pub control: Vec<u8>,
    pub diff: Vec<u8>,
    pub extra: Vec<u8>,
}

impl Streams {
    /// Describes `new[window]` by the parts of `runs` that lie in it.
    pub fn describe(
        old: &[u8],
        new: &[u8],
        window: Range<usize>,
        runs: &[Run],
        map: &AddressMap,
    ) -> Streams {
        let mut streams = Streams::default();
        let runs = inside(runs, &window);
        let ends = runs.iter().skip(1).map(|next| next.new).chain([window.end]);
        let mut old_at = window.start;
        for (run, until) in runs.iter().zip(ends) {
            let extra = run.new + run.length..until;
            let mut base = old.get(run.old..run.old + run.length).unwrap_or_default().to_vec();
            map.correct(run.old as u64, &mut base);
            let copied = new[run.new..extra.start].iter().zip(&base);
            streams.diff.extend(copied.map(|(new, old)| new.wrapping_sub(*old)));
            put_varint(&mut streams.control, run.length as u64);
            put_varint(&mut streams.control, extra.len() as u64);
            put_varint(&mut streams.control, zigzag(run.old as i64 - old_at as i64));
            old_at = run.old + run.length;
            streams.extra.extend_from_slice(&new[extra]);
        }
        streams
    }

    pub fn concat(&self) -> Vec<u8> {
        [&self.control[..], &self.diff, &self.extra].concat()
    }
}

/// The parts of `runs` inside `window`, led by an empty one if nothing is copied at its start.
fn inside(runs: &[Run], window: &Range<usize>) -> Vec<Run> {
    let first = runs.partition_point(|run| run.new + run.length <= window.start);
    let parts = runs[first..].iter().take_while(|run| run.new < window.end).map(|run| {
        let skipped = window.start.saturating_sub(run.new);
        let end = window.end.min(run.new + run.length);
        let new = run.new + skipped;
        Run { new, old: run.old + skipped, length: end - new }
    });
    let mut parts: Vec<Run> = parts.collect();
    if parts.first().is_none_or(|run| run.new != window.start) {
        parts.insert(0, Run { new: window.start, old: window.start, length: 0 });
    }
    parts
}

/// What a window states of its streams, in bytes.
pub(super) struct Lengths {
    pub frame: usize,
    pub control: usize,
    pub copied: usize,
    pub output: usize,
}

impl Lengths {
    pub fn read(delta: &mut impl Read, output: usize) -> Result<Lengths, DeltaError> {
        let (frame, control, copied) =
            (read_length(delta)?, read_length(delta)?, read_length(delta)?);
        if frame > FRAME_BYTES_MAX || control > CONTROL_BYTES_MAX || copied > output {
            return Err(DeltaError::DeltaWindowTooLarge);
        }
        Ok(Lengths { frame, control, copied, output })
    }

    /// All three streams: what is copied has a diff byte each, and the rest is extra.
    pub fn streams(&self) -> usize {
        self.control + self.output
    }
}

pub(super) fn read_length(delta: &mut impl Read) -> Result<usize, DeltaError> {
    let mut bytes = [0; 4];
    delta.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

/// Copy `copy` bytes from `old_at`, adding the diff; then take `extra` bytes as they are.
pub(super) struct Operation {
    pub copy: usize,
    pub old_at: u64,
    pub extra: usize,
}

impl Operation {
    pub fn old_end(&self) -> u64 {
        self.old_at.saturating_add(self.copy as u64)
    }
}

/// The operations of a control stream, up to the first that is malformed. One that gives no byte
/// is malformed, too: so the output bounds the work.
pub(super) struct Operations<'a> {
    control: &'a [u8],
    old_at: u64,
}

impl<'a> Operations<'a> {
    pub fn new(control: &'a [u8], window_start: u64) -> Operations<'a> {
        Operations { control, old_at: window_start }
    }

    fn operation(&mut self) -> Option<Operation> {
        let copy = usize::try_from(take_varint(&mut self.control)?).ok()?;
        let extra = usize::try_from(take_varint(&mut self.control)?).ok()?;
        let old_at = self.old_at.checked_add_signed(unzigzag(take_varint(&mut self.control)?))?;
        if copy == 0 && extra == 0 {
            return None;
        }
        let operation = Operation { copy, old_at, extra };
        self.old_at = operation.old_end();
        Some(operation)
    }
}

impl Iterator for Operations<'_> {
    type Item = Result<Operation, DeltaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.control.is_empty() {
            return None;
        }
        let operation = self.operation();
        if operation.is_none() {
            self.control = &[];
        }
        Some(operation.ok_or(DeltaError::DeltaControlMalformed))
    }
}
