//! One payload: from a delta where we have its base, else whole; resumed where it stopped; believed
//! only by the digest that was signed.
//!
//! Nothing here holds a payload in memory: transport objects, bases and what they rebuild are
//! files, read and written piece by piece.

use super::UpdateError;
use crate::installed::InstalledError;
use crate::link::{Link, LinkError};
use aws_lc_rs::digest::{Context, SHA256};
use craton_api::device::BLOBS_PATH;
use craton_image::delta::{self, Applier, DeltaError};
use craton_image::package::{PAYLOAD_BYTES_MAX, PackageError, decompress};
use craton_trust::Digest;
use craton_trust::set::{Member, Transport};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder of transport objects, whole or on their way.
pub(super) const DOWNLOADS: &str = "downloads";

/// The name of a transport object there.
pub(super) fn part(digest: &Digest) -> String {
    format!("{digest}.part")
}

/// A payload that is on this device, by the digest that it has now.
#[derive(Clone, Debug)]
pub struct Base {
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl Base {
    /// Hashes a payload on the disk; `None` if it cannot be read.
    #[must_use]
    pub fn of(path: PathBuf) -> Option<Self> {
        let mut file = fs::File::open(&path).ok()?;
        let mut hashing = Hashing::into(io::sink());
        io::copy(&mut file, &mut hashing).ok()?;
        Some(Self { digest: hashing.digest(), size: hashing.size, path })
    }
}

/// Fetches the payload that a verified member names into the new file `place`.
///
/// # Errors
/// `DownloadOther` when neither a delta nor the whole rebuilds it, `TransportMissing`, `DeviceIo`,
/// and the link's.
pub async fn payload(
    link: &mut Link,
    device: &Path,
    member: &Member,
    bases: &[Base],
    place: &Path,
) -> Result<(), UpdateError> {
    if member.payload_size > PAYLOAD_BYTES_MAX {
        return Err(craton_trust::Error::FieldTooLong.into());
    }
    if let Some(kept) = bases.iter().find(|base| base.digest == member.payload)
        && let Ok(mut file) = fs::File::open(&kept.path)
        && write_if_signed(place, member, |out| copy(&mut file, out))?
    {
        return Ok(());
    }
    let base_of = |transport: &Transport| {
        let digest = transport.base?;
        bases.iter().find(|base| base.digest == digest)
    };
    let mut ways: Vec<&Transport> =
        member.transports().filter(|way| way.base.is_none() || base_of(way).is_some()).collect();
    ways.sort_by_key(|way| way.size);
    if ways.is_empty() {
        return Err(UpdateError::TransportMissing);
    }
    for way in ways {
        let object = download(link, device, way, member.payload_size).await?;
        if let Some(object) = object
            && rebuild(&object, base_of(way), member, place)?
        {
            return Ok(());
        }
    }
    Err(UpdateError::DownloadOther)
}

/// Why a rebuild stopped: the hint is no good, or our own disk is not.
enum Stopped {
    Hint,
    Disk(io::Error),
}

impl From<DeltaError> for Stopped {
    fn from(_: DeltaError) -> Self {
        Self::Hint
    }
}

impl From<PackageError> for Stopped {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::PackageIo(_, error) => Self::Disk(error),
            _ => Self::Hint,
        }
    }
}

/// Rebuilds the payload into `place`, or says that this way does not: a delta is a hint, and so is
/// a compressed image.
fn rebuild(
    object: &Path,
    base: Option<&Base>,
    member: &Member,
    place: &Path,
) -> Result<bool, InstalledError> {
    let io = |error| InstalledError::DeviceIo(object.to_owned(), error);
    let object = io::BufReader::new(fs::File::open(object).map_err(io)?);
    let Some(base) = base else {
        return write_if_signed(place, member, |out| {
            Ok(decompress(object, member.payload_size, out)?)
        });
    };
    let Ok(old) = fs::File::open(&base.path) else { return Ok(false) };
    let from = delta::Payload { digest: base.digest.0, size: base.size };
    let to = delta::Payload { digest: member.payload.0, size: member.payload_size };
    write_if_signed(place, member, |out| {
        let mut applier = Applier::new(&old, &from, object, &to)?;
        while let Some(window) = applier.next_window()? {
            out.write_all(window).map_err(Stopped::Disk)?;
        }
        Ok(())
    })
}

fn copy(from: &mut impl io::Read, out: &mut impl Write) -> Result<(), Stopped> {
    let mut chunk = vec![0u8; 64 * 1024];
    loop {
        let n = from.read(&mut chunk).map_err(|_| Stopped::Hint)?;
        match chunk.get(..n) {
            None | Some([]) => return Ok(()),
            Some(piece) => out.write_all(piece).map_err(Stopped::Disk)?,
        }
    }
}

/// Has `place` written, and keeps it only if it is what was signed: then it is on the disk.
fn write_if_signed(
    place: &Path,
    member: &Member,
    write: impl FnOnce(&mut Hashing<fs::File>) -> Result<(), Stopped>,
) -> Result<bool, InstalledError> {
    let io = |error| InstalledError::DeviceIo(place.to_owned(), error);
    let mut out = Hashing::into(fs::File::create(place).map_err(io)?);
    let written = write(&mut out);
    if let Err(Stopped::Disk(error)) = written {
        return Err(io(error));
    }
    let signed = out.size == member.payload_size && out.digest() == member.payload; // IMG-3
    if written.is_ok() && signed {
        out.inner.sync_all().map_err(io)?;
        return Ok(true);
    }
    fs::remove_file(place).map_err(io)?;
    Ok(false)
}

/// Counts and hashes what is written through it.
struct Hashing<W> {
    inner: W,
    context: Context,
    size: u64,
}

impl<W> Hashing<W> {
    fn into(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256), size: 0 }
    }

    fn digest(&self) -> Digest {
        let mut digest = [0; 32];
        let hashed = self.context.clone().finish();
        digest.iter_mut().zip(hashed.as_ref()).for_each(|(to, from)| *to = *from);
        Digest(digest)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.context.update(bytes.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A transport object on the disk, hashed before any decoder sees it; `None` if it is not what the
/// set names. It stays until the update is over: a rebuild that was cut does not fetch it again.
async fn download(
    link: &mut Link,
    device: &Path,
    way: &Transport,
    payload_size: u64,
) -> Result<Option<PathBuf>, UpdateError> {
    // zstd adds little to what it cannot compress; a larger object is refused unread.
    if way.size > payload_size + payload_size / 64 + 4096 {
        return Ok(None);
    }
    let folder = device.join(DOWNLOADS);
    let path = folder.join(part(&way.digest));
    let io = |error| InstalledError::DeviceIo(path.clone(), error);
    fs::create_dir_all(&folder).map_err(io)?;
    let mut had = fs::metadata(&path).map_or(0, |meta| meta.len());
    if had > way.size {
        fs::remove_file(&path).map_err(io)?;
        had = 0;
    }
    if had < way.size {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
        let mut room = way.size - had;
        let take = |piece: &[u8]| {
            let too_large = LinkError::AnswerTooLarge(way.size as usize);
            room = room.checked_sub(piece.len() as u64).ok_or(too_large)?;
            file.write_all(piece).map_err(|error| LinkError::DownloadStopped(error.to_string()))
        };
        link.fetch(&format!("{BLOBS_PATH}{}", way.digest), had, take).await?;
    }
    let named = |found: &Base| found.size == way.size && found.digest == way.digest;
    if Base::of(path.clone()).is_some_and(|found| named(&found)) {
        return Ok(Some(path));
    }
    fs::remove_file(&path).map_err(io)?;
    Ok(None)
}
