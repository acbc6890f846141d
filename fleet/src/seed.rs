//! One seed, many streams: each part of the simulation draws from its own, so that what one part
//! draws never shifts another's.

use craton_trust::crypto::Crypto as _;
use craton_trust::soft::{Soft, SoftKey};

/// The seed of one simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of one part, such as `("chip", 7)`.
    #[must_use]
    pub fn stream(self, part: &str, number: u64) -> Stream {
        let (seed, number) = (self.0.to_be_bytes(), number.to_be_bytes());
        let key = Soft.sha256(&[b"craton/fleet", &seed, &number, part.as_bytes()]).0;
        Stream { key, block: 0, room: [0; 32], used: 32 }
    }

    /// A signing key that this seed always gives.
    ///
    /// # Panics
    /// Never in practice: once in 2³² a stream's first bytes are no key.
    #[must_use]
    pub fn key(self, name: &str) -> SoftKey {
        let mut secret = [0; 32];
        self.stream(name, 0).fill(&mut secret);
        SoftKey::from_bytes(&secret).expect("a key of the seed")
    }
}

/// Pseudo-random bytes: SHA-256 of a key and a counter. For simulation, never for secrets.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u8; 32],
    block: u64,
    room: [u8; 32],
    used: usize,
}

impl Stream {
    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.room.len() {
                self.room = Soft.sha256(&[&self.key, &self.block.to_be_bytes()]).0;
                (self.block, self.used) = (self.block + 1, 0);
            }
            *byte = self.room[self.used];
            self.used += 1;
        }
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_seeds_parts_and_numbers_own() {
        let draw = |seed: u64, part: &str, number| {
            let mut bytes = [0; 40];
            Seed(seed).stream(part, number).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(1, "a", 1), draw(1, "a", 1));
        assert_ne!(draw(1, "a", 1), draw(2, "a", 1));
        assert_ne!(draw(1, "a", 1), draw(1, "b", 1));
        assert_ne!(draw(1, "a", 1), draw(1, "a", 2));
    }
}
