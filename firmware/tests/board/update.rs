//! The drill of an update of the root of trust's own program, on the board over its mailbox.

use super::board::{Board, Psram, package_with, patience, root_of_trust};
use super::steps::{manufacture, report};
use super::world::*;
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::programs::install;
use craton_rot::slots::{STARTS, Slot, Standing};
use craton_rot::{Error, NextLayer, Programs, RootOfTrust as _, Start};
use craton_trust::Digest;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::os::unix::net::UnixStream;

/// The root of trust as this security version: each is a program of its own.
pub fn package(version: u64) -> Vec<u8> {
    package_with(PLATFORM_PUBLISHER, &program(version), |image| image.security_version = version)
}

pub fn program(version: u64) -> Vec<u8> {
    let mut program = root_of_trust();
    program.push(version as u8);
    program
}

/// A board, and its root of trust as long as it has power.
pub struct Powered<'p> {
    pub rot: Mailbox<UnixStream>,
    _board: Board,
    psram: &'p Psram,
}

impl<'p> Powered<'p> {
    pub fn on(psram: &'p Psram) -> Self {
        let mut board = psram.power_on();
        let rot = Mailbox::open(board.line(), patience()).unwrap();
        Self { rot, _board: board, psram }
    }

    fn restart(self) -> Self {
        let psram = self.psram;
        drop(self);
        Self::on(psram)
    }

    pub fn boot(&mut self) {
        let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
        let next = NextLayer { runtime: measured(RUNTIME, 1), set: Some(&set), images: &images };
        self.rot.boot(&next).unwrap();
    }

    fn version(&self) -> u64 {
        self.rot.programs().unwrap().security_version
    }

    /// The program that its evidence names.
    fn implementation(&mut self) -> Digest {
        let evidence = report(&mut self.rot).unwrap();
        super::steps::authentic(&self.rot, &evidence).claims.implementation
    }
}

/// An owned board that confirmed version 1 of its program.
pub fn board() -> Psram {
    let psram = Psram::blank(&package(1));
    let mut board = psram.power_on();
    let mut line = Line::open(board.line(), patience()).unwrap();
    line.manufacture(&manufacture(&platform_section(false))).unwrap();
    let mut rot = Mailbox::of(line).unwrap();
    rot.claim(CODE, &owner_section(false)).unwrap();
    drop((rot.restart(Start::Normal).unwrap(), board));
    let mut powered = Powered::on(&psram);
    powered.boot();
    powered.rot.confirm().unwrap();
    drop(powered);
    psram
}

#[test]
fn rot_19_a_board_updates_its_root_of_trust_and_falls_back_from_one_nobody_confirms() {
    let psram = board();
    let mut powered = Powered::on(&psram);
    let standings = [Standing::Confirmed, Standing::Empty];
    let one = Programs { running: Some(Slot::A), standings, security_version: 1, floor: 1 };
    assert_eq!(powered.rot.programs(), Ok(one));
    let second = package(2);
    assert_eq!(install(&mut powered.rot, &second, None), Err(Error::ProgramNotInSet));
    powered.rot.arm_program(Some(&approved(&second))).unwrap();

    let mut powered = powered.restart();
    let standings = [Standing::Confirmed, Standing::Trial];
    let two = Programs { running: Some(Slot::B), standings, security_version: 2, floor: 1 };
    assert_eq!(powered.rot.programs(), Ok(two));
    powered.boot();
    assert_eq!(powered.implementation(), Soft.sha256(&[&program(2)]));
    powered.rot.confirm().unwrap();
    let standings = [Standing::Empty, Standing::Confirmed];
    let two = Programs { standings, floor: 2, ..two };
    assert_eq!(powered.rot.programs(), Ok(two));
    let mut powered = powered.restart();
    assert_eq!(powered.rot.programs(), Ok(two));

    let third = package(3);
    install(&mut powered.rot, &third, Some(&approved(&third))).unwrap();
    for start in 1..=STARTS {
        powered = powered.restart();
        assert_eq!(powered.version(), 3, "start {start}");
        let begun = powered.rot.begin_program(second.len());
        assert_eq!(begun, Err(Error::ProgramOnTrial), "start {start}");
    }
    powered = powered.restart();
    assert_eq!(powered.version(), 2, "it fell back");

    drop(powered);
    psram.arm_in(Slot::A, &package(1));
    let refused = ["rom: slot A refused E1305", "rom: starts the runtime"];
    assert_eq!(psram.power_on().heard(), refused, "whoever writes the flash puts no old one back");
    psram.write(craton_firmware::map::slot(Slot::A), &[0xff; 64]);
    assert_eq!(Powered::on(&psram).version(), 2);
}
