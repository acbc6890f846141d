//! What a chip must give to the engine: fuses, a little flash, randomness, and a device secret that
//! hides itself until the next reset.

#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "std")]
pub mod memory;

use crate::capabilities::Capabilities;
use crate::error::Result;
use crate::secret::Secret;
use crate::slots::{self, Marks, Slot};
use craton_trust::crypto::{Crypto, Signature};
use craton_trust::quoted::SignedQuote;
use craton_trust::{Digest, PublicKey};
use zeroize::Zeroize as _;

/// Bytes of one sector: the unit that is erased at once.
pub const SECTOR_SIZE: usize = 8192;
/// How many sectors there are.
pub const SECTORS: usize = 6;
/// Bytes of all fuses.
pub const FUSES_SIZE: usize = 128;

/// A row of fuses: bits that go from 0 to 1 and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The unique device secret, 32 bytes; readable only until [`Platform::lock_uds`].
    Uds,
    /// SHA-256 of the one-time claim code.
    ClaimCode,
    /// Digest of the platform section's first version.
    PlatformGenesis,
    /// The class of devices, 16 bytes.
    Class,
    /// Four bytes, set one after another: manufactured, Module1Complete, DeviceComplete, Returned.
    Lifecycle,
    /// One byte: the claim code was used.
    ClaimUsed,
}

impl Row {
    /// Offset and length in the fuses, bytes.
    #[must_use]
    pub const fn place(self) -> (usize, usize) {
        match self {
            Self::Uds => (0, 32),
            Self::ClaimCode => (32, 32),
            Self::PlatformGenesis => (64, 32),
            Self::Class => (96, 16),
            Self::Lifecycle => (112, 4),
            Self::ClaimUsed => (116, 1),
        }
    }
}

/// A sector by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sector {
    /// First copy of the state.
    StateA = 0,
    /// Second copy of the state.
    StateB = 1,
    /// Platform section, one of two.
    PlatformA = 2,
    /// Platform section, the other.
    PlatformB = 3,
    /// Owner section, one of two.
    OwnerA = 4,
    /// Owner section, the other.
    OwnerB = 5,
}

/// What a chip must give. Flash behaves like NOR flash: erasing makes a sector all ones,
/// programming is allowed once after it. Power may go at any of these calls: what was being written
/// is then whole, torn or partly erased, and everything before the last [`Platform::sync`] stays.
pub trait Platform {
    /// What the reset line does: the device secret can be read again, and everything in RAM is
    /// gone.
    fn reset(&mut self);

    /// Reads a row of fuses.
    ///
    /// # Errors
    /// `UdsLocked` for the device secret after [`Platform::lock_uds`]; `StorageFailed`.
    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()>;

    /// Burns the ones of `bits` into a row; bits that are one stay one. Durable when it returns.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()>;

    /// Hides the device secret until the next reset.
    fn lock_uds(&mut self);

    /// Reads flash.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()>;

    /// Erases a sector to ones.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    fn erase(&mut self, sector: Sector) -> Result<()>;

    /// Programs erased flash.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()>;

    /// Makes everything before durable.
    ///
    /// # Errors
    /// `StorageFailed`, `StorageFull`.
    fn sync(&mut self) -> Result<()>;

    /// The slots that a ROM starts this chip's program from; `None` where there is no ROM.
    fn slots(&self) -> Option<&dyn SlotFlash> {
        None
    }

    /// As [`Platform::slots`], to write to them.
    fn slots_mut(&mut self) -> Option<&mut dyn SlotFlash> {
        None
    }

    /// Fills `out` with random bytes fit for keys.
    ///
    /// # Errors
    /// `RandomFailed`.
    fn random(&mut self, out: &mut [u8]) -> Result<()>;

    /// What this platform is, and what it cannot do.
    fn capabilities(&self) -> Capabilities;

    /// From the next sync on nobody may read what was overwritten before it, in copies that he kept
    /// of this chip's storage neither. A chip whose storage nobody copies has nothing to do.
    fn forget(&mut self) {}

    /// Keys that this chip keeps to itself; without them the engine derives its own.
    fn vault(&self) -> Option<&dyn Vault> {
        None
    }
}

/// What a decision asks of a chip: it reads. What lies in flash may be anybody's, and is looked at
/// where it is until it is believed.
pub trait Source {
    /// As [`Platform::fuses`].
    ///
    /// # Errors
    /// As there.
    fn row(&self, row: Row, into: &mut [u8]) -> Result<()>;

    /// Lets `judge` see the first bytes of a sector. They are wiped behind it: it keeps what it
    /// believes.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn look<const N: usize, T>(
        &self,
        sector: Sector,
        judge: impl FnOnce(&[u8; N]) -> T,
    ) -> Result<T>;
}

/// On the stack: against who changes instructions a ROM has a place of its own (ROT-25).
impl<P: Platform> Source for P {
    fn row(&self, row: Row, into: &mut [u8]) -> Result<()> {
        self.fuses(row, into)
    }

    #[inline(always)] // its room is one of who looks
    fn look<const N: usize, T>(
        &self,
        sector: Sector,
        judge: impl FnOnce(&[u8; N]) -> T,
    ) -> Result<T> {
        let mut room = [0u8; N];
        self.read(sector, 0, &mut room)?;
        let judged = judge(&room);
        room.zeroize();
        Ok(judged)
    }
}

/// The flash of two slots: marks, and a room for a package. As with [`Platform`], an erase makes
/// ones, programming is allowed once after it, and power may go at any of these calls. Each is
/// durable when it returns.
pub trait SlotFlash {
    /// Bytes of each room.
    fn slot_room(&self) -> usize;

    /// The marks of a slot.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_marks(&self, slot: Slot) -> Result<Marks>;

    /// Programs one word of the marks.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_mark(&mut self, slot: Slot, write: slots::Write) -> Result<()>;

    /// Erases the marks.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_erase_marks(&mut self, slot: Slot) -> Result<()>;

    /// Erases the room.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_erase_room(&mut self, slot: Slot) -> Result<()>;

    /// Reads from the room.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_read(&self, slot: Slot, offset: usize, into: &mut [u8]) -> Result<()>;

    /// Programs the room.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_program(&mut self, slot: Slot, offset: usize, bytes: &[u8]) -> Result<()>;

    /// SHA-256 of the first bytes of the room, as they lie in flash.
    ///
    /// # Errors
    /// `StorageFailed`.
    fn slot_sha256(&self, crypto: &dyn Crypto, slot: Slot, length: usize) -> Result<Digest>;
}

/// Keys that never leave a chip. They take the place of the identity, the attestation key and the
/// device-auth keys that the engine derives; what is sealed stays the engine's.
pub trait Vault {
    /// Makes the identity usable until the next reset; it is bound to the device secret.
    ///
    /// # Errors
    /// The chip's.
    fn identity(&self, uds: &Secret) -> Result<PublicKey>;

    /// A quote by the identity, qualified by a digest.
    ///
    /// # Errors
    /// The chip's.
    fn quote(&self, qualifying: &Digest) -> Result<SignedQuote>;

    /// The device-auth key of a seed.
    ///
    /// # Errors
    /// The chip's.
    fn client_key(&self, seed: &Secret) -> Result<PublicKey>;

    /// Signs a digest by the device-auth key of a seed.
    ///
    /// # Errors
    /// The chip's.
    fn client_sign(&self, seed: &Secret, message: &Digest) -> Result<Signature>;
}
