//! An engine behind both halves of the mailbox, on a thread of its own.

use craton_rot::engine::{Manufacture, Start};
use craton_rot::mailbox::board::Board;
use craton_rot::mailbox::client::{Line, Mailbox, Patience};
use craton_rot::mailbox::{ENTROPY_SIZE, EngineChip, Place};
use craton_rot::platform::memory::MemoryPlatform;
use craton_trust::soft::Soft;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};

use super::bench::{Bench, Rot};

/// Where the engine of a chip in memory lives.
pub struct InChip(pub MemoryPlatform);

impl Place for InChip {
    type Platform = MemoryPlatform;
    type Crypto = Soft;

    fn parts(&mut self) -> (MemoryPlatform, Soft) {
        (self.0.clone(), Soft)
    }

    fn stir(&mut self, _: &[u8; ENTROPY_SIZE]) -> craton_rot::Result<()> {
        Ok(()) // it has a source of its own
    }
}

pub fn chip(platform: &MemoryPlatform) -> EngineChip<InChip> {
    EngineChip::start(InChip(platform.clone()), Start::Normal)
}

/// A board that has power; it loses it with this value.
pub struct Powered(Sender<UnixStream>);

impl Powered {
    pub fn on(platform: &MemoryPlatform) -> Self {
        let (plugs, plugged) = mpsc::channel::<UnixStream>();
        let mut board = Board::new(chip(platform));
        std::thread::spawn(move || plugged.into_iter().for_each(|line| board.talk(line)));
        Self(plugs)
    }

    /// The host's end of a new cable.
    pub fn plug(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.0.send(theirs).unwrap();
        ours
    }
}

/// A chip in memory behind a mailbox.
pub struct InMailbox {
    board: Powered,
}

impl Default for InMailbox {
    fn default() -> Self {
        Self { board: Powered::on(&MemoryPlatform::new()) }
    }
}

impl Bench for InMailbox {
    fn make(&mut self, with: &Manufacture<'_>) -> Rot {
        let mut line = Line::open(self.board.plug(), Patience::default()).unwrap();
        line.manufacture(with).unwrap();
        Box::new(Mailbox::of(line).unwrap())
    }

    fn restart(&mut self, rot: Rot, start: Start) -> Rot {
        drop(rot);
        let mut line = Line::open(self.board.plug(), Patience::default()).unwrap();
        line.restart(start).unwrap();
        Box::new(Mailbox::of(line).unwrap())
    }
}
