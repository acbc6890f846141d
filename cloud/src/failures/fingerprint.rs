//! Which failures are the same. Two keys, both versioned: one a device could compute itself,
//! from build ids and places, and one from function names, which survives a rebuild. A record
//! keeps both, so that grouping anew is a replay. Neither is ever empty.

use aws_lc_rs::digest::{Context, SHA256};
use craton_trust::failure::{Failure, FailureKind, FaultClass};

use super::TracedFrame;
use super::names::{is_carrier, stable};

const VERSION: &str = "v1";
const KEY_BYTES: usize = 16;
const BUILD_ID_BYTES: usize = 8;
/// Different frames in a device key. Without symbols the panic machinery cannot be left out,
/// and it alone takes fifteen.
const PLACES_IN_DEVICE_KEY: usize = 24;
/// Functions in a server key: the one at fault and who called it.
const FUNCTIONS_IN_SERVER_KEY: usize = 3;

/// Same build, same places: `v1:` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey(String);

/// Same functions, in any build: `v1:` and 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(String);

impl DeviceKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ServerKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a server key rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// No names: on places, so that each build makes its own group.
    Low,
    /// On library functions only.
    Medium,
    /// On the app's own functions.
    High,
}

/// The key that needs no symbols.
pub fn device_key(failure: &Failure<'_>) -> DeviceKey {
    let mut hash = Hash::new("device");
    hash.cause(failure, failure.signal);
    let mut last = None;
    let mut left = PLACES_IN_DEVICE_KEY;
    for frame in failure.frames() {
        // A function that calls itself is as deep as chance has it.
        if left > 0 && last != Some(frame) {
            hash.part(start_of(frame.build_id));
            hash.part(&frame.pc.to_be_bytes());
            last = Some(frame);
            left -= 1;
        }
    }
    DeviceKey(hash.key())
}

/// The key by function names.
pub fn server_key(failure: &Failure<'_>, frames: &[TracedFrame]) -> (ServerKey, Confidence) {
    let mut hash = Hash::new("server");
    hash.cause(failure, family(failure.signal));
    let names = stable_names(frames);
    let own: Vec<&String> = names.iter().filter(|name| !is_carrier(name)).collect();
    let (chosen, confidence) = match (own.is_empty(), names.is_empty()) {
        (false, _) => (own, Confidence::High),
        (true, false) => (names.iter().collect(), Confidence::Medium),
        (true, true) => (Vec::new(), Confidence::Low),
    };
    for name in chosen.into_iter().take(FUNCTIONS_IN_SERVER_KEY) {
        hash.part(name.as_bytes());
    }
    if confidence == Confidence::Low {
        hash.part(device_key(failure).0.as_bytes());
    }
    (ServerKey(hash.key()), confidence)
}

/// All function names, innermost first, each once in a row.
fn stable_names(frames: &[TracedFrame]) -> Vec<String> {
    let places = frames.iter().flat_map(|frame| &frame.places);
    let mut names: Vec<String> = places.map(|place| stable(&place.function)).collect();
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// Signals that one mistake may end in, depending on how it was compiled.
fn family(signal: u8) -> u8 {
    match i32::from(signal) {
        BUS | SEGV => SEGV as u8,
        ILL | TRAP | ABRT => ABRT as u8,
        _ => signal,
    }
}

/// Signal numbers of Linux on x86-64 and Arm (signal(7)).
const ILL: i32 = 4;
const TRAP: i32 = 5;
const ABRT: i32 = 6;
const BUS: i32 = 7;
const SEGV: i32 = 11;
const SYS: i32 = 31;

fn start_of(build_id: &[u8]) -> &[u8] {
    build_id.get(..BUILD_ID_BYTES).unwrap_or(build_id)
}

struct Hash(Context);

impl Hash {
    fn new(purpose: &str) -> Hash {
        let mut hash = Hash(Context::new(&SHA256));
        hash.part(b"craton failure key");
        hash.part(VERSION.as_bytes());
        hash.part(purpose.as_bytes());
        hash
    }

    /// Adds a part with its length, so that no two lists of parts look alike.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// What failed and how, apart from where.
    fn cause(&mut self, failure: &Failure<'_>, signal: u8) {
        self.part(&failure.component.0);
        self.part(&[failure.kind as u8, signal]);
        self.part(&[u8::from(failure.fault == FaultClass::StackGuard)]);
        let code_tells = match failure.kind {
            FailureKind::Crash => i32::from(failure.signal) == SYS,
            FailureKind::Gap | FailureKind::OverLimit => false,
            _ => true,
        };
        if code_tells {
            self.part(&failure.code.to_be_bytes());
        }
    }

    fn key(self) -> String {
        let digest = self.0.finish();
        let digits = digest.as_ref().iter().take(KEY_BYTES).map(|byte| format!("{byte:02x}"));
        format!("{VERSION}:{}", digits.collect::<String>())
    }
}
