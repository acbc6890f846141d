//! `craton board`: a virtual board, so that a device has its root of trust on a chip of its own.
//!
//! The board is QEMU with the firmware that `cargo xtask firmware` built; a file is its fuses and
//! flash, which outlive it. It begins blank: its first owner's manufacture gives it an identity.

use crate::error::CliError;
use crate::home::{make_passage, read_file, write_file};
use crate::keys::Unlock;
use crate::output::Output;
use crate::platform::Publisher;
use crate::session::{Options, Session};
use crate::up;
use anyhow::{Context as _, Result};
use clap::Subcommand;
use craton_rot::mailbox::client::{Address, recover};
use craton_rot::slots::Marks;
use craton_trust::suit::{Abis, Image, ImageType};
use craton_trust::{ComponentId, Digest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

/// The component of the root of trust's own program.
pub const ROOT_OF_TRUST: ComponentId = ComponentId(*b"craton/rot-fw-v1");
/// Where `cargo xtask firmware` leaves it.
pub const FIRMWARE: &str = "target/firmware";
/// The board's fuses and flash.
const FLASH_FILE: &str = "flash.bin";
/// Its mailbox.
const MAILBOX: &str = "mailbox";
/// What its ROM says.
const LOG_FILE: &str = "board.log";
const QEMU: &str = "qemu-system-arm";
/// The longest path of a socket (`sockaddr_un`, Linux).
const SOCKET_PATH_MAX: usize = 107;
/// How long a board may take to open its mailbox.
const OPENS_WITHIN: Duration = Duration::from_secs(30);

/// What is done with boards.
#[derive(Subcommand)]
pub enum Command {
    /// Give a virtual board power until Ctrl-C; the first time it is made, blank
    Run {
        /// The board's folder
        folder: PathBuf,
        /// The built firmware
        #[arg(long, value_name = "FOLDER", default_value = FIRMWARE)]
        firmware: PathBuf,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Sign the built firmware as a package: for `device rot-update`, or for `board recover`
    Package {
        /// Where the package goes
        out: PathBuf,
        /// The built firmware
        #[arg(long, value_name = "FOLDER", default_value = FIRMWARE)]
        firmware: PathBuf,
        /// Its security version
        #[arg(long, default_value_t = 1)]
        security_version: u64,
        /// As what a ROM takes over the wire where no slot starts
        #[arg(long)]
        recovery: bool,
        /// The publisher's key of LMS; otherwise the catalog's, if there is one
        #[arg(long, value_name = "FILE")]
        lms_key: Option<PathBuf>,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Send a recovery package to a board whose ROM waits for one
    Recover {
        /// Its mailbox: unix:/SOCKET, tcp:127.0.0.1:PORT, tty:/DEVICE
        mailbox: Address,
        /// What `board package --recovery` wrote
        package: PathBuf,
    },
}

/// Where things are in a board's flash, as the firmware's build says.
#[derive(Deserialize)]
struct Layout {
    machine: String,
    flash_size: u64,
    fuses_size: u64,
    seed_at: u64,
    seed_size: usize,
    slot_at: u64,
    slot_header_size: usize,
    slot_size: usize,
}

/// A virtual board that has power.
pub struct Board {
    qemu: Child,
    mailbox: PathBuf,
    /// Its flash, locked: two boards on one would be one device twice.
    _flash: File,
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_file(&self.mailbox);
    }
}

impl Board {
    /// Makes a blank board in a folder, with the firmware in its slot as `publisher` signs it.
    ///
    /// # Errors
    /// `FirmwareMissing`, those of files, and the signer's.
    pub fn make(folder: &Path, firmware: &Path, publisher: &Publisher) -> Result<()> {
        let layout = layout(firmware)?;
        make_passage(folder)?;
        let program = fs::read(firmware.join("rot.bin"))?;
        let package = publisher.package(program, &about(ImageType::RootOfTrust, 1)?)?;
        let fresh = folder.join("flash.new");
        let bytes = package.to_bytes();
        anyhow::ensure!(
            layout.slot_header_size + bytes.len() <= layout.slot_size,
            "the firmware is larger than its slot"
        );
        let marks = Marks::first(u32::try_from(bytes.len())?);
        let _ = fs::remove_file(&fresh);
        // The device secret is in it.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        let erased = vec![0xff; usize::try_from(layout.flash_size)?];
        file.write_all_at(&erased, 0)?;
        let unburned = vec![0; usize::try_from(layout.fuses_size)?];
        file.write_all_at(&unburned, 0)?;
        file.write_all_at(&marks, layout.slot_at)?;
        file.write_all_at(&bytes, layout.slot_at + u64::try_from(layout.slot_header_size)?)?;
        file.sync_all()?;
        Ok(fs::rename(&fresh, folder.join(FLASH_FILE))?)
    }

    /// Gives a made board power, and waits until its mailbox is there.
    ///
    /// # Errors
    /// `FirmwareMissing`, `ToolMissing`, `BoardPath`, `BoardRuns`, `StepLate`; those of files.
    pub fn power_on(folder: &Path, firmware: &Path) -> Result<Self> {
        let layout = layout(firmware)?;
        let folder = fs::canonicalize(folder)?;
        let mailbox = folder.join(MAILBOX);
        if mailbox.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(CliError::BoardPath(mailbox).into());
        }
        let flash = folder.join(FLASH_FILE);
        let locked = reseed(&flash, &layout)?;
        let _ = fs::remove_file(&mailbox);
        let memory = format!(
            "memory-backend-file,id=flash,size={},mem-path={},share=on",
            layout.flash_size,
            escaped(&flash)
        );
        let mut qemu = Process::new(QEMU);
        qemu.args(["-M", &format!("{},memory-backend=flash", layout.machine)]);
        qemu.args(["-object", &memory, "-display", "none", "-monitor", "none", "-serial"]);
        qemu.arg(format!("file:{}", escaped(&folder.join(LOG_FILE)))).arg("-serial");
        qemu.arg(format!("unix:{},server=on,wait=off", escaped(&mailbox)));
        qemu.arg("-kernel").arg(firmware.join("rom"));
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
        let started = qemu.spawn().map_err(|source| CliError::ToolMissing {
            tool: QEMU,
            mend: "Install it: apt install qemu-system-arm",
            source,
        });
        let mut board = Self { qemu: started?, mailbox, _flash: locked };
        let until = Instant::now() + OPENS_WITHIN;
        while !board.mailbox.exists() {
            if let Some(status) = board.qemu.try_wait()? {
                let mend = "What it said stands above";
                let said = status.to_string();
                return Err(CliError::ToolFailed { tool: QEMU, mend, said }.into());
            }
            if Instant::now() > until {
                let (what, seconds) = ("the board's mailbox".to_owned(), OPENS_WITHIN.as_secs());
                return Err(CliError::StepLate { what, seconds }.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(board)
    }

    /// Where its mailbox is, as `craton device manufacture --rot` wants it.
    pub fn address(&self) -> String {
        format!("unix:{}", self.mailbox.display())
    }
}

/// A comma ends a value of QEMU's options; two are one.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn layout(firmware: &Path) -> Result<Layout> {
    let path = firmware.join("board.json");
    let text = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => CliError::FirmwareMissing(firmware.to_owned()).into(),
        _ => anyhow::Error::new(error).context(path.display().to_string()),
    })?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

/// Power brings fresh randomness: the board has no source of its own. The flash is locked as long
/// as the returned file is open.
fn reseed(flash: &Path, layout: &Layout) -> Result<File> {
    let mut seed = vec![0; layout.seed_size];
    aws_lc_rs::rand::fill(&mut seed).context("the system has no randomness")?;
    let file = OpenOptions::new().write(true).open(flash);
    let file = file.with_context(|| flash.display().to_string())?;
    file.try_lock().map_err(|_| CliError::BoardRuns(flash.to_owned()))?;
    file.write_all_at(&seed, layout.seed_at)?;
    Ok(file)
}

/// What the firmware says of itself; its digest and size are filled in by the signature.
fn about(image_type: ImageType, security_version: u64) -> Result<Image<'static>> {
    let none = Abis::new(&[])?;
    Ok(Image {
        component: ROOT_OF_TRUST,
        image_type,
        vendor: *b"craton/runtime-1",
        class: crate::virtual_device::VIRTUAL_CLASS,
        sequence: security_version,
        security_version,
        name: "craton-rot",
        version: env!("CARGO_PKG_VERSION"),
        payload: Digest([0; 32]),
        payload_size: 0,
        verity: None,
        provides: none,
        depends: none,
        sbom: Digest([0; 32]),
        support_until: 1_924_992_000,
    })
}

#[derive(Serialize)]
struct Shown {
    folder: PathBuf,
    mailbox: String,
}

/// Does it.
///
/// # Errors
/// Those of [`Board`]; those of the catalog's keys for a board that is made; the ROM's refusals.
pub async fn run(command: &Command, options: &Options) -> Result<()> {
    match command {
        Command::Run { folder, firmware, unlock } => {
            run_board((folder, firmware), unlock, options).await
        }
        Command::Package { out, firmware, security_version, recovery, lms_key, unlock } => {
            layout(firmware)?;
            let image_type = if *recovery { ImageType::Recovery } else { ImageType::RootOfTrust };
            let session = &mut Session::open(options).await?;
            let publisher = Publisher::open(session, lms_key.as_deref(), unlock).await?;
            let program = fs::read(firmware.join("rot.bin"))?;
            let package = publisher.package(program, &about(image_type, *security_version)?)?;
            write_file(out, &package.to_bytes())?;
            Output::new(options.json).done(&format!("written: {}", out.display()));
            Ok(())
        }
        Command::Recover { mailbox, package } => {
            let package = read_file(package)?;
            recover(&mut mailbox.connect()?, &package)?;
            let out = Output::new(options.json);
            out.done("taken: the recovery program starts");
            out.next(&["craton device rot-update --name NAME PACKAGE"]);
            Ok(())
        }
    }
}

async fn run_board(
    (folder, firmware): (&Path, &Path),
    unlock: &Unlock,
    options: &Options,
) -> Result<()> {
    if !folder.join(FLASH_FILE).exists() {
        let session = &mut Session::open(options).await?;
        let publisher = Publisher::open(session, None, unlock).await?;
        Board::make(folder, firmware, &publisher)?;
    }
    let board = Board::power_on(folder, firmware)?;
    let shown = Shown { folder: folder.to_owned(), mailbox: board.address() };
    let out = Output::new(options.json);
    out.one(&shown, &[("board", folder.display().to_string()), ("mailbox", board.address())]);
    out.next(&[&format!("craton device manufacture NAME --rot {}", board.address())]);
    up::stopped().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(folder: &Path, firmware: &Path) -> Option<CliError> {
        Board::power_on(folder, firmware).err().and_then(|error| error.downcast().ok())
    }

    /// The firmware of no board, in a folder.
    fn laid_out() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let layout = br#"{"machine": "m", "flash_size": 1, "fuses_size": 1, "seed_at": 0,
            "seed_size": 1, "slot_at": 0, "slot_header_size": 0, "slot_size": 1}"#;
        fs::write(folder.path().join("board.json"), layout).unwrap();
        folder
    }

    #[test]
    fn a_board_needs_built_firmware_firmware_missing() {
        let folder = tempfile::tempdir().unwrap();
        let said = refusal(folder.path(), &folder.path().join("none"));
        assert!(matches!(said, Some(CliError::FirmwareMissing(_))));
    }

    #[test]
    fn a_board_has_power_once_board_runs() {
        let folder = laid_out();
        let flash = File::create(folder.path().join(FLASH_FILE)).unwrap();
        flash.lock().unwrap();
        let said = refusal(folder.path(), folder.path());
        assert!(matches!(said, Some(CliError::BoardRuns(_))));
    }

    #[test]
    fn a_board_whose_socket_no_system_could_name_is_refused_board_path() {
        let folder = laid_out();
        let deep = folder.path().join("b".repeat(SOCKET_PATH_MAX));
        fs::create_dir(&deep).unwrap();
        let said = refusal(&deep, folder.path());
        assert!(matches!(said, Some(CliError::BoardPath(_))));
    }
}
