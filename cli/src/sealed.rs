//! Secrets under a passphrase.
//!
//! A guesser pays Argon2id's time and memory for each try. What stands beside the secret in the
//! clear is authenticated with it.

use crate::output::hex;
use crate::passphrase::Passphrase;
use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use craton_trust::id::from_hex;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Argon2id as RFC 9106 §4 has it for a machine with little memory to spare.
const COSTS: Costs = Costs { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// A file that asks for more is refused: opening one must not stop the machine.
const COSTS_MAX: Costs = Costs { memory_kib: 1024 * 1024, passes: 64, lanes: 16 };

/// What one try costs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A sealed secret, as it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Argon2id's memory.
    pub memory_kib: u32,
    /// Its passes.
    pub passes: u32,
    /// Its lanes.
    pub lanes: u32,
    /// Its salt, 16 bytes in hexadecimal.
    pub salt: String,
    /// AES-GCM's nonce, in hexadecimal.
    pub nonce: String,
    /// Secret and tag, in hexadecimal.
    pub sealed: String,
}

impl Sealed {
    /// Whether opening it costs no more than any may.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.memory_kib <= COSTS_MAX.memory_kib
            && self.passes <= COSTS_MAX.passes
            && self.lanes <= COSTS_MAX.lanes
    }

    const fn costs(&self) -> Costs {
        Costs { memory_kib: self.memory_kib, passes: self.passes, lanes: self.lanes }
    }
}

/// The key that a passphrase is stretched to, for the secrets of one salt.
pub struct Wrapping {
    key: LessSafeKey,
    costs: Costs,
    salt: [u8; 16],
}

impl Wrapping {
    /// Of a new salt.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn fresh(passphrase: &Passphrase) -> Result<Self> {
        let mut salt = [0u8; 16];
        aws_lc_rs::rand::fill(&mut salt).context("the system has no randomness")?;
        Self::stretched(COSTS, salt, passphrase).context("Argon2id refused its parameters")
    }

    /// That of a sealed secret; `None` for one that no passphrase opens.
    #[must_use]
    pub fn of(sealed: &Sealed, passphrase: &Passphrase) -> Option<Self> {
        let salt = from_hex(&sealed.salt).filter(|_| sealed.is_bounded())?;
        Self::stretched(sealed.costs(), salt, passphrase)
    }

    fn stretched(costs: Costs, salt: [u8; 16], passphrase: &Passphrase) -> Option<Self> {
        let Costs { memory_kib, passes, lanes } = costs;
        let params = argon2::Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
        let algorithm = argon2::Algorithm::Argon2id;
        let argon2 = argon2::Argon2::new(algorithm, argon2::Version::V0x13, params);
        let mut key = Zeroizing::new([0u8; 32]);
        argon2.hash_password_into(passphrase.as_bytes(), &salt, &mut key[..]).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &key[..]).ok().map(LessSafeKey::new)?;
        Some(Self { key, costs, salt })
    }

    /// Seals a secret, under a nonce of its own; the seal vouches for `context`, too.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, secret: &[u8], context: &str) -> Result<Sealed> {
        let mut nonce = [0u8; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).context("the system has no randomness")?;
        let Costs { memory_kib, passes, lanes } = self.costs;
        let mut body = secret.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(self.facts(context)), &mut body)
            .context("the secret could not be sealed")?;
        let (salt, nonce, sealed) = (hex(&self.salt), hex(&nonce), hex(&body));
        Ok(Sealed { memory_kib, passes, lanes, salt, nonce, sealed })
    }

    /// The secret of `SIZE` bytes; `None` if it was sealed under another passphrase or salt, or
    /// beside another context.
    #[must_use]
    pub fn open<const SIZE: usize>(
        &self,
        sealed: &Sealed,
        context: &str,
    ) -> Option<Zeroizing<[u8; SIZE]>> {
        if sealed.costs() != self.costs || from_hex(&sealed.salt) != Some(self.salt) {
            return None;
        }
        let nonce = Nonce::assume_unique_for_key(from_hex::<NONCE_LEN>(&sealed.nonce)?);
        let mut body = Zeroizing::new(bytes(&sealed.sealed)?);
        let opened = self.key.open_in_place(nonce, Aad::from(self.facts(context)), &mut body[..]);
        opened.ok().and_then(|secret| <[u8; SIZE]>::try_from(&*secret).ok()).map(Zeroizing::new)
    }

    /// What the seal also vouches for.
    fn facts(&self, context: &str) -> String {
        let Costs { memory_kib, passes, lanes } = self.costs;
        format!("{context} {memory_kib} {passes} {lanes}")
    }
}

/// The bytes of hexadecimal digits, as many as there are.
pub(crate) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| from_hex::<1>(str::from_utf8(pair).ok()?).map(|[byte]| byte);
    pairs.iter().map(byte).collect::<Option<_>>().filter(|_| rest.is_empty())
}
