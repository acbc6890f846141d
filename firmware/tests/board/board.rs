//! The virtual board on this host: QEMU, a file as its PSRAM, and what comes out of its UART.

use super::world::*;
use craton_firmware::{map, program};
use craton_rot::engine::rom;
use craton_rot::mailbox::client::Patience;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform as _, Row, SECTOR_SIZE, Sector};
use craton_rot::slots::{MARKS_SIZE, Marks, Slot};
use craton_rot::{Engine, Manufacture, NextLayer, RootOfTrust as _, Start};
use craton_trust::ComponentId;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::suit::{self, Footer, Image, ImageType};
use object::{Object as _, ObjectSymbol as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The root of trust's own program.
pub const FIRMWARE: ComponentId = ComponentId([0xbb; 16]);
const QEMU: &str = "qemu-system-arm";
const TARGET: &str = "thumbv8m.main-none-eabi";
/// A boot takes a fraction of it; a machine under load may take long.
const FIRST_LINE: Duration = Duration::from_secs(120);
/// How long a program that runs is watched: it says nothing more.
const SILENCE: Duration = Duration::from_millis(500);
const PSRAM_SIZE: u64 = 16 * 1024 * 1024;

/// How long the tests wait for an answer: a machine under load is slow.
pub fn patience() -> Patience {
    Patience { first: Duration::from_secs(20), tries: 4 }
}

/// The folder with the built programs.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let line = ["build", "--release", "--locked", "--features", "chip", "--target", TARGET];
        let mut cargo = Command::new(env!("CARGO"));
        let done = cargo.args(line).arg("--target-dir").arg("target").current_dir(folder).status();
        assert!(done.unwrap().success(), "the firmware did not build: rustup target add {TARGET}");
        folder.join("target").join(TARGET).join("release")
    })
}

/// The ROM, and the secure part of the root of trust.
pub const PROGRAM_ROM: &str = "rom";
pub const PROGRAM_RUNTIME: &str = "runtime";

/// A built program.
pub fn elf(program: &str) -> Vec<u8> {
    std::fs::read(programs().join(program)).unwrap()
}

/// The address of the one symbol of a program whose path ends in `name`.
pub fn address(program: &str, name: &str) -> usize {
    let bytes = elf(program);
    let file = object::File::parse(&*bytes).unwrap();
    let is = |symbol: &object::Symbol<'_, '_>| {
        let path: String = name.split("::").map(|part| format!("{}{part}", part.len())).collect();
        symbol.name().is_ok_and(|found| found.contains(&path))
    };
    let exact = file.symbols().find(|symbol| symbol.name() == Ok(name));
    if let Some(symbol) = exact {
        return symbol.address() as usize & !1;
    }
    let found: Vec<u64> = file.symbols().filter(is).map(|symbol| symbol.address()).collect();
    let [address] = found[..] else { panic!("{program} has {} symbols {name}", found.len()) };
    address as usize & !1
}

/// The counting plugin, built once.
fn counter() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| instrument("count"))
}

/// Builds a plugin.
pub fn instrument(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("instruments/{name}.c"));
    let plugin = programs().join(format!("{name}.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]);
    let done = compiler.arg(&plugin).arg(source).status();
    assert!(done.unwrap_or_else(|why| panic!("cc: {why}: install a C compiler")).success());
    plugin
}

/// The least program.
pub fn hello() -> Vec<u8> {
    program::alone(&std::fs::read(programs().join("hello")).unwrap()).unwrap()
}

/// The root of trust.
pub fn root_of_trust() -> Vec<u8> {
    let read = |name| std::fs::read(programs().join(name)).unwrap();
    program::bundle(&read("runtime"), &read("mailbox")).unwrap()
}

pub fn package(change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_of(PLATFORM_PUBLISHER, change)
}

/// The least runtime as security version 3, changed by `change` and signed by `by`.
pub fn package_of(by: u8, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_with(by, &hello(), change)
}

/// The same, as long as `size` bytes.
pub fn package_of_size(size: usize) -> Vec<u8> {
    let mut program = hello();
    program.resize(size, 0x5a);
    package_with(PLATFORM_PUBLISHER, &program, |_| ())
}

/// The same of another program.
pub fn package_with(by: u8, program: &[u8], change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    let mut about = image(FIRMWARE, 3);
    about.image_type = ImageType::RootOfTrust;
    (about.payload, about.payload_size) = (Soft.sha256(&[program]), program.len() as u64);
    change(&mut about);
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = about.encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::sign(&Soft, &manifest, &[&key(by)], &mut room).unwrap();
    let payload_size = program.len() as u64;
    let footer = Footer { payload_size, envelope_size: envelope.len() as u64 };
    [program, envelope, &footer.encode()].concat()
}

/// A package whose envelope is what `change` makes of it.
pub fn with_envelope(package: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let footer = package.last_chunk().unwrap();
    let footer = Footer::parse(footer, package.len() as u64).unwrap();
    let (program, rest) = package.split_at(usize::try_from(footer.payload_size).unwrap());
    let envelope = change(&rest[..usize::try_from(footer.envelope_size).unwrap()]);
    let footer = Footer { envelope_size: envelope.len() as u64, ..footer };
    [program, &envelope, &footer.encode()].concat()
}

/// A manufactured and owned chip that confirmed security version 3 of its program.
pub fn chip() -> MemoryPlatform {
    chip_of(&platform_section(false), &package(|_| ()))
}

/// The same under a platform section, of a program that it believes.
pub fn chip_of(section: &[u8], package: &[u8]) -> MemoryPlatform {
    let chip = MemoryPlatform::new();
    let claim_code = Soft.sha256(&[CODE]);
    let with = Manufacture { platform_section: section, claim_code, class: CLASS };
    let mut rot = Engine::manufacture(chip.clone(), Soft, &with).unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    drop(rot);
    let mut after = chip.clone();
    after.reset();
    let runtime = rom::select(&after, &Soft, ImageType::RootOfTrust, package).unwrap();
    let layer = runtime.layer(&mut after, &Soft, Start::Normal, Some(Slot::A)).unwrap();
    let mut rot = Engine::resume(after, Soft, layer).unwrap();
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    let runtime = measured(RUNTIME, 1);
    rot.boot(&NextLayer { runtime, set: Some(&set), images: &images }).unwrap();
    rot.confirm().unwrap();
    chip
}

/// The board's PSRAM: fuses and flash of a chip, a seed, and the package in its slot.
pub struct Psram {
    file: tempfile::NamedTempFile,
    folder: tempfile::TempDir,
}

impl Psram {
    /// Of a chip that was never powered, with this package in its slot.
    pub fn blank(package: &[u8]) -> Self {
        Self::of(&MemoryPlatform::new(), package)
    }

    /// Of a chip that an engine on this host made.
    pub fn of(chip: &MemoryPlatform, package: &[u8]) -> Self {
        let mut bytes = vec![0xff; map::FLASH_SIZE];
        let mut chip = chip.duplicate();
        chip.reset();
        bytes[..SECTOR_SIZE].fill(0);
        let rows = [Row::Uds, Row::ClaimCode, Row::PlatformGenesis, Row::Class, Row::Lifecycle];
        for row in rows.into_iter().chain([Row::ClaimUsed]) {
            let (offset, length) = row.place();
            chip.fuses(row, &mut bytes[map::FUSES - map::FLASH + offset..][..length]).unwrap();
        }
        use Sector::{OwnerA, OwnerB, PlatformA, PlatformB, StateA, StateB};
        for sector in [StateA, StateB, PlatformA, PlatformB, OwnerA, OwnerB] {
            let at = map::STATE - map::FLASH + sector as usize * SECTOR_SIZE;
            chip.read(sector, 0, &mut bytes[at..][..SECTOR_SIZE]).unwrap();
        }
        let seed = map::SEED - map::FLASH;
        bytes[seed..seed + map::SEED_SIZE].fill(0x5e);
        let psram = Self::holding(&bytes);
        if !package.is_empty() {
            psram.install(package);
        }
        psram
    }

    /// That holds these bytes, from its first on.
    pub fn holding(bytes: &[u8]) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file.as_file().set_len(PSRAM_SIZE).unwrap();
        Self { file, folder: tempfile::tempdir().unwrap() }
    }

    /// The file behind it.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts a package into slot A, as a programmer does.
    pub fn install(&self, package: &[u8]) {
        self.install_in(Slot::A, package);
    }

    /// Puts a package into a slot.
    pub fn install_in(&self, slot: Slot, package: &[u8]) {
        let marks = Marks::first(package.len() as u32);
        self.write(map::slot(slot), &marks);
        self.write(map::slot(slot) + map::SLOT_HEADER_SIZE, package);
    }

    /// The marks of a slot.
    pub fn marks(&self, slot: Slot) -> Marks {
        Marks::of_bytes(self.read(map::slot(slot), MARKS_SIZE)[..].try_into().unwrap())
    }

    /// Arms what lies in a slot, which other than `install` leaves it to a trial.
    pub fn arm_in(&self, slot: Slot, package: &[u8]) {
        self.write(map::slot(slot), &[0xff; MARKS_SIZE]);
        let beside = self.marks(slot.other());
        let begin = Marks::begin(&beside, package.len() as u32);
        for write in begin.into_iter().chain([Marks::arm()]) {
            self.write(map::slot(slot) + write.offset, &write.bytes());
        }
        self.write(map::slot(slot) + map::SLOT_HEADER_SIZE, package);
    }

    /// Boots it, and returns the lines of its UART until it waits or the runtime runs.
    pub fn boot(&self) -> Vec<String> {
        listen(&self.power_on().said)
    }

    /// What its file holds.
    pub fn read(&self, address: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.file.as_file().read_exact_at(&mut bytes, (address - map::FLASH) as u64).unwrap();
        bytes
    }

    /// Changes the flash behind the chip's back.
    pub fn write(&self, address: usize, bytes: &[u8]) {
        self.file.as_file().write_all_at(bytes, (address - map::FLASH) as u64).unwrap();
    }

    /// Gives the board power.
    pub fn power_on(&self) -> Board {
        self.power_on_with(&[])
    }

    /// Gives it power in an emulator that counts instructions up to these places.
    pub fn power_on_counting(&self, places: &[usize]) -> Board {
        self.power_on_plugged(places.iter().map(|place| format!(",at={place:x}")).collect())
    }

    /// Gives it power in an emulator that watches how deep a stack comes, from each of the places
    /// on anew.
    pub fn power_on_watching(
        &self,
        stack: Range<usize>,
        except: &[usize],
        places: &[usize],
    ) -> Board {
        let Range { start, end } = stack;
        let mut plugin = format!(",stack={start:x},top={end:x}");
        places.iter().for_each(|place| plugin += &format!(",at={place:x}"));
        except.iter().for_each(|place| plugin += &format!(",except={place:x}"));
        self.power_on_plugged(plugin)
    }

    fn power_on_plugged(&self, more: String) -> Board {
        let counts = self.folder.path().join("counts");
        let plugin = format!("{},to={}{more}", counter().display(), counts.display());
        self.power_on_with(&["-icount", "shift=0", "-plugin", &plugin])
    }

    /// The board's emulator, with this as the program of its ROM; it is not started yet. Unless the
    /// PSRAM is `kept`, what is written to it is gone with the emulator.
    pub fn emulator(&self, rom: &Path, kept: bool) -> Command {
        let share = if kept { "on" } else { "off" };
        let memory = format!(
            "memory-backend-file,id=psram,size={PSRAM_SIZE},mem-path={},share={share}",
            self.path().display()
        );
        let mut qemu = Command::new(QEMU);
        qemu.args(["-M", "mps2-an505,memory-backend=psram", "-object", &memory]);
        qemu.args(["-display", "none", "-monitor", "none", "-kernel"]);
        qemu.arg(rom).stdin(Stdio::null()).stdout(Stdio::piped());
        qemu
    }

    /// Gives it power in an emulator with these options, too.
    pub fn power_on_with(&self, more: &[&str]) -> Board {
        let line = self.place_of_line();
        let socket = format!("unix:{},server=on,wait=off", line.display());
        let mut qemu = self.emulator(&programs().join("rom"), true);
        qemu.args(["-serial", "stdio", "-serial", &socket]).args(more);
        self.started(&mut qemu, line)
    }

    /// Where the socket of its mailbox is; there is none yet.
    pub fn place_of_line(&self) -> PathBuf {
        let line = self.folder.path().join("mailbox");
        let _ = std::fs::remove_file(&line);
        line
    }

    /// Starts its emulator, which says on its output what the ROM says.
    pub fn started(&self, qemu: &mut Command, line: PathBuf) -> Board {
        let started = qemu.spawn();
        let mut qemu = started.unwrap_or_else(|why| panic!("{QEMU}: {why}: install {QEMU}"));
        let (send, said) = channel();
        let out = BufReader::new(qemu.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        Board { qemu, line, said, counts: self.folder.path().join("counts") }
    }
}

/// A board that has power, until it goes.
pub struct Board {
    qemu: Child,
    line: PathBuf,
    said: Receiver<String>,
    counts: PathBuf,
}

impl Board {
    /// A connection to its mailbox, once the program there runs.
    pub fn line(&mut self) -> UnixStream {
        let said = self.said.recv_timeout(FIRST_LINE).expect("the board said nothing");
        assert_eq!(said, "rom: starts the runtime");
        self.connect()
    }

    /// The next lines of its UART.
    pub fn heard<const N: usize>(&self) -> [String; N] {
        [(); N].map(|()| self.said.recv_timeout(FIRST_LINE).expect("the board said nothing"))
    }

    /// Whether its ROM said nothing since it was last heard.
    pub fn is_silent(&self) -> bool {
        self.said.try_recv().is_err()
    }

    /// Another connection to it; there is one at a time.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.line).unwrap()
    }

    pub fn power_off(self) {}

    /// What the counting emulator wrote so far: a place and a count a line.
    pub fn counted(&self) -> String {
        std::fs::read_to_string(&self.counts).unwrap()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Boots the board, and returns the lines of its UART until it halts or the runtime runs.
pub fn boot(chip: &MemoryPlatform, package: &[u8]) -> Vec<String> {
    Psram::of(chip, package).boot()
}

/// What a ROM says that starts nothing: its last line.
pub const WAITS: &str = "rom: waits for recovery";
/// The last line of the least program.
const RUNS: &str = "hello: runs";

fn listen(lines: &Receiver<String>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    loop {
        let runs = said.last().is_some_and(|line| line == RUNS);
        match lines.recv_timeout(if runs { SILENCE } else { FIRST_LINE }) {
            Ok(line) if line == WAITS => return said,
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout) if runs => return said,
            Err(why) => panic!("{why}, after {said:?}"),
        }
    }
}
