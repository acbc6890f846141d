//! The TPM as a chip for the engine: its fuses and flash are a file that counts only together with
//! the TPM ([`super::state`]), and its keys stay in the TPM ([`super::keys`]).
//!
//! In the TPM lie a counter and two secrets, in the owner's range. Under one of them the record
//! that counts is sealed; the other is zero. Erasing is a fresh secret in the free place, a record
//! under it, and zeros over the old one: whatever copies of older records somebody keeps, nothing
//! opens them.
//!
//! Why everything is the owner's (TPM-4): TPM2_Clear, or whoever undefines the indices, takes the
//! secrets, and with them the device secret that the identity is made of. An identity in the
//! endorsement hierarchy alone would survive, and could be manufactured a second time, with floors,
//! counters and lifecycle of a blank device. An identity must not outlive its state. For the same
//! reason nothing is believed for attributes or policy of the indices: who puts others in their
//! place does not know the device secret, and what he makes is another device. What they say only
//! keeps two makings apart, which a chip's file and its counter are marked for.

use super::chip::{BODY_SIZE, COUNTER, Chip, FILE_SIZE, secret_of};
use super::command::Tpm;
use super::enrol::Enclosed;
use super::keys::Keys;
use super::making::MAKING_SIZE;
use super::policy::BootApproval;
use super::state::{Bound, Secrets};
use super::transport::Transport;
use crate::capabilities::{Capabilities, Limit, RotClass};
use crate::engine::{Engine, Manufacture, Start};
use crate::error::{Error, Result};
use crate::platform::file::{make_whole, open_locked};
use crate::platform::{FUSES_SIZE, Platform, Row, SECTOR_SIZE, Sector, Vault};
use crate::secret::Secret;
use craton_trust::crypto::{KeyedCrypto, Signature};
use craton_trust::quote::Selection;
use craton_trust::quoted::SignedQuote;
use craton_trust::soft::Soft;
use craton_trust::store::{Role, Section};
use craton_trust::{Digest, PublicKey, Signed};
use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::vec::Vec;
use zeroize::Zeroize as _;

/// The registers that evidence quotes beside those of the approval: what the firmware measured.
const BOOT_REGISTERS: Selection = Selection(0xff);

/// What a back-end in a TPM cannot do. Its program runs in the host that it speaks for.
pub const LIMITS: &[Limit] = &[
    Limit::SecretReadableByHost,
    Limit::HostUsesKeys,
    Limit::SnapshotRollsBack,
    Limit::BusIsReadable,
    Limit::ProgramNotMeasured,
    Limit::NextLayerMeasuresItself,
    Limit::FusesAreErasable,
    Limit::NoLayerCertificate,
    Limit::NoSlots,
];

/// A chip in a TPM and a file, locked for this process as long as the value lives.
pub struct TpmPlatform {
    pub(super) chip: RefCell<Chip>,
    pub(super) approvals: Vec<BootApproval>,
    keys: RefCell<Keys>,
    pub(super) body: Vec<u8>,
    pub(super) secrets: Secrets,
    pub(super) bound: Result<Bound>,
    uds_locked: bool,
    forgets: bool,
}

impl TpmPlatform {
    /// Opens a chip; the state is read by its reset.
    ///
    /// # Errors
    /// Those of the file as of [`crate::platform::file`]; `TpmUnreachable` and the like.
    pub fn open(transport: Transport, path: &Path, approvals: &[BootApproval]) -> Result<Self> {
        let file = open_locked(path, FILE_SIZE)?;
        Ok(Self::of(Tpm::new(transport)?, file, approvals))
    }

    fn of(tpm: Tpm, file: File, approvals: &[BootApproval]) -> Self {
        let quoted = approvals.iter().fold(BOOT_REGISTERS.0, |all, a| all | a.selection.0);
        Self {
            chip: RefCell::new(Chip { tpm, file }),
            approvals: approvals.to_vec(),
            keys: RefCell::new(Keys::new(Selection(quoted))),
            body: std::vec![0; BODY_SIZE],
            secrets: [const { Secret::zero() }; 2],
            bound: Err(Error::NotManufactured),
            uds_locked: false,
            forgets: false,
        }
    }

    /// Makes a blank chip and opens it; an existing one is opened as it is, and one whose making
    /// was cut is made anew.
    ///
    /// # Errors
    /// As [`TpmPlatform::open`]; `TpmOccupied` if the TPM has a chip of another file,
    /// `BootNotApproved` if no approval is by a publisher of the platform, or for this boot.
    pub fn create(
        transport: Transport,
        path: &Path,
        approvals: &[BootApproval],
        platform_section: &[u8],
    ) -> Result<Self> {
        let policy = opened_by(approvals, platform_section)?;
        let mut tpm = Tpm::new(transport)?;
        let file = match open_locked(path, FILE_SIZE) {
            Err(Error::StorageMissing) => {
                if tpm.public_of(COUNTER)?.is_some() {
                    return Err(Error::TpmOccupied);
                }
                let mut blank = std::vec![0; FILE_SIZE as usize];
                let making = blank.last_chunk_mut::<MAKING_SIZE>().ok_or(Error::StorageFailed)?;
                getrandom::fill(making).map_err(|_| Error::RandomFailed)?;
                make_whole(path, &blank)?;
                open_locked(path, FILE_SIZE)?
            }
            opened => opened?,
        };
        let mut made = Self::of(tpm, file, approvals);
        let chip = made.chip.get_mut();
        if chip.is_blank()? {
            chip.define(&policy)?;
            chip.make(approvals)?;
        }
        Ok(made)
    }

    fn start(&mut self) -> Result<Bound> {
        let chip = self.chip.get_mut();
        let (secrets, refused) = chip.read_secrets(&self.approvals)?;
        self.secrets = secrets;
        let (bound, body) = match (Bound::start(chip, &self.secrets), refused) {
            // What counts is under the one that this boot does not open.
            (Err(Error::StorageDamaged), [Some(error), _] | [_, Some(error)]) => return Err(error),
            (started, _) => started?,
        };
        if body.len() != BODY_SIZE {
            return Err(Error::StorageDamaged);
        }
        self.body.zeroize();
        self.body = body;
        let was_read = refused.get(1 - bound.which) == Some(&None);
        chip.settle(bound.which, was_read, &mut self.secrets, &self.approvals)?;
        Ok(bound)
    }

    fn commit(&mut self) -> Result<()> {
        let bound = self.bound.as_mut().map_err(|error| *error)?;
        let chip = self.chip.get_mut();
        let mut which = bound.which;
        if self.forgets {
            which = 1 - which;
            let fresh = chip.secret()?;
            let (index, place) = secret_of(which, &mut self.secrets)?;
            let session = chip.approved(index, &self.approvals)?;
            chip.tpm.write_secret(index, session, &fresh.0)?;
            *place = fresh;
        }
        bound.commit(chip, &self.secrets, which, &self.body)?;
        if self.forgets {
            self.forgets = false;
            // Recovery: each start redoes it.
            chip.settle(which, true, &mut self.secrets, &self.approvals)?;
        }
        Ok(())
    }

    fn place(sector: Sector, offset: usize, length: usize) -> Result<core::ops::Range<usize>> {
        if offset.saturating_add(length) > SECTOR_SIZE {
            return Err(Error::StorageFull);
        }
        let at = FUSES_SIZE + sector as usize * SECTOR_SIZE + offset;
        Ok(at..at + length)
    }
}

/// What opens the state: approvals of one kind by one key, of the platform's publisher, who need be
/// one only; of several generations the newest.
fn opened_by(approvals: &[BootApproval], platform_section: &[u8]) -> Result<Digest> {
    let section = Section::parse(Signed::parse(platform_section)?.unchecked_payload())?;
    let publisher = section.role(Role::Publisher);
    let newest = approvals.iter().max_by_key(|approval| approval.generation);
    let newest = newest.ok_or(Error::BootNotApproved)?;
    let right = publisher.threshold == 1
        && publisher.contains(&newest.by)
        && approvals.iter().all(|approval| approval.is_akin_to(newest));
    if right { Ok(newest.opens(&Soft)) } else { Err(Error::BootNotApproved) }
}

impl Platform for TpmPlatform {
    fn reset(&mut self) {
        let chip = self.chip.get_mut();
        self.keys.get_mut().let_go(&mut chip.tpm);
        (self.uds_locked, self.forgets) = (false, false);
        self.bound = self.start();
    }

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        self.bound.as_ref().map_err(|error| *error)?;
        if row == Row::Uds && self.uds_locked {
            return Err(Error::UdsLocked);
        }
        let (at, length) = row.place();
        let bits = self.body.get(at..at + length).filter(|bits| bits.len() == into.len());
        into.copy_from_slice(bits.ok_or(Error::StorageFailed)?);
        Ok(())
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        let (at, length) = row.place();
        let place = self.body.get_mut(at..at + length).filter(|place| place.len() == bits.len());
        let place = place.ok_or(Error::StorageFailed)?;
        place.iter_mut().zip(bits).for_each(|(old, new)| *old |= new);
        self.commit()
    }

    fn lock_uds(&mut self) {
        self.uds_locked = true;
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        self.bound.as_ref().map_err(|error| *error)?;
        let place = Self::place(sector, offset, into.len())?;
        into.copy_from_slice(self.body.get(place).ok_or(Error::StorageFailed)?);
        Ok(())
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        self.program(sector, 0, &[0xff; SECTOR_SIZE])
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        let place = Self::place(sector, offset, bytes.len())?;
        self.body.get_mut(place).ok_or(Error::StorageFailed)?.copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.commit()
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        self.chip.get_mut().random(out)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { class: RotClass::Tpm, limits: LIMITS }
    }

    fn forget(&mut self) {
        self.forgets = true;
    }

    fn vault(&self) -> Option<&dyn Vault> {
        Some(self)
    }
}

impl Vault for TpmPlatform {
    fn identity(&self, uds: &Secret) -> Result<PublicKey> {
        self.keys.borrow_mut().identity(&mut self.chip.borrow_mut().tpm, uds)
    }

    fn quote(&self, qualifying: &Digest) -> Result<SignedQuote> {
        self.keys.borrow_mut().quote(&mut self.chip.borrow_mut().tpm, qualifying)
    }

    fn client_key(&self, seed: &Secret) -> Result<PublicKey> {
        self.keys.borrow_mut().client_key(&mut self.chip.borrow_mut().tpm, seed)
    }

    fn client_sign(&self, seed: &Secret, message: &Digest) -> Result<Signature> {
        self.keys.borrow_mut().client_sign(&mut self.chip.borrow_mut().tpm, seed, message)
    }
}

impl Drop for TpmPlatform {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl<C: KeyedCrypto> Engine<TpmPlatform, C> {
    /// The TPM's endorsement key, for whom a secret can be enclosed ([`super::enrol`]).
    ///
    /// # Errors
    /// The TPM's.
    pub fn endorsement_key(&self) -> Result<PublicKey> {
        let chip = &mut self.platform().chip.borrow_mut();
        let loaded = chip.tpm.create_endorsement()?;
        chip.tpm.flush(loaded.handle)?;
        Ok(loaded.key)
    }

    /// Opens what was enclosed for this identity in this TPM (TPM-5).
    ///
    /// # Errors
    /// `TpmRefused` if it was enclosed for another; the TPM's.
    pub fn activate(&self, enclosed: &Enclosed) -> Result<Secret> {
        let chip = self.platform();
        chip.keys.borrow_mut().activate(&mut chip.chip.borrow_mut().tpm, enclosed)
    }

    /// Opens the chip in a TPM and the file at `path`, resets it and starts the engine on it.
    ///
    /// # Errors
    /// As [`TpmPlatform::open`] and [`Engine::reset`].
    pub fn open_in_tpm(
        transport: Transport,
        path: &Path,
        approvals: &[BootApproval],
        crypto: C,
        start: Start,
    ) -> Result<Self> {
        Self::reset(TpmPlatform::open(transport, path, approvals)?, crypto, start)
    }

    /// Makes a chip in a TPM and a file, manufactures it and starts the engine on it. A making that
    /// was interrupted is finished by doing it again with the same values.
    ///
    /// # Errors
    /// As [`TpmPlatform::create`] and [`Engine::manufacture`].
    pub fn create_in_tpm(
        transport: Transport,
        path: &Path,
        approvals: &[BootApproval],
        crypto: C,
        with: &Manufacture<'_>,
    ) -> Result<Self> {
        let section = with.platform_section;
        let chip = TpmPlatform::create(transport, path, approvals, section)?;
        Self::manufacture(chip, crypto, with)
    }
}
