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
use crate::platform::{Platform, Row, SECTOR_SIZE, Sector, Source};
use crate::secret::Secret;
use core::hint::black_box;
use craton_trust::crypto::Crypto;
use craton_trust::{Digest, join};

const MAGIC: &[u8; 8] = b"craton\x02s";
/// Magic, generation, length, sum of those and the body.
const HEADER_SIZE: usize = SUM + 32;
/// Where in it the sum begins.
const SUM: usize = 8 + 8 + 4;
/// The bits of a generation: of each half three bytes. Neither half is then an address of code,
/// in whichever order its bytes are read (ROT-25); it stands on the stack before it is believed.
const GENERATION: u64 = 0x00ff_ffff_00ff_ffff;
/// The largest body, bytes.
pub const BODY_MAX: usize = 2048;
/// The largest copy, bytes.
const COPY_MAX: usize = HEADER_SIZE + BODY_MAX;

const _: () = assert!(COPY_MAX <= SECTOR_SIZE);

/// The key of the sums, which the device secret alone leads to (ROT-24).
///
/// # Errors
/// `UdsLocked`, `StorageFailed`.
pub fn key(platform: &impl Source, crypto: &impl Crypto) -> Result<Secret> {
    let mut uds = Secret::zero();
    platform.row(Row::Uds, &mut uds.0)?;
    Ok(key_of(crypto, &uds))
}

/// The key of the sums on a chip of this secret.
pub fn key_of(crypto: &impl Crypto, uds: &Secret) -> Secret {
    derive_from(crypto, uds, &[b"craton/1/state/key"])
}

/// A state of more than one block of SHA-256.
const KNOWN: [u8; 200] = [0x6b; 200];
/// Of this state, number 7, on a chip whose device secret is 32 times 0x5a.
const KNOWN_SUM: [u8; 32] = [
    0xdb, 0xc8, 0x46, 0x6b, 0x0b, 0xe5, 0x81, 0xcd, 0x36, 0x92, 0x66, 0xfe, 0xdb, 0x1f, 0x69, 0x86,
    0xf9, 0x82, 0xfb, 0x37, 0xd6, 0x90, 0x90, 0x8e, 0x8f, 0x28, 0xa7, 0x03, 0x20, 0xb0, 0x62, 0x1d,
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

    /// Finds the newer whole copy, and lets `take` have its body.
    ///
    /// # Errors
    /// `StorageDamaged` if neither copy is whole; `StorageFailed`; those of `take`.
    pub fn load<T>(
        &mut self,
        platform: &impl Source,
        crypto: &impl Crypto,
        take: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let a = self.generation_of(platform, crypto, Sector::StateA)?;
        let b = self.generation_of(platform, crypto, Sector::StateB)?;
        self.newest = if b >= a { Sector::StateB } else { Sector::StateA };
        platform.look(self.newest, |bytes| {
            let found = self.judge(crypto, bytes).filter(|copy| copy.bits == 0);
            let found = found.ok_or(Error::StorageDamaged)?;
            (self.generation, self.doubt, self.sum) = (found.generation, found.doubt, found.sum);
            take(found.body)
        })?
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
    pub fn is_outdated(&self, platform: &impl Source, crypto: &impl Crypto) -> Result<bool> {
        let own = self.generation_of(platform, crypto, self.newest)?;
        let other = self.generation_of(platform, crypto, self.other())?;
        Ok(other >= own)
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
    pub fn doubt_key(&self, platform: &impl Source, crypto: &impl Crypto) -> Result<u32> {
        // Not as `key` begins: what keeps both from being read, or read whole, leaves two that
        // differ.
        let mut secret = Secret::new([0xff; 32]);
        platform.row(Row::Uds, &mut secret.0)?;
        let again = key_of(crypto, &secret);
        let known = Self::under(key_of(crypto, &Secret::new([0x5a; 32])));
        let mut sum = [0; 32];
        known.sum_of(crypto, &begins(7, KNOWN.len()), &KNOWN, &mut sum);
        secret.0.iter_mut().for_each(|byte| *byte = !*byte);
        let other = Self::under(key_of(crypto, &secret));
        let looked = |bytes: &_| other.judge(crypto, bytes).map_or(0, |copy| copy.doubt);
        let same = platform.look(self.newest, looked)?;
        let unknown = difference(&sum, &KNOWN_SUM) | below(same.into(), 1);
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
        let generation = next(self.generation).ok_or(Error::StorageDamaged)?;
        if body.len() > BODY_MAX {
            return Err(Error::StorageFull);
        }
        let (begins, mut sum) = (begins(generation, body.len()), [0; 32]);
        self.sum_of(crypto, &begins, body, &mut sum);
        let mut header = [0; HEADER_SIZE];
        join(&mut header, &[&begins, &sum]);
        platform.erase(free)?;
        platform.program(free, HEADER_SIZE, body)?;
        self.uncertain = true;
        let committed = platform.program(free, 0, &header); // the write that commits
        committed.and_then(|()| platform.sync()).map_err(|_| Error::StateUncertain)?;
        (self.newest, self.generation, self.uncertain) = (free, generation, false);
        Ok(())
    }

    /// The sum of a copy that begins so. The key goes into both hashes: who writes a copy knows no
    /// word of the first one's digest either (ROT-25).
    #[inline(never)] // so that a known sum is made by the instructions of the others
    fn sum_of(&self, crypto: &impl Crypto, begins: &[u8; SUM], body: &[u8], sum: &mut [u8; 32]) {
        let digest = crypto.sha256(&[&self.key.0, begins, body]).0;
        let made = derive_from(crypto, &self.key, &[b"craton/1/state/sum", &digest]);
        join(sum, &[&made.0]);
    }

    /// The generation of a whole copy; `None` for anything else.
    fn generation_of(
        &self,
        platform: &impl Source,
        crypto: &impl Crypto,
        sector: Sector,
    ) -> Result<Option<u64>> {
        platform.look(sector, |bytes| {
            let copy = self.judge(crypto, bytes).filter(|copy| copy.bits == 0);
            copy.map(|copy| copy.generation)
        })
    }

    /// What a copy is under this key; `None` for what is too long to be one. It is judged where it
    /// lies: nothing of it is copied before its sum is right (ROT-25).
    #[inline(never)] // so that it is there once
    fn judge<'b>(&self, crypto: &impl Crypto, bytes: &'b [u8; COPY_MAX]) -> Option<Copy<'b>> {
        let (found, rest) = bytes.split_first_chunk::<HEADER_SIZE>()?;
        let (begins, found) = found.split_first_chunk::<SUM>()?;
        let [.., high, low] = begins;
        let body = rest.get(..usize::from(*high) << 8 | usize::from(*low))?;
        // Where the call is left out: what nobody knows.
        let mut right = black_box(self.key.0);
        self.sum_of(crypto, begins, body, &mut right);
        // Whoever writes the flash times this comparison: it takes as long for every guess.
        let bits = found.iter().zip(&right).fold(misformed(begins), |bits, (a, b)| bits | (a ^ b));
        let doubt = difference(found, &right) | u32::from(misformed(black_box(begins)));
        let generation = if bits == 0 { generation(begins) } else { 0 };
        Some(Copy { generation, body, bits, doubt, sum: Digest(right) })
    }
}

/// The bits by which a copy does not begin as one of ours: with the magic, a generation of twice
/// three bytes, and a length of two.
fn misformed(begins: &[u8; SUM]) -> u8 {
    let (magic, rest) = begins.split_at(MAGIC.len());
    let magic = magic.iter().zip(MAGIC).fold(0, |bits, (a, b)| bits | (a ^ b));
    let zeros = rest.iter().step_by(4).chain(rest.get(9..10).unwrap_or(&[]));
    zeros.fold(magic, |bits, byte| bits | byte)
}

/// The generation of a copy that is believed.
fn generation(begins: &[u8; SUM]) -> u64 {
    let number = begins.iter().skip(MAGIC.len()).take(8);
    number.fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// What a copy of this generation and length begins with.
fn begins(generation: u64, length: usize) -> [u8; SUM] {
    let mut begins = [0; SUM];
    let length = (length as u32).to_be_bytes();
    join(&mut begins, &[MAGIC, &generation.to_be_bytes(), &length]);
    begins
}

/// The generation after this one.
const fn next(generation: u64) -> Option<u64> {
    match (generation | !GENERATION).wrapping_add(1) & GENERATION {
        0 => None,
        next => Some(next),
    }
}

/// A copy, whose sum may be right.
struct Copy<'b> {
    /// 0 if it is not.
    generation: u64,
    body: &'b [u8],
    /// By which its header differs from the right one.
    bits: u8,
    /// As the second look compared it (ROT-18).
    doubt: u32,
    /// The right one.
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
    fn rot_25_no_half_of_a_generation_is_an_address_and_each_is_newer_than_the_one_before() {
        let mut generation = 0;
        for last in [0xff_fffe, 0x7fff_0000_00ff_fffe_u64 & GENERATION] {
            generation = generation.max(last);
            for _ in 0..3 {
                let newer = next(generation).unwrap();
                assert!(newer > generation && newer & !GENERATION == 0);
                generation = newer;
            }
        }
        assert_eq!(generation, 0x00ff_0001_0000_0001);
        assert_eq!(next(GENERATION), None);
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
        let mut own = journal();
        own.write(&mut chip, &Soft, b"state").unwrap();
        let mut again = journal();
        assert_eq!(again.load(&chip, &Soft, |body| Ok(body.to_vec())), Ok(b"state".to_vec()));
        assert_eq!(again.doubt(), 0);
        for byte in 0..32 {
            let mut key = [7; 32];
            key[byte] ^= 1;
            let mut other = Journal::under(Secret::new(key));
            let refused = other.load(&chip, &Soft, |_| Ok(()));
            assert_eq!(refused, Err(Error::StorageDamaged), "{byte}");
            assert_ne!(other.doubt(), 0);
        }
    }
}
