//! How a boot begins: what memory holds when power comes, and, where a ROM waits for recovery, what
//! it was sent.
//!
//! A package comes over the line byte by byte, while the ROM turns round in its wait as often as it
//! happens to. So a boot of what was sent begins behind the load of the last byte: one chip is sent
//! all of it once, and tells what it has there. Any other chip is let come to its first wait, where
//! its devices are as they were there, and gets that. The line's interrupt, which then is not
//! pending, ends a wait and does nothing else.

use super::bench::Bench;
use super::gdb::connected;
use super::rom::Rom;
use super::walk::State;
use craton_firmware::map;
use craton_rot::mailbox::frame::{Direction, FrameWriter};
use std::io::{Result, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Where the ROM loads what came over the line.
pub const RECEIVED: u32 = (map::LINE + map::SECURE_ALIAS) as u32;

/// A package as it goes over the line to a ROM that waits, in a frame of this number.
pub fn framed(number: u32, package: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut writer =
        FrameWriter::new(Direction::Request, number, |bytes: &[u8]| frame.extend(bytes));
    writer.put(package);
    writer.end();
    frame
}

/// What a ROM that waits was sent.
#[derive(Clone)]
pub struct Sent {
    /// What a chip has where it waits first.
    pub waits: State,
    /// And what it has where it loaded the last byte.
    pub got: State,
}

/// How a boot begins.
#[derive(Clone)]
pub struct Power {
    pub memory: Vec<(u32, Vec<u8>)>,
    pub sent: Option<Sent>,
}

impl Power {
    /// Resets a chip and gives it this, without what it was sent: it waits for that.
    pub fn on(&self, bench: &mut Bench<'_>) -> Result<()> {
        bench.reset()?;
        bench.debugger.write_all(&self.memory)?;
        if self.sent.is_some() {
            bench.come_to_wait()?;
        }
        bench.heard();
        bench.replied();
        Ok(())
    }

    /// As above, and it got what it was sent.
    pub fn on_and_sent(&self, bench: &mut Bench<'_>) -> Result<()> {
        self.on(bench)?;
        let Some(Sent { waits, got }) = &self.sent else { return Ok(()) };
        bench.turn(waits, got)
    }

    /// Sends a frame to a chip, in this emulator, that begins with these memories: from here on any
    /// boot begins with it.
    pub fn send(&mut self, frame: &[u8], qemu: Command, rom: &Rom) -> Result<()> {
        let line = Line::new()?;
        let mut bench = Bench::start_with(qemu, rom, &[], &line.options())?;
        self.on(&mut bench)?;
        bench.come_to_wait()?;
        bench.heard();
        let waits = State::of(&mut bench, frame.len(), String::new())?;
        let _stream = line.send(frame)?;
        for _ in frame {
            bench.debugger.watch_loads(RECEIVED)?;
            bench.pause()?;
            bench.debugger.forget_loads(RECEIVED)?; // else it stands there for ever
            bench.step()?;
        }
        let got = State::of(&mut bench, frame.len(), String::new())?;
        self.sent = Some(Sent { waits, got });
        Ok(())
    }
}

/// The line of an emulator's chip.
pub struct Line(TempDir);

impl Line {
    pub fn new() -> Result<Self> {
        tempfile::tempdir().map(Self)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("line")
    }

    /// What an emulator needs to have it, after the options of its first one.
    pub fn options(&self) -> [String; 4] {
        let socket = format!("socket,id=line,path={},server=on,wait=off", self.path().display());
        ["-chardev", &socket, "-serial", "chardev:line"].map(str::to_owned)
    }

    /// Sends this as soon as the emulator is there. The chip gets it while this lives.
    pub fn send(&self, bytes: &[u8]) -> Result<UnixStream> {
        let mut stream = connected(&self.path())?;
        stream.write_all(bytes)?;
        Ok(stream)
    }
}
