//! A board without a board: a chip served on byte streams of the host, one client at a time, by the
//! same halves that run on a real one.

extern crate std;

use super::FRAME_MAX;
use super::chip::Chip;
use super::post::Post;
use super::serve::serve;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::vec;
use std::vec::Vec;

/// What a chip's end of a line keeps, also while nobody is at the other one.
pub struct Board<C> {
    chip: C,
    post: Post<Vec<u8>>,
}

impl<C: Chip> Board<C> {
    /// A board that has just been given power.
    pub fn new(chip: C) -> Self {
        Self { chip, post: Post::new(vec![0; FRAME_MAX]) }
    }

    /// Answers until the other end goes.
    pub fn talk(&mut self, mut line: impl Read + Write) {
        let Self { chip, post } = self;
        let mut chunk = [0u8; 1024];
        while let Ok(length @ 1..) = line.read(&mut chunk) {
            for byte in chunk.get(..length).unwrap_or(&[]) {
                let mut sent = Vec::new();
                let send = |bytes: &[u8]| sent.extend_from_slice(bytes);
                let ended = post.take(*byte, |call, out| serve(chip, call, out), send);
                if ended && line.write_all(&sent).is_err() {
                    return;
                }
            }
        }
    }

    /// Answers one client after another until the listener fails.
    pub fn listen(&mut self, listener: &UnixListener) {
        for line in listener.incoming().map_while(Result::ok) {
            self.talk(line);
        }
    }
}
