use super::address::AddressMap;
use super::matching::{Run, runs};
use super::program::address_map;
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
    let (map, runs) = compare(old, new);
    let encoded = map.encode();
    let frame = compress(&encoded);
    push_lengths(&mut delta, &[frame.len(), encoded.len()]);
    delta.extend(frame);
    for start in (0..new.len()).step_by(WINDOW_BYTES) {
        let window = start..new.len().min(start + WINDOW_BYTES);
        let streams = Streams::describe(old, new, window, &runs, &map);
        let frame = compress(&streams.concat());
        let lengths = [frame.len(), streams.control.len(), streams.diff.len()];
        push_lengths(&mut delta, &lengths);
        delta.extend(frame);
    }
    Ok(delta)
}

/// How addresses moved, and what resembles what once they are corrected: rows of an address table
/// then match by what they say, wherever they stand.
fn compare(old: &[u8], new: &[u8]) -> (AddressMap, Vec<Run>) {
    let raw = runs(old, new);
    let map = address_map(old, new, &raw);
    if map.is_empty() {
        return (map, raw);
    }
    let mut corrected = old.to_vec();
    map.correct(0, &mut corrected);
    let runs = runs(&corrected, new);
    (map, runs)
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, ZSTD_LEVEL).expect("zstd takes any bytes")
}

fn push_lengths(delta: &mut Vec<u8>, lengths: &[usize]) {
    lengths.iter().for_each(|length| delta.extend((*length as u32).to_le_bytes()));
}
