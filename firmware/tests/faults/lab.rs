//! One chip in an emulator with a debugger at it, to be broken again and again.

use super::bench::{Bench, Stop};
use super::board::{Psram, programs};
use super::gdb::Debugger;
use super::pulse::Lost;
use super::rom::Rom;
use super::trace::{Trace, Way};
use craton_firmware::map;
use std::io::{Error, Result};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

pub const RAM: u32 = 0x3000_0000;
pub const RAM_SIZE: usize = 32 * 1024;
/// How often a boot is tried whose debugger fails.
const TRIES: usize = 3;
/// The signal by which QEMU ends when a chip locks up.
const ABORTED: i32 = 6;

/// What happens to one instruction.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is never executed.
    Gone(u32),
    /// One execution of it is left out.
    Skipped(u32, Way),
    /// One bit of what one execution of it loads is another.
    Flipped { at: u32, way: Way, register: usize, bit: u32 },
}

impl Fault {
    /// The instruction that it hits.
    pub fn at(&self) -> u32 {
        let (Self::Gone(at) | Self::Skipped(at, _) | Self::Flipped { at, .. }) = self;
        *at
    }
}

/// What became of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The ROM halted, and said this.
    Halted(String),
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

/// What the chip executes if nothing is broken.
pub fn trace(psram: &Psram, rom: &Rom) -> Trace {
    let to = tempfile::NamedTempFile::new().unwrap();
    let mut qemu = psram.emulator(&rom.file, false);
    qemu.args(["-serial", "null", "-plugin", &format!("{},to={}", plugin(), to.path().display())]);
    qemu.stderr(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    Trace::of(&std::fs::read(to.path()).unwrap())
}

/// A chip, its emulator and the debugger.
pub struct Lab<'a> {
    psram: &'a Psram,
    rom: &'a Rom,
    /// What RAM holds when power comes: what an earlier boot left there.
    ram: Vec<u8>,
    /// Where a boot ends well: nothing more is executed there.
    end: Option<u32>,
    bench: Option<Bench>,
}

impl<'a> Lab<'a> {
    pub fn new(psram: &'a Psram, rom: &'a Rom, end: Option<u32>) -> Self {
        Self { psram, rom, ram: vec![0; RAM_SIZE], end, bench: None }
    }

    /// Boots `psram` once, to its end at `entry`: each boot of this chip finds in RAM what that one
    /// left there.
    pub fn after_boot_of(mut self, psram: &Psram, entry: u32) -> Result<Self> {
        let mut other = Lab::new(psram, self.rom, Some(entry));
        assert_eq!(other.boot(None)?, Outcome::Started, "the good program does not start");
        self.ram = other.memory(RAM, RAM_SIZE)?;
        Ok(self)
    }

    /// Memory as the last boot left it.
    pub fn memory(&mut self, address: u32, length: usize) -> Result<Vec<u8>> {
        self.bench()?.debugger.read(address, length)
    }

    /// Goes on with a fresh chip.
    pub fn renew(&mut self) {
        self.bench = None;
    }

    fn bench(&mut self) -> Result<&mut Bench> {
        if self.bench.is_none() {
            let folder = tempfile::tempdir()?;
            let socket = folder.path().join("gdb");
            let mut qemu = self.psram.emulator(&self.rom.file, false);
            let chardev = format!("socket,path={},server=on,wait=off,id=gdb", socket.display());
            qemu.args(["-S", "-chardev", &chardev, "-gdb", "chardev:gdb"]);
            if self.end.is_none() {
                qemu.args(["-plugin", &plugin()]);
            }
            let line = folder.path().join("uart");
            qemu.args(["-serial", &format!("file:{}", line.display())]);
            let qemu = qemu.stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
            let mut debugger = Debugger::attach(&socket)?;
            for halt in self.rom.halts.iter().chain(&self.end) {
                debugger.watch(*halt)?;
            }
            let said = std::fs::File::open(line)?;
            self.bench = Some(Bench { qemu, said, debugger, _folder: folder });
        }
        Ok(self.bench.as_mut().unwrap())
    }

    /// One boot with one fault. What fails on this side of the debugger's line is no outcome: it
    /// is done again, and said.
    pub fn boot(&mut self, fault: Option<Fault>) -> Result<Outcome> {
        for _ in 1..TRIES {
            match self.boot_once(fault) {
                Ok(outcome) => return Ok(outcome),
                Err(why) => println!("done again: {fault:x?}: {why}"),
            }
            self.renew();
        }
        self.boot_once(fault)
    }

    fn boot_once(&mut self, fault: Option<Fault>) -> Result<Outcome> {
        let (rom, ram, end) = (self.rom, self.ram.clone(), self.end);
        let bench = self.bench()?;
        bench.debugger.reset(rom.first)?;
        bench.heard();
        bench.debugger.write(RAM, &ram)?;
        bench.put(fault, rom)?;
        let outcome = match bench.go()? {
            Stop::At(at) if Some(at) == end => return Ok(Outcome::Started),
            Stop::At(at) if rom.halts.contains(&at) => return Ok(Outcome::Halted(bench.heard())),
            Stop::At(at) => return Err(Error::other(format!("it stopped at {at:x}"))),
            Stop::Lost(Lost::Asleep) => Outcome::Asleep,
            Stop::Lost(Lost::Spent) if bench.goes_round()? => Outcome::Endless,
            Stop::Lost(Lost::Spent) => Outcome::Unfinished,
            Stop::Ended(status) => match (status.code(), status.signal()) {
                (Some(42), _) => Outcome::Started,
                (Some(44), _) => Outcome::Strayed,
                (_, Some(ABORTED)) => Outcome::LockedUp,
                _ => return Err(Error::other(format!("the emulator ended: {status}"))),
            },
        };
        self.renew();
        Ok(outcome)
    }
}
