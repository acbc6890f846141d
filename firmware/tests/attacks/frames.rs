//! Somebody who has the line sends whatever he likes. The chip answers the next good request, is
//! the device that it was, and never resets by it.
//!
//! `CRATON_SOAK=n` sends ten million frames divided by n, and without it a sample.

use super::board::patience;
use super::dice::Dice;
use super::failures::whole;
use craton_rot::mailbox::call::BYTES_MAX;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::mailbox::frame::{Decoder, Direction, FrameWriter};
use craton_rot::mailbox::{Call, ENTROPY_SIZE, FRAME_MAX, Operation, PROTOCOL, Reply};
use craton_rot::{Error, RootOfTrust as _, SECTION_MAX};
use craton_trust::store::SectionKind;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Frames before the next good request.
const BATCH: usize = 250;
const SAMPLE: usize = 2_000;
const SOAK: usize = 10_000_000;

/// A message of some operation, with as many fields as it likes; now and then with some of its
/// bytes changed.
fn message(dice: &mut Dice) -> Vec<u8> {
    let operations = Operation::ALL;
    let operation = operations[dice.below(operations.len())].0 as u64;
    let operation = if dice.below(16) == 0 { dice.below(256) as u64 } else { operation };
    let numbers: Vec<u64> = (0..dice.below(4)).map(|_| number(dice)).collect();
    let bytes: Vec<Vec<u8>> = (0..dice.below(4)).map(|_| bytes(dice)).collect();
    let many = vec![Vec::new(); BYTES_MAX];
    let bytes = if dice.below(64) == 0 { &many } else { &bytes };
    let bytes: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
    let Ok(call) = Call::new(operation, &numbers, &bytes) else { return garbage(dice, 64) };
    let mut message = Vec::new();
    call.encode(|bytes| message.extend_from_slice(bytes)).unwrap();
    for _ in 0..dice.below(4) {
        let at = dice.below(message.len());
        message[at] = dice.below(256) as u8;
    }
    message
}

fn number(dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => dice.below(4) as u64,
        1 => dice.below(1 << 16) as u64,
        2 => u64::MAX - dice.below(4) as u64,
        _ => 1 << dice.below(64),
    }
}

fn bytes(dice: &mut Dice) -> Vec<u8> {
    let length = match dice.below(1024) {
        0 => dice.below(FRAME_MAX),
        1..64 => ENTROPY_SIZE,
        64..256 => 32,
        256..512 => 16,
        _ => dice.below(24),
    };
    garbage(dice, length)
}

fn garbage(dice: &mut Dice, length: usize) -> Vec<u8> {
    (0..length).map(|_| dice.below(256) as u8).collect()
}

/// A restart is what the line may ask for: no attack.
fn restarts(message: &[u8]) -> bool {
    Call::parse(message).is_ok_and(|call| call.operation == Operation::Restart)
}

fn framed(number: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let put = |bytes: &[u8]| frame.extend_from_slice(bytes);
    let mut writer = FrameWriter::new(Direction::Request, number, put);
    writer.put(message);
    writer.end();
    frame
}

/// What goes over the line instead of one frame.
fn attack(dice: &mut Dice, number: u32) -> Vec<u8> {
    let message = message(dice);
    if restarts(&message) {
        return Vec::new();
    }
    let mut frame = framed(number, &message);
    match dice.below(1024) {
        0 => {
            let length = dice.below(2 * FRAME_MAX);
            garbage(dice, length)
        }
        1 => framed(number, &[&message[..], &garbage(dice, FRAME_MAX)].concat()),
        2..64 => frame[..dice.below(frame.len())].to_vec(),
        64..192 => {
            let at = dice.below(frame.len());
            frame[at] ^= 1 << dice.below(8);
            frame
        }
        192..256 => [&frame[..], &frame].concat(),
        _ => frame,
    }
}

/// Reads what the chip said until now: a line that nobody reads stands.
fn drain(mut line: &UnixStream) {
    line.set_nonblocking(true).unwrap();
    let mut room = [0; 4096];
    while line.read(&mut room).is_ok_and(|length| length > 0) {}
    line.set_nonblocking(false).unwrap();
}

#[test]
fn mbx_3_no_frame_stops_the_running_firmware() {
    let one_in = std::env::var("CRATON_SOAK").ok().and_then(|n| n.parse::<usize>().ok());
    let wanted = one_in.filter(|n| *n > 0).map_or(SAMPLE, |one_in| SOAK / one_in);
    let psram = whole();
    let mut board = psram.power_on();
    let line = board.line();
    let open = || Line::open(line.try_clone().unwrap(), patience()).unwrap();
    let device = Mailbox::of(open()).unwrap().device();
    let (mut dice, mut sent, mut octets) = (Dice(0x5eed_0002), 0, 0);
    let begun = Instant::now();
    while sent < wanted {
        for _ in 0..BATCH {
            let bytes = attack(&mut dice, sent as u32);
            octets += bytes.len();
            (&line).write_all(&bytes).unwrap();
            sent += 1;
            drain(&line);
        }
        let greeted = open();
        let refused = greeted.about().refused;
        assert_eq!(refused, None, "after {sent} frames");
        assert_eq!(Mailbox::of(greeted).unwrap().device(), device, "after {sent} frames");
    }
    assert!(board.is_silent(), "it was reset");
    let seconds = begun.elapsed().as_secs_f64();
    println!("figure: {sent} frames, {octets} bytes, in {seconds:.0} s: none stopped it");
    let manufacture = open().ask(Operation::Manufacture, &[], &[]);
    assert_eq!(manufacture.err(), Some(Error::CallShape), "it still looks at each field");
}

/// A line that is not read takes some 300 bytes: the chip waits for its reader.
#[test]
fn mbx_2_a_host_that_reads_late_gets_the_whole_reply() {
    let psram = whole();
    let mut board = psram.power_on();
    let line = board.line();
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let ask = |number: u32, operation: Operation, numbers: &[u64], late: Duration| {
        let (call, mut message) = (Call::new(operation as u64, numbers, &[]).unwrap(), Vec::new());
        call.encode(|bytes| message.extend_from_slice(bytes)).unwrap();
        (&line).write_all(&framed(number, &message)).unwrap();
        std::thread::sleep(late);
        let (mut decoder, mut byte) = (Decoder::new(vec![0; FRAME_MAX]), [0]);
        loop {
            (&line).read_exact(&mut byte).expect("a part of the reply was lost");
            let Some(frame) = decoder.push(byte[0]) else { continue };
            if frame.number == number {
                return Reply::parse(frame.payload).map(|reply| reply.bytes.len());
            }
        }
    };
    assert!(ask(1, Operation::Hello, &[PROTOCOL], Duration::ZERO).is_ok());
    let wanted = [SectionKind::Platform as u64, SECTION_MAX as u64];
    let length = ask(2, Operation::Section, &wanted, Duration::from_millis(300)).unwrap();
    assert!(length > 300, "{length} bytes would have fitted");
}
