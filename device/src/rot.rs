//! Which root of trust a device has, and the one place that opens it.
//!
//! The engine on a file of the device's folder is what a device has that says nothing else. Another
//! one is named by a line in the folder, [`PLACE_FILE`]: `mailbox` or `tpm`, and where it is. The
//! line is no secret and nothing is believed for it: behind another mailbox is another device, and
//! another TPM does not open this one's state.

use crate::tpm;
use craton_rot::engine::Manufacture;
use craton_rot::mailbox::client::{Address, Line, Mailbox, Patience, Transport};
use craton_rot::platform::file::FilePlatform;
use craton_rot::tpm2;
use craton_rot::{Engine, Error, Result, RootOfTrust, RotClass, Start};
use craton_trust::soft::Soft;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The software root of trust: fuses, counters and flash.
pub const ROT_FILE: &str = "rot.bin";
/// Where another root of trust is.
pub const PLACE_FILE: &str = "rot.place";

/// How long an earlier role may keep the root of trust.
const LOCK_WITHIN: Duration = Duration::from_secs(45);

/// A root of trust, whichever it is.
pub type Rot = Box<dyn RootOfTrust + Send>;

/// Which root of trust a device has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The engine on [`ROT_FILE`].
    Engine,
    /// One behind a mailbox.
    Mailbox(Address),
    /// The engine in a TPM, and in the folder ([`crate::tpm`]).
    Tpm(tpm2::Address),
}

impl Place {
    /// That of the device in a folder.
    ///
    /// # Errors
    /// `StorageMissing` if it is no device's, `MailboxAddress`, `TpmAddress`, `StorageFailed`.
    pub fn of(device: &Path) -> Result<Self> {
        match fs::read_to_string(device.join(PLACE_FILE)) {
            Ok(line) => line.trim_end().parse(),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::StorageFailed),
            Err(_) if device.join(ROT_FILE).exists() => Ok(Self::Engine),
            Err(_) => Err(Error::StorageMissing),
        }
    }

    /// Notes that the device in a folder has this one.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub fn note(&self, device: &Path) -> Result<()> {
        let (fresh, place) = (device.join("rot.place.new"), device.join(PLACE_FILE));
        let written = File::create(&fresh).and_then(|mut file| {
            writeln!(file, "{self}")?;
            file.sync_all()?;
            fs::rename(&fresh, &place)?;
            File::open(device)?.sync_all()
        });
        written.map_err(|_| Error::StorageFailed)
    }

    /// Opens what is there by a reset.
    fn open(&self, device: &Path, start: Start) -> Result<Rot> {
        match self {
            Self::Engine => {
                let platform = FilePlatform::open(&device.join(ROT_FILE))?;
                Ok(Box::new(Engine::reset(platform, Soft, start)?))
            }
            Self::Mailbox(address) => {
                let mut line = Line::open(Locked::plug(device, address)?, Patience::default())?;
                line.restart(start)?;
                Ok(Box::new(Mailbox::of(line)?))
            }
            Self::Tpm(address) => Ok(Box::new(tpm::open(device, address, start)?)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("engine"),
            Self::Mailbox(address) => write!(f, "mailbox {address}"),
            Self::Tpm(address) => write!(f, "tpm {address}"),
        }
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(' ') {
            None if text == "engine" => Ok(Self::Engine),
            Some(("mailbox", address)) => address.parse().map(Self::Mailbox),
            Some(("tpm", address)) => address.parse().map(Self::Tpm),
            _ => Err(Error::MailboxAddress),
        }
    }
}

/// Whether there is a device in a folder.
#[must_use]
pub fn is_made(device: &Path) -> bool {
    !matches!(Place::of(device), Err(Error::StorageMissing))
}

/// Opens a device's root of trust, which resets by it, waiting for the role of an earlier boot to
/// let go of it: after a monitor was killed, its auth role ends only when its check-in does.
///
/// # Errors
/// `StorageLocked`; those of the file, the mailbox or the TPM, and of the reset.
pub fn open(device: &Path, start: Start) -> Result<Rot> {
    let place = Place::of(device)?;
    let until = Instant::now() + LOCK_WITHIN;
    loop {
        match place.open(device, start) {
            Err(Error::StorageLocked) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            opened => return opened,
        }
    }
}

/// Manufactures a device in a folder, and says the class that its manufacturer may endorse: behind
/// a mailbox no less and no more than what answers there says of itself, and never silicon, which
/// is for a station to know; in a TPM after the identity proved to be in it. Whose TPM it is the
/// endorser asks before ([`tpm::endorsement`], [`tpm::manufacture`]).
///
/// # Errors
/// As [`Engine::manufacture`]; those of the file, the mailbox or the TPM.
pub fn manufacture(
    device: &Path,
    place: &Place,
    with: &Manufacture<'_>,
) -> Result<(Rot, RotClass)> {
    match place {
        Place::Engine => {
            let platform = FilePlatform::create(&device.join(ROT_FILE))?;
            let engine = Engine::manufacture(platform, Soft, with)?;
            Ok((Box::new(engine), RotClass::Software))
        }
        Place::Mailbox(address) => {
            let mut line = Line::open(Locked::plug(device, address)?, Patience::default())?;
            line.manufacture(with)?;
            let mailbox = Mailbox::of(line)?;
            place.note(device)?; // from here on there is a device in the folder
            let class = mailbox.capabilities().class.min(RotClass::Firmware);
            Ok((Box::new(mailbox), class))
        }
        Place::Tpm(address) => {
            let endorsement = tpm::endorsement(address)?;
            let engine = tpm::manufacture(device, address, &endorsement.key, with)?;
            place.note(device)?;
            Ok((Box::new(engine), RotClass::Tpm))
        }
    }
}

/// Opens what a manufacture made that was cut before it could say so. Whose it is the caller asks
/// before he endorses it, by its claim code; then [`Place::note`] says that it is this folder's.
///
/// # Errors
/// As [`open`]; for a TPM those of its enrolment, too, which is shown once more.
pub fn reopen(device: &Path, place: &Place) -> Result<(Rot, RotClass)> {
    let most = match place {
        Place::Engine => RotClass::Software,
        Place::Mailbox(_) => RotClass::Firmware,
        Place::Tpm(address) => {
            let endorsement = tpm::endorsement(address)?.key;
            return Ok((Box::new(tpm::resume(device, address, &endorsement)?), RotClass::Tpm));
        }
    };
    let rot = place.open(device, Start::Normal)?;
    let class = rot.capabilities().class.min(most);
    Ok((rot, class))
}

/// A line whose device folder no other process has: one process speaks to a root of trust.
struct Locked {
    line: Box<dyn Transport + Send>,
    _lock: File,
}

impl Locked {
    fn plug(device: &Path, address: &Address) -> Result<Self> {
        let lock = File::create(device.join("rot.lock")).map_err(|_| Error::StorageFailed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::StorageLocked,
            TryLockError::Error(_) => Error::StorageFailed,
        })?;
        Ok(Self { line: address.connect()?, _lock: lock })
    }
}

impl Transport for Locked {
    fn send(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        self.line.send(bytes, limit)
    }

    fn receive(&mut self, into: &mut [u8], limit: Duration) -> io::Result<usize> {
        self.line.receive(into, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Behind, CLAIM_CODE, files, manufacture, owner_section};
    use craton_rot::Status;

    #[test]
    fn a_place_is_noted_and_read_again_or_mailbox_address() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Place::of(folder.path()), Err(Error::StorageMissing));
        assert!(!is_made(folder.path()));
        let places = ["engine", "mailbox unix:/run/rot", "mailbox tcp:127.0.0.1:9"];
        for place in places.into_iter().chain(["tpm device:/dev/tpmrm0", "tpm unix:/run/swtpm"]) {
            let place: Place = place.parse().unwrap();
            place.note(folder.path()).unwrap();
            assert_eq!(Place::of(folder.path()), Ok(place));
        }
        for damaged in ["", "mailbox", "mailbox unix:rot", "tpm", "engine unix:/run/rot"] {
            fs::write(folder.path().join(PLACE_FILE), damaged).unwrap();
            assert_eq!(Place::of(folder.path()), Err(Error::MailboxAddress), "{damaged}");
            assert!(is_made(folder.path()), "it is some device's");
        }
    }

    #[test]
    fn a_device_that_notes_nothing_has_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        drop(manufacture(folder.path()));
        assert_eq!(Place::of(folder.path()), Ok(Place::Engine));
        assert!(open(folder.path(), Start::Normal).is_ok());
    }

    #[test]
    fn a_mailbox_is_opened_by_a_reset_and_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let board = Behind::mailbox(folder.path());
        let device = board.manufacture();
        let mut rot = open(folder.path(), Start::Normal).unwrap();
        assert_eq!(rot.device(), device);
        let place = Place::of(folder.path()).unwrap();
        let second = place.open(folder.path(), Start::Normal).err();
        assert_eq!(second, Some(Error::StorageLocked));
        rot.claim(CLAIM_CODE, &owner_section(None)).unwrap();
        drop(rot);
        let rot = open(folder.path(), Start::Recovery).unwrap();
        let Status { mode, owner, .. } = rot.status().unwrap();
        assert_eq!((mode as u8, owner.is_some()), (3, true));
    }

    #[test]
    fn a_board_that_is_away_is_mailbox_unreachable_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        Behind::mailbox(folder.path()).manufacture();
        let nowhere = Address::Unix(folder.path().join("nobody"));
        Place::Mailbox(nowhere).note(folder.path()).unwrap();
        let before = files(folder.path());
        let refused = open(folder.path(), Start::Normal).err();
        assert_eq!(refused, Some(Error::MailboxUnreachable));
        assert_eq!(files(folder.path()), before);
    }
}
