//! A line: whatever bytes came, the next whole frame is read.
#![no_main]

use craton_rot::mailbox::frame::{Decoder, Direction, FrameWriter, OVERHEAD};

const ROOM: usize = 512;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new([0u8; ROOM]);
    for byte in bytes {
        if let Some(frame) = decoder.push(*byte) {
            assert!(frame.payload.len() + OVERHEAD <= ROOM);
        }
    }
    let payload = bytes.get(..300).unwrap_or(bytes);
    let mut line = Vec::new();
    let put = |part: &[u8]| line.extend_from_slice(part);
    let mut writer = FrameWriter::new(Direction::Reply, 7, put);
    payload.chunks(41).for_each(|part| writer.put(part));
    writer.end();
    let mut read = false;
    for byte in line {
        if let Some(frame) = decoder.push(byte) {
            read |= (frame.number.get(), frame.payload) == (7, payload);
        }
    }
    assert!(read);
});
