//! The emulator of one chip with the debugger at it.

use super::gdb::Debugger;
use super::lab::Fault;
use super::rom::Rom;
use super::trace::Way;
use std::io::{Read as _, Result};
use std::process::Child;
use std::time::{Duration, Instant};

/// How much of a processor a chip may take before it counts as lost, in hundredths of a second: a
/// boot takes 5.
const LOST: u64 = 60;
/// How long a chip may take that uses no processor: it sleeps where no ROM halts.
const ASLEEP: Duration = Duration::from_secs(8);
const NOP: [u8; 2] = [0x00, 0xbf];
const NOP_WIDE: [u8; 4] = [0xaf, 0xf3, 0x00, 0x80];

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

    pub fn go(&mut self) -> Result<()> {
        let process = self.qemu.id();
        let (enough, begun) = (spent(process) + LOST, Instant::now());
        self.debugger.go(|| spent(process) > enough || begun.elapsed() > ASLEEP)
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
