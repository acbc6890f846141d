//! What is left of a secret, in all the memory that the board has, wherever one of the programs
//! ends: where the ROM hands over, where the other side starts, at each return through the gate,
//! where the ROM waits, and where a handler of failures asks for its reset.
//!
//! The chip stops there, and its RAM, its registers and its code memory are searched for every
//! secret that a host derives from its fuses and flash ([`super::known`]).

use super::board::root_of_trust;
use super::board::{PROGRAM_ROM, PROGRAM_RUNTIME, Psram, chip, hello, package_with, patience};
use super::failures::{PROGRAM_MAILBOX, whole};
use super::known::{Facts, Home, Seeker, seeded};
use super::probe::{Probe, entry, extent, place};
use super::steps::*;
use super::world::*;
use craton_firmware::map;
use craton_rot::mailbox::client::{Line, Mailbox, recover};
use craton_rot::platform::SECTOR_SIZE;
use craton_rot::{Action, AuthMessage, Error, RootOfTrust as _, Start};
use craton_trust::assignment::Address;
use craton_trust::crypto::{Crypto as _, Signature, Signer};
use craton_trust::dice::Mode;
use craton_trust::evidence::{EVIDENCE_MAX, Lifecycle};
use craton_trust::soft::Soft;
use craton_trust::suit::ImageType;
use craton_trust::{Digest, PublicKey};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How far the engine is, as the host knows it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Blank,
    Fresh,
    Booted,
    Over,
}

impl Phase {
    /// After a command.
    fn after(self, command: &str) -> Self {
        match command {
            "open" | "restart" | "manufacture" => Self::Fresh,
            "boot" => Self::Booted,
            "claim" | "erase" | "lifecycle" => Self::Over,
            _ => self,
        }
    }

    /// What the engine has.
    fn homes(self) -> Vec<Home> {
        let own = match self {
            Self::Fresh => Some(Home::Root),
            Self::Booted => Some(Home::Boot),
            Self::Over => None,
            Self::Blank => Some(Home::Random),
        };
        [Home::Attester, Home::Epoch, Home::State].into_iter().chain(own).collect()
    }
}

/// What the host asks for now, and what it had signed and sealed.
#[derive(Default)]
struct Told {
    command: &'static str,
    before: Phase,
    signed: Vec<Digest>,
    plain: Vec<Vec<u8>>,
}

/// The host's half: says what it asks for, before it asks.
#[derive(Clone, Default)]
struct Teller(Arc<Mutex<Told>>);

impl Teller {
    fn now(&self, command: &'static str) {
        let mut told = self.0.lock().unwrap();
        (told.before, told.command) = (told.before.after(told.command), command);
    }

    fn signs(&self, digest: Digest) {
        self.0.lock().unwrap().signed.push(digest);
    }

    fn seals(&self, plain: &[u8]) {
        self.0.lock().unwrap().plain.push(plain.to_vec());
    }

    fn command(&self) -> &'static str {
        self.0.lock().unwrap().command
    }

    /// What the engine may have: that of before a command, or after it.
    fn homes(&self) -> Vec<Home> {
        let told = self.0.lock().unwrap();
        [told.before.homes(), told.before.after(told.command).homes()].concat()
    }
}

/// Keeps the digest of what it is to sign.
struct Listener(Cell<Digest>, PublicKey);

impl Signer for Listener {
    fn public_key(&self) -> PublicKey {
        self.1
    }

    fn sign(&self, parts: &[&[u8]]) -> craton_trust::error::Result<Signature> {
        self.0.set(Soft.sha256(parts));
        Ok([0; 64])
    }
}

/// A chip under search.
struct Search<'p> {
    probe: Probe,
    psram: &'p Psram,
    teller: Teller,
    facts: Facts,
    seeker: Seeker,
    identity: PublicKey,
    /// Where the runtime keeps its engine.
    engine: Range<usize>,
    /// Where the stack of the secure side ends.
    stack: usize,
    /// What was found, and where it may be.
    found: BTreeMap<Home, usize>,
    /// How often it stopped, by what was asked.
    stops: BTreeMap<&'static str, usize>,
    entered: Option<[u32; 8]>,
    /// What is wrong, with the addresses and the commands in question.
    bad: BTreeMap<String, (BTreeSet<usize>, BTreeSet<&'static str>)>,
}

/// The memory in question: the secure RAM, and that of the other side.
const RAMS: [(&str, usize, usize); 2] = [
    ("secure RAM", map::RAM, map::RAM_SIZE),
    ("RAM of the other side", map::NON_SECURE_RAM, map::NON_SECURE_RAM_SIZE),
];
const CODES: [(&str, usize, usize); 3] = [
    ("ROM", map::ROM, map::ROM_SIZE),
    ("secure code", map::CODE, map::NON_SECURE_OFFSET),
    ("code of the other side", map::NON_SECURE_CODE, map::NON_SECURE_CODE_SIZE),
];
/// The RAM beside that of the other side, which nobody has.
const NOBODYS: (&str, usize, usize) = ("RAM that nobody has", 0x3800_0000, 4 * 1024 * 1024);

impl<'p> Search<'p> {
    fn of(psram: &'p Psram) -> Self {
        let probe = Probe::power_on_kept(psram);
        let facts = Facts::of(psram, &root_of_trust());
        let (secrets, identity) = facts.secrets();
        Self {
            probe,
            psram,
            teller: Teller::default(),
            facts,
            seeker: Seeker::of(secrets),
            identity,
            engine: extent(PROGRAM_RUNTIME, "DEVICE"),
            stack: place(PROGRAM_RUNTIME, "__sheap") as usize,
            found: BTreeMap::new(),
            stops: BTreeMap::new(),
            entered: None,
            bad: BTreeMap::new(),
        }
    }

    /// Lets a host talk to the chip, and searches it wherever it stops.
    fn during(mut self, talk: impl FnOnce(UnixStream, Teller) + Send + 'static) -> Self {
        let (line, teller) = (self.probe.mailbox(), self.teller.clone());
        let host = std::thread::spawn(move || talk(line, teller));
        let at = |name| place(PROGRAM_RUNTIME, name);
        let (leaves, enters, returns) = (at("leave_end"), at("gate"), at("gate_end"));
        let (runtime, mailbox) = (entry(PROGRAM_RUNTIME), entry(PROGRAM_MAILBOX));
        for at in [runtime, mailbox, leaves, enters, returns] {
            self.probe.debugger.watch(at).unwrap();
        }
        while let Some(stop) = self.probe.next_stop(|| host.is_finished()) {
            self.learn();
            if stop == runtime {
                *self.stops.entry("the ROM hands over").or_default() += 1;
                self.handed_over();
            } else if stop == leaves {
                *self.stops.entry("the other side starts").or_default() += 1;
                self.search(&CODES, &[]);
                self.runs();
            } else if stop == mailbox {
                let registers = self.registers(0..13);
                self.expect(registers.iter().all(|word| *word == 0), "a register is left");
            } else if stop == enters {
                self.entered = self.registers(4..12).try_into().ok();
            } else if stop == returns {
                *self.stops.entry(self.teller.command()).or_default() += 1;
                self.returns();
                self.runs();
            }
        }
        host.join().unwrap();
        self
    }

    fn expect(&mut self, is: bool, what: &str) {
        if !is {
            self.blame(what.to_owned(), 0);
        }
    }

    fn blame(&mut self, what: String, at: usize) {
        let (places, commands) = self.bad.entry(what).or_default();
        places.insert(at);
        commands.insert(self.teller.command());
    }

    /// The secrets are those of now: an erase and a manufacture make new ones.
    fn learn(&mut self) {
        let mut now = Facts::of(self.psram, &root_of_trust());
        let old = &self.facts;
        now.erased = &(&old.erased | &old.epochs) - &now.epochs;
        now.seeds = &now.seeds | &old.seeds;
        let told = self.teller.0.lock().unwrap();
        (now.signed, now.plain) = (told.signed.clone(), told.plain.clone());
        drop(told);
        if now != self.facts {
            self.facts = now;
            let (secrets, identity) = self.facts.secrets();
            (self.seeker, self.identity) = (Seeker::of(secrets), identity);
        }
    }

    fn registers(&mut self, numbers: Range<usize>) -> Vec<u32> {
        numbers.map(|number| self.probe.debugger.register(number).unwrap()).collect()
    }

    /// Every secret in these memories that is in none of the places where it may be.
    fn search(&mut self, memories: &[(&str, usize, usize)], homes: &[(Range<usize>, &[Home])]) {
        for (memory, from, length) in memories {
            let bytes = self.probe.read(*from, *length);
            let found = self.seeker.find(&bytes).into_iter();
            for (at, known) in
                found.map(|(at, known)| (from + at, known.clone())).collect::<Vec<_>>()
            {
                let may = |(place, homes): &(Range<usize>, &[Home])| {
                    place.contains(&at) && homes.contains(&known.home)
                };
                if homes.iter().any(may) {
                    *self.found.entry(known.home).or_default() += 1;
                } else {
                    self.blame(format!("{} in {memory}", known.name), at);
                }
            }
        }
    }

    /// ROT-16: the layer alone, where it is handed over, and nothing beside it.
    fn handed_over(&mut self) {
        let handover = map::HANDOVER..map::RAM + map::RAM_SIZE;
        self.search(&RAMS, &[(handover, &[Home::Attester, Home::Root, Home::State])]);
        self.search(&CODES, &[]);
        if self.stops["the ROM hands over"] == 1 {
            self.search(&[NOBODYS], &[]);
        }
        let rest = self.probe.read(map::RAM_FIRST, map::HANDOVER - map::RAM_FIRST);
        self.expect(rest.iter().all(|byte| *byte == 0), "the ROM's RAM is left");
        // Four bytes each: so few that chance finds none.
        let registers = self.registers(0..13);
        let above = ["device secret", "key of the identity", "seed of the identity"];
        let above = self.seeker.secrets.iter().filter(|known| above.contains(&&*known.name));
        let words: BTreeSet<u32> = above
            .flat_map(|known| known.bytes.chunks(4))
            .flat_map(|word| {
                word.try_into().map(|it| [u32::from_le_bytes(it), u32::from_be_bytes(it)])
            })
            .flatten()
            .collect();
        self.expect(registers.iter().all(|it| !words.contains(it)), "a secret in a register");
    }

    /// What a call leaves: in registers what was there, and nothing below the stack.
    fn returns(&mut self) {
        let all = self.registers(0..14);
        self.expect(all[0] < 2 && all[1..4] == [0; 3] && all[12] == 0, "a register is left");
        let kept = self.entered.is_none_or(|before| before[..] == all[4..12]);
        self.expect(kept, "a register is another");
        let stack = self.probe.read(self.stack, all[13] as usize - 8 - self.stack);
        self.expect(stack.iter().all(|byte| *byte == 0), "the stack is left");
    }

    /// While the runtime runs: its engine has what it needs, and nothing else has anything.
    fn runs(&mut self) {
        let (engine, homes) = (self.engine.clone(), self.teller.homes());
        let other = map::NON_SECURE_RAM..map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE;
        self.search(&RAMS, &[(engine, &homes), (other, &[Home::Plain])]);
    }

    /// While nothing runs that needs one.
    fn nothing(&mut self, what: &'static str) {
        self.teller.now(what);
        *self.stops.entry(what).or_default() += 1;
        self.search(&RAMS, &[]);
    }

    /// While a ROM waits, which will judge what comes.
    fn waits(&mut self, what: &'static str) {
        self.teller.now(what);
        *self.stops.entry(what).or_default() += 1;
        self.search(&RAMS, &[(map::RAM_FIRST..map::HANDOVER, &[Home::Blinding])]);
    }

    /// What lies in the flash and the fuses: three kinds of secrets, each in its place.
    fn flash(&mut self) {
        let bytes = self.psram.read(map::FLASH, map::FLASH_SIZE);
        let states = map::STATE..map::STATE + 2 * SECTOR_SIZE;
        let places = [
            ("device secret", map::FUSES..map::FUSES + map::SECRET_SIZE),
            ("epoch secret", states),
            ("seed", map::SEED..map::SEED + map::SEED_SIZE),
        ];
        let found = self.seeker.find(&bytes).into_iter();
        let found: Vec<_> = found.map(|(at, it)| (map::FLASH + at, it.name.clone())).collect();
        for (at, name) in found {
            if !places.iter().any(|(what, place)| *what == name && place.contains(&at)) {
                self.blame(format!("{name} in flash"), at);
            }
        }
    }

    fn end(mut self) -> BTreeMap<Home, usize> {
        self.learn();
        self.flash();
        let stops: usize = self.stops.values().sum();
        let secrets = self.seeker.secrets.len();
        println!("figure: {stops} stops, {secrets} secrets: {:?}", self.stops);
        println!("figure: in the engine, {:x?}: pieces found: {:?}", self.engine, self.found);
        let told = |(what, (places, commands)): (&String, &(BTreeSet<usize>, BTreeSet<&str>))| {
            let ends = [places.first(), places.last()].map(|at| at.copied().unwrap_or(0));
            let more = if places.len() < 30 { format!("{places:x?}") } else { String::new() };
            format!("{what}, {:#x} to {:#x}: {commands:?} {more}", ends[0], ends[1])
        };
        let bad: Vec<String> = self.bad.iter().map(told).collect();
        assert!(bad.is_empty(), "{} kinds: {bad:#?}", bad.len());
        self.found
    }
}

/// The content of a client's CertificateVerify.
fn certificate_verify() -> Vec<u8> {
    [&[b' '; 64][..], b"TLS 1.3, client CertificateVerify\0", &[9; 32]].concat()
}

type Rot = Mailbox<UnixStream>;

fn boots(rot: &mut Rot, teller: &Teller) -> Mode {
    teller.now("boot");
    boot(rot, &[(APP, 1)])
}

/// What the device does in every boot.
fn uses(rot: &mut Rot, teller: &Teller) {
    let listener = Listener(Cell::new(Digest([0; 32])), PublicKey([1; 64]));
    teller.now("evidence");
    let evidence = report(rot).unwrap();
    let claims = authentic(rot, &evidence).claims;
    claims.sign(&Soft, &listener, &[], &mut [0; EVIDENCE_MAX]).unwrap();
    teller.signs(listener.0.get());
    teller.now("device-auth key");
    let public = rot.client_key().unwrap();
    teller.now("sign for TLS");
    let content = certificate_verify();
    teller.signs(Soft.sha256(&[&content]));
    let signature = rot.sign(&AuthMessage::CertificateVerify(&content)).unwrap();
    assert_eq!(Soft.es256_verify(&public, &[&content], &signature), Ok(()));
    teller.now("random");
    rot.random(&mut [0; 200]).unwrap();
}

/// Seals, and opens it again.
fn seals(rot: &mut Rot, teller: &Teller) {
    let plain = Soft.sha512(&[b"what is sealed"]);
    teller.seals(&plain);
    for component in [APP, RUNTIME] {
        let (mut sealed, mut opened) = ([0; 128], [0; 128]);
        teller.now("seal");
        let sealed = rot.seal(component, &plain, &mut sealed).unwrap();
        teller.now("unseal");
        assert_eq!(rot.unseal(component, sealed, &mut opened), Ok(&plain[..]));
        let mut broken = sealed.to_vec();
        broken[40] ^= 1;
        teller.now("unseal what is broken");
        assert_eq!(rot.unseal(component, &broken, &mut opened), Err(Error::SealBroken));
    }
}

fn restarts(rot: Rot, teller: &Teller, start: Start) -> Rot {
    teller.now("restart");
    let rot = rot.restart(start).unwrap();
    teller.now("after a restart");
    rot
}

/// Every command of an owned device, in modes Normal, Debug and Recovery, and over an erase.
fn lives(line: UnixStream, teller: Teller) {
    teller.now("open");
    let mut rot = Mailbox::open(line, patience()).unwrap();
    boots(&mut rot, &teller);
    uses(&mut rot, &teller);
    seals(&mut rot, &teller);
    teller.now("check in");
    let role = rot.take_auth_role().unwrap();
    check_in(&mut rot, &role, catalog(false)).unwrap();
    let request = Digest([2; 32]);
    let address =
        |device, epoch, request| Address { catalog: catalog(false), device, epoch, request };
    let answer = reply(address(rot.device(), 1, request), 2_000, Some(7));
    rot.accept_reply(&answer, &request).unwrap();
    teller.now("renew");
    rot.renew_client_key().unwrap();
    uses(&mut rot, &teller);
    teller.now("confirm");
    rot.confirm().unwrap();
    teller.now("replace");
    let next = successor(&owner_section(false), OWNER_ROOT, |_| {});
    rot.replace(&next, &[&set(&[(APP, 1)])], &[&envelope(APP, 1)]).unwrap();
    teller.now("own program");
    let package = package_with(PLATFORM_PUBLISHER, &hello(), |_| ());
    rot.begin_program(package.len()).unwrap();
    for (number, piece) in package.chunks(4096).enumerate() {
        rot.write_program(number * 4096, piece).unwrap();
    }
    assert_eq!(rot.arm_program(None), Err(Error::ProgramNotInSet));
    teller.now("capability");
    let challenge = rot.challenge().unwrap();
    rot.apply(&capability(address(rot.device(), 1, challenge))).unwrap();

    let mut rot = restarts(rot, &teller, Start::Normal);
    assert_eq!(boots(&mut rot, &teller), Mode::Debug);
    uses(&mut rot, &teller);
    seals(&mut rot, &teller);

    let mut rot = restarts(rot, &teller, Start::Recovery);
    assert_eq!(boots(&mut rot, &teller), Mode::Recovery);
    uses(&mut rot, &teller);
    teller.now("unseal in mode Recovery");
    assert_eq!(seal(&mut rot, APP), Err(Error::SealInRecovery));

    let mut rot = restarts(rot, &teller, Start::Normal);
    boots(&mut rot, &teller);
    teller.now("erase");
    let erase = order(rot.device(), 1, Action::NewEpoch(None), OWNER_ROOT);
    rot.new_epoch(&erase, None).unwrap();
    teller.now("after an erase");
    assert_eq!(rot.client_key(), Err(Error::ResetNeeded));
    let mut rot = restarts(rot, &teller, Start::Normal);
    boots(&mut rot, &teller);
    seals(&mut rot, &teller);
    teller.now("lifecycle");
    advance(&mut rot, Lifecycle::Module1Complete).unwrap();
    teller.now("after a step of the lifecycle");
    assert_eq!(report(&mut rot), Err(Error::ResetNeeded));
    let mut rot = restarts(rot, &teller, Start::Normal);
    boots(&mut rot, &teller);
    uses(&mut rot, &teller);
}

#[test]
fn rot_23_no_call_leaves_a_secret_outside_the_engine() {
    let psram = seeded(whole());
    let searched = Search::of(&psram).during(lives);
    let found = searched.end();
    for home in [Home::Attester, Home::Epoch, Home::State, Home::Root, Home::Boot, Home::Plain] {
        assert!(found.contains_key(&home), "the search found no {home:?}: it would find none");
    }
}

#[test]
fn rot_23_a_manufacture_leaves_no_secret() {
    let program = root_of_trust();
    let psram = seeded(Psram::blank(&package_with(PLATFORM_PUBLISHER, &program, |_| ())));
    let searched = Search::of(&psram).during(|line, teller| {
        teller.now("manufacture");
        let mut line = Line::open(line, patience()).unwrap();
        line.manufacture(&manufacture(&platform_section(false))).unwrap();
        teller.now("open");
        let mut rot = Mailbox::of(line).unwrap();
        teller.now("claim");
        rot.claim(CODE, &owner_section(false)).unwrap();
        let mut rot = restarts(rot, &teller, Start::Normal);
        boots(&mut rot, &teller);
        uses(&mut rot, &teller);
        teller.now("confirm");
        rot.confirm().unwrap();
    });
    assert!(searched.end().contains_key(&Home::Boot));
}

#[test]
fn rot_23_a_rom_that_waits_or_gave_up_holds_no_secret() {
    let stranger = package_with(STRANGER, &hello(), |_| ());
    let psram = seeded(Psram::of(&chip(), &stranger));
    let mut search = Search::of(&psram);
    search.probe.run_for(Duration::from_secs(2));
    search.waits("a ROM that refused a slot");
    let mut line = search.probe.mailbox();
    search.probe.debugger.send("c").unwrap();
    let recovery = package_with(STRANGER, &hello(), |image| image.image_type = ImageType::Recovery);
    let refused = recover(&mut line, &recovery);
    assert_eq!(refused, Err(Error::Trust(craton_trust::Error::SignerUnknown)));
    search.probe.stop();
    search.waits("a ROM that refused a frame");
    assert_eq!(search.end().keys().collect::<Vec<_>>(), [&Home::Blinding]);
}

/// A fault while the keys are there, and a failure of the ROM after it derived them.
#[test]
fn fail_3_a_failure_leaves_no_secret_in_memory_or_registers() {
    let psram = seeded(whole());
    for (program, at) in [(PROGRAM_RUNTIME, "gate_body"), (PROGRAM_ROM, "rom::start")] {
        let mut search = Search::of(&psram);
        search.probe.come(place(PROGRAM_RUNTIME, "leave_end"));
        if program == PROGRAM_ROM {
            search.probe.debugger.reset(entry(PROGRAM_ROM)).unwrap();
            search.probe.come(place(program, at));
        }
        // Where the handler asks for its reset: `str r1, [r0]`.
        let last = place(program, "asks_for_reset");
        assert_eq!(search.probe.read(last as usize, 2), [0x01, 0x60]);
        let registers: Vec<usize> = (0..13).collect();
        for register in &registers {
            search.probe.debugger.set_register(*register, MARK + *register as u32).unwrap();
        }
        search.probe.break_at(place(program, at));
        search.probe.jump(place(program, at));
        search.probe.come(last);
        search.nothing("a failure");
        assert!(search.probe.is_wiped());
        let left = search.registers(0..13);
        assert!(left.iter().all(|word| word & !0xf != MARK), "{left:x?}");
        search.end();
    }
}

/// A wipe begins above the last static, wherever that ends: the board stays taken.
#[test]
fn rot_23_a_wipe_leaves_the_statics() {
    let psram = seeded(whole());
    let mut probe = Probe::power_on(&psram);
    let taken = extent(PROGRAM_RUNTIME, "whole::TAKEN");
    probe.come(place(PROGRAM_RUNTIME, "leave_end"));
    assert_eq!(probe.read(taken.start, 1), [1]);
}

/// What no register has by itself.
const MARK: u32 = 0x5afe_5af0;
