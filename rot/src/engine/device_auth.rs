//! The device-auth key: derived by the engine, or kept by the chip.

use crate::error::{Error, Result};
use crate::platform::Vault;
use crate::secret::Secret;
use core::cell::Cell;
use craton_trust::PublicKey;
use craton_trust::crypto::{Crypto, KeyedCrypto, Signature, Signer};

/// The device-auth key in force.
pub enum DeviceAuth<'a, C: KeyedCrypto> {
    /// In memory as long as this value.
    Derived(C::Key),
    /// In the chip.
    Kept(Kept<'a, C>),
}

/// A key that the chip keeps, as a signer whose failures are not lost on the way.
pub struct Kept<'a, C: Crypto> {
    vault: &'a dyn Vault,
    crypto: &'a C,
    seed: Secret,
    public: PublicKey,
    failure: Cell<Option<Error>>,
}

impl<'a, C: Crypto> Kept<'a, C> {
    pub fn new(vault: &'a dyn Vault, crypto: &'a C, seed: Secret) -> Result<Self> {
        let public = vault.client_key(&seed)?;
        Ok(Self { vault, crypto, seed, public, failure: Cell::new(None) })
    }
}

impl<C: Crypto> Signer for Kept<'_, C> {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, parts: &[&[u8]]) -> craton_trust::error::Result<Signature> {
        let message = self.crypto.sha256(parts);
        self.vault.client_sign(&self.seed, &message).map_err(|error| {
            self.failure.set(Some(error));
            craton_trust::Error::SignatureInvalid
        })
    }
}

impl<C: KeyedCrypto> DeviceAuth<'_, C> {
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Derived(key) => key.public_key(),
            Self::Kept(key) => key.public,
        }
    }

    /// What `sign` makes with the key.
    pub fn signed<T>(
        &self,
        sign: impl FnOnce(&dyn Signer) -> craton_trust::error::Result<T>,
    ) -> Result<T> {
        match self {
            Self::Derived(key) => Ok(sign(key)?),
            Self::Kept(key) => {
                sign(key).map_err(|error| key.failure.take().unwrap_or(error.into()))
            }
        }
    }
}
