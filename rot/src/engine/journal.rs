//! Where the state lives: two sectors, of which the newer whole one counts.
//!
//! Rule ROT-7: a write goes to the sector that is not in force: erase it, write the body, then its
//! header. The header names generation, length and digest; it is the write that commits, and
//! whatever a power cut leaves of it either checks or does not exist. An error from the header on
//! is like a cut whose outcome nobody has seen: memory may be a generation behind the disk, and the
//! next write would take away what that generation names. Nothing is written then until a reset
//! has read which one counts.
//!
//! Rule ROT-24: a copy counts only under a sum that who has the device secret can make. The fuses
//! know the first platform section alone: which one is in force, and every floor, stands here, and
//! flash may be written by others. A copy of this chip's own that was kept and put back is whole:
//! no key tells old from new.

use super::doubt::{below, difference};
use super::ladder::derive_from;
use crate::error::{Error, Result};
use crate::platform::{Platform, Row, SECTOR_SIZE, Sector};
use crate::secret::Secret;
use core::hint::black_box;
use craton_trust::crypto::Crypto;
use craton_trust::{Digest, copy, join};
use zeroize::Zeroize as _;

const MAGIC: &[u8; 8] = b"craton\x02s";
/// Magic, generation, length, sum of those and the body.
const HEADER_SIZE: usize = SUM + 32;
/// Where in it the sum begins.
const SUM: usize = 8 + 8 + 4;
/// The largest body, bytes.
pub const BODY_MAX: usize = 2048;

const _: () = assert!(HEADER_SIZE + BODY_MAX <= SECTOR_SIZE);

/// The key of the sums, which the device secret alone leads to (ROT-24).
///
/// # Errors
/// `UdsLocked`, `StorageFailed`.
pub fn key(platform: &impl Platform, crypto: &impl Crypto) -> Result<Secret> {
    let mut uds = Secret::zero();
    platform.fuses(Row::Uds, &mut uds.0)?;
    Ok(key_of(crypto, &uds))
}

/// The key of the sums on a chip of this secret.
pub fn key_of(crypto: &impl Crypto, uds: &Secret) -> Secret {
    derive_from(crypto, uds, &[b"craton/1/state/key"])
}

/// Of the state `known`, number 7, on a chip whose device secret is 32 times 0x5a.
const KNOWN_SUM: [u8; 32] = [
    0x78, 0x6f, 0xd4, 0xe4, 0xda, 0xe9, 0xb0, 0x37, 0x89, 0x51, 0x94, 0x8b, 0xf7, 0x47, 0x8c, 0x90,
    0xdb, 0x15, 0xde, 0xac, 0x5f, 0xa3, 0x54, 0x87, 0x47, 0x6f, 0xb3, 0x16, 0xcb, 0xdd, 0xc6, 0x9d,
];

/// Which sector is in force.
pub struct Journal {
    key: Secret,
    newest: Sector,
    generation: u64,
    /// Whether the last header may stand on the disk although its write failed.
    uncertain: bool,
    /// The bits by which the header in force differs from the right one.
    doubt: u32,
    /// Of the copy in force, as it was loaded.
    sum: Digest,
}

impl Journal {
    /// Before anything was read or written under this key.
    pub const fn under(key: Secret) -> Self {
        let sum = Digest([0; 32]);
        Self { key, newest: Sector::StateB, generation: 0, uncertain: false, doubt: !0, sum }
    }

    /// Finds the newer whole copy and reads it into `body`; returns its length.
    ///
    /// # Errors
    /// `StorageDamaged` if neither copy is whole; `StorageFailed`.
    pub fn load(
        &mut self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        body: &mut [u8; BODY_MAX],
    ) -> Result<usize> {
        let a = self.read(platform, crypto, Sector::StateA, body)?;
        let b = self.read(platform, crypto, Sector::StateB, body)?;
        let newer = b.map(|copy| copy.generation) >= a.map(|copy| copy.generation);
        self.newest = if newer { Sector::StateB } else { Sector::StateA };
        let found = self.read(platform, crypto, self.newest, body)?;
        let found = found.ok_or(Error::StorageDamaged)?;
        (self.generation, self.doubt, self.sum) = (found.generation, found.doubt, found.sum);
        Ok(found.length)
    }

    /// What speaks against the copy that was loaded having the right sum: 0 is nothing (ROT-18).
    pub const fn doubt(&self) -> u32 {
        self.doubt
    }

    /// The sum of the copy that was loaded: which state it was.
    pub const fn sum(&self) -> Digest {
        self.sum
    }

    /// Whether the other copy is whole, too, and at least as new: then a fault chose this one.
    /// Both are read once more: nothing that chose is believed.
    pub fn is_outdated(&self, platform: &impl Platform, crypto: &impl Crypto) -> Result<bool> {
        let mut body = [0u8; BODY_MAX];
        let own = self.read(platform, crypto, self.newest, &mut body);
        let other = self.read(platform, crypto, self.other(), &mut body);
        body.zeroize();
        let (own, other) = (own?, other?);
        Ok(other.map(|copy| copy.generation) >= own.map(|copy| copy.generation))
    }

    /// What speaks against the key, and against how this program makes sums: 0 is nothing (ROT-18).
    /// Both looks at a state make its sum by the same instructions, and one of these that is
    /// skipped must not lead to a sum that can be made without the device secret. So the key is
    /// made once more, of the secret as it is read here; a sum that is known is made; and under
    /// another key the copy in force has another sum.
    ///
    /// # Errors
    /// `UdsLocked`, `StorageFailed`.
    #[inline(never)] // its rooms leave the stack with it
    pub fn doubt_key(&self, platform: &impl Platform, crypto: &impl Crypto) -> Result<u32> {
        // Not as `key` begins: what keeps both from being read, or read whole, leaves two that
        // differ.
        let mut secret = Secret::new([0xff; 32]);
        platform.fuses(Row::Uds, &mut secret.0)?;
        let again = key_of(crypto, &secret);
        let known = Self::under(key_of(crypto, &Secret::new([0x5a; 32])));
        let mut header = [0; HEADER_SIZE];
        known.header(crypto, 7, b"known", &mut header);
        let (_, sum) = header.split_at(SUM);
        secret.0.iter_mut().for_each(|byte| *byte = !*byte);
        let other = Self::under(key_of(crypto, &secret));
        let mut body = [0u8; BODY_MAX];
        let looked = other.look(platform, crypto, self.newest, &mut body);
        body.zeroize();
        let same = looked?.map_or(0, |copy| copy.doubt);
        let unknown = difference(sum, &KNOWN_SUM) | below(same.into(), 1);
        Ok(difference(&self.key.0, &again.0) | unknown)
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
        if body.len() > BODY_MAX {
            return Err(Error::StorageFull);
        }
        let mut header = [0; HEADER_SIZE];
        self.header(crypto, generation, body, &mut header);
        platform.erase(free)?;
        platform.program(free, HEADER_SIZE, body)?;
        self.uncertain = true;
        let committed = platform.program(free, 0, &header); // the write that commits
        committed.and_then(|()| platform.sync()).map_err(|_| Error::StateUncertain)?;
        (self.newest, self.generation, self.uncertain) = (free, generation, false);
        Ok(())
    }

    #[inline(never)] // so that a known sum is made by the instructions of the others
    fn header(
        &self,
        crypto: &impl Crypto,
        generation: u64,
        body: &[u8],
        header: &mut [u8; HEADER_SIZE],
    ) {
        let (generation, length) = (generation.to_be_bytes(), (body.len() as u32).to_be_bytes());
        let digest = crypto.sha256(&[MAGIC, &generation, &length, body]).0;
        let sum = derive_from(crypto, &self.key, &[b"craton/1/state/sum", &digest]);
        join(header, &[MAGIC, &generation, &length, &sum.0]);
    }

    /// What a whole copy is; `None` for anything else.
    fn read(
        &self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        sector: Sector,
        body: &mut [u8; BODY_MAX],
    ) -> Result<Option<Copy>> {
        let copy = self.look(platform, crypto, sector, body)?;
        Ok(copy.filter(|copy| copy.bits == 0))
    }

    /// What a copy is under this key; `None` for what is too long to be one.
    #[inline(never)] // so that it is there once
    fn look(
        &self,
        platform: &impl Platform,
        crypto: &impl Crypto,
        sector: Sector,
        body: &mut [u8; BODY_MAX],
    ) -> Result<Option<Copy>> {
        let mut found = [0u8; HEADER_SIZE];
        platform.read(sector, 0, &mut found)?;
        let (mut generation, mut length) = ([0u8; 8], [0u8; 4]);
        copy(&mut generation, &found[8..16]);
        copy(&mut length, &found[16..20]);
        let (generation, length) = (u64::from_be_bytes(generation), u32::from_be_bytes(length));
        let Some(room) = body.get_mut(..length as usize) else { return Ok(None) };
        platform.read(sector, HEADER_SIZE, room)?;
        // Zeros, which are no header, where the call is left out.
        let mut right = black_box([0; HEADER_SIZE]);
        self.header(crypto, generation, room, &mut right);
        // Whoever writes the flash times this comparison: it takes as long for every guess.
        let bits = found.iter().zip(&right).fold(0, |bits, (a, b)| bits | (a ^ b));
        let doubt = difference(&found, &right);
        let mut sum = Digest([0; 32]);
        copy(&mut sum.0, &found[SUM..]);
        Ok(Some(Copy { generation, length: length as usize, bits, doubt, sum }))
    }
}

/// A copy, whose sum may be right.
struct Copy {
    generation: u64,
    length: usize,
    /// By which its header differs from the right one.
    bits: u8,
    /// As the second look compared it (ROT-18).
    doubt: u32,
    sum: Digest,
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::platform::memory::MemoryPlatform;
    use craton_trust::soft::Soft;

    fn journal() -> Journal {
        Journal::under(Secret::new([7; 32]))
    }

    #[test]
    fn rot_18_the_older_of_two_whole_copies_is_outdated() {
        let (mut chip, mut journal) = (MemoryPlatform::new(), journal());
        journal.write(&mut chip, &Soft, b"first").unwrap();
        assert_eq!(journal.is_outdated(&chip, &Soft), Ok(false), "the other one is none");
        journal.write(&mut chip, &Soft, b"second").unwrap();
        assert_eq!(journal.is_outdated(&chip, &Soft), Ok(false));
        // As a fault would choose it, with whatever generation.
        journal.newest = journal.other();
        for generation in [0, 1, u64::MAX] {
            journal.generation = generation;
            assert_eq!(journal.is_outdated(&chip, &Soft), Ok(true));
        }
    }

    #[test]
    fn rot_18_a_key_that_the_device_secret_does_not_lead_to_is_a_doubt() {
        let mut chip = MemoryPlatform::new();
        chip.burn(Row::Uds, &[3; 32]).unwrap();
        let mut own = Journal::under(key_of(&Soft, &Secret::new([3; 32])));
        own.write(&mut chip, &Soft, b"state").unwrap();
        assert_eq!(own.doubt_key(&chip, &Soft), Ok(0), "the known sum is as it is written down");
        for other in [[0; 32], [0xff; 32], [2; 32]] {
            let other = Journal::under(key_of(&Soft, &Secret::new(other)));
            assert_ne!(other.doubt_key(&chip, &Soft), Ok(0));
        }
        assert_ne!(Journal::under(Secret::zero()).doubt_key(&chip, &Soft), Ok(0));
    }

    #[test]
    fn rot_24_a_copy_counts_under_the_key_that_wrote_it_alone() {
        let mut chip = MemoryPlatform::new();
        let mut body = [0u8; BODY_MAX];
        let mut own = journal();
        own.write(&mut chip, &Soft, b"state").unwrap();
        let mut again = journal();
        assert_eq!(again.load(&chip, &Soft, &mut body), Ok(5));
        assert_eq!((&body[..5], again.doubt()), (&b"state"[..], 0));
        for byte in 0..32 {
            let mut key = [7; 32];
            key[byte] ^= 1;
            let mut other = Journal::under(Secret::new(key));
            let refused = other.load(&chip, &Soft, &mut body);
            assert_eq!(refused, Err(Error::StorageDamaged), "{byte}");
            assert_ne!(other.doubt(), 0);
        }
    }
}
