//! What a chip says under a fault (ROT-25): nothing that it alone knows, over either line.
//!
//! Who skips an instruction of what prints a line, or of what stuffs a reply, has it print on: the
//! stack, the mask and the key of blinding above it, and behind a good program from the wire all of
//! what is handed over. So what leaves is searched for eight bytes of each secret that a host
//! derives from fuses and flash, in each form that a memory has it ([`super::known`]); for four of
//! the device secret; and for each of the two words of the chip's own, which are looked at alone.
//!
//! And who sends a frame chooses its number, which the reply bears, and by it the sum of the reply:
//! an address of the ROM, where no boot may come; or one of code memory, which holds what an
//! earlier frame left there, and where nothing may be written.

use super::board::{Psram, chip, hello};
use super::journal::Verdict;
use super::known::{Facts, Seeker, seeded};
use super::lab::{Lab, Outcome};
use super::rom::Rom;
use super::scenarios::{self, Scenario};
use super::wire::{NUMBER, waiting};
use super::{campaign, entry, jumps, refusal, starts_under_none};
use craton_firmware::map;
use craton_rot::Error;
use craton_rot::engine::HANDOVER_MAX;
use craton_rot::mailbox::call::Answer;
use craton_rot::mailbox::frame::{Decoder, Direction, FrameWriter};
use std::ops::Range;

/// What a chip must not say.
struct Kept {
    seeker: Seeker,
    secret: Vec<u8>,
    /// The chip's own two words, each from both of its ends.
    words: Vec<[u8; 4]>,
}

impl Kept {
    /// Of this chip, which may start the least program.
    fn of(psram: &Psram) -> Self {
        let (secrets, _) = Facts::of(psram, &hello()).secrets();
        let own = secrets.iter().find(|known| known.name == "own words").unwrap();
        let words = own.bytes.as_chunks::<4>().0.iter().take(2);
        let words =
            words.flat_map(|word| [*word, std::array::from_fn(|at| word[3 - at])]).collect();
        let secret = psram.read(map::FUSES, map::SECRET_SIZE);
        Self { seeker: Seeker::of(secrets), secret, words }
    }

    /// What of it these bytes have.
    fn within(&self, bytes: &[u8]) -> Vec<&str> {
        let found = self.seeker.find(bytes).into_iter().map(|(_, known)| known.name.as_str());
        let is_word = |part: &[u8]| self.words.iter().any(|word| word == part);
        let word = bytes.windows(4).any(is_word).then_some("a word of its own");
        found.chain(word).collect()
    }

    /// What became of a boot, if it said nothing of this.
    fn unsaid(&self, said: &str, verdict: Verdict) -> Verdict {
        let bytes: Vec<u8> = said.chars().map(|of| of as u8).collect();
        let part = jumps::told_nothing(said, &self.secret, &Outcome::Reset);
        match self.within(&bytes).first() {
            Some(what) => Err(format!("said the {what}")),
            None => part.and(verdict),
        }
    }

    /// Of a boot that must start nothing.
    fn of_refused(&self, lab: &Lab<'_>, outcome: &Outcome) -> Verdict {
        self.unsaid(&lab.told, super::not_started(outcome))
    }
}

#[test]
fn who_says_eight_bytes_of_what_a_chip_keeps_has_said_it() {
    let psram = seeded(Psram::of(&chip(), &[]));
    let kept = Kept::of(&psram);
    let secrets = kept.seeker.secrets.clone();
    let said = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    for name in ["own words", "key of blinding", "key of the state", "sealing root of mode 3"] {
        let known = secrets.iter().find(|known| known.name == name).unwrap();
        let swapped: Vec<u8> =
            known.bytes[8..20].chunks(4).flat_map(|w| w.iter().rev()).copied().collect();
        for part in [&known.bytes[8..19], &swapped] {
            let told = [b"rom: slot A ", part, b"E1303"].concat();
            let verdict = kept.unsaid(&said(&told), Ok("refused".to_owned()));
            assert_eq!(verdict, Err(format!("said the {name}")));
        }
    }
    let own = secrets.iter().find(|known| known.name == "own words").unwrap();
    for word in [&own.bytes[..4], &own.bytes[4..8], &psram.read(map::FUSES, 4)] {
        assert!(kept.unsaid(&said(word), Ok("refused".to_owned())).is_err());
    }
    let refused = Ok("refused".to_owned());
    assert_eq!(kept.unsaid("rom: slot A refused E1303", refused.clone()), refused);
}

fn says_nothing(name: &'static str, scenario: &Scenario) {
    starts_under_none(scenario, |lab| {
        let kept = Kept::of(lab.psram);
        campaign::run(name, lab, |lab, outcome| kept.of_refused(lab, outcome))
    });
}

#[test]
fn rot_25_no_single_fault_says_what_a_chip_keeps_where_a_program_is_refused() {
    says_nothing("said: changed program", &scenarios::changed_program());
    says_nothing("said: no package", &scenarios::no_package());
}

/// What is sent to the chip that waits: less than a package.
const LITTLE: usize = 100;
/// What an earlier frame left in code memory: a word, again and again, which is the address of one
/// of them.
const LEFT: u32 = map::CODE as u32 + 0x800;
const LEFT_SIZE: usize = 0x1000;
/// From here on no frame here overwrites it.
const STAYS: usize = 0x400;
/// Where that address leads, with room for what a reply is made in, from both of its ends.
const THERE: Range<usize> = 0x600..0xa00;

/// A number whose refusal, of so little, has this sum: which is linear in it.
fn number_with_reply_of(sum: u32) -> u32 {
    let sum_of = |number: u32| {
        let mut line = Vec::new();
        let mut writer =
            FrameWriter::new(Direction::Reply, number, |bytes: &[u8]| line.extend(bytes));
        Answer::refusal(Error::RecoveryAwaited).encode(&[], |bytes| writer.put(bytes)).unwrap();
        writer.end();
        let mut decoder = Decoder::new([0; 64]);
        let sum = line.iter().find_map(|byte| decoder.push(*byte).map(|frame| frame.check.get()));
        sum.unwrap()
    };
    let none = sum_of(0);
    let effects = (0..u32::BITS).map(|bit| (sum_of(1 << bit) ^ none, 1 << bit));
    let mut effects: Vec<(u32, u32)> = effects.collect();
    let (mut rest, mut number) = (sum ^ none, 0);
    for bit in 0..u32::BITS {
        let has = |effect: u32| effect >> bit & 1 == 1;
        let at = effects.iter().position(|(effect, _)| has(*effect)).unwrap();
        let (effect, bits) = effects.swap_remove(at);
        for other in effects.iter_mut().filter(|other| has(other.0)) {
            *other = (other.0 ^ effect, other.1 ^ bits);
        }
        if has(rest) {
            (rest, number) = (rest ^ effect, number ^ bits);
        }
    }
    assert_eq!(sum_of(number), sum);
    number
}

/// None of these numbers of a frame is followed: each is tried, also after one that is.
fn are_not_followed(numbers: &[(&'static str, u32)]) {
    let bad: usize = numbers.iter().map(|(name, number)| followed(name, *number)).sum();
    assert_eq!(bad, 0, "faults do what a frame's number says");
}

/// How many faults follow a number of a frame, or say what the chip keeps.
fn followed(name: &'static str, number: u32) -> usize {
    let (rom, psram) = (Rom::built(), seeded(Psram::of(&chip(), &[])));
    let left = LEFT.to_le_bytes().repeat(LEFT_SIZE / 4);
    let payload: Vec<u8> = NUMBER.to_le_bytes().repeat(LITTLE / 4);
    let lab = waiting(&psram, &rom, None).after_code(&left);
    let mut lab = lab.sent(number, &payload).unwrap();
    let kept = Kept::of(&psram);
    let judge = |lab: &mut Lab<'_>, outcome: &Outcome| {
        let verdict = kept.of_refused(lab, outcome);
        if verdict.is_err() || !matches!(outcome, Outcome::Halted(_)) {
            return verdict; // of a chip that comes to no end the memory is not there any more
        }
        let code = lab.memory(map::CODE as u32, LEFT_SIZE).unwrap();
        let mut changed = (STAYS..LEFT_SIZE).filter(|at| code[*at] != left[*at]).peekable();
        if changed.peek().is_none() || changed.any(|at| !THERE.contains(&at)) {
            return verdict; // who moves a payload, or wipes, and finds no end, changes all of it
        }
        Err("wrote where a frame says".to_owned())
    };
    let outcome = lab.boot(None).unwrap();
    assert_eq!(outcome, Outcome::Halted(String::new()));
    assert!(lab.told.ends_with('\0') && lab.told.len() > 8, "its reply is heard");
    assert!(judge(&mut lab, &outcome).is_ok());
    lab.learn().unwrap();
    let line = campaign::run(name, &mut lab, judge);
    line.tell();
    line.bad.len()
}

#[test]
fn rot_25_no_single_fault_takes_the_number_of_a_frame_for_an_address() {
    let swapped = ("number: a place, swapped", NUMBER.swap_bytes());
    are_not_followed(&[("number: a place", NUMBER), swapped]);
}

#[test]
fn rot_25_no_single_fault_takes_the_number_of_a_frame_for_a_pointer() {
    let swapped = ("number: a pointer, swapped", LEFT.swap_bytes());
    are_not_followed(&[("number: a pointer", LEFT), swapped]);
}

#[test]
fn rot_25_no_single_fault_takes_the_sum_of_a_reply_for_an_address() {
    are_not_followed(&[
        ("sum: a place", number_with_reply_of(NUMBER)),
        ("sum: a place before its end", number_with_reply_of(!NUMBER)),
        ("sum: a place, swapped", number_with_reply_of(NUMBER.swap_bytes())),
    ]);
}

#[test]
fn rot_25_no_single_fault_says_what_is_handed_over_to_a_program_from_the_wire() {
    let (rom, psram) = (Rom::built(), seeded(Psram::of(&chip(), &[])));
    let lab = waiting(&psram, &rom, Some(entry()));
    let mut lab = lab.sent(NUMBER, &scenarios::recovery()).unwrap();
    assert_eq!(lab.boot(None).unwrap(), Outcome::Started);
    let kept = Kept::of(&psram);
    let handed = lab.memory(map::HANDOVER as u32, HANDOVER_MAX).unwrap();
    let within = kept.within(&handed);
    for secret in ["key that attests of mode 3", "sealing root of mode 3"] {
        assert!(within.contains(&secret), "{secret} is handed over, and seen: {within:?}");
    }
    let judge = |lab: &mut Lab<'_>, outcome: &Outcome| {
        let verdict = match outcome {
            Outcome::Started => Ok("started".to_owned()),
            Outcome::Strayed => Err("executed what is neither ROM nor program".to_owned()),
            _ => Ok(refusal(outcome)),
        };
        kept.unsaid(&lab.told, verdict)
    };
    lab.learn().unwrap();
    let outcome = lab.boot(None).unwrap();
    assert_eq!(judge(&mut lab, &outcome), Ok("started".to_owned()), "by its shortcuts");
    let line = campaign::run("said: good program, over the wire", &mut lab, judge);
    line.tell();
    assert!(line.bad.is_empty(), "{} faults say what a chip keeps", line.bad.len());
}
