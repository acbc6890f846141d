//! One chip in an emulator with a debugger at it, to be broken again and again.

use super::board::{Psram, programs};
use super::gdb::Debugger;
use super::trace::{Trace, Way};
use craton_firmware::map;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use std::io::{Read as _, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const ROM: u32 = 0x1000_0000;
const RAM: u32 = 0x3000_0000;
const RAM_SIZE: usize = 32 * 1024;
/// How much of a processor a chip may take before it counts as lost, in hundredths of a second: a
/// boot takes 5.
const LOST: u64 = 60;
/// How long a chip may take that uses no processor: it sleeps where no ROM halts.
const ASLEEP: Duration = Duration::from_secs(8);
const NOP: [u8; 2] = [0x00, 0xbf];
const NOP_WIDE: [u8; 4] = [0xaf, 0xf3, 0x00, 0x80];

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
    /// It ran without an end.
    Endless,
}

/// The built ROM.
pub struct Rom {
    pub file: PathBuf,
    bytes: Vec<u8>,
    first: u32,
    /// Where it halts.
    halts: Vec<u32>,
    symbols: Vec<(u32, String)>,
}

impl Rom {
    pub fn built() -> Self {
        Self::of(&programs().join("rom"))
    }

    pub fn of(file: &Path) -> Self {
        let elf = std::fs::read(file).unwrap();
        let elf = object::File::parse(&*elf).unwrap();
        let mut bytes = vec![0; 48 * 1024];
        for section in elf.sections() {
            let at = (section.address() as u32).wrapping_sub(ROM) as usize;
            if at < bytes.len() && section.file_range().is_some() {
                let data = section.data().unwrap();
                bytes[at..at + data.len()].copy_from_slice(data);
            }
        }
        let halts = (0..bytes.len()).step_by(2).filter(|at| bytes[*at..*at + 2] == [0x30, 0xbf]);
        let halts = halts.map(|at| ROM + at as u32).collect();
        let mut symbols: Vec<(u32, String)> = elf
            .symbols()
            .filter(|symbol| symbol.kind() == object::SymbolKind::Text)
            .map(|s| (s.address() as u32 & !1, s.name().unwrap_or("").to_owned()))
            .collect();
        symbols.sort();
        let first = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) & !1;
        Self { file: file.to_path_buf(), bytes, first, halts, symbols }
    }

    /// Two bytes of an instruction, as a number.
    pub fn half(&self, address: u32) -> u16 {
        let at = (address - ROM) as usize;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub fn length(&self, address: u32) -> usize {
        if self.half(address) >> 11 >= 0b11101 { 4 } else { 2 }
    }

    fn instruction(&self, address: u32) -> &[u8] {
        &self.bytes[(address - ROM) as usize..][..self.length(address)]
    }

    /// The function that an instruction is of.
    pub fn function(&self, address: u32) -> &str {
        let after = self.symbols.partition_point(|(at, _)| *at <= address);
        after.checked_sub(1).map_or("", |place| &self.symbols[place].1)
    }

    /// What a register gets from memory by this instruction, if it is a load of one register.
    pub fn loaded(&self, address: u32) -> Option<usize> {
        let first = self.half(address);
        if self.length(address) == 2 {
            let low = usize::from(first & 7);
            return match first >> 11 {
                0b01001 | 0b10011 => Some(usize::from(first >> 8 & 7)),
                0b01101 | 0b01111 | 0b10001 => Some(low),
                0b01010 | 0b01011 if first >> 9 & 7 >= 0b011 => Some(low),
                _ => None,
            };
        }
        let second = self.half(address + 2);
        // LDR, LDRB, LDRH, LDRSB, LDRSH in all their forms; the PC is no word of data.
        let one = first >> 9 == 0b111_1100 && first >> 4 & 1 == 1;
        // LDRD: the first of its two.
        let two = first >> 9 == 0b111_0100 && first >> 6 & 1 == 1 && first >> 4 & 1 == 1;
        let register = usize::from(second >> 12);
        ((one || two && first & 0x0120 != 0) && register != 15).then_some(register)
    }
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

struct Bench {
    qemu: Child,
    said: std::fs::File,
    debugger: Debugger,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
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

    /// One boot with one fault.
    pub fn boot(&mut self, fault: Option<Fault>) -> Result<Outcome> {
        let (rom, ram, end) = (self.rom, self.ram.clone(), self.end);
        let bench = self.bench()?;
        bench.debugger.reset(rom.first)?;
        bench.heard();
        bench.debugger.write(RAM, &ram)?;
        let done = bench.put(fault, rom).and_then(|()| bench.go());
        let outcome = match done {
            Ok(()) if Some(bench.debugger.pc()?) == end => return Ok(Outcome::Started),
            Ok(()) => return Ok(Outcome::Halted(bench.heard())),
            Err(why) if why.kind() == std::io::ErrorKind::TimedOut => Outcome::Endless,
            Err(_) => match bench.qemu.wait()?.code() {
                Some(42) => Outcome::Started,
                Some(44) => Outcome::Strayed,
                _ => Outcome::LockedUp,
            },
        };
        self.bench = None;
        Ok(outcome)
    }
}

impl Bench {
    /// Lines that the chip said since the last time.
    fn heard(&mut self) -> String {
        let mut room = [0; 4096];
        let length = self.said.read(&mut room).unwrap_or(0);
        String::from_utf8_lossy(&room[..length]).trim().replace("\r\n", "; ")
    }

    fn go(&mut self) -> Result<()> {
        let process = self.qemu.id();
        let (enough, begun) = (spent(process) + LOST, Instant::now());
        self.debugger.go(|| spent(process) > enough || begun.elapsed() > ASLEEP)
    }

    fn put(&mut self, fault: Option<Fault>, rom: &Rom) -> Result<()> {
        match fault {
            None => Ok(()),
            Some(Fault::Gone(at)) => self.debugger.write(at, nops(rom.length(at))),
            Some(Fault::Skipped(at, way)) => {
                self.come(at, way)?;
                let debugger = &mut self.debugger;
                debugger.write(at, nops(rom.length(at)))?;
                debugger.step()?;
                debugger.write(at, rom.instruction(at))
            }
            Some(Fault::Flipped { at, way, register, bit }) => {
                self.come(at, way)?;
                let debugger = &mut self.debugger;
                debugger.step()?;
                let value = debugger.register(register)?;
                debugger.set_register(register, value ^ 1 << bit)
            }
        }
    }

    /// Lets the chip come to one execution of an instruction.
    fn come(&mut self, at: u32, way: Way) -> Result<()> {
        for (address, times) in [(way.anchor, way.before), (at, way.then)] {
            if times == 0 {
                continue;
            }
            self.debugger.watch(address)?;
            for time in 0..times {
                if time > 0 {
                    self.debugger.step()?; // it stands where it must go on from
                }
                self.go()?;
            }
            self.debugger.forget(address)?;
        }
        Ok(())
    }
}

/// Hundredths of a second that a process had of a processor.
fn spent(process: u32) -> u64 {
    let about = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = about.rsplit(") ").next().unwrap_or("").split(' ').skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn nops(length: usize) -> &'static [u8] {
    if length == 4 { &NOP_WIDE } else { &NOP }
}
