//! The emulator of one chip with the debugger at it.

use super::gdb::Debugger;
use super::lab::{Fault, RAM, RAM_SIZE};
use super::pulse::{Lost, Pulse};
use super::rom::Rom;
use super::trace::Way;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::process::{Child, ExitStatus};

/// How often a chip may come to one instruction before it must have been in the same state twice.
const ROUNDS: usize = 16;
/// What a debugger's line says of an emulator that ended.
const CLOSED: [ErrorKind; 3] =
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
const NOP: [u8; 2] = [0x00, 0xbf];
const NOP_WIDE: [u8; 4] = [0xaf, 0xf3, 0x00, 0x80];

/// Why a chip does not run on.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// It came to a watched address.
    At(u32),
    /// It comes to none; it runs on.
    Lost(Lost),
    /// Its emulator ended.
    Ended(ExitStatus),
}

pub struct Bench {
    pub qemu: Child,
    pub said: std::fs::File,
    pub debugger: Debugger,
    pub _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Bench {
    /// Lines that the chip said since the last time.
    pub fn heard(&mut self) -> String {
        let mut room = [0; 4096];
        let length = self.said.read(&mut room).unwrap_or(0);
        String::from_utf8_lossy(&room[..length]).trim().replace("\r\n", "; ")
    }

    /// Lets the chip run.
    pub fn go(&mut self) -> Result<Stop> {
        let mut pulse = Pulse::of(self.qemu.id());
        match self.debugger.go(|| pulse.lost()) {
            Ok(None) => Ok(Stop::At(self.debugger.pc()?)),
            Ok(Some(lost)) => Ok(Stop::Lost(lost)),
            Err(why) if CLOSED.contains(&why.kind()) => Ok(Stop::Ended(self.qemu.wait()?)),
            Err(why) => Err(why),
        }
    }

    /// Whether the chip, which runs, comes to a state again in which it was: then it goes round in
    /// it, and nothing else follows.
    pub fn goes_round(&mut self) -> Result<bool> {
        self.debugger.stop()?;
        let (at, was) = (self.debugger.pc()?, self.state()?);
        self.debugger.watch(at)?;
        for _ in 0..ROUNDS {
            self.debugger.step()?;
            if !matches!(self.go()?, Stop::At(_)) {
                return Ok(false);
            }
            if self.state()? == was {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All that a program computes with, but for devices.
    fn state(&mut self) -> Result<(String, Vec<u8>)> {
        Ok((self.debugger.registers()?, self.debugger.read(RAM, RAM_SIZE)?))
    }

    pub fn put(&mut self, fault: Option<Fault>, rom: &Rom) -> Result<()> {
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
            let mut stop = Stop::At(0);
            for time in 0..times {
                if time > 0 {
                    self.debugger.step()?; // it stands where it must go on from
                }
                stop = self.go()?;
            }
            if !matches!(stop, Stop::At(at) if at == address) {
                // No fault happened: whatever comes of this boot says nothing of it.
                return Err(Error::other(format!("instead of {address:x} it came to {stop:x?}")));
            }
            self.debugger.forget(address)?;
        }
        Ok(())
    }
}

fn nops(length: usize) -> &'static [u8] {
    if length == 4 { &NOP_WIDE } else { &NOP }
}
