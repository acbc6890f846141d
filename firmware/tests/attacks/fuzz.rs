//! What somebody sends who has the line: frames of every way of being wrong, and of none.

use super::dice::Dice;
use super::world::{
    APP, OWNER_ROOT, PLATFORM_ROOT, STRANGER, owner_section, platform_section, set, successor,
};
use craton_rot::mailbox::call::BYTES_MAX;
use craton_rot::mailbox::{Call, ENTROPY_SIZE, FRAME_MAX, MEASURED_SIZE, Operation};

/// What is sent between two zeros, and of 4096 how many are such.
pub const KINDS: [(&str, usize); KINDS_COUNT] = [
    ("noise", 513),
    ("a frame changed on the line", 512),
    ("a frame cut short", 256),
    ("a frame that is too long", 1),
    ("another number: late, far off, ahead, again", 384),
    ("another format or direction, right CRC", 128),
    ("any fields, right CRC", 702),
    ("a command with changed bytes, right CRC", 1200),
    ("a command as it should be, any content", 400),
];
pub const KINDS_COUNT: usize = 9;
/// One of so many commands costs the chip a signature or an erase.
const COSTLY: usize = 256;
const FORMAT: u8 = 1;
const REQUEST: u8 = 1;
/// As far as this from the last number, one is of another connection.
const FAR: u32 = 0x8000_0000;

/// A well-formed request, numbers and byte strings as its operation wants them.
#[derive(Clone)]
struct Form {
    operation: Operation,
    numbers: Vec<u64>,
    bytes: Vec<Content>,
}

#[derive(Clone)]
enum Content {
    /// So many bytes, other ones each time.
    Any(usize),
    /// These: what an owner signed, or would not.
    Of(Vec<u8>),
}

pub struct Fuzz {
    pub dice: Dice,
    /// Of the last request that the chip takes as the next one.
    number: u32,
    last: Vec<u8>,
    cheap: Vec<Form>,
    costly: Vec<Form>,
}

impl Fuzz {
    pub fn new(seed: u64) -> Self {
        let (cheap, costly) = forms();
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { dice, number: seed as u32, last: Vec::new(), cheap, costly }
    }

    /// The next number of the connection, for a request that is no attack.
    pub fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// Adds one to the line, and gives its kind.
    pub fn attack(&mut self, line: &mut Vec<u8>) -> usize {
        let mut place = self.dice.below(KINDS.iter().map(|(_, share)| share).sum());
        let kind = KINDS.iter().position(|(_, share)| {
            let found = place < *share;
            place = place.wrapping_sub(*share);
            found
        });
        let kind = kind.unwrap();
        self.of_kind(kind, line);
        kind
    }

    fn of_kind(&mut self, kind: usize, line: &mut Vec<u8>) -> u32 {
        match kind {
            0 => self.noise(line),
            1 => self.changed(line),
            2 => {
                let number = self.next_number();
                let frame = stuffed(&framed(number, &self.command()));
                line.extend(&frame[..1 + self.dice.below(frame.len() - 1)]);
            }
            3 => {
                let length = FRAME_MAX + self.dice.below(FRAME_MAX);
                let number = self.next_number();
                line.extend(stuffed(&framed(number, &self.garbage(length))));
            }
            4 => return self.numbered(line),
            5 => self.headed(line),
            6 => self.request(line, Self::soup),
            7 => self.request(line, Self::mutated),
            _ => self.request(line, Self::command),
        }
        self.number
    }

    fn request(&mut self, line: &mut Vec<u8>, message: impl Fn(&mut Self) -> Vec<u8>) {
        self.last = message(self);
        while restarts(&self.last) {
            self.last = message(self);
        }
        let number = self.next_number();
        line.extend(stuffed(&framed(number, &self.last)));
    }

    fn noise(&mut self, line: &mut Vec<u8>) {
        let length = match self.dice.below(4096) {
            0 => self.dice.below(2 * FRAME_MAX),
            _ => self.dice.below(40),
        };
        line.push(0);
        line.extend(self.garbage(length));
        line.push(0);
    }

    fn changed(&mut self, line: &mut Vec<u8>) {
        let number = self.next_number();
        let mut frame = stuffed(&framed(number, &self.command()));
        (0..1 + self.dice.below(3)).for_each(|_| self.change(&mut frame));
        line.extend(frame);
    }

    fn numbered(&mut self, line: &mut Vec<u8>) -> u32 {
        let mut message = self.command();
        let number = match self.dice.below(8) {
            0 => self.number.wrapping_sub(1 + self.dice.below(0x1_ffff) as u32),
            1 => self.number.wrapping_sub(FAR - self.dice.below(0x1000_0000) as u32),
            2 => {
                self.number = self.number.wrapping_add(1 + self.dice.below(4) as u32);
                self.number
            }
            3 => self.number,
            _ => {
                message = self.last.clone();
                self.number
            }
        };
        line.extend(stuffed(&framed(number, &message)));
        number
    }

    fn headed(&mut self, line: &mut Vec<u8>) {
        let number = self.next_number();
        let mut frame = framed(number, &self.command());
        let at = self.dice.below(2);
        frame[at] ^= 1 + self.dice.below(255) as u8;
        frame.truncate(frame.len() - 4);
        let check = checksum(&frame);
        frame.extend(check.to_be_bytes());
        line.extend(stuffed(&frame));
    }

    fn form(&mut self) -> Form {
        let costly = self.dice.below(COSTLY) == 0;
        let forms = if costly { &self.costly } else { &self.cheap };
        forms[self.dice.below(forms.len())].clone()
    }

    /// A command with another content, unless it is signed.
    fn command(&mut self) -> Vec<u8> {
        let form = self.form();
        let content = |content: &Content| match content {
            Content::Any(length) => self.garbage(*length),
            Content::Of(bytes) => bytes.clone(),
        };
        let bytes: Vec<Vec<u8>> = form.bytes.iter().map(content).collect();
        encoded(form.operation as u64, &form.numbers, &bytes)
    }

    fn mutated(&mut self) -> Vec<u8> {
        let mut message = self.command();
        (0..1 + self.dice.below(3)).for_each(|_| self.change(&mut message));
        message
    }

    /// Changes, takes away, adds or repeats bytes.
    pub fn change(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.dice.below(bytes.len());
        match self.dice.below(6) {
            0 => bytes[at] ^= 1 << self.dice.below(8),
            1 => bytes[at] = self.dice.below(256) as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, self.dice.below(256) as u8),
            4 => bytes.truncate(at),
            _ => {
                let end = bytes.len().min(at + 1 + self.dice.below(16));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }

    /// A message of some operation with as many fields as it likes.
    fn soup(&mut self) -> Vec<u8> {
        let operation = match self.dice.below(16) {
            0 => self.dice.below(256) as u64,
            _ => Operation::ALL[self.dice.below(Operation::ALL.len())].0 as u64,
        };
        let numbers: Vec<u64> = (0..self.dice.below(4)).map(|_| self.a_number()).collect();
        let many = self.dice.below(64) == 0;
        let count = if many { BYTES_MAX + 1 } else { self.dice.below(4) };
        let bytes: Vec<Vec<u8>> =
            (0..count).map(|_| if many { Vec::new() } else { self.a_string() }).collect();
        encoded(operation, &numbers, &bytes)
    }

    fn a_number(&mut self) -> u64 {
        match self.dice.below(4) {
            0 => self.dice.below(4) as u64,
            1 => self.dice.below(1 << 16) as u64,
            2 => u64::MAX - self.dice.below(4) as u64,
            _ => 1 << self.dice.below(64),
        }
    }

    fn a_string(&mut self) -> Vec<u8> {
        let length = match self.dice.below(2048) {
            0 => self.dice.below(FRAME_MAX),
            1..64 => ENTROPY_SIZE,
            64..256 => 32,
            256..512 => 16,
            _ => self.dice.below(12),
        };
        self.garbage(length)
    }

    pub fn garbage(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.dice.below(256) as u8).collect()
    }
}

/// Every operation but the restart, which is what the line may ask for; and those that cost much.
fn forms() -> (Vec<Form>, Vec<Form>) {
    use Content::{Any, Of};
    use Operation as Op;
    let form = |operation, numbers: &[u64], bytes: &[Content]| Form {
        operation,
        numbers: numbers.to_vec(),
        bytes: bytes.to_vec(),
    };
    let (key, digest, id) = (Any(64), Any(32), Any(16));
    let next = successor(&owner_section(false), STRANGER, |_| {});
    let cheap = vec![
        form(Op::Hello, &[1], &[]),
        form(Op::Manufacture, &[], &[Any(40), digest.clone(), id.clone(), Any(ENTROPY_SIZE)]),
        form(Op::Entropy, &[], &[Any(ENTROPY_SIZE)]),
        form(Op::TakeFailure, &[], &[]),
        form(Op::Identity, &[], &[]),
        form(Op::Certificate, &[9], &[]),
        form(Op::Capabilities, &[], &[]),
        form(Op::Status, &[], &[]),
        form(Op::Section, &[0, 16], &[]),
        form(Op::AdvanceLifecycle, &[], &[Any(60)]),
        form(Op::TakeAuthRole, &[], &[]),
        form(Op::Boot, &[], &[Any(MEASURED_SIZE - 1), Any(MEASURED_SIZE)]),
        form(Op::Extend, &[], &[id.clone(), digest.clone()]),
        form(Op::Event, &[1], &[]),
        form(Op::Attest, &[16], &[digest.clone(), digest.clone(), key.clone(), id.clone()]),
        form(Op::Sign, &[1], &[Any(24)]),
        form(Op::Seal, &[64], &[id.clone(), Any(8)]),
        form(Op::Unseal, &[64], &[id.clone(), Any(60)]),
        form(Op::Confirm, &[], &[]),
        form(Op::Claim, &[], &[Any(8), Any(40)]),
        form(Op::Replace, &[1], &[Any(40), Any(40), Any(40)]),
        form(Op::NewEpoch, &[], &[Any(60)]),
        form(Op::Challenge, &[], &[]),
        form(Op::Apply, &[], &[Any(60)]),
        form(Op::AcceptReply, &[], &[Any(60), digest]),
        form(Op::Random, &[16], &[]),
        form(Op::Programs, &[], &[]),
        form(Op::BeginProgram, &[u64::MAX], &[]),
        form(Op::WriteProgram, &[0], &[Any(16)]),
        form(Op::ArmProgram, &[], &[]),
        form(Op::ArmProgram, &[], &[Any(40)]),
    ];
    let costly = vec![
        form(Op::Certificate, &[0], &[]),
        form(Op::Section, &[0, 8192], &[]),
        form(Op::Section, &[1, 8192], &[]),
        form(Op::Boot, &[], &[Any(MEASURED_SIZE), Any(MEASURED_SIZE)]),
        form(Op::Boot, &[], &[Any(MEASURED_SIZE), Any(MEASURED_SIZE), Of(set(&[(APP, 9)]))]),
        form(Op::Attest, &[8192], &[Any(32), Any(32), key]),
        form(Op::ClientKey, &[], &[]),
        form(Op::RenewClientKey, &[], &[]),
        form(Op::Sign, &[], &[Any(32)]),
        form(Op::Claim, &[], &[Of(b"claim-me".to_vec()), Of(owner_section(false))]),
        form(Op::Replace, &[0], &[Of(next)]),
        form(Op::Replace, &[0], &[Of(successor(&owner_section(false), PLATFORM_ROOT, |_| {}))]),
        form(Op::Replace, &[0], &[Of(successor(&platform_section(false), OWNER_ROOT, |_| {}))]),
        form(Op::BeginProgram, &[4096], &[]),
        form(Op::ArmProgram, &[], &[Of(set(&[(APP, 9)]))]),
    ];
    (cheap, costly)
}

/// A message; also one that has more fields than a call.
fn encoded(operation: u64, numbers: &[u64], bytes: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![0x84, 1];
    head(0, operation, &mut message);
    head(0x80, numbers.len() as u64, &mut message);
    numbers.iter().for_each(|number| head(0, *number, &mut message));
    head(0x80, bytes.len() as u64, &mut message);
    for bytes in bytes {
        head(0x40, bytes.len() as u64, &mut message);
        message.extend(bytes);
    }
    message
}

/// The head of a CBOR item (RFC 8949 §3), in its shortest form.
fn head(major: u8, number: u64, to: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    match number {
        0..24 => to.push(major | number as u8),
        24..0x100 => to.extend([major | 24, number as u8]),
        0x100..0x1_0000 => to.extend([&[major | 25], &bytes[6..]].concat()),
        0x1_0000..0x1_0000_0000 => to.extend([&[major | 26], &bytes[4..]].concat()),
        _ => to.extend([&[major | 27], &bytes[..]].concat()),
    }
}

/// A restart is what the line may ask for: no attack.
fn restarts(message: &[u8]) -> bool {
    Call::parse(message).is_ok_and(|call| call.operation == Operation::Restart)
}

/// A request's frame before it is stuffed.
pub fn framed(number: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = [&[FORMAT, REQUEST], &number.to_be_bytes()[..], message].concat();
    let check = checksum(&frame);
    frame.extend(check.to_be_bytes());
    frame
}

/// A good request, as it goes over the line.
pub fn request(number: u32, operation: Operation, numbers: &[u64]) -> Vec<u8> {
    stuffed(&framed(number, &encoded(operation as u64, numbers, &[])))
}

/// Between two zeros, with no zero inside.
pub fn stuffed(frame: &[u8]) -> Vec<u8> {
    let mut line = vec![0];
    let mut blocks = frame.split(|byte| *byte == 0).peekable();
    while let Some(block) = blocks.next() {
        let full = block.chunks_exact(254);
        let rest = full.remainder();
        full.for_each(|bytes| line.extend([&[255], bytes].concat()));
        line.push(rest.len() as u8 + 1);
        line.extend(rest);
        if blocks.peek().is_none() {
            break;
        }
    }
    line.push(0);
    line
}

/// CRC-32C.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |check, byte| {
        (0..8).fold(check ^ u32::from(*byte), |check, _| {
            (check >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(check & 1))
        })
    })
}

/// What the frames are said to be, they are to this host's decoder.
#[test]
fn mbx_1_the_frames_that_are_sent_are_what_their_kind_says() {
    use craton_rot::mailbox::frame::{Decoder, Direction};
    let mut fuzz = Fuzz::new(3);
    for round in 0..20_000 {
        let (kind, mut line) = (round % KINDS_COUNT, vec![0]);
        let number = fuzz.of_kind(kind, &mut line);
        line.push(0);
        let mut decoder = Decoder::new(vec![0; FRAME_MAX]);
        let mut requests = 0;
        for byte in line {
            let Some(frame) = decoder.push(byte) else { continue };
            if frame.direction != Direction::Request {
                continue;
            }
            requests += 1;
            assert_eq!(frame.number.get(), number, "{kind}");
            assert!(kind < 8 || Call::parse(frame.payload).is_ok(), "{kind}");
        }
        // A frame changed at its ends, or cut by its last zero alone, is whole.
        assert!(requests == usize::from(kind >= 4 && kind != 5) || kind <= 2, "{kind}: {requests}");
    }
    let forms: Vec<Form> = fuzz.cheap.into_iter().chain(fuzz.costly).collect();
    for (operation, name) in Operation::ALL {
        let has = forms.iter().any(|form| form.operation == *operation);
        assert_eq!(has, *operation != Operation::Restart, "{name}");
    }
}
