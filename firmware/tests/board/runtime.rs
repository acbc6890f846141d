//! The root of trust on the emulated board, from a blank chip on, over its mailbox.

use super::board::{Psram, package_with, patience, root_of_trust};
use super::world::{APP, CLASS, CODE, PLATFORM_PUBLISHER, RUNTIME, measured, owner_section};
use super::world::{platform_section, set};
use craton_rot::mailbox::client::{Line, Mailbox};
use craton_rot::{Error, Manufacture, NextLayer, RootOfTrust as _, Start};
use craton_trust::crypto::Crypto as _;
use craton_trust::dice::Mode;
use craton_trust::soft::Soft;

#[test]
fn a_blank_chip_becomes_an_owned_device_that_attests() {
    let program = root_of_trust();
    let psram = Psram::blank(&package_with(PLATFORM_PUBLISHER, &program, |_| ()));
    let mut board = psram.power_on();
    let mut line = Line::open(board.line(), patience()).unwrap();
    assert_eq!(line.about().refused, Some(Error::NotManufactured));
    let section = platform_section(false);
    let claim_code = Soft.sha256(&[CODE]);
    let with = Manufacture { platform_section: &section, claim_code, class: CLASS };
    line.manufacture(&with).unwrap();
    let mut rot = Mailbox::of(line).unwrap();
    let device = rot.device();
    rot.claim(CODE, &owner_section(false)).unwrap();
    let mut rot = rot.restart(Start::Normal).unwrap();
    assert_eq!(rot.device(), device);
    let (set, images) = (set(&[(APP, 1)]), [measured(APP, 1)]);
    let next = NextLayer { runtime: measured(RUNTIME, 1), set: Some(&set), images: &images };
    assert_eq!(rot.boot(&next), Ok(Mode::Normal));
    rot.confirm().unwrap();
    drop(rot);
    board.power_off();
    let mut board = psram.power_on();
    let rot = Mailbox::open(board.line(), patience()).unwrap();
    assert_eq!((rot.device(), rot.status().unwrap().boot), (device, 1));
}
