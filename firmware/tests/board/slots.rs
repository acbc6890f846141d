//! Which slot the ROM starts, and what it marks before (ROT-19).

use super::board::{Psram, chip, package, package_of};
use super::world::STRANGER;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::slots::{STARTS, Slot, Standing};

const STARTED: [&str; 2] = ["rom: starts the runtime", "hello: runs"];

fn standings(psram: &Psram) -> [Standing; 2] {
    Slot::BOTH.map(|slot| psram.marks(slot).standing())
}

#[test]
fn rot_19_the_rom_counts_the_starts_of_a_trial_and_then_starts_the_confirmed_one() {
    let psram = Psram::of(&chip(), &package(|_| ()));
    psram.arm_in(Slot::B, &package(|image| image.security_version = 4));
    for start in 1..=STARTS {
        assert_eq!(psram.boot(), STARTED);
        let spent = if start == STARTS { Standing::Spent } else { Standing::Trial };
        assert_eq!(standings(&psram), [Standing::Confirmed, spent], "start {start}");
    }
    let spent = psram.marks(Slot::B);
    assert_eq!(psram.boot(), STARTED);
    assert_eq!(psram.marks(Slot::B), spent, "not B again");
}

#[test]
fn rot_19_a_refused_trial_is_said_and_leaves_the_start_to_the_other_slot() {
    let psram = Psram::of(&chip(), &package(|_| ()));
    psram.arm_in(Slot::B, &package_of(STRANGER, |_| ()));
    for _ in 0..STARTS {
        let said = psram.boot();
        assert_eq!(said, ["rom: slot B refused E1103", STARTED[0], STARTED[1]]);
    }
    assert_eq!(standings(&psram), [Standing::Confirmed, Standing::Spent]);
    assert_eq!(psram.boot(), STARTED, "it is tried no more often than one that starts");
}

#[test]
fn rot_19_what_is_not_armed_is_not_tried_and_what_is_spent_is_the_last_resort() {
    let (chip, good) = (chip(), package(|_| ()));
    let psram = Psram::of(&chip, &package(|image| image.security_version = 2));
    psram.arm_in(Slot::B, &good);
    for _ in 0..=STARTS {
        assert!(psram.boot().ends_with(&STARTED.map(String::from)));
    }
    let last = ["rom: slot A refused E1305", STARTED[0], STARTED[1]];
    assert_eq!(psram.boot(), last, "nothing else can");
    let empty = Psram::of(&chip, &[]);
    empty
        .write(craton_firmware::map::slot(Slot::A) + craton_firmware::map::SLOT_HEADER_SIZE, &good);
    assert_eq!(empty.boot(), ["rom: refused E3510"]);
}

#[test]
fn rot_19_a_blank_chip_has_trials_too() {
    let psram = Psram::blank(&package(|_| ()));
    psram.arm_in(Slot::B, &package(|_| ()));
    for _ in 0..=STARTS {
        assert_eq!(psram.boot(), STARTED);
    }
    assert_eq!(standings(&psram), [Standing::Confirmed, Standing::Spent]);
    assert_eq!(Psram::of(&MemoryPlatform::new(), &[]).boot(), ["rom: refused E3510"]);
}
