//! What answers a mailbox: a chip, before and after it has an identity.

use super::{ENTROPY_SIZE, FRAME_MAX};
use crate::RootOfTrust;
use crate::engine::{Engine, Manufacture, Start};
use crate::error::{Error, Result};
use crate::failure::ChipFailure;
use crate::platform::Platform;
use craton_trust::crypto::KeyedCrypto;

/// Which program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Runs {
    /// The ROM stage: there is no runtime that it could start.
    Rom = 0,
    /// The runtime.
    Runtime = 1,
}

impl Runs {
    /// From its number.
    ///
    /// # Errors
    /// `AnswerMalformed`.
    pub const fn from_number(number: u64) -> Result<Self> {
        match number {
            0 => Ok(Self::Rom),
            1 => Ok(Self::Runtime),
            _ => Err(Error::AnswerMalformed),
        }
    }
}

/// A chip behind a mailbox.
pub trait Chip {
    /// What it gives once it has an identity.
    type Rot: RootOfTrust;

    /// Which program answers.
    fn runs(&self) -> Runs;

    /// The largest frame of a request that its mailbox takes, bytes.
    fn frame_max(&self) -> usize;

    /// The root of trust, since the last reset.
    ///
    /// # Errors
    /// `NotManufactured` on a blank chip; whatever the last reset was refused with.
    fn rot(&mut self) -> Result<&mut Self::Rot>;

    /// Gives a blank chip its identity, with a host's randomness beside its own.
    ///
    /// # Errors
    /// As [`Engine::manufacture`].
    fn manufacture(&mut self, with: &Manufacture<'_>, entropy: &[u8; ENTROPY_SIZE]) -> Result<()>;

    /// Resets the chip. One that loses its RAM by it resets after the reply is on the line: until
    /// then nothing but this operation may be answered.
    ///
    /// # Errors
    /// As [`Engine::reset`]; one that comes later is what every operation gets from then on.
    fn restart(&mut self, start: Start) -> Result<()>;

    /// Mixes a host's randomness into the chip's. It is no secret from that host, so that a chip
    /// with a source of its own loses nothing, and one without gets something only against others.
    ///
    /// # Errors
    /// `RandomFailed`.
    fn stir(&mut self, entropy: &[u8; ENTROPY_SIZE]) -> Result<()>;

    /// Takes what is kept of its last failure, once.
    fn take_failure(&mut self) -> Option<ChipFailure> {
        None
    }
}

/// Where an engine lives: what gives it its platform at each reset.
pub trait Place {
    /// The platform.
    type Platform: Platform;
    /// The algorithms.
    type Crypto: KeyedCrypto;

    /// The platform and algorithms for the next engine; the one before is gone by then.
    fn parts(&mut self) -> (Self::Platform, Self::Crypto);

    /// As [`Chip::stir`].
    ///
    /// # Errors
    /// `RandomFailed`.
    fn stir(&mut self, entropy: &[u8; ENTROPY_SIZE]) -> Result<()>;

    /// As [`Chip::take_failure`].
    fn take_failure(&mut self) -> Option<ChipFailure> {
        None
    }
}

/// An engine as a chip: it starts at once, and again at each `Restart`.
pub struct EngineChip<L: Place> {
    place: L,
    engine: Result<Engine<L::Platform, L::Crypto>>,
}

impl<L: Place> EngineChip<L> {
    /// Resets the chip at a place.
    pub fn start(mut place: L, start: Start) -> Self {
        let (platform, crypto) = place.parts();
        let engine = Engine::reset(platform, crypto, start);
        Self { place, engine }
    }
}

impl<L: Place> Chip for EngineChip<L> {
    type Rot = Engine<L::Platform, L::Crypto>;

    fn runs(&self) -> Runs {
        Runs::Runtime
    }

    fn frame_max(&self) -> usize {
        FRAME_MAX
    }

    fn rot(&mut self) -> Result<&mut Self::Rot> {
        self.engine.as_mut().map_err(|error| *error)
    }

    fn manufacture(&mut self, with: &Manufacture<'_>, entropy: &[u8; ENTROPY_SIZE]) -> Result<()> {
        match &self.engine {
            Ok(_) => return Err(Error::AlreadyManufactured),
            Err(Error::NotManufactured) => {}
            Err(error) => return Err(*error),
        }
        self.place.stir(entropy)?;
        let (platform, crypto) = self.place.parts();
        let made = Engine::manufacture(platform, crypto, with)?;
        self.engine = Ok(made);
        Ok(())
    }

    fn restart(&mut self, start: Start) -> Result<()> {
        // The engine goes first: its secrets, and what it holds of its platform.
        self.engine = Err(Error::ResetNeeded);
        let (platform, crypto) = self.place.parts();
        self.engine = Engine::reset(platform, crypto, start);
        self.rot().map(|_| ())
    }

    fn stir(&mut self, entropy: &[u8; ENTROPY_SIZE]) -> Result<()> {
        self.place.stir(entropy)
    }

    fn take_failure(&mut self) -> Option<ChipFailure> {
        self.place.take_failure()
    }
}
