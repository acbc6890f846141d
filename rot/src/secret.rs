//! Secrets wipe themselves when they go, and have no `Debug` (ROT-11).

use zeroize::Zeroize as _;

/// Secret bytes.
#[derive(Clone)]
pub struct Secret<const N: usize = 32>(pub(crate) [u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over; the caller's copy is the caller's to wipe.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// All zero, to be filled.
    #[must_use]
    pub const fn zero() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
