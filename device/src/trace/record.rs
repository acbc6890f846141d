//! What a crash leaves behind: a record of numbers, by construction without memory contents.
//! No field can hold a string, an address or a register of the process that crashed.

use craton_trust::failure::{self, BUILD_ID_MAX, Failure, FailureKind, FaultClass, RECORD_MAX};
use craton_trust::{ComponentId, Digest, ImageId};

pub use craton_trust::failure::FRAMES_MAX;

/// GNU build id of a program; empty for code outside every module that has one. At most
/// [`BUILD_ID_MAX`] bytes, longer ones are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BuildId {
    length: u8,
    bytes: [u8; BUILD_ID_MAX],
}

impl BuildId {
    pub fn new(id: &[u8]) -> BuildId {
        let mut bytes = [0; BUILD_ID_MAX];
        bytes.iter_mut().zip(id).for_each(|(place, byte)| *place = *byte);
        BuildId { length: id.len().min(BUILD_ID_MAX) as u8, bytes }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

/// One place in the code: the instruction itself for the innermost frame and for one that a
/// signal interrupted, else the last byte of the call. `pc` is the address the linker gave it
/// (what `addr2line` takes), so it does not show where the program was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    pub build_id: BuildId,
    pub pc: u64,
}

/// What the caller knows of the app, for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    pub component: ComponentId,
    pub image: ImageId,
    pub set: Digest,
    /// The device's boot count.
    pub boot: u64,
}

/// A crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRecord {
    pub about: About,
    pub signal: u8,
    /// How the signal came about (`si_code`); for a system call that the sandbox refused
    /// (SIGSYS), its number.
    pub code: i64,
    pub fault: FaultClass,
    /// The crashing thread, innermost frame first, at most [`FRAMES_MAX`].
    pub frames: Vec<Frame>,
    /// Whether `frames` reaches the thread's outermost frame.
    pub complete: bool,
    /// Threads alive at the crash.
    pub threads: u16,
    /// Time since the program began.
    pub uptime_ms: u64,
}

impl TraceRecord {
    /// Whether the signal tells of a fault or of a limit.
    pub fn kind(&self) -> FailureKind {
        match i32::from(self.signal) {
            libc::SIGXCPU | libc::SIGXFSZ => FailureKind::OverLimit,
            _ => FailureKind::Crash,
        }
    }

    /// The record as it is spooled and sent; the spool gives it its number.
    pub fn failure(&self) -> Failure<'_> {
        let About { component, image, set, boot } = self.about;
        let mut failure = Failure::new(self.kind(), component, image, set);
        failure.signal = self.signal;
        failure.code = self.code;
        failure.fault = self.fault;
        failure.boot = boot;
        failure.uptime_ms = self.uptime_ms;
        for frame in self.frames.iter().take(FRAMES_MAX) {
            let build_id = frame.build_id.as_bytes();
            // Cannot fail: both bounds are FRAMES_MAX and BUILD_ID_MAX of the record itself.
            failure.push(failure::Frame { build_id, pc: frame.pc }).ok();
        }
        failure
    }

    /// The record's canonical bytes, at most [`RECORD_MAX`].
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = [0; RECORD_MAX];
        self.failure().encode(&mut bytes).map(<[u8]>::to_vec).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest() -> TraceRecord {
        let frame = Frame { build_id: BuildId::new(&[0xff; 40]), pc: u64::MAX };
        TraceRecord {
            about: About {
                component: ComponentId([0xff; 16]),
                image: ImageId([0xff; 32]),
                set: Digest([0xff; 32]),
                boot: u64::MAX,
            },
            signal: u8::MAX,
            code: i64::MIN,
            fault: FaultClass::NonCanonical,
            frames: vec![frame; FRAMES_MAX + 1],
            complete: true,
            threads: u16::MAX,
            uptime_ms: u64::MAX,
        }
    }

    #[test]
    fn the_largest_record_fits_and_reads_back_as_written() {
        let record = largest();
        let bytes = record.encode();
        assert!(bytes.len() > 2000 && bytes.len() <= RECORD_MAX, "{}", bytes.len());
        assert_eq!(Failure::parse(&bytes).unwrap(), record.failure());
        assert_eq!(record.failure().frames().len(), FRAMES_MAX);
    }

    #[test]
    fn build_ids_keep_their_length_and_long_ones_are_cut() {
        assert_eq!(BuildId::new(&[1, 2, 3]).as_bytes(), [1, 2, 3]);
        assert_eq!(BuildId::new(&[7; 40]).as_bytes(), [7; BUILD_ID_MAX]);
        assert!(BuildId::default().as_bytes().is_empty());
    }
}
