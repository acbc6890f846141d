//! Random numbers of a chip: HMAC-SHA-512 by a key that is replaced after each use.

use craton_rot::{Error, Result};

/// HMAC-SHA-512 over parts.
pub type Hmac = fn(&[u8], &[&[u8]]) -> [u8; 64];

/// Its random numbers, once there is something to make them of.
pub struct Random(Option<Begun>);

struct Begun {
    key: [u8; 64],
    hmac: Hmac,
}

impl Random {
    /// Before there is.
    pub const NONE: Self = Self(None);

    /// Begins by a key that nobody knows.
    pub const fn of(key: [u8; 64], hmac: Hmac) -> Self {
        Self(Some(Begun { key, hmac }))
    }

    fn begun(&mut self) -> Result<&mut Begun> {
        self.0.as_mut().ok_or(Error::RandomFailed)
    }

    /// Mixes somebody's bytes in.
    ///
    /// # Errors
    /// `RandomFailed` before it was begun.
    pub fn stir(&mut self, bytes: &[u8]) -> Result<()> {
        let Begun { key, hmac } = self.begun()?;
        *key = hmac(key, &[b"stir", bytes]);
        Ok(())
    }

    /// Fills `out`; what `draw` gives goes into each block.
    ///
    /// # Errors
    /// `RandomFailed` before it was begun; those of `draw`.
    pub fn fill<const N: usize>(
        &mut self,
        out: &mut [u8],
        mut draw: impl FnMut() -> Result<[u8; N]>,
    ) -> Result<()> {
        let Begun { key, hmac } = self.begun()?;
        for chunk in out.chunks_mut(key.len()) {
            let block = hmac(key, &[b"out", &draw()?]);
            chunk.iter_mut().zip(block).for_each(|(place, byte)| *place = byte);
            *key = hmac(key, &[b"next"]);
        }
        Ok(())
    }
}
