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

impl<const N: usize> Secret<N> {
    /// The bytes, for who encloses or compares them.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use crate::AuthRole;
    use core::fmt::Debug;
    use core::marker::PhantomData;
    use core::mem::needs_drop;

    struct Probe<T>(PhantomData<T>);

    trait WithoutDebug {
        fn has_debug(&self) -> bool {
            false
        }
    }

    impl<T> WithoutDebug for Probe<T> {}

    impl<T: Debug> Probe<T> {
        fn has_debug(&self) -> bool {
            true
        }
    }

    #[test]
    fn rot_11_secrets_wipe_themselves_and_have_no_debug() {
        let mut secret = Secret::new([7; 32]);
        secret.wipe();
        assert_eq!(secret.0, [0; 32]);
        assert!(needs_drop::<Secret>() && needs_drop::<Secret<128>>());
        assert!(Probe::<u8>(PhantomData).has_debug());
        assert!(!Probe::<Secret>(PhantomData).has_debug());
        assert!(!Probe::<AuthRole>(PhantomData).has_debug());
    }
}
