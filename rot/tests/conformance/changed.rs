//! A flash that somebody changes while the ROM decides, or between the ROM and its program: both
//! looks, and the program, see one state and one section (ROT-18).

use super::rom::{confirmed, envelope_of, handed_over, package, package_around, take_over};
use super::world::*;
use craton_rot::engine::rom;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform, Row, Sector, SlotFlash};
use craton_rot::{Capabilities, Error, Result, RootOfTrust as _, Start};
use craton_trust::crypto::Signer as _;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder};
use craton_trust::suit::ImageType;
use std::cell::Cell;

/// Shows the sectors of one chip for so many reads, and then those of another.
struct Changing {
    before: MemoryPlatform,
    after: MemoryPlatform,
    left: Cell<usize>,
    changed: Cell<bool>,
}

impl Changing {
    fn now(&self) -> &MemoryPlatform {
        match self.left.get().checked_sub(1) {
            Some(left) => {
                self.left.set(left);
                &self.before
            }
            None => {
                self.changed.set(true);
                &self.after
            }
        }
    }
}

impl Platform for Changing {
    fn reset(&mut self) {}

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        self.after.fuses(row, into)
    }

    fn burn(&mut self, _: Row, _: &[u8]) -> Result<()> {
        Err(Error::StorageFailed)
    }

    fn lock_uds(&mut self) {}

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        self.now().read(sector, offset, into)
    }

    fn erase(&mut self, _: Sector) -> Result<()> {
        Err(Error::StorageFailed)
    }

    fn program(&mut self, _: Sector, _: usize, _: &[u8]) -> Result<()> {
        Err(Error::StorageFailed)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn slots(&self) -> Option<&dyn SlotFlash> {
        None
    }

    fn random(&mut self, _: &mut [u8]) -> Result<()> {
        Err(Error::RandomFailed)
    }

    fn capabilities(&self) -> Capabilities {
        self.after.capabilities()
    }
}

/// A chip, and what it was before its platform's publisher became the stranger.
fn before_and_after() -> (MemoryPlatform, MemoryPlatform) {
    let (mut rot, chip) = confirmed();
    let mut old = chip.duplicate();
    let next = successor(&platform_section(false), PLATFORM_ROOT, |section| {
        section.set_role(Role::Publisher, RoleKeysBuilder::of(key(STRANGER).public_key()));
    });
    chip.install_program(craton_rot::slots::Slot::A, &by_stranger());
    rot.replace(&next, &[&set(&[(APP, 1)])], &[&envelope(APP, 1)]).unwrap();
    drop(rot);
    let mut new = chip.duplicate();
    new.reset();
    old.reset();
    new.erase(Sector::PlatformA).unwrap(); // the section of the old state
    (old, new)
}

fn by_stranger() -> Vec<u8> {
    package_around(&envelope_of(STRANGER, |_| ()))
}

#[test]
fn rot_18_a_state_that_changes_between_the_looks_is_a_doubt() {
    let (old, new) = before_and_after();
    let (revoked, mut mixed, mut whole) = (package(|_| ()), 0, 0);
    for left in 0..60 {
        let [before, after] = [old.duplicate(), new.duplicate()];
        let (left_now, changed) = (Cell::new(left), Cell::new(false));
        let chip = Changing { before, after, left: left_now, changed };
        let Ok(runtime) = rom::select(&chip, &Soft, ImageType::RootOfTrust, &revoked) else {
            continue;
        };
        if chip.changed.get() {
            mixed += 1;
            assert_ne!(runtime.token(), rom::GO, "{left}");
        } else {
            whole += 1;
            assert_eq!(runtime.token(), rom::GO, "{left}");
        }
    }
    assert!(mixed > 0 && whole > 0, "{mixed} {whole}");
}

#[test]
fn rot_16_a_program_does_not_go_on_under_another_state_than_the_roms() {
    let (old, new) = before_and_after();
    let handover = handed_over(&old, Start::Normal);
    assert!(take_over(&old, &handover).is_ok());
    let mut chip = new.duplicate();
    chip.reset();
    assert_eq!(take_over(&chip, &handover).err(), Some(Error::HandoverInvalid));
}
