//! Image sets on the disk: `sets/<set id>/`, complete exactly when its `set.cbor` is there.
//!
//! ```text
//! sets/<set id>/set.cbor                      the signed set; renamed into place last
//! sets/<set id>/<component>/envelope.cbor     as signed
//! sets/<set id>/<component>/payload           as signed
//! sets/<set id>/<component>/root/             an app's files, unpacked
//! ```
//! What is true here: nothing is started from a folder that [`open`] did not verify whole, byte by
//! byte, in the same boot: signatures, payload, and every unpacked file against the payload.

mod error;
#[cfg(test)]
mod tests;
mod unpack;

pub use error::InstalledError;
pub use unpack::unpack;

use crate::believed::Believed;
use craton_image::app_manifest::{self, AppManifest};
use craton_image::package::sha256;
use craton_image::{erofs, verity};
use craton_trust::evidence::Measured;
use craton_trust::set::{self, ImageSet, Member};
use craton_trust::soft::Soft;
use craton_trust::suit::{self, Image, ImageType};
use craton_trust::{ComponentId, ImageId, SetId, Signed, Verified};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The ABIs that this runtime gives to apps: number 1 is the app manifest's schema.
pub const PLATFORM_ABIS: &[suit::Abi] = &[suit::Abi { id: 1, version: 1 }];

/// One app of an installed set, verified.
#[derive(Clone, Debug)]
pub struct InstalledApp {
    /// What has versions.
    pub component: ComponentId,
    /// Its image.
    pub image: ImageId,
    /// Its payload, by which its files are judged before every start.
    pub payload: AppPayload,
    /// Its unpacked files.
    pub root: PathBuf,
    /// Its manifest.
    pub manifest: AppManifest,
}

/// An app's payload as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPayload {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, as signed.
    pub digest: [u8; 32],
    /// Its bytes.
    pub size: u64,
    /// How many of them are the file system; the hash tree follows.
    pub data_size: u64,
}

impl AppPayload {
    /// Refuses an app whose payload or unpacked files changed since the boot that verified them.
    ///
    /// # Errors
    /// `AppDamaged`, `SetIncomplete`, `SetDamaged`, `DeviceIo`.
    pub fn check(&self, root: &Path) -> Result<(), InstalledError> {
        let payload = read_bounded(&self.path, self.size)?;
        if sha256(&payload).0 != self.digest {
            return Err(InstalledError::AppDamaged);
        }
        let data = usize::try_from(self.data_size).ok().and_then(|at| payload.get(..at));
        let tree = erofs::read(data.ok_or(InstalledError::AppDamaged)?);
        unpack::compare(&tree.map_err(InstalledError::AppFiles)?, root)
    }
}

/// An installed set, verified in this boot.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Which set.
    pub set: SetId,
    /// The set as it was signed.
    pub signed: Vec<u8>,
    /// Every image's payload as it lies on the disk, for the root of trust to measure.
    pub images: Vec<Measured>,
    /// Its apps, in order of their component.
    pub apps: Vec<InstalledApp>,
}

/// The folder of a set.
#[must_use]
pub fn set_folder(device: &Path, set: SetId) -> PathBuf {
    device.join("sets").join(set.to_string())
}

/// The folder of a component in a set's folder.
#[must_use]
pub fn component_folder(set: &Path, component: ComponentId) -> PathBuf {
    set.join(component.to_string())
}

/// The largest signed set, bytes.
pub const SET_MAX: usize = 64 * 1024;

/// Verifies an installed set whole.
///
/// # Errors
/// `SetIncomplete`, `SetDamaged`, `AppDamaged`, and every refusal of `craton_trust`.
pub fn open(device: &Path, set: SetId, believed: &Believed) -> Result<Installed, InstalledError> {
    let folder = set_folder(device, set);
    let bytes = read_bounded(&folder.join("set.cbor"), SET_MAX as u64)?;
    let verified = verify_set(&bytes, set, believed)?;
    let (mut apps, mut images) = (Vec::new(), Vec::new());
    for member in verified.members() {
        let folder = component_folder(&folder, member.component);
        let envelope = read_bounded(&folder.join("envelope.cbor"), suit::ENVELOPE_MAX as u64)?;
        let image = verify_member(&envelope, &member, believed)?;
        let payload = read_bounded(&folder.join("payload"), member.payload_size)?;
        let digest = sha256(&payload);
        image.check_payload(&digest, payload.len() as u64)?;
        images.push(Measured { component: member.component, digest });
        if image.image_type == ImageType::Application {
            apps.push(open_app(&folder, &member, &image, &payload)?);
        }
    }
    Ok(Installed { set, signed: bytes, images, apps })
}

fn open_app(
    folder: &Path,
    member: &Member,
    image: &Image<'_>,
    payload: &[u8],
) -> Result<InstalledApp, InstalledError> {
    let tree = app_tree(image, payload)?;
    let root = folder.join("root");
    unpack::compare(&tree, &root)?;
    let manifest = tree.file("app_manifest.json").ok_or(InstalledError::AppManifestMissing)?;
    let manifest = app_manifest::parse(manifest).map_err(InstalledError::AppManifest)?;
    let data_size = image.verity.ok_or(InstalledError::AppDamaged)?.data_size;
    Ok(InstalledApp {
        component: member.component,
        image: member.image,
        payload: AppPayload {
            path: folder.join("payload"),
            digest: member.payload.0,
            size: member.payload_size,
            data_size,
        },
        root,
        manifest,
    })
}

/// What is signed of a set, not verified.
pub struct SignedObjects {
    /// The set.
    pub set: Vec<u8>,
    /// Its images' envelopes.
    pub envelopes: Vec<Vec<u8>>,
}

/// What is signed of a set on the disk. `None` for a set that is not whole here: it cannot boot
/// either.
///
/// # Errors
/// `DeviceIo`, `SetDamaged`, and the refusals of the set's encoding.
pub fn signed_objects(device: &Path, set: SetId) -> Result<Option<SignedObjects>, InstalledError> {
    let folder = set_folder(device, set);
    let whole = |read| match read {
        Err(InstalledError::SetIncomplete(_)) => Ok(None),
        read => read.map(Some),
    };
    let Some(bytes) = whole(read_bounded(&folder.join("set.cbor"), SET_MAX as u64))? else {
        return Ok(None);
    };
    let mut envelopes = Vec::new();
    let parsed = ImageSet::parse(Signed::parse(&bytes)?.unchecked_payload())?;
    for member in parsed.members() {
        let path = component_folder(&folder, member.component).join("envelope.cbor");
        match whole(read_bounded(&path, suit::ENVELOPE_MAX as u64))? {
            Some(envelope) => envelopes.push(envelope),
            None => return Ok(None),
        }
    }
    Ok(Some(SignedObjects { set: bytes, envelopes }))
}

/// The files of an app's payload, once its verity tree is checked.
///
/// # Errors
/// `AppDamaged` for a payload without a tree or with another, and the reader's refusals.
pub fn app_tree<'p>(
    image: &Image<'_>,
    payload: &'p [u8],
) -> Result<erofs::Tree<'p>, InstalledError> {
    let verity = image.verity.ok_or(InstalledError::AppDamaged)?;
    let at = usize::try_from(verity.data_size).map_err(|_| InstalledError::AppDamaged)?;
    let (data, stored) = payload.split_at_checked(at).ok_or(InstalledError::AppDamaged)?;
    verity::check(data, stored, &verity.root.0).map_err(|_| InstalledError::AppDamaged)?;
    erofs::read(data).map_err(InstalledError::AppFiles)
}

/// Verifies a signed set as the one that was assigned.
///
/// # Errors
/// `SetOther`, and the refusals of [`ImageSet::verify`].
pub fn verify_set<'b>(
    bytes: &'b [u8],
    set: SetId,
    believed: &Believed,
) -> Result<Verified<ImageSet<'b>>, InstalledError> {
    let signed = Signed::parse(bytes)?;
    let (owner, catalog) = (&believed.owner.section(), believed.catalog);
    let verified = ImageSet::verify(&Soft, owner, catalog, believed.development, &signed)?;
    if verified.digest().0 != set.0 {
        return Err(InstalledError::SetOther);
    }
    Ok(verified)
}

/// Verifies an envelope as the one that a set names, for this device and above its floor.
///
/// # Errors
/// `SetEnvelopeMismatch`, `ClassMismatch`, `RolledBack`, `AboveCeiling`, and those of
/// [`suit::verify_by`].
pub fn verify_member<'b>(
    envelope: &'b [u8],
    member: &Member,
    believed: &Believed,
) -> Result<Verified<Image<'b>>, InstalledError> {
    let named =
        sha256(envelope) == member.envelope && envelope.len() as u64 == member.envelope_size;
    if !named {
        return Err(craton_trust::Error::SetEnvelopeMismatch.into());
    }
    // A runtime in a set would be the platform's, whose publisher this role does not know: it is
    // refused (IMG-5), and never believed by the owner's.
    let owner = believed.owner.section();
    let image = suit::verify_by(&Soft, &owner, envelope)?;
    member.check_image(&image)?;
    if image.class != believed.class {
        return Err(craton_trust::Error::ClassMismatch.into());
    }
    believed.floors.admit(image.component, image.security_version, owner.ceiling)?;
    Ok(image)
}

/// Refuses a set whose images do not fit one another.
///
/// # Errors
/// `AbiUnmet`.
pub fn check_abis(images: &[Image<'_>]) -> Result<(), InstalledError> {
    Ok(set::check_abis(images, PLATFORM_ABIS)?)
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// `SetIncomplete` when it is missing, `SetDamaged` when it is longer, `DeviceIo`.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, InstalledError> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => InstalledError::SetIncomplete(path.to_owned()),
        _ => InstalledError::DeviceIo(path.to_owned(), error),
    };
    if fs::symlink_metadata(path).map_err(io)?.len() > most {
        return Err(InstalledError::SetDamaged(path.to_owned()));
    }
    fs::read(path).map_err(io)
}
