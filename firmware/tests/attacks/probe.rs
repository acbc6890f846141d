//! A chip that runs the whole root of trust, with a debugger at it.

use super::board::{Psram, address, elf, programs};
use super::gdb::Debugger;
use craton_firmware::failure::{WORDS, of_record};
use craton_firmware::map;
use craton_rot::ChipFailure;
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What a boot or a command may take; a machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// r0 to r12 and lr.
const REGISTERS: [usize; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14];
/// What the tests leave in registers.
const FILLED: u32 = 0x5ec2_e7ed;
const SP: usize = 13;
const PC: usize = 15;

pub struct Probe {
    qemu: Child,
    pub debugger: Debugger,
    folder: tempfile::TempDir,
    /// The ROM's first instruction: the chip stops there after each reset.
    first: u32,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Probe {
    /// A chip at its first instruction. Nothing that it does outlives the emulator.
    pub fn power_on(psram: &Psram) -> Self {
        Self::start(psram, false)
    }

    /// The same, of a chip whose flash is the file's.
    pub fn power_on_kept(psram: &Psram) -> Self {
        Self::start(psram, true)
    }

    fn start(psram: &Psram, kept: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let socket = |name: &str| format!("{},server=on,wait=off", path(name));
        let mut qemu = psram.emulator(&programs().join("rom"), kept);
        qemu.args(["-S", "-chardev", &format!("socket,path={},id=gdb", socket("gdb"))]);
        qemu.args(["-gdb", "chardev:gdb", "-serial", "null"]);
        qemu.args(["-serial", &format!("unix:{}", socket("mailbox"))]);
        let qemu = qemu.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut debugger = Debugger::attach(&folder.path().join("gdb")).unwrap();
        let first = debugger.pc().unwrap();
        debugger.watch(first).unwrap();
        Self { qemu, debugger, folder, first }
    }

    /// Lets the chip run until it comes to an instruction.
    pub fn come(&mut self, address: u32) {
        self.debugger.watch(address).unwrap();
        self.pass();
        let pc = self.debugger.pc().unwrap();
        assert_eq!(pc, address, "it came to {pc:x} instead of {address:x}");
        self.debugger.forget(address).unwrap();
    }

    /// Lets it run to the next place that is watched, a reset's too; `None` once it is over.
    pub fn next_stop(&mut self, is_over: impl Fn() -> bool) -> Option<u32> {
        self.debugger.step().unwrap();
        let begun = Instant::now();
        let lost = || (is_over() || begun.elapsed() > PATIENCE).then_some(());
        match self.debugger.go(lost).unwrap() {
            Ok(_) => Some(self.debugger.pc().unwrap()),
            Err(()) if is_over() => None,
            Err(()) => panic!("the chip came to no stop"),
        }
    }

    /// Lets it run for so long, to no place that is watched, and stops it.
    pub fn run_for(&mut self, time: Duration) {
        self.debugger.step().unwrap();
        self.debugger.send("c").unwrap();
        std::thread::sleep(time);
        self.stop();
    }

    /// Stops it where it runs.
    pub fn stop(&mut self) {
        self.debugger.stop().unwrap();
    }

    /// Its mailbox.
    pub fn mailbox(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("mailbox")).unwrap()
    }

    /// Lets the chip run until it was reset.
    pub fn until_reset(&mut self) {
        self.pass();
        assert_eq!(self.debugger.pc().unwrap(), self.first);
    }

    /// Lets it run on from where it stands to the next stop.
    fn pass(&mut self) {
        if self.debugger.pc().unwrap() == self.first {
            self.debugger.step().unwrap();
        }
        self.go_on().unwrap();
    }

    fn go_on(&mut self) -> Result<()> {
        let begun = Instant::now();
        let lost = self.debugger.go(|| (begun.elapsed() > PATIENCE).then_some(()))?;
        lost.map(drop).map_err(|()| ErrorKind::TimedOut.into())
    }

    /// Lets it run on without a stop, and connects to its mailbox.
    pub fn release(&mut self) -> UnixStream {
        self.debugger.forget(self.first).unwrap();
        self.debugger.send("c").unwrap();
        self.mailbox()
    }

    /// The chip goes on where an instruction is that is none, at `address`.
    pub fn break_at(&mut self, address: u32) {
        self.debugger.write(address, &UNDEFINED).unwrap();
    }

    pub fn jump(&mut self, address: u32) {
        self.debugger.set_register(PC, address).unwrap();
    }

    pub fn set_stack(&mut self, address: u32) {
        self.debugger.set_register(SP, address).unwrap();
    }

    /// Something that is told again in r0 to r12 and lr: what a secret would be.
    pub fn fill_registers(&mut self) {
        for number in REGISTERS {
            self.debugger.set_register(number, FILLED).unwrap();
        }
    }

    /// The same in those that the ROM's wipe does not use.
    pub fn fill_upper_registers(&mut self) {
        for number in [6, 7, 9, 10, 11, 12, 14] {
            self.debugger.set_register(number, FILLED).unwrap();
        }
    }

    /// r0 to r12 and lr.
    pub fn registers(&mut self) -> [u32; 14] {
        REGISTERS.map(|number| self.debugger.register(number).unwrap())
    }

    /// The chip stores a word, by an instruction where it stands.
    pub fn store(&mut self, address: u32, word: u32) {
        let pc = self.debugger.pc().unwrap();
        let instruction = self.read(pc as usize, STORE.len());
        let registers = [0, 1].map(|number| self.debugger.register(number).unwrap());
        self.debugger.set_register(0, word).unwrap();
        self.debugger.set_register(1, address).unwrap();
        self.debugger.write(pc, &STORE).unwrap();
        self.debugger.step().unwrap();
        self.debugger.write(pc, &instruction).unwrap();
        self.debugger.set_register(0, registers[0]).unwrap();
        self.debugger.set_register(1, registers[1]).unwrap();
        self.jump(pc);
    }

    /// The secure side, which stands, makes the watchdog wait for so long only.
    pub fn hurry(&mut self, seconds: u32) {
        for (register, word) in [(0xc00, 0x1acc_e551), (0, seconds * 32_768), (0xc00, 0)] {
            self.store(0x5002_e000 + register, word);
        }
    }

    /// Memory as the side sees it that stands. By a file: on a machine under load each of the
    /// debugger's packets waits for its turn.
    pub fn read(&mut self, address: usize, length: usize) -> Vec<u8> {
        if length < LARGE {
            return self.debugger.read(address as u32, length).unwrap();
        }
        let to = self.folder.path().join("memory");
        let _ = std::fs::remove_file(&to);
        let line = format!("memsave {address:#x} {length:#x} \"{}\"", to.display());
        self.debugger.monitor(&line).unwrap();
        let bytes = std::fs::read(to).unwrap();
        assert_eq!(bytes.len(), length, "it has no such memory");
        bytes
    }

    /// The record of the last failure.
    pub fn failure(&mut self) -> Option<ChipFailure> {
        let bytes = self.read(map::FAILURE, 4 * WORDS);
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        of_record(&words)
    }

    /// Whether the RAM of both sides is wiped but for what a reset keeps.
    pub fn is_wiped(&mut self) -> bool {
        let own = self.read(map::RAM_FIRST, map::RAM + map::RAM_SIZE - map::RAM_FIRST);
        let other = self.read(map::NON_SECURE_RAM, map::NON_SECURE_RAM_SIZE);
        own.iter().chain(&other).all(|byte| *byte == 0)
    }
}

/// Bytes that take more than a packet.
const LARGE: usize = 1024;
/// `str r0, [r1]`.
const STORE: [u8; 2] = [0x08, 0x60];
const UNDEFINED: [u8; 2] = [0x00, 0xde];

/// The address of a symbol, as the debugger has it.
pub fn place(program: &str, name: &str) -> u32 {
    address(program, name) as u32
}

/// The first instruction of a program.
pub fn entry(program: &str) -> u32 {
    use object::Object as _;
    let bytes = elf(program);
    let file = object::File::parse(&*bytes).unwrap();
    file.entry() as u32 & !1
}

/// All of the one symbol of a program whose path ends in `name`.
pub fn extent(program: &str, name: &str) -> Range<usize> {
    use object::{Object as _, ObjectSymbol as _};
    let (bytes, first) = (elf(program), address(program, name));
    let file = object::File::parse(&*bytes).unwrap();
    let all = file.symbols().filter(|symbol| symbol.address() == first as u64);
    first..first + all.map(|symbol| symbol.size()).max().unwrap() as usize
}
