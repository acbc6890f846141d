//! The back-ends under test.

use super::board::InMailbox;
pub use super::steps::*;
use craton_rot::platform::file::FilePlatform;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::{Engine, Manufacture, Start};
use craton_trust::soft::Soft;
use std::path::PathBuf;

#[derive(Default)]
pub struct InMemory(pub MemoryPlatform);

impl Bench for InMemory {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        Box::new(Engine::manufacture(self.0.clone(), Soft, with).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        Box::new(Engine::reset(self.0.clone(), Soft, start).unwrap())
    }
}

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
        // A child that another test starts holds our lock from its fork to its exec.
        for _ in 0..200 {
            match Engine::<FilePlatform>::open(&self.path(), Soft, start) {
                Err(craton_rot::Error::StorageLocked) => {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                other => return Box::new(other.unwrap()),
            }
        }
        panic!("the lock was never free");
    }
}

/// Runs a test on each back-end.
pub fn on_every_back_end(test: impl Fn(&mut dyn Bench)) {
    test(&mut InMemory::default());
    test(&mut InFile::new());
    test(&mut InMailbox::default());
}
