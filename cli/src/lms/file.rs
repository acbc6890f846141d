//! The text of a key file: public key and next leaf in the clear, the seed sealed, and all three
//! vouched for together, so that a changed count is as plain as a changed key.

use crate::output::hex;
use crate::sealed::{Sealed, Wrapping};
use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use craton_trust::id::from_hex;
use craton_trust::key::LmsPublicKey;
use craton_trust::lms::{KEY_SIZE, LEAVES, ROOT_SIZE};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a key file of LMS begins its life as.
const FORMAT: &str = "craton-lms-key-1";

/// Bytes of a seed: as many as of a hash of the believed set.
pub const SEED_SIZE: usize = ROOT_SIZE;

/// What a key's secrets are made from.
pub type Seed = Zeroizing<[u8; SEED_SIZE]>;

/// A key file as it was read; what it says is not vouched for yet.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    format: String,
    public_key: String,
    next_leaf: u32,
    secret: Secret,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Secret {
    /// Under a passphrase.
    Sealed(Sealed),
    /// For one machine's development.
    Clear(Clear),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clear {
    seed: String,
    /// SHA-256 of what else the file says, and of the seed.
    check: String,
}

/// What the secret of a file is written with.
pub enum Keeper {
    /// A passphrase.
    Passphrase(Wrapping),
    /// Nothing.
    Nobody,
}

impl KeyFile {
    /// Writes what a file says.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn of(key: &LmsPublicKey, next_leaf: u32, seed: &Seed, keeper: &Keeper) -> Result<Self> {
        let context = context(key, next_leaf);
        let secret = match keeper {
            Keeper::Passphrase(wrapping) => Secret::Sealed(wrapping.seal(&seed[..], &context)?),
            Keeper::Nobody => {
                Secret::Clear(Clear { seed: hex(&seed[..]), check: check(&context, seed) })
            }
        };
        Ok(Self { format: FORMAT.into(), public_key: hex(&key.to_hss()), next_leaf, secret })
    }

    /// Reads a file's text; `None` for anything else, a leaf beyond the tree, another set of
    /// parameters, or costs beyond the bounds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let file: Self = serde_json::from_str(text).ok()?;
        let bounded = match &file.secret {
            Secret::Sealed(sealed) => sealed.is_bounded(),
            Secret::Clear(_) => true,
        };
        let known = file.format == FORMAT && file.next_leaf <= LEAVES && bounded;
        file.public_key().filter(|_| known)?;
        Some(file)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None: strings and numbers always serialise.
    pub fn to_text(&self) -> Result<Zeroizing<String>> {
        Ok(Zeroizing::new(serde_json::to_string_pretty(self)?))
    }

    /// The key that verifies.
    #[must_use]
    pub fn public_key(&self) -> Option<LmsPublicKey> {
        let hss = from_hex::<KEY_SIZE>(&self.public_key)?;
        LmsPublicKey::from_hss(&hss).ok()
    }

    /// The leaf that signs next; as many as the tree has if none is left.
    #[must_use]
    pub const fn next_leaf(&self) -> u32 {
        self.next_leaf
    }

    /// What is under the passphrase, if anything is.
    #[must_use]
    pub const fn sealed(&self) -> Option<&Sealed> {
        match &self.secret {
            Secret::Sealed(sealed) => Some(sealed),
            Secret::Clear(_) => None,
        }
    }

    /// The seed, if it and all that stands beside it are what was written; `None` otherwise, and
    /// for another passphrase.
    #[must_use]
    pub fn seed(&self, keeper: &Keeper) -> Option<Seed> {
        let context = context(&self.public_key()?, self.next_leaf);
        match (&self.secret, keeper) {
            (Secret::Sealed(sealed), Keeper::Passphrase(wrapping)) => {
                wrapping.open(sealed, &context)
            }
            (Secret::Clear(clear), Keeper::Nobody) => {
                let seed = Zeroizing::new(from_hex(&clear.seed)?);
                (check(&context, &seed) == clear.check).then_some(seed)
            }
            _ => None,
        }
    }
}

/// What is vouched for beside the seed.
fn context(key: &LmsPublicKey, next_leaf: u32) -> String {
    format!("{FORMAT} {} {next_leaf}", hex(&key.to_hss()))
}

fn check(context: &str, seed: &Seed) -> String {
    let text = Zeroizing::new([context.as_bytes(), b" ", &seed[..]].concat());
    hex(digest(&SHA256, &text).as_ref())
}
