//! The virtual board on this host: QEMU, a file as its PSRAM, and what comes out of its UART.

use crate::world::*;
use craton_firmware::map;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform as _, Row, SECTOR_SIZE, Sector};
use craton_rot::{Engine, Manufacture, NextLayer, RootOfTrust as _, Start};
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::suit::{self, Footer, Image};
use object::{Object as _, ObjectSegment as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const QEMU: &str = "qemu-system-arm";
const TARGET: &str = "thumbv8m.main-none-eabi";
/// A boot takes a fraction of it; a machine under load may take long.
const FIRST_LINE: Duration = Duration::from_secs(120);
/// How long a refusing ROM is watched for starting something after all.
const SILENCE: Duration = Duration::from_millis(500);
const PSRAM_SIZE: u64 = 16 * 1024 * 1024;

/// The folder with the built programs.
fn programs() -> &'static Path {
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

/// The least runtime, as it lies in code memory.
pub fn hello() -> Vec<u8> {
    let elf = std::fs::read(programs().join("hello")).unwrap();
    let file = object::File::parse(&*elf).unwrap();
    let mut program = Vec::new();
    for segment in file.segments() {
        let (address, bytes) = (segment.address() as usize, segment.data().unwrap());
        if (map::CODE..map::CODE + map::CODE_SIZE).contains(&address) && !bytes.is_empty() {
            program.resize((address - map::CODE + bytes.len()).max(program.len()), 0);
            program[address - map::CODE..][..bytes.len()].copy_from_slice(bytes);
        }
    }
    program
}

pub fn package(change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    package_of(PLATFORM_PUBLISHER, change)
}

/// The least runtime as security version 3, changed by `change` and signed by `by`.
pub fn package_of(by: u8, change: impl FnOnce(&mut Image<'_>)) -> Vec<u8> {
    let program = hello();
    let mut about = image(RUNTIME, 3);
    (about.payload, about.payload_size) = (Soft.sha256(&[&program]), program.len() as u64);
    change(&mut about);
    let mut room = [0; suit::MANIFEST_MAX];
    let manifest = about.encode(&mut room).unwrap().to_vec();
    let mut room = [0; suit::ENVELOPE_MAX];
    let envelope = suit::sign(&Soft, &manifest, &[&key(by)], &mut room).unwrap();
    let payload_size = program.len() as u64;
    let footer = Footer { payload_size, envelope_size: envelope.len() as u64 };
    [&program[..], envelope, &footer.encode()].concat()
}

/// A manufactured and owned chip that confirmed security version 3 of its runtime.
pub fn chip() -> MemoryPlatform {
    let chip = MemoryPlatform::new();
    let section = platform_section(false);
    let claim_code = Soft.sha256(&[CODE]);
    let with = Manufacture { platform_section: &section, claim_code, class: CLASS };
    let mut rot = Engine::manufacture(chip.clone(), Soft, &with).unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    let mut rot = rot.restart(Start::Normal).unwrap();
    let (set, runtime) = (set(&[(RUNTIME, 3)]), measured(RUNTIME, 3));
    rot.boot(&NextLayer { runtime, set: Some(&set), images: &[] }).unwrap();
    rot.confirm().unwrap();
    chip
}

/// The board's PSRAM: fuses and flash of the chip, and the package in its slot.
fn psram(chip: &MemoryPlatform, package: &[u8]) -> tempfile::NamedTempFile {
    let mut bytes = vec![0xff; map::FLASH_SIZE + 4];
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
    if !package.is_empty() {
        let slot = &mut bytes[map::SLOT - map::FLASH..];
        slot[..map::SLOT_HEADER_SIZE].copy_from_slice(&(package.len() as u32).to_le_bytes());
        slot[map::SLOT_HEADER_SIZE..][..package.len()].copy_from_slice(package);
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    file.as_file().set_len(PSRAM_SIZE).unwrap();
    file
}

/// An emulator that ends with the test, whichever way that ends.
struct Board(Child);

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots the board, and returns the lines of its UART until it halts or the runtime runs.
pub fn boot(chip: &MemoryPlatform, package: &[u8]) -> Vec<String> {
    let file = psram(chip, package);
    let memory = format!(
        "memory-backend-file,id=psram,size={PSRAM_SIZE},mem-path={},share=on",
        file.path().display()
    );
    let mut qemu = Command::new(QEMU);
    qemu.args(["-M", "mps2-an505,memory-backend=psram", "-object", &memory]);
    qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel"]);
    qemu.arg(programs().join("rom")).stdin(Stdio::null()).stdout(Stdio::piped());
    let started = qemu.spawn();
    let mut board = Board(started.unwrap_or_else(|why| panic!("{QEMU}: {why}: install {QEMU}")));
    let (send, lines) = channel();
    let out = BufReader::new(board.0.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        out.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    let said = listen(&lines);
    drop(board);
    let _ = reader.join();
    said
}

fn listen(lines: &Receiver<String>) -> Vec<String> {
    let mut said = vec![lines.recv_timeout(FIRST_LINE).expect("the board said nothing")];
    loop {
        let starts = said.last().is_some_and(|line| line.starts_with("rom: starts"));
        match lines.recv_timeout(if starts { FIRST_LINE } else { SILENCE }) {
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return said,
        }
    }
}
