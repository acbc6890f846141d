//! The back-ends under test.

use super::board::InMailbox;
pub use super::steps::*;
use super::swtpm::Swtpm;
use super::world::*;
use craton_rot::platform::file::FilePlatform;
use craton_rot::tpm2::{BootApproval, Transport};
use craton_rot::{Engine, Manufacture, RotClass, Start};
use craton_trust::Digest;
use craton_trust::quoted::Registers;
use craton_trust::soft::Soft;
use std::path::PathBuf;

pub struct InFile {
    folder: tempfile::TempDir,
}

impl InFile {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("device/rot")
    }
}

impl Bench for InFile {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        Box::new(Engine::<FilePlatform>::create(&self.path(), Soft, with).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        let open = || Engine::<FilePlatform>::open(&self.path(), Soft, start);
        Box::new(unlocked(open).unwrap())
    }
}

/// A child that another test starts holds our lock from its fork to its exec: tries until it is
/// free.
pub fn unlocked<T>(mut open: impl FnMut() -> craton_rot::Result<T>) -> craton_rot::Result<T> {
    for _ in 0..200 {
        match open() {
            Err(craton_rot::Error::StorageLocked) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            other => return other,
        }
    }
    panic!("the lock was never free");
}

/// A device in a TPM whose platform's publisher approved the registers 0 to 7.
pub struct InTpm(pub Swtpm);

impl InTpm {
    pub fn new() -> Self {
        Self(Swtpm::new())
    }

    pub fn way(&self) -> Transport {
        Transport::unix(&self.0.socket()).unwrap()
    }
}

/// What the platform's publisher approves: the registers of a TPM that nothing extended.
pub fn approvals() -> [BootApproval; 1] {
    let mut registers = Registers::none();
    (0..8).for_each(|register| registers.push(register, Digest([0; 32])).unwrap());
    [BootApproval::sign(&Soft, &key(PLATFORM_PUBLISHER), &registers, 0).unwrap()]
}

impl Bench for InTpm {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        let file = self.0.file();
        let make = || Engine::create_in_tpm(self.way(), &file, &approvals(), Soft, with);
        Box::new(unlocked(make).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        self.0.power_cycle();
        let file = self.0.file();
        let open = || Engine::open_in_tpm(self.way(), &file, &approvals(), Soft, start);
        Box::new(unlocked(open).unwrap())
    }

    fn class(&self) -> RotClass {
        RotClass::Tpm
    }
}

/// Runs a test on each back-end.
pub fn on_every_back_end(test: impl Fn(&mut dyn Bench)) {
    test(&mut InMemory::default());
    test(&mut InFile::new());
    test(&mut InMailbox::default());
    test(&mut InTpm::new());
}
