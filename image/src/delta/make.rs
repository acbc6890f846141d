use super::matching::runs;
use super::window::Streams;
use super::{DeltaError, Header, PAYLOAD_BYTES_MAX, Payload, WINDOW_BYTES};

/// The highest: a delta is made once and fetched by every device.
const ZSTD_LEVEL: i32 = 22;

/// A delta that rebuilds `new` from `old`; the same inputs give the same delta.
///
/// Memory: both payloads and five bytes for each byte of `old`.
pub fn make(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    if old.len().max(new.len()) as u64 > PAYLOAD_BYTES_MAX {
        return Err(DeltaError::DeltaPayloadTooLarge);
    }
    let header = Header { old: Payload::of(old), new: Payload::of(new) };
    let mut delta = header.encode();
    let runs = runs(old, new);
    for start in (0..new.len()).step_by(WINDOW_BYTES) {
        let window = start..new.len().min(start + WINDOW_BYTES);
        let streams = Streams::describe(old, new, window, &runs);
        let frame =
            zstd::bulk::compress(&streams.concat(), ZSTD_LEVEL).expect("zstd takes any bytes");
        for length in [frame.len(), streams.control.len(), streams.diff.len()] {
            delta.extend((length as u32).to_le_bytes());
        }
        delta.extend(frame);
    }
    Ok(delta)
}
