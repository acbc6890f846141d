//! The virtual chip: fuses, counters and flash in one file of fixed size.
//!
//! What survives what: the file is made whole under another name and linked into place, so that it
//! never exists half-made; it has its full size from the start, so that a full disk stops the
//! making and not a later write; every write goes to the copy that is not in force, and `sync` is
//! `fdatasync`. It does not protect against the host: whoever may read it has the secrets, and
//! whoever may write it can put an old copy back ([`SOFTWARE`] says so).

extern crate std;

use super::{FUSES_SIZE, Platform, Row, SECTOR_SIZE, SECTORS, Sector};
use crate::capabilities::{Capabilities, SOFTWARE};
use crate::engine::{Engine, Manufacture, Start};
use crate::error::{Error, Result};
use crate::secret::Secret;
use craton_trust::crypto::{Crypto as _, KeyedCrypto};
use craton_trust::soft::Soft;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{format, vec};

const MAGIC: &[u8; 8] = b"craton\x02f";
/// Magic, generation, fuses, SHA-256 of all that.
const COPY_SIZE: usize = 8 + 8 + FUSES_SIZE + 32;
/// Bytes that a disk may lose together: one write of one fuse copy must not take the other along.
const BLOCK_SIZE: u64 = 4096;
/// Where the copies of the fuses begin, and the flash after them: in a block of its own each.
const COPY_PLACES: [u64; 2] = [0, BLOCK_SIZE];
const FLASH_PLACE: u64 = 2 * BLOCK_SIZE;

/// Bytes of the file.
pub const FILE_SIZE: u64 = FLASH_PLACE + (SECTORS * SECTOR_SIZE) as u64;

/// A chip in a file, locked for this process as long as the value lives.
pub struct FilePlatform {
    file: File,
    fuses: Secret<FUSES_SIZE>,
    generation: u64,
    uds_locked: bool,
}

impl FilePlatform {
    /// Opens a chip.
    ///
    /// # Errors
    /// `StorageMissing`, `StorageLinked`, `StorageForbidden`, `StorageLocked`, `StorageExposed`,
    /// `StorageDamaged`, `StorageFailed`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = open_locked(path, FILE_SIZE)?;
        let (generation, fuses) = newest_fuses(&file)?;
        Ok(Self { file, fuses, generation, uds_locked: false })
    }

    /// Makes a blank chip at `path` and opens it; an existing one is opened as it is.
    ///
    /// # Errors
    /// As [`FilePlatform::open`]; `StorageFull`.
    pub fn create(path: &Path) -> Result<Self> {
        match Self::open(path) {
            Err(Error::StorageMissing) => {}
            opened => return opened,
        }
        make_whole(path, &blank_image())?;
        Self::open(path)
    }

    fn write_fuses(&mut self, fuses: &Secret<FUSES_SIZE>) -> Result<()> {
        let generation = self.generation.checked_add(1).ok_or(Error::StorageDamaged)?;
        let copy = fuses_copy(generation, fuses);
        let [even, odd] = COPY_PLACES;
        let place = if generation.is_multiple_of(2) { even } else { odd };
        self.file.write_all_at(&copy.0, place).map_err(environment)?;
        self.file.sync_data().map_err(environment)?; // the write that commits a burn
        (self.generation, self.fuses) = (generation, fuses.clone());
        Ok(())
    }

    fn flash_place(sector: Sector, offset: usize, length: usize) -> Result<u64> {
        if offset.saturating_add(length) > SECTOR_SIZE {
            return Err(Error::StorageFull);
        }
        Ok(FLASH_PLACE + (sector as usize * SECTOR_SIZE + offset) as u64)
    }
}

/// Opens a file of this size that only its user may read, for this process alone.
pub(crate) fn open_locked(path: &Path, size: u64) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let linked = || fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
    let file = options.open(path).map_err(|error| match environment(error) {
        Error::StorageFailed if linked() => Error::StorageLinked,
        other => other,
    })?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::StorageLocked,
        TryLockError::Error(error) => environment(error),
    })?;
    let about = file.metadata().map_err(environment)?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(Error::StorageExposed);
    }
    if about.len() == size { Ok(file) } else { Err(Error::StorageDamaged) }
}

/// Makes a file that never exists half-made.
pub(crate) fn make_whole(path: &Path, image: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(environment)?;
    let unfinished = unfinished_beside(path)?;
    let made = write_new(&unfinished, image);
    // Linking refuses an existing name: a race between two makers has one winner.
    let linked = made.and_then(|()| fs::hard_link(&unfinished, path).map_err(environment));
    let _ = fs::remove_file(&unfinished);
    linked?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(environment)
}

/// A name beside `path` that nobody can have put something under.
fn unfinished_beside(path: &Path) -> Result<PathBuf> {
    let mut unguessed = [0u8; 16];
    getrandom::fill(&mut unguessed).map_err(|_| Error::RandomFailed)?;
    Ok(path.with_extension(format!("{:032x}.new", u128::from_be_bytes(unguessed))))
}

fn write_new(path: &Path, image: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    // What exists, be it a link to elsewhere, is never written through.
    let file = options.write(true).create_new(true).mode(0o600);
    let file = file.open(path).map_err(environment)?;
    file.write_all_at(image, 0).map_err(environment)?;
    file.sync_all().map_err(environment)
}

fn blank_image() -> vec::Vec<u8> {
    let mut image = vec![0u8; FLASH_PLACE as usize];
    for (generation, place) in COPY_PLACES.iter().enumerate() {
        let copy = fuses_copy(generation as u64, &Secret::zero());
        let at = *place as usize;
        if let Some(room) = image.get_mut(at..at + COPY_SIZE) {
            room.copy_from_slice(&copy.0);
        }
    }
    image.resize(FILE_SIZE as usize, 0xff);
    image
}

fn fuses_copy(generation: u64, fuses: &Secret<FUSES_SIZE>) -> Secret<COPY_SIZE> {
    let generation = generation.to_be_bytes();
    let digest = Soft.sha256(&[MAGIC, &generation, &fuses.0]).0;
    let mut copy = Secret::zero();
    let parts = [&MAGIC[..], &generation, &fuses.0, &digest];
    let bytes = parts.into_iter().flatten();
    copy.0.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    copy
}

fn newest_fuses(file: &File) -> Result<(u64, Secret<FUSES_SIZE>)> {
    let mut newest: Option<(u64, Secret<FUSES_SIZE>)> = None;
    for place in COPY_PLACES {
        let mut copy = Secret::<COPY_SIZE>::zero();
        file.read_exact_at(&mut copy.0, place).map_err(environment)?;
        let mut fuses = Secret::zero();
        fuses.0.copy_from_slice(&copy.0[16..16 + FUSES_SIZE]);
        let mut number = [0u8; 8];
        number.copy_from_slice(&copy.0[8..16]);
        let generation = u64::from_be_bytes(number);
        let whole = fuses_copy(generation, &fuses).0 == copy.0;
        if whole && newest.as_ref().is_none_or(|(other, _)| generation > *other) {
            newest = Some((generation, fuses));
        }
    }
    newest.ok_or(Error::StorageDamaged)
}

pub(crate) fn environment(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::StorageMissing,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::StorageForbidden,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::StorageFull
        }
        _ => Error::StorageFailed,
    }
}

impl Platform for FilePlatform {
    fn reset(&mut self) {
        self.uds_locked = false;
    }

    fn fuses(&self, row: Row, into: &mut [u8]) -> Result<()> {
        if row == Row::Uds && self.uds_locked {
            return Err(Error::UdsLocked);
        }
        let (at, length) = row.place();
        let bits = self.fuses.0.get(at..at + length).filter(|bits| bits.len() == into.len());
        into.copy_from_slice(bits.ok_or(Error::StorageFailed)?);
        Ok(())
    }

    fn burn(&mut self, row: Row, bits: &[u8]) -> Result<()> {
        let (at, length) = row.place();
        let mut fuses = self.fuses.clone();
        let place = fuses.0.get_mut(at..at + length).filter(|place| place.len() == bits.len());
        let place = place.ok_or(Error::StorageFailed)?;
        place.iter_mut().zip(bits).for_each(|(old, new)| *old |= new);
        self.write_fuses(&fuses)
    }

    fn lock_uds(&mut self) {
        self.uds_locked = true;
    }

    fn read(&self, sector: Sector, offset: usize, into: &mut [u8]) -> Result<()> {
        let place = Self::flash_place(sector, offset, into.len())?;
        self.file.read_exact_at(into, place).map_err(environment)
    }

    fn erase(&mut self, sector: Sector) -> Result<()> {
        let place = Self::flash_place(sector, 0, SECTOR_SIZE)?;
        self.file.write_all_at(&[0xff; SECTOR_SIZE], place).map_err(environment)
    }

    fn program(&mut self, sector: Sector, offset: usize, bytes: &[u8]) -> Result<()> {
        let place = Self::flash_place(sector, offset, bytes.len())?;
        self.file.write_all_at(bytes, place).map_err(environment)
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(environment)
    }

    fn random(&mut self, out: &mut [u8]) -> Result<()> {
        getrandom::fill(out).map_err(|_| Error::RandomFailed)
    }

    fn capabilities(&self) -> Capabilities {
        SOFTWARE
    }
}

impl<C: KeyedCrypto> Engine<FilePlatform, C> {
    /// Opens the virtual chip at `path`, resets it and starts the engine on it.
    ///
    /// # Errors
    /// As [`FilePlatform::open`] and [`Engine::reset`].
    pub fn open(path: &Path, crypto: C, start: Start) -> Result<Self> {
        Self::reset(FilePlatform::open(path)?, crypto, start)
    }

    /// Makes a virtual chip at `path`, manufactures it and starts the engine on it. A making that
    /// was interrupted is finished by doing it again with the same values.
    ///
    /// # Errors
    /// As [`FilePlatform::create`] and [`Engine::manufacture`].
    pub fn create(path: &Path, crypto: C, with: &Manufacture<'_>) -> Result<Self> {
        Self::manufacture(FilePlatform::create(path)?, crypto, with)
    }
}
