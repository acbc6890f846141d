//! A board without a board: an engine behind both halves of the mailbox, on a thread of its own.

use craton_rot::engine::{Manufacture, Start};
use craton_rot::mailbox::client::{Line, Mailbox, Patience};
use craton_rot::mailbox::frame::Decoder;
use craton_rot::mailbox::{Chip, ENTROPY_SIZE, EngineChip, FRAME_MAX, Place, Post, serve};
use craton_rot::platform::memory::MemoryPlatform;
use craton_trust::soft::Soft;
use std::io::{Read as _, Write as _};
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
pub struct Board(Sender<UnixStream>);

impl Board {
    pub fn power_on(platform: &MemoryPlatform) -> Self {
        let (plugs, plugged) = mpsc::channel::<UnixStream>();
        let mut chip = chip(platform);
        std::thread::spawn(move || {
            let mut decoder = Decoder::new(vec![0; FRAME_MAX]);
            let mut post = Post::new(vec![0; FRAME_MAX]);
            for line in plugged {
                talk(line, &mut decoder, &mut post, &mut chip);
            }
        });
        Self(plugs)
    }

    /// The host's end of a new cable.
    pub fn plug(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.0.send(theirs).unwrap();
        ours
    }
}

/// Until the other end is unplugged.
fn talk(
    mut line: UnixStream,
    decoder: &mut Decoder<Vec<u8>>,
    post: &mut Post<Vec<u8>>,
    chip: &mut impl Chip,
) {
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = line.read(&mut chunk) {
        for byte in &chunk[..length] {
            let Some(frame) = decoder.push(*byte) else { continue };
            let mut sent = Vec::new();
            let send = |bytes: &[u8]| sent.extend_from_slice(bytes);
            post.take(&frame, |call, out| serve(chip, call, out), send);
            if line.write_all(&sent).is_err() {
                return;
            }
        }
    }
}

/// A chip in memory behind a mailbox.
pub struct InMailbox {
    board: Board,
}

impl Default for InMailbox {
    fn default() -> Self {
        Self { board: Board::power_on(&MemoryPlatform::new()) }
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
