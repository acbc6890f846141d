//! Where the state lives: two sectors, of which the newer whole one counts.
//!
//! Rule ROT-7: a write goes to the sector that is not in force: erase it, write the body, then its
//! header. The header names generation, length and digest; it is the write that commits, and
//! whatever a power cut leaves of it either checks or does not exist. An error from the header on
//! is like a cut whose outcome nobody has seen: memory may be a generation behind the disk, and the
//! next write would take away what that generation names. Nothing is written then until a reset
//! has read which one counts.

use crate::error::{Error, Result};
use crate::platform::{Platform, SECTOR_SIZE, Sector};
use craton_trust::crypto::Crypto;
use craton_trust::{copy, join};
use zeroize::Zeroize as _;

const MAGIC: &[u8; 8] = b"craton\x01s";
/// Magic, generation, length, SHA-256 of those and the body.
const HEADER_SIZE: usize = 8 + 8 + 4 + 32;
/// The largest body, bytes.
pub const BODY_MAX: usize = 2048;

const _: () = assert!(HEADER_SIZE + BODY_MAX <= SECTOR_SIZE);

/// Which sector is in force.
#[derive(Clone, Copy)]
pub struct Journal {
    newest: Sector,
    generation: u64,
    /// Whether the last header may stand on the disk although its write failed.
    uncertain: bool,
}

impl Journal {
    /// Before the first write.
    pub const fn blank() -> Self {
        Self { newest: Sector::StateB, generation: 0, uncertain: false }
    }

    /// Finds the newer whole copy and reads it into `body`; returns its length, too.
    ///
    /// # Errors
    /// `StorageDamaged` if neither copy is whole; `StorageFailed`.
    pub fn load(
        platform: &impl Platform,
        crypto: &impl Crypto,
        body: &mut [u8; BODY_MAX],
    ) -> Result<(Self, usize)> {
        let a = read(platform, crypto, Sector::StateA, body)?;
        let b = read(platform, crypto, Sector::StateB, body)?;
        let newer = b.map(|(generation, _)| generation) >= a.map(|(generation, _)| generation);
        let newest = if newer { Sector::StateB } else { Sector::StateA };
        let found = read(platform, crypto, newest, body)?;
        let (generation, length) = found.ok_or(Error::StorageDamaged)?;
        Ok((Self { newest, generation, uncertain: false }, length))
    }

    /// Whether the other copy is whole, too, and at least as new: then a fault chose this one.
    /// Both are read once more: nothing that chose is believed.
    pub fn is_outdated(&self, platform: &impl Platform, crypto: &impl Crypto) -> Result<bool> {
        let mut body = [0u8; BODY_MAX];
        let own = read(platform, crypto, self.newest, &mut body);
        let other = read(platform, crypto, self.other(), &mut body);
        body.zeroize();
        let (own, other) = (own?, other?);
        Ok(other.map(|(generation, _)| generation) >= own.map(|(generation, _)| generation))
    }

    const fn other(&self) -> Sector {
        match self.newest {
            Sector::StateA => Sector::StateB,
            _ => Sector::StateA,
        }
    }

    /// Refuses any write before the reset that shows which generation counts.
    ///
    /// # Errors
    /// `ResetNeeded`.
    pub const fn check_certain(&self) -> Result<()> {
        if self.uncertain { Err(Error::ResetNeeded) } else { Ok(()) }
    }

    /// Writes `body` as the next generation (ROT-7).
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`: then the old copy is still in force; `StateUncertain`: then
    /// only a reset shows which one is, and until it each write is `ResetNeeded`. `StorageDamaged`
    /// after the last generation there is.
    pub fn write(
        &mut self,
        platform: &mut impl Platform,
        crypto: &impl Crypto,
        body: &[u8],
    ) -> Result<()> {
        let free = self.other();
        self.check_certain()?;
        let generation = self.generation.checked_add(1).ok_or(Error::StorageDamaged)?;
        let length = u32::try_from(body.len()).map_err(|_| Error::StorageFull)?;
        let header = header(crypto, generation, length, body);
        platform.erase(free)?;
        platform.program(free, HEADER_SIZE, body)?;
        self.uncertain = true;
        let committed = platform.program(free, 0, &header); // the write that commits
        committed.and_then(|()| platform.sync()).map_err(|_| Error::StateUncertain)?;
        *self = Self { newest: free, generation, uncertain: false };
        Ok(())
    }
}

fn header(crypto: &impl Crypto, generation: u64, length: u32, body: &[u8]) -> [u8; HEADER_SIZE] {
    let (generation, length) = (generation.to_be_bytes(), length.to_be_bytes());
    let digest = crypto.sha256(&[MAGIC, &generation, &length, body]).0;
    let mut header = [0u8; HEADER_SIZE];
    join(&mut header, &[MAGIC, &generation, &length, &digest]);
    header
}

/// Generation and length of a whole copy; `None` for anything else.
fn read(
    platform: &impl Platform,
    crypto: &impl Crypto,
    sector: Sector,
    body: &mut [u8; BODY_MAX],
) -> Result<Option<(u64, usize)>> {
    let mut found = [0u8; HEADER_SIZE];
    platform.read(sector, 0, &mut found)?;
    let (mut generation, mut length) = ([0u8; 8], [0u8; 4]);
    copy(&mut generation, &found[8..16]);
    copy(&mut length, &found[16..20]);
    let (generation, length) = (u64::from_be_bytes(generation), u32::from_be_bytes(length));
    let Some(room) = body.get_mut(..length as usize) else { return Ok(None) };
    platform.read(sector, HEADER_SIZE, room)?;
    let whole = header(crypto, generation, length, room) == found;
    Ok(whole.then_some((generation, length as usize)))
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::platform::memory::MemoryPlatform;
    use craton_trust::soft::Soft;

    #[test]
    fn rot_18_the_older_of_two_whole_copies_is_outdated() {
        let (mut chip, mut journal) = (MemoryPlatform::new(), Journal::blank());
        journal.write(&mut chip, &Soft, b"first").unwrap();
        assert_eq!(journal.is_outdated(&chip, &Soft), Ok(false), "the other one is none");
        journal.write(&mut chip, &Soft, b"second").unwrap();
        assert_eq!(journal.is_outdated(&chip, &Soft), Ok(false));
        // As a fault would choose it, with whatever generation.
        for generation in [0, 1, u64::MAX] {
            let older = Journal { newest: journal.other(), generation, uncertain: false };
            assert_eq!(older.is_outdated(&chip, &Soft), Ok(true));
        }
    }
}
