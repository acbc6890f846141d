//! A debugger's side of gdb's remote protocol: as much of it as putting a fault into a chip takes.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// The most bytes of memory in one packet; QEMU's packets have at most 4096 bytes.
const CHUNK: usize = 1536;
/// How long QEMU may take for what needs no execution. A machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many packets are sent before their answers are read: neither side's buffer is full by then.
const AT_ONCE: usize = 24;
/// How long one look for an answer takes.
const LOOK: Duration = Duration::from_millis(100);
const PC: usize = 15;

/// A connection to a socket of an emulator that was just started.
pub fn connected(socket: &Path) -> Result<UnixStream> {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            done => return done,
        }
    }
}

/// A chip that is stopped but for [`Debugger::go`] and [`Debugger::step`].
pub struct Debugger {
    stream: UnixStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Debugger {
    /// Connects, waiting for the socket.
    pub fn attach(socket: &Path) -> Result<Self> {
        let stream = connected(socket)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut debugger = Self { stream, unread: Vec::new(), unsent: Vec::new() };
        // QEMU gives single registers only to who has asked for their description.
        debugger.ask("qXfer:features:read:target.xml:0,ffb")?;
        Ok(debugger)
    }

    pub fn read(&mut self, address: u32, length: usize) -> Result<Vec<u8>> {
        let places: Vec<usize> = (0..length).step_by(CHUNK).collect();
        let mut bytes = Vec::new();
        for some in places.chunks(AT_ONCE) {
            for from in some {
                let chunk = CHUNK.min(length - from);
                self.queue(&format!("m{:x},{chunk:x}", address + *from as u32));
            }
            for _ in some {
                bytes.extend(from_hex(&self.answer()?)?);
            }
        }
        Ok(bytes)
    }

    /// Writes memory; code, too.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        self.write_all(&[(address, bytes)])
    }

    /// Writes all of these.
    pub fn write_all<B: AsRef<[u8]>>(&mut self, all: &[(u32, B)]) -> Result<()> {
        let mut waits = 0;
        for (address, bytes) in all {
            for (to, chunk) in (*address..).step_by(CHUNK).zip(bytes.as_ref().chunks(CHUNK)) {
                self.queue(&format!("M{to:x},{:x}:{}", chunk.len(), hex(chunk)));
                waits += 1;
                if waits == AT_ONCE {
                    (0..waits).try_for_each(|_| self.is_done())?;
                    waits = 0;
                }
            }
        }
        (0..waits).try_for_each(|_| self.is_done())
    }

    pub fn register(&mut self, number: usize) -> Result<u32> {
        let bytes = from_hex(&self.ask(&format!("p{number:x}"))?)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| garbled())?))
    }

    pub fn set_register(&mut self, number: usize, value: u32) -> Result<()> {
        self.done(&format!("P{number:x}={:08x}", value.swap_bytes()))
    }

    pub fn pc(&mut self) -> Result<u32> {
        self.register(PC)
    }

    pub fn watch(&mut self, address: u32) -> Result<()> {
        self.done(&format!("Z0,{address:x},2"))
    }

    pub fn forget(&mut self, address: u32) -> Result<()> {
        self.done(&format!("z0,{address:x},2"))
    }

    /// A line for the emulator's monitor, whose answer is left out.
    pub fn monitor(&mut self, line: &str) -> Result<()> {
        let digits: String = line.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(&format!("qRcmd,{digits}"))?;
        while self.answer()? != "OK" {}
        Ok(())
    }

    /// The chip's reset line. What RAM holds stays.
    pub fn reset(&mut self, first: u32) -> Result<()> {
        let begun = Instant::now();
        self.monitor("system_reset")?;
        // QEMU resets a little later than it answers.
        while self.pc()? != first {
            if begun.elapsed() > PATIENCE {
                return Err(Error::from(ErrorKind::TimedOut));
            }
        }
        Ok(())
    }

    /// Executes one instruction.
    pub fn step(&mut self) -> Result<()> {
        self.ask("s").map(drop)
    }

    /// Stops the chip before stores to this word.
    pub fn watch_stores(&mut self, address: u32) -> Result<()> {
        self.done(&format!("Z2,{address:x},4"))
    }

    pub fn forget_stores(&mut self, address: u32) -> Result<()> {
        self.done(&format!("z2,{address:x},4"))
    }

    /// Stops the chip before loads of this word.
    pub fn watch_loads(&mut self, address: u32) -> Result<()> {
        self.done(&format!("Z3,{address:x},4"))
    }

    pub fn forget_loads(&mut self, address: u32) -> Result<()> {
        self.done(&format!("z3,{address:x},4"))
    }

    /// Lets the chip run until it comes to a watched address, or is lost as `lost` says; then it
    /// runs on. Gives the address of the access for which it stopped, if it was one.
    pub fn go<T>(
        &mut self,
        lost: impl FnMut() -> Option<T>,
    ) -> Result<std::result::Result<Option<u32>, T>> {
        self.send("c")?;
        let access = |why: String| {
            let (_, address) = why.split_once("watch:")?;
            u32::from_str_radix(address.split(';').next()?, 16).ok()
        };
        Ok(self.receive(lost)?.map(access))
    }

    /// Lets the chip run for a moment, or to a watched address.
    pub fn go_for(&mut self, time: Duration) -> Result<()> {
        self.send("c")?;
        std::thread::sleep(time);
        self.stop()
    }

    /// Stops a chip that runs, wherever it is.
    pub fn stop(&mut self) -> Result<()> {
        self.unsent.push(3);
        self.flush()?;
        self.answer().map(drop)
    }

    /// All registers of the processor's core, as they come.
    pub fn registers(&mut self) -> Result<String> {
        self.ask("g")
    }

    pub fn set_registers(&mut self, all: &str) -> Result<()> {
        self.done(&format!("G{all}"))
    }

    fn done(&mut self, packet: &str) -> Result<()> {
        self.send(packet)?;
        self.is_done()
    }

    fn is_done(&mut self) -> Result<()> {
        if self.answer()? == "OK" { Ok(()) } else { Err(garbled()) }
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let begun = Instant::now();
        let answer = self.receive(|| (begun.elapsed() > PATIENCE).then_some(()))?;
        answer.map_err(|()| Error::from(ErrorKind::TimedOut))
    }

    /// Tells the debugger something without waiting for what it says.
    pub fn send(&mut self, packet: &str) -> Result<()> {
        self.queue(packet);
        self.flush()
    }

    /// As above, with what is told next: each that is sent alone is a change of processes.
    fn queue(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        self.unsent.extend(format!("${packet}#{sum:02x}").bytes());
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }

    /// The next packet, or what `lost` says instead.
    fn receive<T>(
        &mut self,
        mut lost: impl FnMut() -> Option<T>,
    ) -> Result<std::result::Result<String, T>> {
        self.flush()?;
        loop {
            let mark = |byte| self.unread.iter().position(|other| *other == byte);
            if let (Some(start), Some(end)) = (mark(b'$'), mark(b'#'))
                && self.unread.len() >= end + 3
            {
                let body = String::from_utf8_lossy(&self.unread[start + 1..end]).into_owned();
                self.unread.drain(..end + 3);
                self.unsent.push(b'+');
                return Ok(Ok(body));
            }
            let mut room = [0; 4096];
            match self.stream.read(&mut room) {
                Ok(0) => return Err(Error::from(ErrorKind::UnexpectedEof)),
                Ok(length) => self.unread.extend(&room[..length]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    if let Some(lost) = lost() {
                        return Ok(Err(lost));
                    }
                }
                Err(why) => return Err(why),
            }
        }
    }
}

fn garbled() -> Error {
    Error::from(ErrorKind::InvalidData)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |byte: u8| char::from(DIGITS[usize::from(byte)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(|pair| byte(pair).ok_or_else(garbled)).collect()
}
