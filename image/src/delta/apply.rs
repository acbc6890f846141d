use super::address::{AddressMap, MAP_BYTES_MAX};
use super::window::{Lengths, Operations, read_length};
use super::{DeltaError, FRAME_BYTES_MAX, Header, Payload, WINDOW_BYTES, ZSTD_WINDOW_LOG_MAX};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// The old payload, read at random.
pub trait Base {
    /// Fills `into` from byte `offset` on, or fails.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Base for &[u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let from = self.get(start..).and_then(|tail| tail.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::InvalidInput)?);
        Ok(())
    }
}

impl Base for &File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }
}

/// Rebuilds a payload window by window in about 9 MiB of memory.
///
/// It does not prove what it gives: hash the output and compare with the signed digest before use.
pub struct Applier<B, D> {
    base: B,
    delta: D,
    header: Header,
    map: AddressMap,
    window: u64,
    streams: Vec<u8>,
    output: Vec<u8>,
}

impl<B: Base, D: Read> Applier<B, D> {
    /// Refuses, before any output, a delta that does not lead from `base`, whose digest and size
    /// the caller has proven to be `old`, to the signed payload `new`.
    pub fn new(base: B, old: &Payload, mut delta: D, new: &Payload) -> Result<Self, DeltaError> {
        let mut bytes = [0; Header::BYTES];
        delta.read_exact(&mut bytes)?;
        let header = Header::decode(&bytes)?;
        if header.old != *old {
            return Err(DeltaError::DeltaBaseWrong);
        }
        if header.new != *new {
            return Err(DeltaError::DeltaTargetWrong);
        }
        let mut streams = Vec::new();
        let (frame, stated) = (read_length(&mut delta)?, read_length(&mut delta)?);
        if frame > FRAME_BYTES_MAX || stated > MAP_BYTES_MAX {
            return Err(DeltaError::DeltaWindowTooLarge);
        }
        decompress(&mut delta, frame, stated, &mut streams)?;
        let map = AddressMap::decode(&streams)?;
        Ok(Applier { base, delta, header, map, window: 0, streams, output: Vec::new() })
    }

    /// Passes over the next `windows`, whose output the caller has kept from an earlier run.
    pub fn skip(&mut self, windows: u64) -> Result<(), DeltaError> {
        for _ in 0..windows {
            if self.window == self.header.windows() {
                return Err(DeltaError::DeltaResumePastEnd);
            }
            let lengths = self.next_lengths()?;
            let frame = lengths.frame as u64;
            if io::copy(&mut self.delta.by_ref().take(frame), &mut io::sink())? != frame {
                return Err(DeltaError::DeltaTruncated);
            }
            self.window += 1;
        }
        Ok(())
    }

    /// The next window's output, or `None` after the last. After an error the applier is spent.
    pub fn next_window(&mut self) -> Result<Option<&[u8]>, DeltaError> {
        if self.window == self.header.windows() {
            return match self.delta.read(&mut [0])? {
                0 => Ok(None),
                _ => Err(DeltaError::DeltaTrailingBytes),
            };
        }
        let lengths = self.next_lengths()?;
        decompress(&mut self.delta, lengths.frame, lengths.streams(), &mut self.streams)?;
        self.rebuild(&lengths)?;
        self.window += 1;
        Ok(Some(&self.output))
    }

    /// Windows in all, for progress and for [`Applier::skip`].
    pub fn windows(&self) -> u64 {
        self.header.windows()
    }

    fn next_lengths(&mut self) -> Result<Lengths, DeltaError> {
        let done = self.window * WINDOW_BYTES as u64;
        let output = (self.header.new.size - done).min(WINDOW_BYTES as u64);
        Lengths::read(&mut self.delta, output as usize)
    }

    fn rebuild(&mut self, lengths: &Lengths) -> Result<(), DeltaError> {
        let malformed = || DeltaError::DeltaControlMalformed;
        let window_start = self.window * WINDOW_BYTES as u64;
        let Applier { base, header, map, streams, output, .. } = self;
        let (control, rest) = streams.split_at(lengths.control);
        let (mut diff, mut extra) = rest.split_at(lengths.copied);
        output.clear();
        for operation in Operations::new(control, window_start) {
            let operation = operation?;
            let added = diff.split_off(..operation.copy).ok_or_else(malformed)?;
            let new = extra.split_off(..operation.extra).ok_or_else(malformed)?;
            if operation.old_end() > header.old.size && !added.is_empty() {
                return Err(DeltaError::DeltaCopyOutOfRange);
            }
            copy(base, map, operation.old_at, added, output)?;
            output.extend_from_slice(new);
        }
        if diff.is_empty() && extra.is_empty() { Ok(()) } else { Err(malformed()) }
    }
}

/// Appends the old bytes from `old_at` on, one for each of `added`, corrects their addresses,
/// and adds those.
fn copy(
    base: &impl Base,
    map: &AddressMap,
    old_at: u64,
    added: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), DeltaError> {
    let start = output.len();
    output.resize(start + added.len(), 0);
    let copied = &mut output[start..];
    if !copied.is_empty() {
        let read = base.read_at(old_at, copied);
        read.map_err(|error| DeltaError::DeltaReadFailed(error.kind()))?;
    }
    map.correct(old_at, copied);
    for (byte, add) in copied.iter_mut().zip(added) {
        *byte = byte.wrapping_add(*add);
    }
    Ok(())
}

/// Fills `streams` with exactly `stated` bytes, from one zstd frame that holds no more.
fn decompress(
    delta: &mut impl Read,
    compressed: usize,
    stated: usize,
    streams: &mut Vec<u8>,
) -> Result<(), DeltaError> {
    let mut frame = Vec::with_capacity(compressed);
    delta.take(compressed as u64).read_to_end(&mut frame)?;
    if frame.len() != compressed {
        return Err(DeltaError::DeltaTruncated);
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(&frame[..])?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    streams.clear();
    streams.reserve_exact(stated + 1);
    // One byte more than stated is enough to know a bomb.
    let undecodable = |_| DeltaError::DeltaFrameUndecodable;
    decoder.by_ref().take(stated as u64 + 1).read_to_end(streams).map_err(undecodable)?;
    if streams.len() != stated || !decoder.finish().is_empty() {
        return Err(DeltaError::DeltaFrameLengthWrong);
    }
    Ok(())
}

/// Rebuilds a payload of at most `size_max` bytes, whatever digest the delta states; for tools and
/// tests. Updates use [`apply_verified`] or [`Applier`].
pub fn apply(old: &[u8], delta: &[u8], size_max: u64) -> Result<Vec<u8>, DeltaError> {
    let header = Header::decode(delta)?;
    if header.new.size > size_max {
        return Err(DeltaError::DeltaPayloadTooLarge);
    }
    let mut applier = Applier::new(old, &Payload::of(old), delta, &header.new)?;
    let mut payload = Vec::new();
    while let Some(window) = applier.next_window()? {
        payload.extend_from_slice(window);
    }
    if Payload::of(&payload) != header.new {
        return Err(DeltaError::DeltaResultWrong);
    }
    Ok(payload)
}

/// Rebuilds the payload with the signed `digest` and `size`, or nothing.
pub fn apply_verified(
    old: &[u8],
    delta: &[u8],
    digest: &[u8; 32],
    size: u64,
) -> Result<Vec<u8>, DeltaError> {
    let signed = Payload { digest: *digest, size };
    if Header::decode(delta)?.new != signed {
        return Err(DeltaError::DeltaTargetWrong);
    }
    apply(old, delta, size)
}
