//! The emulator of one chip with the debugger at it.

use super::gdb::Debugger;
use super::lab::{Fault, LISTENS, RAM, RAM_SIZE};
use super::pulse::{Lost, Pulse};
use super::registers::Registers;
use super::rom::{RESET, ROM, Rom};
use super::trace::Way;
use super::walk::State;
use craton_firmware::map;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How often a chip may come to one instruction before it must have been in the same state twice.
const ROUNDS: usize = 16;
/// What is written is written in blocks of so many bytes.
const BLOCK: usize = 64;
/// The last word that the ROM wipes before it sleeps for ever or resets the chip.
const WIPED: u32 = (map::NON_SECURE_RAM + map::NON_SECURE_RAM_SIZE - 4) as u32;
/// Where the ROM stores last before it starts a program: where that one's vectors are.
const VECTORS: u32 = 0xe000_ed08;
/// An instruction that goes to itself.
const ITSELF: [u8; 2] = [0xfe, 0xe7];
/// From there it is some twenty instructions to the end: so long it gets for them, and so often.
const MOMENT: Duration = Duration::from_micros(100);
const MOMENTS: usize = 8;
const PC: usize = 15;
/// What a debugger's line says of an emulator that ended.
const CLOSED: [ErrorKind; 3] =
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
/// The length of the instruction that sleeps.
const WFI: u32 = 2;
/// How often a bit flips that is stuck: a boot that goes round over it must be seen to.
const MANY: usize = 1000;
const NOP: [u8; 2] = [0x00, 0xbf];
const NOP_WIDE: [u8; 4] = [0xaf, 0xf3, 0x00, 0x80];

/// Why a chip does not run on.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// It came to a watched address.
    At(u32),
    /// It came to a watched access.
    Access(u32),
    /// It reset itself, where that is an end, and stands at its first instruction.
    Reset,
    /// It comes to none, and was stopped.
    Lost(Lost),
    /// Its emulator ended.
    Ended(ExitStatus),
}

/// How it is seen that a chip halts, or starts a program.
///
/// Where it halts there is much code that each boot executes, which a breakpoint there makes many
/// times slower, and a stop at one makes the emulator translate all code anew. A stop at an access
/// does neither; so the last store before is watched, and behind it the chip falls asleep, or goes
/// round in what is put in the place of the program's first instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Unseen,
    ByStore,
    ByBreakpoint,
}

/// An emulator, its debugger and its line.
pub struct Bench<'a> {
    qemu: Child,
    pub rom: &'a Rom,
    said: File,
    replies: Option<File>,
    pub debugger: Debugger,
    /// Where its halts are not watched all the time, and how they are seen now.
    halts: Vec<u32>,
    seen: Ends,
    /// Where the program begins whose start is not seen by its breakpoint alone.
    entry: Option<u32>,
    /// A chip that resets itself is not let go on.
    pub ends_at_reset: bool,
    /// It stands at a watched address, which it must step over to go on.
    pub stands: bool,
    /// The instruction that is not in the ROM, until the next reset.
    gone: Option<u32>,
    /// The load of which a bit of each execution flips, until then, its register, that bit, and how
    /// often.
    stuck: Option<(u32, usize, u32, usize)>,
    _folder: TempDir,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl<'a> Bench<'a> {
    /// Starts this emulator, of a chip whose ROM's memory is empty. It stops at these addresses.
    pub fn start(qemu: Command, rom: &'a Rom, ends: &[u32]) -> Result<Self> {
        Self::start_with(qemu, rom, ends, &[])
    }

    /// The same with more options, after that of its first line.
    pub fn start_with(
        mut qemu: Command,
        rom: &'a Rom,
        ends: &[u32],
        more: &[String],
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (socket, line) = (folder.path().join("gdb"), folder.path().join("uart"));
        let chardev = format!("socket,path={},server=on,wait=off,id=gdb", socket.display());
        qemu.args(["-S", "-chardev", &chardev, "-gdb", "chardev:gdb"]);
        qemu.args(["-serial", &format!("file:{}", line.display())]);
        // What it would reply to who asks nothing.
        let second = folder.path().join("replies");
        if more.is_empty() {
            qemu.args(["-serial", &format!("file:{}", second.display())]);
        }
        qemu.args(more);
        let qemu = qemu.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut debugger = Debugger::attach(&socket)?;
        debugger.write(ROM, rom.bytes())?;
        for end in ends.iter().chain([&RESET]) {
            debugger.watch(*end)?;
        }
        debugger.set_register(PC, rom.first)?; // else the next reset would be none that is seen
        let said = File::open(line)?;
        let replies = more.is_empty().then(|| File::open(second)).transpose()?;
        let (halts, seen) = (Vec::new(), Ends::Unseen);
        let (ends_at_reset, stands, gone, stuck) = (false, false, None, None);
        Ok(Self {
            qemu,
            rom,
            said,
            replies,
            debugger,
            halts,
            seen,
            entry: None,
            ends_at_reset,
            stands,
            gone,
            stuck,
            _folder: folder,
        })
    }

    /// The reset line, after which the ROM is whole.
    pub fn reset(&mut self) -> Result<()> {
        self.debugger.reset(RESET)?;
        self.begin()
    }

    /// Of a chip that was reset: it stands at its first instruction, and the ROM is whole.
    fn begin(&mut self) -> Result<()> {
        self.stands = false;
        self.debugger.set_register(PC, self.rom.first)?;
        self.debugger.write(ROM, &self.rom.bytes()[..8])?;
        self.heal()?;
        let Some(at) = self.gone.take() else { return Ok(()) };
        self.debugger.write(at, self.rom.instruction(at))
    }

    /// No bit flips any more.
    fn heal(&mut self) -> Result<()> {
        self.stuck.take().map_or(Ok(()), |(at, ..)| self.debugger.forget(at))
    }

    /// What the chip said since the last time, a character for each byte.
    pub fn heard(&mut self) -> String {
        let mut said = Vec::new();
        let _ = self.said.read_to_end(&mut said);
        said.into_iter().map(char::from).collect()
    }

    /// The same for what it replied over its second line.
    pub fn replied(&mut self) -> String {
        let mut replied = Vec::new();
        let _ = self.replies.as_mut().map(|replies| replies.read_to_end(&mut replied));
        replied.into_iter().map(char::from).collect()
    }

    /// Whether nothing follows: an access that was watched may be made from elsewhere, too.
    pub fn is_at_end(&self, stop: Stop) -> bool {
        match stop {
            Stop::Access(at) => self.rom.listens(at),
            _ => true,
        }
    }

    fn come(&mut self, address: u32) -> Result<()> {
        match self.go()? {
            Stop::At(at) if at == address => Ok(()),
            // No fault happened: whatever comes of this boot says nothing of it.
            stop => Err(Error::other(format!("instead of {address:x} it came to {stop:x?}"))),
        }
    }

    /// Lets the chip come to the next watched access.
    pub fn pause(&mut self) -> Result<()> {
        match self.go()? {
            Stop::Access(_) => Ok(()),
            stop => Err(Error::other(format!("instead of an access it came to {stop:x?}"))),
        }
    }

    /// Lets the chip come to where it waits for recovery.
    pub fn come_to_wait(&mut self) -> Result<()> {
        self.debugger.watch_stores(LISTENS)?;
        self.pause()?;
        self.debugger.forget_stores(LISTENS)
    }

    /// Puts the difference there between what the chip has and what it is to have; of the package
    /// all: no boot begins with what the last one had.
    pub fn turn(&mut self, has: &State, into: &State) -> Result<()> {
        let mut runs: Vec<(u32, Vec<u8>)> = Vec::from([(map::CODE as u32, into.package.clone())]);
        let blocks = into.ram.chunks(BLOCK).zip(has.ram.chunks(BLOCK));
        for (at, (block, had)) in (RAM..).step_by(BLOCK).zip(blocks) {
            match runs.last_mut() {
                _ if block == had => {}
                Some((from, run)) if *from as usize + run.len() == at as usize => run.extend(block),
                _ => runs.push((at, block.to_vec())),
            }
        }
        self.debugger.write_all(&runs)?;
        self.jump(&into.registers)
    }

    /// What a fault that lasts changes from now on, until the chip is reset: the instruction is not
    /// there any more, or what it loads has another bit.
    pub fn last(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Gone(at) => {
                self.gone = Some(at);
                self.debugger.write(at, nops(self.rom.length(at)))
            }
            Fault::Stuck { at, register, bit, .. } => {
                self.stuck = Some((at, register, bit, MANY));
                self.debugger.watch(at)
            }
            _ => Ok(()),
        }
    }

    /// Executes a load, of which a bit flips.
    fn flip(&mut self, register: usize, bit: u32) -> Result<()> {
        self.step()?;
        let value = self.debugger.register(register)?;
        self.debugger.set_register(register, value ^ 1 << bit)
    }

    /// It halts here, too, which is seen from [`Self::see_ends`] on.
    pub fn halting_at(mut self, halts: Vec<u32>) -> Self {
        self.halts = halts;
        self
    }

    /// A program begins here, which is watched: from [`Self::see_ends`] on its start is seen before
    /// the chip comes to the breakpoint, if it can be.
    pub fn starting_at(mut self, entry: Option<u32>) -> Self {
        self.entry = entry;
        self
    }

    /// Whether it is seen that the chip halts or starts: each chip that is broken needs it.
    pub fn see_ends(&mut self, seen: bool) -> Result<()> {
        self.see(if seen { Ends::ByStore } else { Ends::Unseen })
    }

    fn see(&mut self, seen: Ends) -> Result<()> {
        if self.halts.is_empty() || self.seen == seen {
            return Ok(());
        }
        let (halts, debugger) = (&self.halts, &mut self.debugger);
        match self.seen {
            Ends::Unseen => {}
            Ends::ByStore => {
                debugger.forget_stores(WIPED)?;
                debugger.forget_stores(VECTORS)?;
            }
            Ends::ByBreakpoint => halts.iter().try_for_each(|at| debugger.forget(*at))?,
        }
        match seen {
            Ends::Unseen => {}
            Ends::ByStore => {
                debugger.watch_stores(WIPED)?;
                debugger.watch_stores(VECTORS)?;
            }
            Ends::ByBreakpoint => halts.iter().try_for_each(|at| debugger.watch(*at))?,
        }
        self.seen = seen;
        Ok(())
    }

    /// Where the chip, which was stopped here, sleeps for ever, if it does.
    fn sleeps(&self, at: u32) -> Option<Stop> {
        self.halts.iter().copied().find(|halt| halt + WFI == at).map(Stop::At)
    }

    /// Lets the chip, which stands at the last store of a wipe, come to where it halts. A chip that
    /// is not there soon is to be seen there by a breakpoint.
    fn come_to_halt(&mut self, mut at: u32) -> Result<Option<Stop>> {
        self.see(Ends::Unseen)?;
        for _ in 0..MOMENTS {
            // It may be another store, or the chip was reset.
            if !self.rom.fails(at) {
                break;
            }
            self.debugger.go_for(MOMENT)?;
            at = self.debugger.pc()?;
            if let Some(halt) = self.sleeps(at) {
                return Ok(Some(halt));
            }
        }
        self.see(Ends::ByBreakpoint)?;
        Ok(None)
    }

    /// Lets the chip, which stands where it stores last, come to the program's first instruction,
    /// of which nothing is executed. One that is not there soon comes to its breakpoint.
    fn come_to_start(&mut self) -> Result<Option<Stop>> {
        self.see(Ends::ByBreakpoint)?;
        let Some(entry) = self.entry else { return Ok(None) };
        let kept = self.debugger.read(entry, ITSELF.len())?;
        self.debugger.write(entry, &ITSELF)?;
        // A fault may have left the memory closed.
        let is_there = self.debugger.read(entry, ITSELF.len())? == ITSELF;
        self.debugger.forget(entry)?;
        let mut stop = None;
        for _ in 0..if is_there { MOMENTS } else { 0 } {
            self.debugger.go_for(MOMENT)?;
            if self.debugger.pc()? == entry {
                stop = Some(Stop::At(entry));
                break;
            }
        }
        self.debugger.write(entry, &kept)?;
        self.debugger.watch(entry)?;
        Ok(stop)
    }

    /// All of the RAM.
    pub fn ram(&mut self) -> Result<Vec<u8>> {
        self.debugger.read(RAM, RAM_SIZE)
    }

    pub fn registers(&mut self) -> Result<Registers> {
        self.debugger.registers().map(Registers)
    }

    /// Goes on with these registers.
    pub fn jump(&mut self, registers: &Registers) -> Result<()> {
        self.stands = false;
        self.debugger.set_registers(&registers.0)
    }

    /// Lets the chip run. If it resets itself it goes on with the whole ROM: what had changed an
    /// instruction is over.
    pub fn go(&mut self) -> Result<Stop> {
        match self.run() {
            Err(why) if CLOSED.contains(&why.kind()) => Ok(Stop::Ended(self.qemu.wait()?)),
            stop => stop,
        }
    }

    fn run(&mut self) -> Result<Stop> {
        let mut pulse = None;
        loop {
            if self.stands {
                self.step()?;
            }
            let process = self.qemu.id();
            let lost = || pulse.get_or_insert_with(|| Pulse::of(process)).lost();
            let run = self.debugger.go(lost)?;
            if run.is_err() {
                self.debugger.stop()?;
            }
            let at = self.debugger.pc()?;
            self.stands = matches!(run, Ok(None));
            let stop = match run {
                Ok(None) => self.at_breakpoint(at)?,
                Ok(Some(WIPED)) if self.seen == Ends::ByStore => self.come_to_halt(at)?,
                Ok(Some(VECTORS)) if self.seen == Ends::ByStore => self.come_to_start()?,
                Ok(Some(_)) => Some(Stop::Access(at)),
                // One that did not make that store.
                Err(_) if self.seen == Ends::ByStore && self.rom.fails(at) => {
                    pulse = None;
                    self.see(Ends::ByBreakpoint)?;
                    self.sleeps(at)
                }
                Err(lost) => Some(Stop::Lost(lost)),
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// What follows from a breakpoint: nothing, if the chip goes on.
    fn at_breakpoint(&mut self, at: u32) -> Result<Option<Stop>> {
        if let Some((load, register, bit, left)) = self.stuck
            && load == at
        {
            self.flip(register, bit)?;
            self.stuck = Some((load, register, bit, left.saturating_sub(1)));
            if left == 0 {
                self.heal()?;
            }
            return Ok(None);
        }
        if at != RESET {
            return Ok(Some(Stop::At(at)));
        }
        self.begin()?;
        if self.ends_at_reset {
            return Ok(Some(Stop::Reset));
        }
        self.see_ends(true)?;
        Ok(None)
    }

    /// Executes one instruction.
    pub fn step(&mut self) -> Result<()> {
        self.stands = false;
        self.debugger.step()
    }

    /// Whether the chip, which was lost, comes to a state again in which it was: then it goes round
    /// in it, and nothing else follows.
    pub fn goes_round(&mut self) -> Result<bool> {
        let (at, was) = (self.debugger.pc()?, self.state()?);
        self.debugger.watch(at)?;
        self.stands = true;
        for _ in 0..ROUNDS {
            if !matches!(self.go()?, Stop::At(_) | Stop::Reset) {
                return Ok(false);
            }
            if self.state()? == was {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All that a program computes with, but for devices.
    fn state(&mut self) -> Result<(Registers, Vec<u8>)> {
        Ok((self.registers()?, self.ram()?))
    }

    /// Makes a fault happen that is the next thing to happen, on this way.
    pub fn put(&mut self, fault: Fault, way: Way) -> Result<()> {
        let at = fault.at();
        if !matches!(fault, Fault::Gone(_)) {
            self.follow(at, way)?;
        }
        match fault {
            Fault::Gone(_) => self.last(fault),
            Fault::Skipped(..) => {
                self.debugger.write(at, nops(self.rom.length(at)))?;
                self.step()?;
                self.debugger.write(at, self.rom.instruction(at))
            }
            Fault::Flipped { register, bit, .. } => self.flip(register, bit),
            Fault::Stuck { register, bit, .. } => {
                self.flip(register, bit)?;
                self.last(fault)
            }
            Fault::Jumped { to, cleared, .. } => {
                let mut registers = self.registers()?;
                registers.jump(to, cleared);
                self.jump(&registers)
            }
        }
    }

    /// Lets the chip come to one execution of an instruction.
    pub fn follow(&mut self, at: u32, way: Way) -> Result<()> {
        for (address, times) in [(way.anchor, way.before), (at, way.then)] {
            if times == 0 {
                continue;
            }
            self.debugger.watch(address)?;
            for _ in 0..times {
                self.come(address)?;
            }
            self.debugger.forget(address)?;
        }
        Ok(())
    }
}

fn nops(length: usize) -> &'static [u8] {
    if length == 4 { &NOP_WIDE } else { &NOP }
}
