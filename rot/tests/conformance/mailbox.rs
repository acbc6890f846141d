//! The mailbox: what a line may do to commands, and what a hostile caller may ask.

use super::bench::*;
use super::board::{InMailbox, Powered, chip};
use super::world::*;
use craton_rot::mailbox::call::{BYTES_MAX, NUMBERS_MAX};
use craton_rot::mailbox::client::{Line, Mailbox, Patience, Transport};
use craton_rot::mailbox::frame::{Decoder, Direction, FrameWriter};
use craton_rot::mailbox::{
    Answer, Call, ENTROPY_SIZE, FRAME_MAX, Operation, PROTOCOL, Post, Reply, Runs, serve,
};
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Error, Limit, RootOfTrust as _, Start};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HASTE: Patience = Patience { first: Duration::from_millis(20), tries: 2 };

/// A frame as it goes over the line.
fn framed(direction: Direction, number: u32, message: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    let mut writer = FrameWriter::new(direction, number, |bytes: &[u8]| {
        line.extend_from_slice(bytes);
    });
    writer.put(message);
    writer.end();
    line
}

fn message(operation: Operation, numbers: &[u64], bytes: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    let call = Call::new(operation as u64, numbers, bytes).unwrap();
    call.encode(|bytes| message.extend_from_slice(bytes)).unwrap();
    message
}

fn request(number: u32, operation: Operation, numbers: &[u64], bytes: &[&[u8]]) -> Vec<u8> {
    framed(Direction::Request, number, &message(operation, numbers, bytes))
}

fn hello(number: u32) -> Vec<u8> {
    request(number, Operation::Hello, &[PROTOCOL], &[])
}

/// What a reply says: its number, and the refusal if it is one.
fn said(line: &[u8]) -> Vec<(u32, Result<Vec<u8>, Error>)> {
    let mut decoder = Decoder::new(vec![0; 2 * FRAME_MAX]);
    let mut replies = Vec::new();
    for byte in line {
        let Some(frame) = decoder.push(*byte) else { continue };
        assert_eq!(frame.direction, Direction::Reply);
        replies.push((frame.number.get(), Reply::parse(frame.payload).map(|r| r.bytes.to_vec())));
    }
    replies
}

/// A server whose calls are counted instead of done: it answers by how many it has done.
struct Counted {
    post: Post<Vec<u8>>,
    done: u8,
    /// Bytes of an answer.
    length: usize,
}

impl Counted {
    fn new() -> Self {
        Self::of_size(FRAME_MAX)
    }

    fn of_size(size: usize) -> Self {
        Self { post: Post::new(vec![0; size]), done: 0, length: 1 }
    }

    fn take(&mut self, line: &[u8]) -> Vec<(u32, Result<Vec<u8>, Error>)> {
        let mut sent = Vec::new();
        for byte in line {
            let serve = |_: &Call<'_>, out: &mut [u8]| {
                self.done += 1;
                let length = self.length.min(out.len());
                out[..length].fill(self.done);
                Answer::done(&[], length).unwrap()
            };
            self.post.take(*byte, serve, |bytes| sent.extend_from_slice(bytes));
        }
        said(&sent)
    }
}

/// A request of this number with so many bytes in it.
fn filled(number: u32, length: usize) -> Vec<u8> {
    request(number, Operation::Unseal, &[0], &[&vec![number as u8; length]])
}

/// Request and reply share a buffer: in 512 bytes a reply of 300 leaves 212 to frames.
#[test]
fn mbx_2_late_copies_and_noise_of_any_length_leave_the_kept_reply() {
    let mut server = Counted::of_size(512);
    server.take(&hello(5));
    let (late, last) = (filled(6, 400), filled(7, 100));
    assert_eq!(server.take(&late), [(6, Ok(vec![2]))]);
    server.length = 300;
    assert_eq!(server.take(&last), [(7, Ok(vec![3; 300]))]);
    let noise = [&[0][..], &[0x55; 700], &[0]].concat();
    for disturbance in [&late, &late[..300], &noise, &filled(3, 600), &[&last[1..], &last].concat()]
    {
        server.take(disturbance);
        assert_eq!(server.take(&last), [(7, Ok(vec![3; 300]))]);
    }
    assert_eq!(server.done, 3);
}

#[test]
fn mbx_2_the_next_request_gets_the_place_of_the_kept_reply() {
    let mut server = Counted::of_size(512);
    server.take(&hello(5));
    server.length = 300;
    server.take(&filled(6, 100));
    server.length = 50;
    let next = filled(7, 400);
    for _ in 0..2 {
        assert_eq!(server.take(&next), [(7, Ok(vec![3; 50]))]);
    }
    assert_eq!(server.take(&filled(8, 460)), [(8, Ok(vec![4; 32]))], "what has room beside it");
    assert_eq!(server.done, 4);
}

/// What looks like the next request and is none: a late copy whose number was changed.
#[test]
fn mbx_2_a_request_whose_reply_was_overwritten_is_not_done_again() {
    let mut server = Counted::of_size(512);
    server.take(&hello(5));
    server.length = 300;
    let last = filled(6, 100);
    server.take(&last);
    let next = filled(7, 400);
    server.take(&next[..next.len() - 9]);
    assert_eq!(server.take(&[&[0][..], &last].concat()), []);
    assert_eq!(server.take(&next).len(), 1);
    assert_eq!(server.done, 3);
}

#[test]
fn mbx_2_no_reply_is_so_large_that_a_connection_could_not_begin() {
    let mut server = Counted::of_size(512);
    server.length = usize::MAX;
    server.take(&hello(5));
    let random = request(6, Operation::TakeFailure, &[], &[]);
    assert_eq!(server.take(&random), [(6, Ok(vec![2; 512 - 64]))]);
    assert_eq!(server.take(&hello(1 << 30)), [(1 << 30, Ok(vec![3; 512 - 64]))]);
}

#[test]
fn mbx_2_a_repeated_request_is_answered_again_and_not_done_again() {
    let mut server = Counted::new();
    assert_eq!(server.take(&hello(7)), [(7, Ok(vec![1]))]);
    let confirm = request(8, Operation::Confirm, &[], &[]);
    for _ in 0..3 {
        assert_eq!(server.take(&confirm), [(8, Ok(vec![2]))]);
    }
    let twice = [&confirm[..], &confirm].concat();
    assert_eq!(server.take(&twice).len(), 2);
    assert_eq!(server.done, 2);
}

#[test]
fn mbx_2_a_late_copy_and_another_request_of_its_number_get_nothing() {
    let mut server = Counted::new();
    let (confirm, status) =
        (request(8, Operation::Confirm, &[], &[]), request(9, Operation::Status, &[], &[]));
    server.take(&[hello(7), confirm.clone(), status].concat());
    let other = request(9, Operation::Confirm, &[], &[]);
    for late in [confirm, other, hello(7), hello(9), hello(9u32.wrapping_sub(0xffff))] {
        assert_eq!(server.take(&late), []);
    }
    assert_eq!(server.done, 3);
    let skipped = request(12, Operation::Confirm, &[], &[]);
    assert_eq!(server.take(&skipped), [(12, Ok(vec![4]))], "after commands that were given up");
}

#[test]
fn mbx_2_numbers_go_round() {
    let mut server = Counted::new();
    server.take(&hello(u32::MAX));
    let next = request(0, Operation::Confirm, &[], &[]);
    assert_eq!(server.take(&next), [(0, Ok(vec![2]))]);
    assert_eq!(server.take(&hello(u32::MAX)), []);
}

#[test]
fn mbx_2_before_hello_everything_is_mailbox_reset() {
    let mut server = Counted::new();
    let confirm = request(8, Operation::Confirm, &[], &[]);
    assert_eq!(server.take(&confirm), [(8, Err(Error::MailboxReset))]);
    server.take(&hello(1 << 30));
    assert_eq!(server.take(&confirm), [(8, Err(Error::MailboxReset))], "another connection's");
    assert_eq!(server.take(&hello(7)), [(7, Ok(vec![2]))], "which may begin");
    assert_eq!(server.take(&confirm), [(8, Ok(vec![3]))]);
}

#[test]
fn mbx_2_an_echo_is_no_request() {
    let mut server = Counted::new();
    let hello = message(Operation::Hello, &[PROTOCOL], &[]);
    assert_eq!(server.take(&framed(Direction::Reply, 1, &hello)), []);
}

/// A line that loses, repeats, delays, changes and invents, by a seed.
struct BadLine {
    line: UnixStream,
    state: u64,
    late: Vec<u8>,
    /// How many sends, and how many receptions, went wrong one after another.
    streaks: [u32; 2],
}

/// Of 64 sends or receptions, how many go wrong; and how many at most in a row.
const BAD: u64 = 24;
const STREAK_MAX: u32 = 2;

impl BadLine {
    fn new(line: UnixStream, seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { line, state, late: Vec::new(), streaks: [0; 2] }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 20) % below
    }

    /// What becomes of some bytes on their way.
    fn bend(&mut self, way: usize, bytes: &[u8]) -> Vec<u8> {
        if self.draw(64) >= BAD || self.streaks[way] == STREAK_MAX {
            self.streaks[way] = 0;
            return bytes.to_vec();
        }
        self.streaks[way] += 1;
        let at = self.draw(bytes.len() as u64) as usize;
        match self.draw(6) {
            0 => Vec::new(),
            1 => [bytes, bytes].concat(),
            2 => std::mem::replace(&mut self.late, bytes.to_vec()),
            3 => [&std::mem::take(&mut self.late)[..], bytes].concat(),
            4 => [&bytes[at..], bytes].concat(),
            _ => {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << self.draw(8);
                changed
            }
        }
    }
}

impl Transport for BadLine {
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let bent = self.bend(0, bytes);
        self.line.send(&bent, limit)
    }

    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
        let room = into.len() / 2;
        let length = self.line.receive(&mut into[..room], limit)?;
        if length == 0 {
            return Ok(0);
        }
        let bent = self.bend(1, &into[..length]);
        let kept = bent.len().min(into.len());
        into[..kept].copy_from_slice(&bent[..kept]);
        Ok(kept)
    }
}

/// More tries than a line that bad needs: of three requests one arrives, of three replies one.
const STUBBORN: Patience = Patience { first: Duration::from_millis(4), tries: 12 };

#[test]
fn mbx_2_on_a_bad_line_each_command_is_done_once() {
    for seed in 0..40 {
        let platform = MemoryPlatform::new();
        let section = platform_section(false);
        let mut engine = craton_rot::Engine::manufacture(
            platform.clone(),
            craton_trust::soft::Soft,
            &manufacture(&section),
        )
        .unwrap();
        engine.claim(CODE, &owner_section(false)).unwrap();
        drop(engine);
        let board = Powered::on(&platform);
        let mut rot = Mailbox::open(BadLine::new(board.plug(), seed), STUBBORN).unwrap();
        boot(&mut rot, &[(APP, 1)]);
        let role = rot.take_auth_role().unwrap();
        for count in 1..=10 {
            let evidence = check_in(&mut rot, &role, catalog(false)).unwrap();
            let claims = &authentic(&rot, &evidence).claims;
            assert_eq!((claims.boot, claims.check_in), (1, count), "seed {seed}");
        }
        rot.confirm().unwrap();
        let status = rot.status().unwrap();
        assert_eq!((status.boot, status.check_in, status.floors.of(APP)), (1, 10, 1));
    }
}

#[test]
fn mbx_3_a_call_without_the_fields_of_its_operation_is_a_call_shape() {
    let platform = MemoryPlatform::new();
    let mut chip = chip_made(&platform);
    let (numbers, field) = ([0; NUMBERS_MAX], [&[0u8; 48][..]; BYTES_MAX]);
    for (operation, name) in Operation::ALL {
        let mut right = Vec::new();
        for n in 0..=NUMBERS_MAX {
            for b in 0..=BYTES_MAX {
                let call = Call::new(*operation as u64, &numbers[..n], &field[..b]).unwrap();
                if *operation == Operation::Restart && (n, b) == (1, 0) {
                    continue; // the right one; it would be done
                }
                let answer = serve(&mut chip, &call, &mut [0; 1024]);
                if answer.code != Error::CallShape.code() {
                    right.push((n, b));
                }
            }
        }
        let most = if *operation == Operation::Replace { BYTES_MAX } else { 2 };
        assert!(right.len() <= most, "{name}: {right:?}");
    }
}

fn chip_made(platform: &MemoryPlatform) -> impl craton_rot::mailbox::Chip + use<> {
    let section = platform_section(false);
    let mut chip = chip(platform);
    let with = manufacture(&section);
    let fields = [with.platform_section, &with.claim_code.0, &with.class.0, &[1; ENTROPY_SIZE]];
    let call = Call::new(Operation::Manufacture as u64, &[], &fields).unwrap();
    assert_eq!(serve(&mut chip, &call, &mut []), Answer::done(&[], 0).unwrap());
    chip
}

fn refused(operation: Operation, numbers: &[u64], bytes: &[&[u8]]) -> Option<Error> {
    let mut chip = chip_made(&MemoryPlatform::new());
    let call = Call::new(operation as u64, numbers, bytes).unwrap();
    let answer = serve(&mut chip, &call, &mut [0; 1024]);
    Error::from_code(answer.code)
}

/// An operation, its numbers and its byte strings.
type Fields<'a> = (Operation, &'a [u64], &'a [&'a [u8]]);

#[test]
fn mbx_3_a_field_of_a_wrong_size_or_number_is_a_call_field() {
    let (short, long) = (&[0u8; 3][..], &[0u8; 49][..]);
    let (id, digest, key) = (&[0u8; 16][..], &[0u8; 32][..], &[0u8; 64][..]);
    let past = u64::MAX;
    let wrong: [Fields<'_>; 23] = [
        (Operation::Manufacture, &[], &[b"", short, id, key]),
        (Operation::Manufacture, &[], &[b"", digest, short, key]),
        (Operation::Manufacture, &[], &[b"", digest, id, short]),
        (Operation::Restart, &[2], &[]),
        (Operation::Entropy, &[], &[short]),
        (Operation::Section, &[2, 9], &[]),
        (Operation::Boot, &[], &[short, b""]),
        (Operation::Boot, &[], &[long, b""]),
        (Operation::Boot, &[], &[&[0; 48], short]),
        (Operation::Boot, &[], &[&[0; 48], long]),
        (Operation::Extend, &[], &[short, digest]),
        (Operation::Extend, &[], &[id, long]),
        (Operation::Attest, &[99], &[short, digest, key]),
        (Operation::Attest, &[99], &[digest, short, key]),
        (Operation::Attest, &[99], &[digest, digest, short]),
        (Operation::Attest, &[99], &[digest, digest, key, short]),
        (Operation::Sign, &[11], &[b""]),
        (Operation::Sign, &[past], &[b""]),
        (Operation::Seal, &[99], &[short, b""]),
        (Operation::Unseal, &[99], &[long, b""]),
        (Operation::Replace, &[2], &[b"", b""]),
        (Operation::Replace, &[past], &[b"", b""]),
        (Operation::AcceptReply, &[], &[b"", short]),
    ];
    for (operation, numbers, bytes) in wrong {
        let found = refused(operation, numbers, bytes);
        assert_eq!(found, Some(Error::CallField), "{operation:?}");
    }
    let many = vec![0; 48 * 21];
    let found = refused(Operation::Boot, &[], &[&[0; 48], &many]);
    assert_eq!(found, Some(Error::Trust(craton_trust::Error::FieldTooLong)));
    let found = refused(Operation::Random, &[past], &[]);
    assert_eq!(found, Some(Error::MessageTooLarge));
}

#[test]
fn mbx_3_messages_that_are_no_calls_are_refused_each_for_its_reason() {
    let malformed = Error::Trust(craton_trust::Error::CborMalformed);
    let field = Error::Trust(craton_trust::Error::FieldInvalid);
    let many = [&[0x84, 1, 1, 0x8d][..], &[0; 13], &[0x80]].concat();
    let cases: [(&[u8], Error); 8] = [
        (&[], malformed),
        (&[0x84, 1, 1, 0x80], malformed),
        (&[0x83, 1, 1, 0x80], field),
        (&[0x84, 1, 1, 0x80, 0x81, 1], field),
        (&[0x84, 2, 1, 0x80, 0x80], Error::ProtocolUnknown),
        (&[0x84, 1, 0, 0x80, 0x80], Error::OperationUnknown),
        (&[0x84, 1, 1, 0, 0x80], Error::CallShape),
        (&many, Error::CallShape),
    ];
    for (message, refusal) in cases {
        assert_eq!(Call::parse(message).err(), Some(refusal), "{message:02x?}");
    }
    let many = [&[][..]; BYTES_MAX + 1];
    assert_eq!(Call::new(1, &[], &many).err(), Some(Error::CallShape));
    assert_eq!(Call::new(1, &[0; NUMBERS_MAX + 1], &[]).err(), Some(Error::CallShape));
    let other = Call::new(Operation::Hello as u64, &[2], &[]).unwrap();
    let answer = serve(&mut chip(&MemoryPlatform::new()), &other, &mut []);
    assert_eq!(answer, Answer::refusal(Error::ProtocolUnknown));
}

#[test]
fn mbx_4_every_refusal_comes_back_as_itself() {
    let registry = include_str!("../../../spec/errors.toml");
    let ours = ["crate = \"rot\"", "crate = \"trust\""];
    let registered = registry.lines().filter(|line| ours.contains(line)).count();
    let mut found = 0;
    for error in (0..=u16::MAX).filter_map(Error::from_code) {
        let mut message = Vec::new();
        let answer = Answer::refusal(error);
        answer.encode(&[], |bytes| message.extend_from_slice(bytes)).unwrap();
        assert_eq!(Reply::parse(&message).err(), Some(error));
        found += 1;
    }
    assert_eq!(found, registered);
}

#[test]
fn answers_that_are_none_are_answer_malformed_refusal_unknown_or_protocol_unknown() {
    let refusal = |message: &[u8]| Reply::parse(message).err();
    let cases: [&[u8]; 6] = [
        &[],
        &[0x83, 1, 0, 0x80],
        &[0x84, 1, 0, 0x80, 0x80],
        &[0x84, 1, 0, 0, 0x40],
        &[0x84, 1, 0, 0x81, 0x40, 0x40],
        &[0x84, 1, 0, 0x80, 0x40, 0],
    ];
    for message in cases {
        assert_eq!(refusal(message), Some(Error::AnswerMalformed), "{message:02x?}");
    }
    assert_eq!(refusal(&[0x84, 2, 0, 0x80, 0x40]), Some(Error::ProtocolUnknown));
    assert_eq!(refusal(&[0x84, 1, 7, 0x80, 0x40]), Some(Error::RefusalUnknown));
    assert_eq!(refusal(&[0x84, 1, 0x1a, 0, 1, 0, 0, 0x80, 0x40]), Some(Error::RefusalUnknown));
}

#[test]
fn nobody_there_is_mailbox_unreachable_and_nobody_home_mailbox_silent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    assert_eq!(Line::open(ours, HASTE).err(), Some(Error::MailboxSilent));
    drop(theirs);
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    assert_eq!(Line::open(ours, HASTE).err(), Some(Error::MailboxUnreachable));
}

#[test]
fn a_chip_that_was_reset_behind_its_client_is_mailbox_reset() {
    let platform = MemoryPlatform::new();
    drop(chip_made(&platform));
    let mut board = Powered::on(&platform);
    let cable = Cable(Arc::new(Mutex::new(board.plug())));
    let mut rot = Mailbox::open(cable.clone(), HASTE).unwrap();
    boot_bare(&mut rot).unwrap();
    board = Powered::on(&platform);
    *cable.0.lock().unwrap() = board.plug();
    assert_eq!(rot.confirm(), Err(Error::MailboxReset));
    let mut rot = rot.restart(Start::Normal).unwrap();
    boot_bare(&mut rot).unwrap();
    assert_eq!(rot.status().unwrap().boot, 2);
}

#[test]
fn a_manufacture_whose_reply_was_lost_in_the_reset_after_it_is_done() {
    let (platform, section) = (MemoryPlatform::new(), platform_section(false));
    let with = manufacture(&section);
    let mut board = Powered::on(&platform);
    let cable = Cable(Arc::new(Mutex::new(board.plug())));
    let mut line = Line::open(cable.clone(), HASTE).unwrap();
    // It began anew without having done it.
    board = Powered::on(&platform);
    *cable.0.lock().unwrap() = board.plug();
    assert_eq!(line.manufacture(&with), Err(Error::NotManufactured));
    // It began anew because it did.
    drop(chip_made(&platform));
    board = Powered::on(&platform);
    *cable.0.lock().unwrap() = board.plug();
    assert_eq!(line.manufacture(&with), Ok(()));
    assert_eq!(line.manufacture(&with), Err(Error::AlreadyManufactured));
}

/// A cable that can be plugged elsewhere while it is used.
#[derive(Clone)]
struct Cable(Arc<Mutex<UnixStream>>);

impl Transport for Cable {
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.0.lock().unwrap().send(bytes, limit)
    }

    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
        self.0.lock().unwrap().receive(into, limit)
    }
}

#[test]
fn a_blank_chip_says_so_and_is_manufactured_once() {
    let board = Powered::on(&MemoryPlatform::new());
    let mut line = Line::open(board.plug(), HASTE).unwrap();
    let about = *line.about();
    assert_eq!((about.runs, about.frame_max), (Runs::Runtime, FRAME_MAX));
    assert_eq!(about.refused, Some(Error::NotManufactured));
    let refused = line.ask(Operation::Status, &[], &[]).err();
    assert_eq!(refused, Some(Error::NotManufactured));
    assert_eq!(line.restart(Start::Normal), Err(Error::NotManufactured));
    let section = platform_section(false);
    line.manufacture(&manufacture(&section)).unwrap();
    assert_eq!(line.about().refused, None);
    let again = line.manufacture(&manufacture(&section));
    assert_eq!(again, Err(Error::AlreadyManufactured));
    assert!(Mailbox::of(line).is_ok());
    let refused = Mailbox::open(Powered::on(&MemoryPlatform::new()).plug(), HASTE).err();
    assert_eq!(refused, Some(Error::NotManufactured));
}

/// Seals a few bytes, and as many as no message can hold.
#[test]
fn what_one_message_cannot_hold_is_message_too_large_where_messages_are_bounded() {
    on_every_back_end(|bench| {
        let mut rot = running(bench);
        let bounded = rot.capabilities().limits.contains(&Limit::MessagesAreBounded);
        let (plain, mut room) = (vec![7; FRAME_MAX], vec![0; 2 * FRAME_MAX]);
        let sealed = rot.seal(APP, &plain, &mut room).map(<[u8]>::to_vec);
        if bounded {
            assert_eq!(sealed, Err(Error::MessageTooLarge));
            let members = vec![&b"set"[..]; BYTES_MAX];
            let refused = rot.replace(b"successor", &members, &[]);
            assert_eq!(refused, Err(Error::MessageTooLarge));
        } else {
            let sealed = sealed.unwrap();
            assert_eq!(rot.unseal(APP, &sealed, &mut room), Ok(&plain[..]));
        }
        // It fits, and has no room beside it for what comes of it.
        let sealed = rot.seal(APP, &plain[..FRAME_MAX / 2], &mut room);
        let refused = sealed == Err(Error::MessageTooLarge);
        assert_eq!(refused, bounded);
        let short = rot.seal(APP, &plain[..100], &mut [0; 130]).map(<[u8]>::to_vec);
        assert_eq!(short, Err(Error::RoomTooSmall), "the caller's own");
        let sealed = seal(&mut *rot, APP).unwrap();
        assert_eq!(unseal(&*rot, APP, &sealed).unwrap(), b"secret");
    });
}

#[test]
fn the_largest_section_and_token_fit_a_message() {
    const { assert!(craton_rot::SECTION_MAX + 1024 < FRAME_MAX) };
    const { assert!(craton_trust::evidence::EVIDENCE_MAX + 1024 < FRAME_MAX) };
    let mut bench = InMailbox::default();
    let mut rot = unowned(&mut bench);
    let refused = rot.claim(CODE, &[0; craton_rot::SECTION_MAX]);
    assert!(matches!(refused, Err(Error::Trust(_))), "{refused:?}");
    let mut random = [0; 1000];
    rot.random(&mut random).unwrap();
    assert!(random.chunks(100).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The page's table and examples are what the code does.
#[test]
fn the_page_of_the_protocol_is_true() {
    let page = include_str!("../../../docs/src/mailbox.md");
    for (operation, name) in Operation::ALL {
        let row = format!("| {} | `{name}` |", *operation as u64);
        assert!(page.contains(&row), "{row}");
    }
    let mut reply = Vec::new();
    let answer = Answer::done(&[PROTOCOL, 1, 3201, FRAME_MAX as u64], 0).unwrap();
    answer.encode(&[], |bytes| reply.extend_from_slice(bytes)).unwrap();
    let mut refused = Vec::new();
    let answer = Answer::refusal(Error::NotBooted);
    answer.encode(&[], |bytes| refused.extend_from_slice(bytes)).unwrap();
    let examples = [
        message(Operation::Hello, &[PROTOCOL], &[]),
        hello(1),
        reply.clone(),
        framed(Direction::Reply, 1, &reply),
        message(Operation::Confirm, &[], &[]),
        request(2, Operation::Confirm, &[], &[]),
        refused.clone(),
        framed(Direction::Reply, 2, &refused),
    ];
    for example in examples {
        assert!(page.contains(&format!("`{}`", hex(&example))), "{}", hex(&example));
    }
}
