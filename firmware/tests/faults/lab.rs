//! One chip in an emulator with a debugger at it, to be broken again and again.

use super::bench::{Bench, Stop};
use super::board::{Psram, WAITS, programs};
use super::power::{Line, Power, RECEIVED, framed};
use super::pulse::Lost;
use super::rom::{ROM, Rom};
use super::shortcut::Shortcut;
use super::trace::Trace;
use super::walk::{Gates, State, Walker};
use craton_firmware::map;
use craton_rot::slots::{MARKS_SIZE, Slot};
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::io::{Error, Result, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::NamedTempFile;

pub const RAM: u32 = 0x3000_0000;
pub const RAM_SIZE: usize = 32 * 1024;
/// If this is set every boot runs from its beginning to its end, which takes much longer.
const WHOLE: &str = "CRATON_WHOLE";
/// Which bench: one that runs from the beginning, or one that is brought to a place.
const WHOLLY: usize = 0;
const BROUGHT: usize = 1;
/// A ROM that waits for recovery stores here before it sleeps.
pub const LISTENS: u32 = 0xe000_e284;
/// How often a boot is tried whose debugger fails.
const TRIES: usize = 3;
/// The signal by which QEMU ends when a chip locks up.
const ABORTED: i32 = 6;

/// What happens to one instruction.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is never executed.
    Gone(u32),
    /// Its execution at this place of the trace is left out.
    Skipped(u32, usize),
    /// One bit of what its execution at this place loads is another.
    Flipped { at: u32, place: usize, register: usize, bit: u32 },
    /// One bit of what each of its executions loads is another, from this place on, its first.
    Stuck { at: u32, place: usize, register: usize, bit: u32 },
    /// Instead of its execution at this place there is a jump. `cleared` says that the registers
    /// that a function gives back to its caller are zeros then.
    Jumped { at: u32, place: usize, to: u32, cleared: bool },
}

impl Fault {
    /// The instruction that it hits.
    pub fn at(&self) -> u32 {
        let (Self::Gone(at)
        | Self::Skipped(at, _)
        | Self::Flipped { at, .. }
        | Self::Stuck { at, .. }
        | Self::Jumped { at, .. }) = self;
        *at
    }

    /// The instruction that the table names: where it leads, if it is a jump.
    pub fn named(&self) -> u32 {
        if let Self::Jumped { to, .. } = self { *to } else { self.at() }
    }

    pub fn is_skip(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Skipped(..))
    }

    /// Where in the trace it makes the first difference; of a trace that has it.
    pub fn place(&self, trace: &Trace) -> Option<usize> {
        match self {
            Self::Gone(at) => trace.ends(*at).map(|(first, _)| first),
            Self::Skipped(_, place)
            | Self::Flipped { place, .. }
            | Self::Stuck { place, .. }
            | Self::Jumped { place, .. } => Some(*place),
        }
    }

    /// The instruction of which it hits each execution.
    fn lasts(&self) -> Option<u32> {
        matches!(self, Self::Gone(_) | Self::Stuck { .. }).then(|| self.at())
    }

    /// The place whose state makes a boot with it: before the instruction, or behind the load that
    /// it changes.
    fn start(&self, trace: &Trace) -> Option<usize> {
        let place = self.place(trace)?;
        let is_load = matches!(self, Self::Flipped { .. } | Self::Stuck { .. });
        Some(if is_load { place + 1 } else { place })
    }
}

/// What became of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The ROM halted, and said this.
    Halted(String),
    /// The chip reset itself, where that ends a boot.
    Reset,
    /// An instruction of the program in the slot was executed.
    Started,
    /// An instruction outside the ROM and the memory of programs was executed.
    Strayed,
    /// The chip locked up: a fault inside a fault.
    LockedUp,
    /// It goes round in one state, and comes out of it never.
    Endless,
    /// It ran for much longer than a boot takes, and might have come to an end.
    Unfinished,
    /// It waits for what does not come.
    Asleep,
}

/// The plugin, compiled.
fn instrument() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("instruments/trace.c");
        let made = programs().join("trace.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&made).arg(source);
        assert!(cc.status().expect("cc: install a C compiler").success());
        made
    })
}

fn plugin() -> String {
    format!("{},code={:x},size={:x}", instrument().display(), map::CODE, map::CODE_SIZE)
}

/// What the chip executes if nothing is broken; behind the last byte of what it was sent, if it
/// was.
fn trace(psram: &Psram, rom: &Rom, sent: Option<&[u8]>) -> Result<Trace> {
    let (to, touched) = (NamedTempFile::new()?, NamedTempFile::new()?);
    let files = format!("to={},touched={}", to.path().display(), touched.path().display());
    let count = sent.map_or(0, <[u8]>::len);
    let plugin = format!("{},{files},from={RECEIVED:x},count={count}", plugin());
    let line = Line::new()?;
    let mut qemu = psram.emulator(&rom.file, false);
    qemu.args(["-serial", "null"]).args(line.options()).args(["-plugin", &plugin]);
    let mut qemu = qemu.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let stream = sent.map(|frame| line.send(frame)).transpose();
    qemu.wait()?;
    drop(stream?);
    Ok(Trace::of(&std::fs::read(to.path())?, &std::fs::read(touched.path())?))
}

/// What a lab knows of the boot without a fault, and how it comes to a place of it at once.
struct Known<'a> {
    walker: Walker<'a>,
    gates: Gates,
    shortcuts: Vec<Shortcut>,
}

/// A chip, its emulator and the debugger.
pub struct Lab<'a> {
    pub psram: &'a Psram,
    pub rom: &'a Rom,
    /// What it executes without a fault.
    pub trace: Trace,
    known: Option<Known<'a>>,
    /// How a boot begins: RAM holds what an earlier one left there.
    power: Power,
    /// What its ROM was sent over the line.
    frame: Option<Vec<u8>>,
    /// Where a boot ends well: nothing more is executed there.
    end: Option<u32>,
    /// A boot that ends well elsewhere has strayed; else it is not seen, and goes on.
    pub sees_all: bool,
    /// A boot that comes here has strayed, too, though it is a place of the ROM.
    pub never: Option<u32>,
    /// Its faults may lead anywhere in the ROM, and a boot in which the chip resets itself is over
    /// then: what it does next is another one.
    pub leads_anywhere: bool,
    /// What the last boot said over either line, a character for each byte.
    pub told: String,
    /// One that runs from the beginning, and one that is brought to a place.
    benches: [Option<Bench<'a>>; 2],
    /// Which of them booted last.
    last: usize,
    /// From which the emulators start.
    stub: NamedTempFile,
}

impl<'a> Lab<'a> {
    pub fn new(psram: &'a Psram, rom: &'a Rom, end: Option<u32>) -> Self {
        let mut stub = NamedTempFile::new().unwrap();
        stub.write_all(&rom.stub()).unwrap();
        let marks = Slot::BOTH.map(map::slot).map(|at| (at as u32, psram.read(at, MARKS_SIZE)));
        let memory = [(RAM, vec![0; RAM_SIZE])].into_iter().chain(marks).collect();
        let power = Power { memory, sent: None };
        Self {
            psram,
            rom,
            trace: Trace::of(&[], &[]),
            known: None,
            power,
            frame: None,
            end,
            sees_all: false,
            never: None,
            leads_anywhere: false,
            told: String::new(),
            benches: [None, None],
            last: 0,
            stub,
        }
    }

    /// Boots `psram` once, to its end at `entry`: each boot of this chip finds in RAM what that one
    /// left there.
    pub fn after_boot_of(mut self, psram: &Psram, entry: u32) -> Result<Self> {
        let mut other = Lab::new(psram, self.rom, Some(entry));
        assert_eq!(other.boot(None)?, Outcome::Started, "the good program does not start");
        self.power.memory[0].1 = other.memory(RAM, RAM_SIZE)?;
        Ok(self)
    }

    /// One that says this, with its shortcuts and without, and then waits for recovery.
    pub fn that_refuses(mut self, says: &str) -> Self {
        let says = Outcome::Halted(format!("{says}\n{WAITS}"));
        assert_eq!(self.boot(None).unwrap(), says);
        self.learn().unwrap();
        assert_eq!(self.boot(None).unwrap(), says, "by its shortcuts");
        self
    }

    /// Each boot of it waits for recovery and gets this package over the line, as `power` has it.
    pub fn sent(mut self, number: u32, package: &[u8]) -> Result<Self> {
        let frame = framed(number, package);
        let emulator = self.emulator();
        self.power.send(&frame, emulator, self.rom)?;
        self.frame = Some(frame);
        Ok(self)
    }

    /// Code memory holds this when power comes.
    pub fn after_code(mut self, code: &[u8]) -> Self {
        self.power.memory.push((map::CODE as u32, code.to_vec()));
        self
    }

    /// Looks at what the chip does without a fault: none can happen before.
    pub fn learn(&mut self) -> Result<()> {
        self.trace = trace(self.psram, self.rom, self.frame.as_deref())?;
        if let Some(end) = self.end {
            self.trace.end_at(end);
        }
        if std::env::var_os(WHOLE).is_some() {
            return Ok(());
        }
        let lengths = Slot::BOTH.map(|slot| self.psram.marks(slot).length() as usize);
        let lengths = lengths.into_iter().chain(self.frame.as_ref().map(Vec::len));
        let package = lengths.filter(|length| *length <= map::CODE_SIZE).max();
        let ends: Vec<u32> = self.rom.halts.iter().chain(&self.end).copied().collect();
        let bench = Bench::start(self.emulator(), self.rom, &ends)?;
        let mut walker = Walker::new(bench, self.power.clone(), package.unwrap_or(0));
        let gates = Gates::of(&self.trace, &mut walker)?;
        let shortcuts = Shortcut::all(&self.trace, self.rom, &mut walker)?;
        self.known = Some(Known { walker, gates, shortcuts });
        Ok(())
    }

    /// Shows what a chip has before the instructions of some places of the boot without a fault.
    pub fn show(&mut self, places: &[usize], mut see: impl FnMut(usize, &State)) -> Result<()> {
        let known = self.known.as_mut().ok_or_else(|| Error::other("nothing learnt"))?;
        for place in places {
            see(*place, &known.walker.state(&self.trace, *place)?);
        }
        Ok(())
    }

    /// Memory as the last boot left it.
    pub fn memory(&mut self, address: u32, length: usize) -> Result<Vec<u8>> {
        self.bench(self.last)?.debugger.read(address, length)
    }

    /// A register as the last boot left it.
    pub fn register(&mut self, number: usize) -> Result<u32> {
        self.bench(self.last)?.debugger.register(number)
    }

    /// What the outcomes of its boots depend on: the ROM, and what it does without a fault. The
    /// secret of a chip is another in each run.
    pub fn digest(&self, scenario: &str) -> Digest {
        let executed = self.trace.len().to_le_bytes();
        Soft.sha256(&[self.rom.bytes(), &executed, scenario.as_bytes()])
    }

    /// Whether the boots so far left ROM, fuses and flash as they were.
    pub fn is_unchanged(&mut self) -> Result<bool> {
        let kept = [(map::FLASH, map::SLOTS - map::FLASH)]
            .map(|(at, length)| (at as u32, self.psram.read(at, length)));
        for bench in self.benches.iter_mut().flatten() {
            bench.reset()?; // what a program that was started cannot read can be read
            for (at, bytes) in kept.iter().chain([&(ROM, self.rom.bytes().to_vec())]) {
                if bench.debugger.read(*at, bytes.len())? != *bytes {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Goes on with a fresh chip.
    pub fn renew(&mut self) {
        self.benches = [None, None];
    }

    fn emulator(&self) -> Command {
        let mut qemu = self.psram.emulator(self.stub.path(), false);
        if self.end.is_none() || self.sees_all {
            qemu.args(["-plugin", &plugin()]);
        }
        qemu
    }

    fn bench(&mut self, which: usize) -> Result<&mut Bench<'a>> {
        let bench = match self.benches[which].take() {
            Some(bench) => bench,
            None if which == WHOLLY => {
                let ends = self.rom.halts.iter().copied();
                let ends: Vec<u32> = ends.chain(self.end).chain(self.never).collect();
                Bench::start(self.emulator(), self.rom, &ends)?
            }
            None => {
                // Who jumps may come to the wait without what it begins with.
                let is_seen = |at: &u32| self.leads_anywhere || !self.rom.listens(*at);
                let halts = self.rom.halts.iter().copied();
                let (wiped, others): (Vec<u32>, Vec<u32>) =
                    halts.partition(|at| self.rom.fails(*at));
                let ends = others.into_iter().filter(is_seen);
                let ends: Vec<u32> = ends.chain(self.end).chain(self.never).collect();
                let bench = Bench::start(self.emulator(), self.rom, &ends)?;
                // What watches all that is executed would see what is put there.
                let entry = self.end.filter(|_| !self.sees_all);
                let mut bench = bench.halting_at(wiped).starting_at(entry);
                bench.debugger.watch_stores(LISTENS)?;
                bench
            }
        };
        let bench = self.benches[which].insert(bench);
        bench.ends_at_reset = self.leads_anywhere;
        Ok(bench)
    }

    /// One boot with one fault. What fails on this side of the debugger's line is no outcome: it
    /// is done again, and said.
    pub fn boot(&mut self, fault: Option<Fault>) -> Result<Outcome> {
        let place = self.is_brought(fault);
        for time in 1.. {
            let outcome = match place {
                Some(place) => self.boot_from(place, fault),
                None => self.boot_whole(fault),
            };
            match outcome {
                Err(why) if time < TRIES => println!("done again: {fault:x?}: {why}"),
                outcome => return outcome,
            }
            self.renew();
        }
        unreachable!("it ends at the last time")
    }

    /// The same without any help: from the beginning to the end.
    pub fn boot_whole(&mut self, fault: Option<Fault>) -> Result<Outcome> {
        self.last = WHOLLY;
        self.bench(WHOLLY)?;
        let [Some(bench), _] = &mut self.benches else { return Err(Error::other("no bench")) };
        self.power.on_and_sent(bench)?;
        if let Some(fault) = fault {
            let place = fault.place(&self.trace).ok_or_else(|| Error::other("not executed"))?;
            bench.put(fault, self.trace.way(None, place))?;
        }
        let stop = bench.go()?;
        self.outcome(stop, "")
    }

    /// The place from which a boot with this fault may begin.
    fn is_brought(&self, fault: Option<Fault>) -> Option<usize> {
        let known = self.known.as_ref()?;
        let Some(fault) = fault else { return known.gates.first() };
        let start = fault.start(&self.trace)?;
        // What lasts must not be missed at the end, where no instruction is watched.
        let last = fault.lasts().map_or(Some(start), |at| Some(self.trace.ends(at)?.1))?;
        (known.gates.lead_to(start) && last <= known.gates.end).then_some(start)
    }

    fn boot_from(&mut self, place: usize, fault: Option<Fault>) -> Result<Outcome> {
        self.last = BROUGHT;
        self.bench(BROUGHT)?;
        let ([_, Some(bench)], Some(known)) = (&mut self.benches, &mut self.known) else {
            return Err(Error::other("no bench"));
        };
        let mut state = known.walker.state(&self.trace, place)?;
        bench.see_ends(false)?;
        self.power.on(bench)?;
        match fault {
            None | Some(Fault::Gone(_)) => {}
            Some(Fault::Skipped(at, _)) => state.registers.skip(self.rom.length(at) as u32),
            Some(Fault::Flipped { register, bit, .. } | Fault::Stuck { register, bit, .. }) => {
                state.registers.set(register, state.registers.get(register) ^ 1 << bit);
            }
            Some(Fault::Jumped { to, cleared, .. }) => state.registers.jump(to, cleared),
        }
        known.gates.bring(bench, place, &state)?;
        fault.map_or(Ok(()), |fault| bench.last(fault))?;
        bench.see_ends(true)?;
        let lasts = fault.and_then(|fault| fault.lasts());
        let ahead = known.shortcuts.iter().filter(|way| way.is_behind(place, lasts));
        let stop = run(bench, ahead)?;
        self.outcome(stop, &state.said)
    }

    /// What became of a chip that stopped, after it had said something.
    fn outcome(&mut self, stop: Stop, said: &str) -> Result<Outcome> {
        let (rom, end, never) = (self.rom, self.end, self.never);
        let bench = self.bench(self.last)?;
        let said = [said, &bench.heard()].concat();
        self.told = [said.as_str(), &bench.replied()].concat();
        let bench = self.bench(self.last)?;
        let outcome = match stop {
            Stop::At(at) if Some(at) == end => return Ok(Outcome::Started),
            Stop::At(at) if Some(at) == never => Outcome::Strayed,
            Stop::Reset => return Ok(Outcome::Reset),
            Stop::At(at) | Stop::Access(at) if rom.halts.contains(&at) || rom.listens(at) => {
                return Ok(Outcome::Halted(said.trim().replace("\r\n", "; ")));
            }
            Stop::At(at) | Stop::Access(at) => {
                return Err(Error::other(format!("it stopped at {at:x}")));
            }
            Stop::Lost(Lost::Asleep) => Outcome::Asleep,
            Stop::Lost(Lost::Spent) if bench.goes_round()? => Outcome::Endless,
            Stop::Lost(Lost::Spent) => Outcome::Unfinished,
            Stop::Ended(status) => match (status.code(), status.signal()) {
                (Some(42), _) if end.is_none() => Outcome::Started,
                (Some(42 | 44), _) => Outcome::Strayed,
                (_, Some(ABORTED)) => Outcome::LockedUp,
                _ => return Err(Error::other(format!("the emulator ended: {status}"))),
            },
        };
        self.benches[self.last] = None;
        Ok(outcome)
    }
}

/// Lets the chip run, and takes those shortcuts that it may.
fn run<'s>(bench: &mut Bench<'_>, ahead: impl Iterator<Item = &'s Shortcut>) -> Result<Stop> {
    for shortcut in ahead {
        bench.debugger.watch_loads(shortcut.word)?;
        let stop = bench.go()?;
        if !matches!(stop, Stop::At(_) | Stop::Access(_)) {
            return Ok(stop);
        }
        bench.debugger.forget_loads(shortcut.word)?;
        if bench.is_at_end(stop) {
            return Ok(stop);
        }
        shortcut.take(bench)?;
    }
    loop {
        let stop = bench.go()?;
        if bench.is_at_end(stop) {
            return Ok(stop);
        }
        bench.stands = true;
    }
}
