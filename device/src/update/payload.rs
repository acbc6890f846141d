//! One payload: from a delta where we have its base, else whole; resumed where it stopped; believed
//! only by the digest that was signed.

use super::UpdateError;
use crate::installed::InstalledError;
use crate::link::{Link, LinkError};
use craton_api::device::BLOBS_PATH;
use craton_image::delta;
use craton_image::package::{PACKAGE_MAX, decompress, sha256};
use craton_trust::Digest;
use craton_trust::set::{Member, Transport};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A payload that is on this device, by digest.
#[derive(Clone, Debug)]
pub struct Base {
    /// SHA-256 of the payload.
    pub digest: Digest,
    /// Where it is.
    pub path: PathBuf,
}

/// Fetches the payload that a verified member names.
///
/// # Errors
/// `DownloadOther` when neither a delta nor the whole rebuilds it, `TransportMissing`, and the
/// link's.
pub async fn payload(
    link: &mut Link,
    device: &Path,
    member: &Member,
    bases: &[Base],
) -> Result<Vec<u8>, UpdateError> {
    if member.payload_size > PACKAGE_MAX {
        return Err(craton_trust::Error::FieldTooLong.into());
    }
    if let Some(kept) = bases.iter().find(|base| base.digest == member.payload)
        && let Some(bytes) = read_exact(&kept.path, member)
    {
        return Ok(bytes);
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
        let rebuilt = object.and_then(|object| rebuild(&object, base_of(way), member));
        if let Some(bytes) = rebuilt {
            return Ok(bytes);
        }
    }
    Err(UpdateError::DownloadOther)
}

fn read_exact(path: &Path, member: &Member) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    is_signed(&bytes, member).then_some(bytes)
}

fn is_signed(bytes: &[u8], member: &Member) -> bool {
    bytes.len() as u64 == member.payload_size && sha256(bytes) == member.payload
}

/// Rebuilds the payload, or `None`: a delta is a hint, and so is a compressed image.
fn rebuild(object: &[u8], base: Option<&Base>, member: &Member) -> Option<Vec<u8>> {
    let bytes = match base {
        None => {
            let mut whole = Vec::new();
            decompress(object, member.payload_size, &mut whole).ok()?;
            whole
        }
        Some(base) => {
            let old = fs::read(&base.path).ok()?;
            if sha256(&old) != base.digest {
                return None;
            }
            delta::apply_verified(&old, object, &member.payload.0, member.payload_size).ok()?
        }
    };
    is_signed(&bytes, member).then_some(bytes)
}

/// A transport object, hashed before any decoder sees it; `None` if it is not what the set names.
async fn download(
    link: &mut Link,
    device: &Path,
    way: &Transport,
    payload_size: u64,
) -> Result<Option<Vec<u8>>, UpdateError> {
    // zstd adds little to what it cannot compress; a larger object is refused unread.
    if way.size > payload_size + payload_size / 64 + 4096 {
        return Ok(None);
    }
    let folder = device.join("downloads");
    let path = folder.join(format!("{}.part", way.digest));
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
    let object = fs::read(&path).map_err(io)?;
    fs::remove_file(&path).map_err(io)?;
    let named = object.len() as u64 == way.size && sha256(&object) == way.digest;
    Ok(named.then_some(object))
}
