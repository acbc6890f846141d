//! A ROM that no slot starts, and what it takes over the wire (ROT-22).

use super::board::{WAITS, package_of, package_with, patience};
use super::update::{Powered, board, package, program};
use super::world::{PLATFORM_PUBLISHER, STRANGER, approved};
use craton_firmware::map;
use craton_rot::mailbox::client::{Line, Mailbox, recover};
use craton_rot::programs::install;
use craton_rot::slots::{MARKS_SIZE, Slot};
use craton_rot::{Error, RootOfTrust as _};
use craton_trust::Error as Refusal;
use craton_trust::dice::Mode;
use craton_trust::suit::{Image, ImageType};
use std::io::Write as _;

fn as_recovery(image: &mut Image<'_>) {
    image.image_type = ImageType::Recovery;
}

#[test]
fn rot_22_a_board_without_a_program_is_recovered_over_the_wire() {
    let psram = board();
    Slot::BOTH.iter().for_each(|slot| psram.write(map::slot(*slot), &[0xff; MARKS_SIZE]));
    let power = psram.power_on();
    assert_eq!(power.heard(), ["rom: refused E3510", WAITS]);
    let asked = Line::open(power.connect(), patience());
    assert_eq!(asked.err(), Some(Error::RecoveryAwaited));
    let mut line = power.connect();
    line.write_all(b"any garbage").unwrap();
    let old = package_of(PLATFORM_PUBLISHER, |image| {
        as_recovery(image);
        image.security_version = 0;
    });
    for (package, error) in [
        (package_of(PLATFORM_PUBLISHER, |_| ()), Error::RuntimeType),
        (package_of(STRANGER, as_recovery), Error::Trust(Refusal::SignerUnknown)),
        (old, Error::Trust(Refusal::RolledBack)),
    ] {
        assert_eq!(recover(&mut line, &package), Err(error));
        let said = format!("rom: wire refused E{}", error.code());
        assert_eq!(power.heard(), [said], "and it waits on");
    }
    let good = package_with(PLATFORM_PUBLISHER, &program(1), |image| {
        as_recovery(image);
        image.security_version = 1;
    });
    recover(&mut line, &good).unwrap();
    assert_eq!(power.heard(), ["rom: starts the runtime"]);
    drop(line);
    let mut rot = Mailbox::open(power.connect(), patience()).unwrap();
    assert_eq!(rot.status().unwrap().mode, Mode::Recovery);
    assert_eq!(rot.programs().unwrap().running, None);
    install(&mut rot, &package(2), Some(&approved(&package(2)))).unwrap();
    drop((rot, power));
    let mut powered = Powered::on(&psram);
    powered.boot();
    powered.rot.confirm().unwrap();
    let programs = powered.rot.programs().unwrap();
    assert_eq!((programs.security_version, programs.floor), (2, 2));
}
