//! Somebody who has the line of a ROM that waits for recovery sends whatever he likes (ROT-22).
//!
//! A host that reads as the ROM does, from the same bytes, says which refusals must come, in which
//! order, and what the ROM says of them on its other line. Nothing else comes, no byte of the flash
//! changes, and the ROM that was sent all that takes a good program at the end.
//!
//! `CRATON_SOAK` and its journal are as with [`super::frames`].

use super::board::{Psram, WAITS, chip, package_with, patience, root_of_trust};
use super::failures::whole;
use super::frames::{Heard, Tally, attack_all, listen};
use super::fuzz::{Fuzz, framed, request, stuffed};
use super::quick::Quick;
use super::world::{OTHER_APP, PLATFORM_PUBLISHER, STRANGER};
use craton_firmware::map;
use craton_rot::engine::rom;
use craton_rot::mailbox::client::Mailbox;
use craton_rot::mailbox::frame::Decoder;
use craton_rot::mailbox::{Operation, PROTOCOL, Reply, recovery};
use craton_rot::platform::Platform as _;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::slots::{MARKS_SIZE, Slot};
use craton_rot::{Error, RootOfTrust as _};
use craton_trust::dice::Mode;
use craton_trust::soft::Soft;
use craton_trust::suit::{Image, ImageType};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What is sent, and of 4096 how many are such.
const KINDS: [(&str, usize); KINDS_COUNT] = [
    ("what a mailbox is sent, wrong in every way or in none", 3895),
    ("a package with changed bytes, right CRC", 96),
    ("a package cut short, right CRC", 64),
    ("parts of two packages, right CRC", 16),
    ("a package that is refused as it is", 8),
    ("a package on a line that changes bytes", 16),
    ("a frame that is longer than the memory", 1),
];
const KINDS_COUNT: usize = 7;
/// Frames before the next good request.
const BATCH: usize = 250;
/// A machine under load is slow.
const LATE: Duration = Duration::from_secs(120);

fn as_recovery(image: &mut Image<'_>) {
    image.image_type = ImageType::Recovery;
}

/// Packages that a ROM refuses: with any bytes changed, too, or a signature would be forged.
fn refused() -> Vec<Vec<u8>> {
    let program = [0x5a; 64];
    let package = |by, change: fn(&mut Image<'_>)| package_with(by, &program, change);
    vec![
        package(PLATFORM_PUBLISHER, |_| ()),
        package(STRANGER, as_recovery),
        package(PLATFORM_PUBLISHER, |image| {
            as_recovery(image);
            image.security_version = 0;
        }),
        package(PLATFORM_PUBLISHER, |image| {
            as_recovery(image);
            image.component = OTHER_APP;
        }),
    ]
}

/// What somebody sends.
struct Sender {
    fuzz: Fuzz,
    packages: Vec<Vec<u8>>,
}

impl Sender {
    /// Adds one to the line, and gives its kind.
    fn attack(&mut self, line: &mut Vec<u8>) -> usize {
        let mut place = self.fuzz.dice.below(KINDS.iter().map(|(_, share)| share).sum());
        let mut kind = 0;
        while place >= KINDS[kind].1 {
            place -= KINDS[kind].1;
            kind += 1;
        }
        let mut package = self.package();
        match kind {
            0 => return self.as_to_a_mailbox(line),
            1 => (0..1 + self.fuzz.dice.below(3)).for_each(|_| {
                let at = self.fuzz.dice.below(package.len());
                package[at] = self.fuzz.dice.below(256) as u8;
            }),
            2 => package.truncate(self.fuzz.dice.below(package.len())),
            3 => {
                let other = self.package();
                package.truncate(self.fuzz.dice.below(package.len()));
                package.extend(&other[self.fuzz.dice.below(other.len())..]);
            }
            6 => {
                let length = map::CODE_SIZE + self.fuzz.dice.below(64);
                package = self.fuzz.garbage(length);
            }
            _ => {}
        }
        let mut frame = stuffed(&framed(self.fuzz.next_number(), &package));
        if kind == 5 {
            self.fuzz.change(&mut frame);
        }
        line.extend(frame);
        kind
    }

    fn as_to_a_mailbox(&mut self, line: &mut Vec<u8>) -> usize {
        self.fuzz.attack(line);
        0
    }

    fn package(&mut self) -> Vec<u8> {
        self.packages[self.fuzz.dice.below(self.packages.len())].clone()
    }
}

/// What a ROM must answer, and say of it.
struct Host {
    chip: MemoryPlatform,
    memory: Vec<u8>,
}

/// Number and refusal of each reply; and the refusals that the ROM says on its other line, too.
type Answers = (Vec<(u32, u16)>, Vec<u16>);

impl Host {
    fn answers(&mut self, line: &[u8]) -> Answers {
        // What nobody sends ends it.
        let last = [0x77; 200];
        let line = [line, &[0], &stuffed(&framed(0, &last))].concat();
        let (mut bytes, mut sent, mut said) = (line.into_iter(), Vec::new(), Vec::new());
        recovery::wait(
            &mut self.memory,
            || bytes.next().unwrap(),
            |byte| sent.push(byte),
            |package| {
                if package == last {
                    return Ok(());
                }
                let selected = rom::select(&self.chip, &Soft, ImageType::Recovery, package);
                let refusal = selected.expect_err("it is no package that starts");
                said.push(refusal.code());
                Err(refusal)
            },
        );
        let (mut decoder, mut replies) = (Decoder::new([0; 64]), Vec::new());
        for byte in sent {
            let Some(frame) = decoder.push(byte) else { continue };
            let code = Reply::parse(frame.payload).err().map_or(0, |error| error.code());
            replies.push((frame.number.get(), code));
        }
        assert_eq!(replies.pop(), Some((0, 0)));
        (replies, said)
    }
}

/// A ROM that waits.
struct Waiting<'p> {
    psram: &'p Psram,
    board: Quick,
    line: UnixStream,
    replies: Receiver<Heard>,
    sender: Sender,
    host: Host,
    tally: Tally<KINDS_COUNT>,
}

impl Waiting<'_> {
    /// Sends so many frames at once, and a good request behind them, which is refused as all is.
    fn attack(&mut self, count: usize) {
        let mut bytes = Vec::new();
        (0..count).for_each(|_| self.tally.sent[self.sender.attack(&mut bytes)] += 1);
        self.tally.octets += bytes.len() as u64;
        bytes.push(0); // the last one may have no end
        let number = self.sender.fuzz.next_number();
        bytes.extend(request(number, Operation::Hello, &[PROTOCOL]));
        self.line.write_all(&bytes).unwrap();
        let (wanted, said) = self.host.answers(&bytes);
        assert_eq!(wanted.last(), Some(&(number, Error::RecoveryAwaited.code())));
        for (number, code) in wanted {
            let heard = self.replies.recv_timeout(LATE).expect("a reply does not come");
            assert_eq!((heard.number, heard.code), (number, code));
            *self.tally.codes.entry(code).or_default() += 1;
        }
        for code in said {
            assert_eq!(self.board.heard(), [format!("rom: wire refused E{code}")]);
        }
    }

    /// It takes that, or refuses it if it is blank.
    fn is_sent_a_good_program(&mut self, is_blank: bool) {
        let package = package_with(PLATFORM_PUBLISHER, &root_of_trust(), as_recovery);
        let number = self.sender.fuzz.next_number();
        self.line.write_all(&stuffed(&framed(number, &package))).unwrap();
        let heard = self.replies.recv_timeout(LATE).expect("a good program gets no answer");
        let refused = Error::NotManufactured.code();
        assert_eq!((heard.number, heard.code), (number, if is_blank { refused } else { 0 }));
        let said = format!("rom: wire refused E{refused}");
        assert_eq!(self.board.heard(), [if is_blank { &said } else { "rom: starts the runtime" }]);
    }

    fn flash(&self) -> Vec<u8> {
        self.psram.read(map::FLASH, map::FLASH_SIZE)
    }
}

/// One ROM that waits, of an owned chip or of a blank one, and so many frames.
fn attack_one(seed: usize, count: usize, core: usize) -> Tally<KINDS_COUNT> {
    let is_blank = seed % 2 == 1;
    let psram = if is_blank { Psram::blank(&[]) } else { whole() };
    Slot::BOTH.iter().for_each(|slot| psram.write(map::slot(*slot), &[0xff; MARKS_SIZE]));
    let mut chip = if is_blank { MemoryPlatform::new() } else { chip() };
    chip.reset();
    let mut board = Quick::power_on(&psram, Some(core));
    let line = board.line_once([&format!("rom: refused E{}", Error::SlotsEmpty.code()), WAITS]);
    let (to, replies) = channel();
    let reader = line.try_clone().unwrap();
    let listener = std::thread::spawn(move || listen(reader, &to));
    let sender = Sender { fuzz: Fuzz::new(seed as u64), packages: refused() };
    let host = Host { chip, memory: vec![0; map::CODE_SIZE] };
    let tally = Tally::none();
    let mut rom = Waiting { psram: &psram, board, line, replies, sender, host, tally };
    let before = rom.flash();
    let mut sent = 0;
    while sent < count {
        let batch = BATCH.min(count - sent);
        rom.attack(batch);
        sent += batch;
        assert!(rom.board.is_silent(), "seed {seed}: it said more after {sent} frames");
        assert!(rom.flash() == before, "seed {seed}: it is another after {sent} frames");
    }
    rom.is_sent_a_good_program(is_blank);
    let Waiting { board, line, replies, tally, .. } = rom;
    // Whoever listens ends with a reply that nobody takes.
    drop(replies);
    (&line).write_all(&request(0, Operation::Hello, &[PROTOCOL])).unwrap();
    listener.join().unwrap();
    if !is_blank {
        let rot = Mailbox::open(line, patience()).unwrap();
        assert_eq!(rot.status().unwrap().mode, Mode::Recovery);
    }
    drop(board);
    tally
}

#[test]
fn rot_22_no_frame_stops_a_rom_that_waits_for_recovery() {
    let sources = [&include_bytes!("fuzz.rs")[..], include_bytes!("waits.rs")];
    let (kinds, depends) =
        (KINDS.map(|(kind, _)| kind), [sources[0], sources[1], &root_of_trust()]);
    attack_all("frames to a ROM that waits", kinds, &depends, 2, attack_one);
}
