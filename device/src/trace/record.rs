//! What a crash leaves behind: a record of numbers, by construction without memory contents.
//! No field can hold a string, an address or a register of the process that crashed.

use minicbor::Encoder;

/// Frames kept of the thread that crashed.
pub const FRAMES_MAX: usize = 64;
/// Image digests kept in a record.
pub const IMAGES_MAX: usize = 8;

const VERSION: u8 = 1;

/// GNU build id of a program, SHA-1 length; shorter ids end in zeros, longer ones are cut.
/// All zeros: code outside every known module.
pub type BuildId = [u8; 20];

/// One place in the code: the instruction itself for the innermost frame and for one that a
/// signal interrupted, else the last byte of the call. `pc` is the address the linker gave it
/// (what `addr2line` takes), so it does not show where the program was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    pub build_id: BuildId,
    pub pc: u64,
}

/// Where a fault address lay. The address itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FaultClass {
    /// Below 64 KiB: a null pointer, or a field of what it points to.
    NullPage = 1,
    /// Just below the stack in use: the stack overflowed.
    StackGuard = 2,
    /// Executable code (a write to it, or a jump into a part that is not code).
    Text = 3,
    /// Anonymous memory: the heap and what is like it.
    Heap = 4,
    /// Nothing is mapped there.
    Unmapped = 5,
    /// Not an address at all on this processor.
    NonCanonical = 6,
    /// The stack in use.
    Stack = 7,
    /// Data mapped from a file: constants, or a file that became shorter.
    File = 8,
}

/// What the caller knows of the app, for the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub component: [u8; 16],
    /// Digests of the app's image and of what it ran on; those past [`IMAGES_MAX`] are dropped.
    pub images: Vec<[u8; 32]>,
    pub boot_count: u64,
    /// Starts of this app before this one, since the device booted.
    pub restarts: u32,
}

/// A crash. Encoded it is at most 2.5 KiB; a typical one is 150 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRecord {
    pub about: About,
    pub signal: u8,
    /// `si_code`: how the signal came about.
    pub code: i32,
    /// For a system call that the sandbox refused, its number.
    pub syscall: Option<u32>,
    pub fault: Option<FaultClass>,
    /// The crashing thread, innermost frame first, at most [`FRAMES_MAX`].
    pub frames: Vec<Frame>,
    /// Whether `frames` reaches the thread's outermost frame.
    pub complete: bool,
    /// Threads alive at the crash.
    pub threads: u16,
    /// Time since the program began.
    pub uptime_ms: u64,
}

type Encoded = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

impl TraceRecord {
    /// The record as deterministic CBOR (RFC 8949 §4.2): a map with integer keys, where
    /// frames name their build id by its place in a list.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let Ok(()) = self.write(&mut Encoder::new(&mut bytes)) else { return Vec::new() };
        bytes
    }

    fn write(&self, to: &mut Encoder<&mut Vec<u8>>) -> Encoded {
        let optional = u64::from(self.syscall.is_some()) + u64::from(self.fault.is_some());
        to.map(12 + optional)?;
        to.u8(1)?.u8(VERSION)?;
        to.u8(2)?.bytes(&self.about.component)?;
        self.write_images(to.u8(3)?)?;
        to.u8(4)?.u64(self.about.boot_count)?;
        to.u8(5)?.u32(self.about.restarts)?;
        to.u8(6)?.u8(self.signal)?;
        to.u8(7)?.i32(self.code)?;
        if let Some(number) = self.syscall {
            to.u8(8)?.u32(number)?;
        }
        if let Some(fault) = self.fault {
            to.u8(9)?.u8(fault as u8)?;
        }
        self.write_frames(to)?;
        to.u8(12)?.bool(self.complete)?;
        to.u8(13)?.u16(self.threads)?;
        to.u8(14)?.u64(self.uptime_ms)?;
        Ok(())
    }

    fn write_images(&self, to: &mut Encoder<&mut Vec<u8>>) -> Encoded {
        let kept = self.about.images.len().min(IMAGES_MAX);
        to.array(kept as u64)?;
        for digest in self.about.images.iter().take(kept) {
            to.bytes(digest)?;
        }
        Ok(())
    }

    fn write_frames(&self, to: &mut Encoder<&mut Vec<u8>>) -> Encoded {
        let frames = || self.frames.iter().take(FRAMES_MAX);
        let mut modules: Vec<BuildId> = Vec::new();
        for frame in frames() {
            if !modules.contains(&frame.build_id) {
                modules.push(frame.build_id);
            }
        }
        to.u8(10)?.array(modules.len() as u64)?;
        for build_id in &modules {
            to.bytes(build_id)?;
        }
        to.u8(11)?.array(frames().count() as u64)?;
        for frame in frames() {
            let place = modules.iter().position(|known| *known == frame.build_id);
            to.array(2)?.u64(place.unwrap_or(0) as u64)?.u64(frame.pc)?;
        }
        Ok(())
    }
}
