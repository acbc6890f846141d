//! A key of LMS that keeps its count: each leaf signs once, whatever happens.
//!
//! A leaf is spent before the signature by it exists: under a lock, the file that says so is on the
//! disk, then this machine's record of it. What is cut between wastes a leaf and never uses one
//! twice. Whoever has an older copy of the file has leaves that were used: one that the record, or
//! an object with a later leaf, gives away is refused.
//!
//! Off-spec: SP 800-208 §8 wants the key inside a cryptographic module that nothing is copied from.
//! A file can be copied, and a copy elsewhere is not noticed here; that is why LMS stands only
//! beside ES256 (STORE-8).

use super::error::LmsError;
use super::file::{Keeper, KeyFile, SEED_SIZE, Seed};
use super::record::Record;
use super::tree::Tree;
use crate::error::CliError;
use crate::home::{read_secret, write_new_secret, write_secret};
use crate::keys::Unlock;
use crate::passphrase::Passphrase;
use crate::sealed::Wrapping;
use anyhow::{Context as _, Result};
use craton_trust::crypto::LmsSigner;
use craton_trust::error::{Error as TrustError, Result as TrustResult};
use craton_trust::key::LmsPublicKey;
use craton_trust::lms::{ID_SIZE, LEAVES, M24H10W4, ROOT_SIZE, Signature};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// An opened key file. It has no `Debug`, and wipes itself.
pub struct LmsKey {
    path: PathBuf,
    public: LmsPublicKey,
    tree: Tree<M24H10W4>,
    seed: Seed,
    keeper: Keeper,
    record: Record,
    /// What objects that it signed say: the leaf after the highest of theirs.
    seen: Cell<u32>,
    /// The leaf after the one that was spent last.
    next: Cell<u32>,
    /// Why it did not sign, for who learns only that it did not.
    refusal: RefCell<Option<CliError>>,
}

impl LmsKey {
    /// Makes a key and its file; this machine remembers it in `records`.
    ///
    /// # Errors
    /// `FileExists`, `FileNotWritten`, `FolderRefused`; when the system has no randomness.
    pub fn create(
        path: &Path,
        passphrase: Option<&Passphrase>,
        records: &Path,
    ) -> Result<LmsPublicKey> {
        let (mut id, mut seed) = ([0u8; ID_SIZE], Zeroizing::new([0u8; SEED_SIZE]));
        for room in [&mut id[..], &mut seed[..]] {
            aws_lc_rs::rand::fill(room).context("the system has no randomness")?;
        }
        let keeper = match passphrase {
            Some(passphrase) => Keeper::Passphrase(Wrapping::fresh(passphrase)?),
            None => Keeper::Nobody,
        };
        let public = public_of(&Tree::grow(id, &seed[..])).context("the tree has no root")?;
        let text = KeyFile::of(&public, 0, &seed, &keeper)?.to_text()?;
        write_new_secret(path, text.as_bytes())?;
        Record::of(&public, records).write(0)?;
        Ok(public)
    }

    /// Opens a key file, asking for its passphrase if it has one.
    ///
    /// # Errors
    /// `SigningKeyMissing`, `SecretExposed`, `SigningKeyDamaged`, `PassphraseWrong`, and those of
    /// [`Unlock::passphrase`].
    pub fn open(path: &Path, unlock: &Unlock, records: &Path) -> Result<Self> {
        // The file itself, and not a link to it, is replaced at each signature.
        let named = fs::canonicalize(path);
        let path = named.map_err(|_| CliError::SigningKeyMissing(path.to_owned()))?;
        let damaged = || CliError::SigningKeyDamaged(path.clone());
        let file = read(&path)?;
        let keeper = match file.sealed() {
            None => Keeper::Nobody,
            Some(sealed) => {
                let passphrase = unlock.passphrase(&path)?;
                Keeper::Passphrase(Wrapping::of(sealed, &passphrase).ok_or_else(damaged)?)
            }
        };
        let seed = file.seed(&keeper).ok_or_else(|| match keeper {
            Keeper::Passphrase(_) => CliError::PassphraseWrong(path.clone()),
            Keeper::Nobody => damaged(),
        })?;
        let public = file.public_key().ok_or_else(damaged)?;
        let tree = Tree::grow(public.id, &seed[..]);
        if public_of(&tree) != Some(public) {
            return Err(damaged().into());
        }
        let (record, next) = (Record::of(&public, records), Cell::new(file.next_leaf()));
        let (seen, refusal) = (Cell::new(0), RefCell::new(None));
        Ok(Self { path, public, tree, seed, keeper, record, seen, next, refusal })
    }

    /// How many leaves are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        LEAVES.saturating_sub(self.next.get())
    }

    /// Where its file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes in that an object by this key has this leaf: no leaf up to it signs again.
    pub fn has_seen(&self, leaf: u32) {
        self.seen.set(self.seen.get().max(leaf.saturating_add(1)));
    }

    /// Why it did not sign, if it was this key that refused.
    pub fn refusal(&self) -> Option<CliError> {
        self.refusal.take()
    }

    /// Spends the next leaf.
    ///
    /// # Errors
    /// `LeavesSpent`, `LeavesUnknown`, `LeavesOlder`, `KeyTwice`, `SigningKeyDamaged`, and those of
    /// files: no leaf is spent then, or one that signs nothing.
    fn reserve(&self) -> Result<u32, CliError> {
        let (_copies, _alone) = (self.record.lock()?, lock(&self.path)?);
        let next = self.authentic()?.next_leaf();
        let path = || self.path.clone();
        let recorded = self.record.next_leaf()?.ok_or_else(|| LmsError::LeavesUnknown(path()))?;
        let known = recorded.max(self.seen.get());
        if next < known {
            if recorded < known {
                self.record.write(known)?; // what an object gave away is not asked for each time
            }
            return Err(LmsError::LeavesOlder { path: path(), next, known }.into());
        }
        if next >= LEAVES {
            return Err(LmsError::LeavesSpent(path()).into());
        }
        self.write(next + 1)?;
        // A cut before this line: the file is ahead of the record, by a leaf that signs nothing.
        self.record.write(next + 1)?;
        Ok(next)
    }

    /// Takes a file that this machine has no record of, or an older one, as the only one that
    /// signs from here on, with the leaf that is named: no file knows what signed elsewhere.
    ///
    /// # Errors
    /// `LeavesUnknown` without a leaf; `LeavesBack` for one that was used; and those of files.
    pub fn adopt(&self, wanted: Option<u32>) -> Result<(), CliError> {
        let (_copies, _alone) = (self.record.lock()?, lock(&self.path)?);
        let recorded = self.record.next_leaf()?;
        let known = self.authentic()?.next_leaf().max(recorded.unwrap_or(0));
        let next = wanted.ok_or_else(|| LmsError::LeavesUnknown(self.path.clone()))?;
        if next < known {
            return Err(LmsError::LeavesBack { path: self.path.clone(), next, known }.into());
        }
        self.write(next)?;
        self.record.write(next)
    }

    /// The file as it is now, vouched for, and of this key.
    fn authentic(&self) -> Result<KeyFile, CliError> {
        let file = read(&self.path)?;
        // Another name of the file would stay behind when this one is replaced.
        let names = fs::metadata(&self.path).map(|meta| meta.nlink());
        if names.is_ok_and(|names| names > 1) {
            return Err(LmsError::KeyTwice(self.path.clone()).into());
        }
        let vouched = file.seed(&self.keeper).is_some_and(|seed| *seed == *self.seed);
        if vouched && file.public_key() == Some(self.public) {
            return Ok(file);
        }
        Err(CliError::SigningKeyDamaged(self.path.clone()))
    }

    fn write(&self, next: u32) -> Result<(), CliError> {
        let failed = |error: anyhow::Error| {
            CliError::FileNotWritten(self.path.clone(), std::io::Error::other(error.to_string()))
        };
        let file = KeyFile::of(&self.public, next, &self.seed, &self.keeper).map_err(failed)?;
        write_secret(&self.path, file.to_text().map_err(failed)?.as_bytes())?;
        self.next.set(next);
        Ok(())
    }
}

impl LmsSigner for LmsKey {
    fn public_key(&self) -> LmsPublicKey {
        self.public
    }

    fn sign(&self, parts: &[&[u8]]) -> TrustResult<Signature> {
        let mut randomizer = [0u8; ROOT_SIZE];
        aws_lc_rs::rand::fill(&mut randomizer).map_err(|_| TrustError::KeyInvalid)?;
        let leaf = self.reserve().map_err(|refusal| {
            self.refusal.replace(Some(refusal));
            TrustError::KeyInvalid
        })?;
        let signature = self.tree.sign(leaf, &randomizer, parts).ok_or(TrustError::KeyInvalid)?;
        // No level above (RFC 8554 §6.2).
        let signature = [&[0; 4], &signature[..]].concat();
        signature.try_into().map_err(|_| TrustError::KeyInvalid)
    }
}

fn public_of(tree: &Tree<M24H10W4>) -> Option<LmsPublicKey> {
    Some(LmsPublicKey { id: tree.id(), root: tree.root().try_into().ok()? })
}

/// The folder of a key file, locked: the file itself is another one after each signature.
fn lock(path: &Path) -> Result<File, CliError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let locked = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    locked.map_err(|error| CliError::FileNotWritten(path.to_owned(), error))
}

/// Reads a key file; nothing of it is vouched for.
///
/// # Errors
/// `SigningKeyMissing`, `SecretExposed`, `FileUnreadable`, `SigningKeyDamaged`.
pub fn read(path: &Path) -> Result<KeyFile, CliError> {
    if !path.exists() {
        return Err(CliError::SigningKeyMissing(path.to_owned()));
    }
    let text = Zeroizing::new(read_secret(path)?);
    let file = std::str::from_utf8(&text).ok().and_then(KeyFile::parse);
    file.ok_or_else(|| CliError::SigningKeyDamaged(path.to_owned()))
}

#[cfg(test)]
mod tests;
