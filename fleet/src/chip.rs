//! A chip in memory whose randomness comes from the seed.

use crate::seed::Stream;
use craton_rot::Result;
use craton_rot::capabilities::Capabilities;
use craton_rot::platform::memory::MemoryPlatform;
use craton_rot::platform::{Platform, Row, Sector};
use std::sync::{Arc, Mutex, PoisonError};

/// [`MemoryPlatform`] with seeded randomness. Clones are probes on the same chip.
#[derive(Clone)]
pub struct Chip {
    memory: MemoryPlatform,
    random: Arc<Mutex<Stream>>,
}

impl Chip {
    /// A blank chip.
    #[must_use]
    pub fn new(random: Stream) -> Self {
        Self { memory: MemoryPlatform::new(), random: Arc::new(Mutex::new(random)) }
    }
}

impl Platform for Chip {
    fn reset(&mut self) {
        self.memory.reset();
    }

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        self.memory.fuses(row, into)
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        self.memory.burn(row, bits)
    }

    fn lock_uds(&mut self) {
        self.memory.lock_uds();
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        self.memory.read(sector, offset, into)
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        self.memory.erase(sector)
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        self.memory.program(sector, offset, bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.memory.sync()
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }
}
