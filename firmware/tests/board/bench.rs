//! The firmware as a back-end of the suite: each restart is a power cycle.

use super::board::{Board, Psram, package_with, patience, root_of_trust, with_envelope};
use super::lms::{envelope_by_lms, publisher};
pub use super::steps::*;
use super::world::PLATFORM_PUBLISHER;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::{Manufacture, RotClass, Start};
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use craton_trust::suit::Image;
use std::os::unix::net::UnixStream;

struct InFirmware {
    psram: Psram,
    power: Option<Board>,
    program: Vec<u8>,
}

impl InFirmware {
    fn new() -> Self {
        let program = root_of_trust();
        Self { psram: Psram::blank(&[]), power: None, program }
    }

    /// Takes the power away and gives it back.
    fn line(&mut self) -> Line<UnixStream> {
        self.power = None;
        let board = self.power.insert(self.psram.power_on());
        Line::open(board.line(), patience()).unwrap()
    }
}

impl Bench for InFirmware {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        let class = |image: &mut Image<'_>| image.class = with.class;
        // One signature more than most sections ask for: some become hybrid.
        let package = by_lms(&package_with(PLATFORM_PUBLISHER, &self.program, class));
        self.psram.install(&package);
        let mut line = self.line();
        line.manufacture(with).unwrap();
        Box::new(Mailbox::of(line).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        let line = match (start, &self.power) {
            (Start::Recovery, Some(board)) => {
                let mut line = Line::open(board.connect(), patience()).unwrap();
                line.restart(start).unwrap();
                line
            }
            _ => self.line(),
        };
        Box::new(Mailbox::of(line).unwrap())
    }

    fn class(&self) -> RotClass {
        RotClass::Firmware
    }

    fn implementation(&self) -> Digest {
        Soft.sha256(&[&self.program])
    }
}

/// Runs a test on the one back-end here.
pub fn on_every_back_end(test: impl Fn(&mut dyn Bench)) {
    test(&mut InFirmware::new());
}

/// A package that the publisher signed by LMS, too.
pub fn by_lms(package: &[u8]) -> Vec<u8> {
    with_envelope(package, |envelope| envelope_by_lms(envelope, publisher()))
}
