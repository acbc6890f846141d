//! Somebody who has the line sends whatever he likes. The chip answers the next good request, is
//! the device that it was, and never resets by it.
//!
//! The frames go over a quick line (`instruments/line.c`), some hundreds at once. `CRATON_SOAK=n`
//! sends ten million of them divided by n, and without it a sample; with `CRATON_SOAK_JOURNAL=FILE`
//! a soak that was cut goes on where it was.

use super::board::{Psram, package_with, patience, root_of_trust};
use super::failures::whole;
use super::fuzz::{Fuzz, KINDS, KINDS_COUNT, request};
use super::journal::Journal;
use super::quick::Quick;
use super::rom::Rom;
use super::steps::boot;
use super::world::{APP, PLATFORM_PUBLISHER};
use craton_firmware::map;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::mailbox::frame::Decoder;
use craton_rot::mailbox::{FRAME_MAX, Operation, PROTOCOL, Reply};
use craton_rot::platform::{FUSES_SIZE, SECTOR_SIZE, SECTORS, Sector};
use craton_rot::slots::Slot;
use craton_rot::{Error, SECTION_MAX};
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::store::SectionKind;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Frames before the next good request.
const BATCH: usize = 250;
/// Frames that one chip gets in a soak; each chip's frames have a seed of their own.
const OF_CHIP: usize = 50_000;
const SOAK: usize = 10_000_000;
const SAMPLE: usize = 2_000;
/// Emulators at once.
const CHIPS: usize = 2;
/// A reply that does not come by then never comes: a machine under load is slow.
const LATE: Duration = Duration::from_secs(120);

/// What the chip is that gets the frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Of an owner, just started.
    Started,
    /// The same, after a boot of its set.
    Booted,
    /// Never manufactured.
    Blank,
}

const STATES: [State; 3] = [State::Started, State::Booted, State::Blank];

/// What was sent, and what came back.
#[derive(Clone)]
pub struct Tally<const N: usize> {
    /// Frames of each kind.
    pub sent: [u64; N],
    pub octets: u64,
    /// By the number of the refusal; 0 is done.
    pub codes: BTreeMap<u16, u64>,
}

impl<const N: usize> Tally<N> {
    pub const fn none() -> Self {
        Self { sent: [0; N], octets: 0, codes: BTreeMap::new() }
    }

    fn add(&mut self, other: &Self) {
        self.sent.iter_mut().zip(other.sent).for_each(|(sum, part)| *sum += part);
        self.octets += other.octets;
        for (code, count) in &other.codes {
            *self.codes.entry(*code).or_default() += count;
        }
    }

    fn written(&self) -> String {
        let codes = self.codes.iter().flat_map(|(code, count)| [u64::from(*code), *count]);
        let all = self.sent.into_iter().chain([self.octets]).chain(codes);
        all.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn read(text: &str) -> Self {
        let mut numbers = text.split(' ').map(|word| word.parse::<u64>().unwrap());
        let mut tally = Self::none();
        for place in tally.sent.iter_mut().chain([&mut tally.octets]) {
            *place = numbers.next().unwrap();
        }
        while let (Some(code), Some(count)) = (numbers.next(), numbers.next()) {
            tally.codes.insert(code as u16, count);
        }
        tally
    }

    fn print(&self, kinds: [&str; N]) {
        println!("| frames | sent |\n|---|---|");
        for (kind, sent) in kinds.iter().zip(self.sent) {
            println!("| {kind} | {sent} |");
        }
        println!("| answer | times |\n|---|---|");
        for (code, count) in &self.codes {
            let name = Error::from_code(*code).map_or("done", Error::name);
            println!("| {code} {name} | {count} |");
        }
    }
}

/// Numbers and bytes of a reply.
type Said = (Vec<u64>, Vec<u8>);

/// A reply: its number, its code, and what it says if it is done.
pub struct Heard {
    pub number: u32,
    pub code: u16,
    said: Option<Said>,
}

pub fn listen(mut line: UnixStream, to: &std::sync::mpsc::Sender<Heard>) {
    let mut decoder = Decoder::new(vec![0; 2 * FRAME_MAX]);
    let mut room = vec![0; 1 << 16];
    while let Ok(length @ 1..) = line.read(&mut room) {
        for byte in &room[..length] {
            let Some(frame) = decoder.push(*byte) else { continue };
            let reply = Reply::parse(frame.payload);
            let heard = Heard {
                number: frame.number.get(),
                code: reply.as_ref().map_or_else(|error| error.code(), |_| 0),
                said: reply.ok().map(|r| (r.numbers.as_slice().to_vec(), r.bytes.to_vec())),
            };
            if to.send(heard).is_err() {
                return;
            }
        }
    }
}

/// A chip that is attacked.
struct Target<'p> {
    psram: &'p Psram,
    board: Quick,
    line: UnixStream,
    replies: Receiver<Heard>,
    fuzz: Fuzz,
    tally: Tally<KINDS_COUNT>,
}

impl Target<'_> {
    /// Sends so many frames at once, and a good request behind them.
    fn attack(&mut self, count: usize) -> Said {
        let mut bytes = Vec::new();
        (0..count).for_each(|_| self.tally.sent[self.fuzz.attack(&mut bytes)] += 1);
        self.tally.octets += bytes.len() as u64;
        bytes.push(0); // the last one may have no end
        self.line.write_all(&bytes).unwrap();
        self.ask(Operation::Hello, &[PROTOCOL]).unwrap()
    }

    /// A good request; counts the replies to others that come before its own.
    fn ask(&mut self, operation: Operation, numbers: &[u64]) -> Result<Said, u16> {
        let number = self.fuzz.next_number();
        self.line.write_all(&request(number, operation, numbers)).unwrap();
        loop {
            let heard = self.replies.recv_timeout(LATE).expect("a good request got no answer");
            if heard.number == number {
                return heard.said.ok_or(heard.code);
            }
            *self.tally.codes.entry(heard.code).or_default() += 1;
        }
    }

    /// What no frame changes, however it stands: all that `Status` says but counts, mode and
    /// whether it booted; fuses, signed sections, and the slot that runs.
    fn lasting(&mut self) -> (Option<Said>, Vec<u8>) {
        let status = self.ask(Operation::Status, &[]);
        let status = match status {
            Ok((mut numbers, bytes)) => {
                for place in [MODE, BOOTED, BOOT, CHECK_IN] {
                    numbers[place] = 0;
                }
                Some((numbers, bytes))
            }
            Err(code) => {
                assert_eq!(code, Error::NotManufactured.code());
                None
            }
        };
        let first = Sector::PlatformA as usize;
        let sections = (map::STATE + first * SECTOR_SIZE, (SECTORS - first) * SECTOR_SIZE);
        let parts = [(map::FUSES, FUSES_SIZE), sections, (map::slot(Slot::A), map::SLOT_SIZE)];
        (status, parts.map(|(at, length)| self.psram.read(at, length)).concat())
    }
}

/// Their places among the numbers of `Status`.
const MODE: usize = 1;
const BOOTED: usize = 2;
const BOOT: usize = 4;
const CHECK_IN: usize = 5;

fn chip_in(state: State) -> Psram {
    match state {
        State::Blank => Psram::blank(&package_with(PLATFORM_PUBLISHER, &root_of_trust(), |_| ())),
        State::Started | State::Booted => whole(),
    }
}

/// One chip, in the state that its seed says, and so many frames.
fn attack_one(seed: usize, count: usize, core: usize) -> Tally<KINDS_COUNT> {
    let state = STATES[seed % STATES.len()];
    let psram = chip_in(state);
    let mut board = Quick::power_on(&psram, Some(core));
    let line = board.line();
    if state == State::Booted {
        let mut rot = Mailbox::open(line.try_clone().unwrap(), patience()).unwrap();
        boot(&mut rot, &[(APP, 1)]);
    }
    let (to, replies) = channel();
    let reader = line.try_clone().unwrap();
    let listener = std::thread::spawn(move || listen(reader, &to));
    let (fuzz, tally) = (Fuzz::new(seed as u64), Tally::none());
    let mut target = Target { psram: &psram, board, line, replies, fuzz, tally };
    let about = target.ask(Operation::Hello, &[PROTOCOL]).unwrap();
    let before = target.lasting();
    let mut sent = 0;
    while sent < count {
        let batch = BATCH.min(count - sent);
        assert_eq!(target.attack(batch), about, "seed {seed}, after {sent} frames");
        sent += batch;
        assert!(target.board.is_silent(), "seed {seed}: it was reset after {sent} frames");
        assert!(target.lasting() == before, "seed {seed}: it is another after {sent} frames");
    }
    let Target { board, line, replies, tally, .. } = target;
    drop((board, line, replies));
    listener.join().unwrap();
    tally
}

#[test]
fn mbx_3_no_frame_stops_the_running_firmware() {
    let source = include_bytes!("fuzz.rs");
    let program = root_of_trust();
    attack_all(
        "frames",
        KINDS.map(|(kind, _)| kind),
        &[source, &program],
        STATES.len(),
        attack_one,
    );
}

/// Sends all frames that are wanted, by two chips at once, of which each gets those of its seed;
/// without a soak `sample` chips. What `attack_one` does depends on this ROM and on `depends`.
pub fn attack_all<const N: usize>(
    name: &str,
    kinds: [&str; N],
    depends: &[&[u8]],
    sample: usize,
    attack_one: impl Fn(usize, usize, usize) -> Tally<N> + Sync,
) {
    let one_in = std::env::var("CRATON_SOAK").ok().and_then(|n| n.parse::<usize>().ok());
    let (wanted, of_chip) = match one_in.filter(|n| *n > 0) {
        Some(one_in) => (SOAK / one_in, OF_CHIP),
        None => (SAMPLE * sample, SAMPLE),
    };
    let (rom, of_chip_bytes) = (Rom::built(), of_chip.to_le_bytes());
    let depends = [&[rom.bytes(), &of_chip_bytes], depends].concat();
    let journal = Mutex::new(Journal::of(&Soft.sha256(&depends), &rom.digest()).unwrap());
    let (next, sum, begun) = (AtomicUsize::new(0), Mutex::new(Tally::none()), Instant::now());
    let chips = wanted.div_ceil(of_chip);
    let work = |core: usize| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= chips {
                return;
            }
            let key = format!("{name} {seed}");
            let known = journal.lock().unwrap().known(&key).cloned();
            let tally = known.map_or_else(
                || {
                    let tally = attack_one(seed, of_chip, core);
                    journal.lock().unwrap().keep(&[(&key, Ok(tally.written()))]).unwrap();
                    tally
                },
                |known| Tally::read(&known.unwrap()),
            );
            sum.lock().unwrap().add(&tally);
        }
    };
    std::thread::scope(|scope| (0..CHIPS).for_each(|core| drop(scope.spawn(move || work(core)))));
    let sum = sum.into_inner().unwrap();
    sum.print(kinds);
    let (sent, octets) = (sum.sent.iter().sum::<u64>(), sum.octets);
    let seconds = begun.elapsed().as_secs_f64();
    println!("figure: {name}: {sent}, {octets} bytes, {chips} chips, {seconds:.0} s: no reset");
}

/// What crosses into the secure side is looked at there, after any number of frames, too.
#[test]
fn mbx_3_a_call_of_another_shape_is_refused_behind_the_gate() {
    let psram = whole();
    let mut board = psram.power_on();
    let mut line = Line::open(board.line(), patience()).unwrap();
    let manufacture = line.ask(Operation::Manufacture, &[], &[]);
    assert_eq!(manufacture.err(), Some(Error::CallShape));
}

/// A line that is not read takes some 300 bytes: the chip waits for its reader.
#[test]
fn mbx_2_a_host_that_reads_late_gets_the_whole_reply() {
    let psram = whole();
    let mut board = psram.power_on();
    let line = board.line();
    line.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let ask = |number: u32, operation: Operation, numbers: &[u64], late: Duration| {
        (&line).write_all(&request(number, operation, numbers)).unwrap();
        std::thread::sleep(late);
        let (mut decoder, mut byte) = (Decoder::new(vec![0; FRAME_MAX]), [0]);
        loop {
            (&line).read_exact(&mut byte).expect("a part of the reply was lost");
            let Some(frame) = decoder.push(byte[0]) else { continue };
            if frame.number.get() == number {
                return Reply::parse(frame.payload).map(|reply| reply.bytes.len());
            }
        }
    };
    assert!(ask(1, Operation::Hello, &[PROTOCOL], Duration::ZERO).is_ok());
    let wanted = [SectionKind::Platform as u64, SECTION_MAX as u64];
    let length = ask(2, Operation::Section, &wanted, Duration::from_millis(300)).unwrap();
    assert!(length > 300, "{length} bytes would have fitted");
}
