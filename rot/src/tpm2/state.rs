//! The state on the disk, and the counter in the TPM that says which state counts.
//!
//! Rule TPM-1, the whole of it: *a record is written with the counter's value plus one, and then
//! the counter is raised; a record counts if its number is the counter's value; a start commits
//! twice before anything is done with what it read.*
//!
//! Why twice. Who holds the disk keeps every record ever written, shows any of them at a start, and
//! takes the power away wherever he likes. A record that was written and whose commit was cut is
//! his to keep; were the next state written under the same number, he could show either. So no
//! number may be written twice before the number at which something is done. Let that be v: a start
//! that gets there raised the counter to v − 1 and to v without a cut between; the counter was
//! below v − 1 before it, so whatever bears v was written in this very start, once. And what a run
//! writes after that, it writes once for each number: after any failure it writes nothing more
//! until the next start. `tests` tries all of that out, and shows that a start which commits once
//! is not enough.
//!
//! Who may raise the counter besides us can make a device useless, and no more: the counter is read
//! again after it was raised, and if it is not what it should be, nothing is done.

use crate::error::{Error, Result};
use crate::secret::Secret;
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use std::vec::Vec;

const MAGIC: &[u8; 8] = b"craton\x01t";
/// Magic, number, which secret, nonce.
const HEAD_SIZE: usize = 8 + 8 + 1 + 12;
const TAG_SIZE: usize = 16;
/// What a record has beside its body, bytes.
pub const RECORD_OVERHEAD: usize = HEAD_SIZE + TAG_SIZE;
/// How often a start commits (TPM-1).
const COMMITS_AT_START: u32 = 2;

/// The two secrets in the TPM under one of which a record is sealed.
pub type Secrets = [Secret; 2];

/// A counter that nobody can set back, a place for two records, and chance.
pub trait Ground {
    /// The counter's value.
    fn counter(&mut self) -> Result<u64>;
    /// Raises the counter by one.
    fn raise(&mut self) -> Result<()>;
    /// One of the two records, as it is found.
    fn read(&mut self, second: bool) -> Result<Vec<u8>>;
    /// Writes one of them; durable when it returns.
    fn write(&mut self, second: bool, record: &[u8]) -> Result<()>;
    /// A nonce.
    fn nonce(&mut self) -> Result<[u8; 12]>;
}

/// Which record counts.
pub struct Bound {
    number: u64,
    second: bool,
    /// Which of the secrets it is sealed under.
    pub which: usize,
    /// Whether a write failed: nobody knows what counts.
    broken: bool,
}

impl Bound {
    /// Finds the record that counts, and commits it anew (TPM-1).
    ///
    /// # Errors
    /// `StorageDamaged` if no record counts; `StorageFailed` and the TPM's.
    pub fn start(ground: &mut impl Ground, secrets: &Secrets) -> Result<(Self, Vec<u8>)> {
        Self::start_committing(ground, secrets, COMMITS_AT_START)
    }

    fn start_committing(
        ground: &mut impl Ground,
        secrets: &Secrets,
        commits: u32,
    ) -> Result<(Self, Vec<u8>)> {
        let number = ground.counter()?;
        for second in [false, true] {
            let record = ground.read(second)?;
            if let Some((which, body)) = open(&record, number, secrets) {
                let mut bound = Self { number, second, which, broken: false };
                for _ in 0..commits {
                    bound.commit(ground, secrets, which, &body)?;
                }
                return Ok((bound, body));
            }
        }
        Err(Error::StorageDamaged)
    }

    /// The first record of a counter that was raised for it.
    ///
    /// # Errors
    /// `StorageFailed` and the TPM's.
    pub fn first(ground: &mut impl Ground, secrets: &Secrets, body: &[u8]) -> Result<()> {
        let number = ground.counter()?;
        let record = seal(number, secrets, 0, ground.nonce()?, body)?;
        ground.write(false, &record)
    }

    /// Makes `body` the state, sealed under `which`.
    ///
    /// # Errors
    /// `ResetNeeded` after an earlier failure; `StateUncertain`: the next start shows what counts.
    pub fn commit(
        &mut self,
        ground: &mut impl Ground,
        secrets: &Secrets,
        which: usize,
        body: &[u8],
    ) -> Result<()> {
        if self.broken {
            return Err(Error::ResetNeeded);
        }
        self.broken = true;
        let number = self.number.checked_add(1).ok_or(Error::StorageDamaged)?;
        let record = seal(number, secrets, which, ground.nonce()?, body)?;
        ground.write(!self.second, &record)?;
        // The write that commits is the counter's.
        ground.raise().map_err(|_| Error::StateUncertain)?;
        if ground.counter() != Ok(number) {
            return Err(Error::StateUncertain);
        }
        *self = Self { number, second: !self.second, which, broken: false };
        Ok(())
    }
}

fn seal(
    number: u64,
    secrets: &Secrets,
    which: usize,
    nonce: [u8; 12],
    body: &[u8],
) -> Result<Vec<u8>> {
    let key = secrets.get(which).ok_or(Error::StorageFailed)?;
    let mut record = Vec::with_capacity(RECORD_OVERHEAD + body.len());
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&number.to_be_bytes());
    record.push(which as u8);
    record.extend_from_slice(&nonce);
    record.extend_from_slice(body);
    let (head, text) = record.split_at_mut(HEAD_SIZE);
    let sealed =
        Aes256Gcm::new(&key.0.into()).encrypt_inout_detached(&nonce.into(), head, text.into());
    let tag = sealed.map_err(|_| Error::StorageFull)?;
    record.extend_from_slice(&tag);
    Ok(record)
}

/// Slot and body of a record of this number; `None` for anything else.
fn open(record: &[u8], number: u64, secrets: &Secrets) -> Option<(usize, Vec<u8>)> {
    let (head, rest) = record.split_at_checked(HEAD_SIZE)?;
    let (text, tag) = rest.split_last_chunk::<TAG_SIZE>()?;
    let right = head.starts_with(MAGIC) && head.get(8..16)? == number.to_be_bytes();
    let which = usize::from(*head.get(16)?);
    let nonce: [u8; 12] = head.get(17..)?.try_into().ok()?;
    // The place that is free has zeros, under which anybody seals.
    let key = secrets.get(which).filter(|key| right && key.0 != [0; 32])?;
    let mut body = text.to_vec();
    let cipher = Aes256Gcm::new(&key.0.into());
    let opened =
        cipher.decrypt_inout_detached(&nonce.into(), head, body.as_mut_slice().into(), tag.into());
    opened.ok().map(|()| (which, body))
}

#[cfg(test)]
mod tests;
