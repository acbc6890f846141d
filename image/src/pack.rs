//! Packing an app: a folder with `app_manifest.json` becomes a payload and the facts of its
//! manifest.
//!
//! The same folder gives the same bytes, whoever packs it, whenever, wherever.

use crate::app_manifest::{self, AppManifest, ManifestError};
use crate::erofs::{self, ErofsError, Tree};
use crate::package::sha256;
use crate::verity;
use craton_trust::suit::{Abi, Abis, Image, ImageType, TEXT_MAX, Verity};
use craton_trust::{ClassId, Digest};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The name of the manifest in an app's folder.
pub const MANIFEST_NAME: &str = "app_manifest.json";

/// Why a folder could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest is refused.
    #[error("{path}:{error}", path = .0.display(), error = .1)]
    Manifest(PathBuf, ManifestError),
    /// The folder cannot be an image.
    #[error("{0}")]
    Files(#[from] ErofsError),
    /// The folder has no manifest.
    #[error("E2411: {0} has no app_manifest.json. Begin with the one of a sample")]
    PackManifestMissing(PathBuf),
    /// The entry point is not a program in the folder.
    #[error(
        "E2412: the entry point {0} is not an executable file in the folder. Build it, or chmod +x"
    )]
    PackEntryPoint(String),
    /// Something in the folder is neither file nor folder, or has a mode that an image must not
    /// have.
    #[error("E2413: {0} is a link, a device or has setuid bits; an image holds plain files only")]
    PackFileKind(PathBuf),
    /// A name in the folder is not UTF-8.
    #[error("E2414: {0} has a name that is not UTF-8. Rename it")]
    PackFileName(PathBuf),
    /// A file could not be read.
    #[error("E2415: {0}: {1}. Check that you may read it")]
    PackFileUnreadable(PathBuf, std::io::Error),
    /// Name or version is too long.
    #[error("E2416: the version is longer than 64 bytes. Shorten it")]
    PackVersionTooLong,
}

impl PackError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Manifest(_, error) => error.code(),
            Self::Files(error) => error.code(),
            Self::PackManifestMissing(_) => 2411,
            Self::PackEntryPoint(_) => 2412,
            Self::PackFileKind(_) => 2413,
            Self::PackFileName(_) => 2414,
            Self::PackFileUnreadable(..) => 2415,
            Self::PackVersionTooLong => 2416,
        }
    }
}

/// What the packer is told beside the folder.
#[derive(Clone, Debug)]
pub struct Facts {
    /// For people, such as `1.0.2`.
    pub version: String,
    /// What anti-rollback compares.
    pub security_version: u64,
    /// Informational order of publishing.
    pub sequence: u64,
    /// The vendor.
    pub vendor: [u8; 16],
    /// The class of devices it is for.
    pub class: ClassId,
    /// SHA-256 of its SBOM.
    pub sbom: Digest,
    /// Until when it is supported, seconds since 1970.
    pub support_until: u64,
}

/// An app, packed and not signed yet.
#[derive(Clone, Debug)]
pub struct Packed {
    /// EROFS and its verity tree.
    pub payload: Vec<u8>,
    /// What the folder's manifest says.
    pub manifest: AppManifest,
    verity: Verity,
}

impl Packed {
    /// Reads and packs a folder.
    ///
    /// # Errors
    /// As [`PackError`].
    pub fn of(folder: &Path) -> Result<Self, PackError> {
        let mut tree = Tree::new();
        add(&mut tree, folder, Path::new(""))?;
        let missing = || PackError::PackManifestMissing(folder.to_owned());
        let manifest = tree.file(MANIFEST_NAME).ok_or_else(missing)?;
        let manifest = app_manifest::parse(manifest)
            .map_err(|error| PackError::Manifest(folder.join(MANIFEST_NAME), error))?;
        check_entry_point(&tree, &manifest)?;
        let mut payload = erofs::write(&tree);
        let data_size = payload.len() as u64;
        let (stored, root) = verity::tree(&payload).map_err(|_| ErofsError::DataTooLarge)?;
        payload.extend_from_slice(&stored);
        Ok(Self { payload, manifest, verity: Verity { data_size, root: Digest(root) } })
    }

    /// The manifest's facts; digest and size of the payload are filled in when it is signed.
    ///
    /// # Errors
    /// `PackVersionTooLong`.
    pub fn image<'f>(&'f self, facts: &'f Facts) -> Result<Image<'f>, PackError> {
        let none = Abis::new(&[]).map_err(|_| PackError::PackVersionTooLong)?;
        let schema =
            Abi { id: 1, version: self.manifest.target_application_runtime_version.max(1) };
        let depends = Abis::new(&[schema]).map_err(|_| PackError::PackVersionTooLong)?;
        if facts.version.len() > TEXT_MAX {
            return Err(PackError::PackVersionTooLong);
        }
        Ok(Image {
            component: self.manifest.component_id,
            image_type: ImageType::Application,
            vendor: facts.vendor,
            class: facts.class,
            sequence: facts.sequence,
            security_version: facts.security_version,
            name: self.manifest.name_in_package(),
            version: &facts.version,
            payload: sha256(&self.payload),
            payload_size: self.payload.len() as u64,
            verity: Some(self.verity),
            provides: none,
            depends,
            sbom: facts.sbom,
            support_until: facts.support_until,
        })
    }
}

fn check_entry_point(tree: &Tree<'_>, manifest: &AppManifest) -> Result<(), PackError> {
    let path = manifest.entry_point.trim_start_matches('/');
    match tree.get(path) {
        Some(erofs::Node::File { executable: true, .. }) => Ok(()),
        _ => Err(PackError::PackEntryPoint(manifest.entry_point.clone())),
    }
}

fn add(tree: &mut Tree<'_>, folder: &Path, below: &Path) -> Result<(), PackError> {
    let here = folder.join(below);
    let unreadable = |error| PackError::PackFileUnreadable(here.clone(), error);
    for entry in fs::read_dir(&here).map_err(unreadable)? {
        let path = below.join(entry.map_err(unreadable)?.file_name());
        let place = folder.join(&path);
        let unreadable = |error| PackError::PackFileUnreadable(place.clone(), error);
        let name = path.to_str().ok_or_else(|| PackError::PackFileName(place.clone()))?;
        let meta = fs::symlink_metadata(&place).map_err(unreadable)?;
        let mode = meta.permissions().mode();
        let plain = (meta.is_file() || meta.is_dir()) && mode & 0o6000 == 0;
        if !plain {
            return Err(PackError::PackFileKind(place));
        }
        if meta.is_dir() {
            tree.insert_directory(name)?;
            add(tree, folder, &path)?;
        } else {
            let bytes = fs::read(&place).map_err(unreadable)?;
            tree.insert_file(name, bytes, mode & 0o100 != 0)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const MANIFEST: &str = r#"{
  "SchemaVersion": 1,
  "Name": "blink",
  "ComponentId": "5d6fb3a8-2c1e-4f0b-9a57-6b1f0c3e8d21",
  "EntryPoint": "/bin/app",
  "CmdArgs": [],
  "ApplicationType": "Default",
  "Capabilities": {}
}"#;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join(MANIFEST_NAME), MANIFEST).unwrap();
        let app = folder.path().join("bin/app");
        fs::write(&app, [7; 5000]).unwrap();
        fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn refused(change: impl FnOnce(&Path)) -> PackError {
        let folder = folder();
        change(folder.path());
        Packed::of(folder.path()).unwrap_err()
    }

    #[test]
    fn the_same_folder_gives_the_same_bytes() {
        let (one, other) = (folder(), folder());
        let packed = Packed::of(one.path()).unwrap();
        assert_eq!(packed.payload, Packed::of(other.path()).unwrap().payload);
        let facts = Facts {
            version: "1.0".into(),
            security_version: 1,
            sequence: 1,
            vendor: [1; 16],
            class: ClassId([2; 16]),
            sbom: Digest([3; 32]),
            support_until: 0,
        };
        let image = packed.image(&facts).unwrap();
        assert_eq!((image.name, image.version), ("blink", "1.0"));
        let long = Facts { version: "v".repeat(65), ..facts };
        assert!(matches!(packed.image(&long), Err(PackError::PackVersionTooLong)));
    }

    #[test]
    fn links_setuid_files_fifos_sockets_and_devices_are_pack_file_kind() {
        let link = refused(|f| symlink("/etc/passwd", f.join("passwd")).unwrap());
        assert!(matches!(link, PackError::PackFileKind(_)), "{link}");
        let setuid = refused(|f| {
            fs::set_permissions(f.join("bin/app"), fs::Permissions::from_mode(0o4755)).unwrap();
        });
        assert!(matches!(setuid, PackError::PackFileKind(_)), "{setuid}");
        let made = |tool: &str, args: &[&str], folder: &Path| {
            let made = std::process::Command::new(tool)
                .arg(folder.join("odd"))
                .args(args)
                .stderr(std::process::Stdio::null())
                .status();
            made.unwrap().success()
        };
        let fifo = refused(|f| assert!(made("mkfifo", &[], f)));
        assert!(matches!(fifo, PackError::PackFileKind(_)), "{fifo}");
        let socket = refused(|f| {
            std::os::unix::net::UnixListener::bind(f.join("odd")).unwrap();
        });
        assert!(matches!(socket, PackError::PackFileKind(_)), "{socket}");
        // Only root makes a device, and not in every container: then a link stands for it, so that
        // the refusal is asked for in either case.
        let device = refused(|f| {
            if !made("mknod", &["c", "1", "3"], f) {
                symlink("/dev/null", f.join("odd")).unwrap();
            }
        });
        assert!(matches!(device, PackError::PackFileKind(_)), "{device}");
    }

    #[test]
    fn a_folder_without_manifest_or_program_is_told_so() {
        let none = refused(|f| fs::remove_file(f.join(MANIFEST_NAME)).unwrap());
        assert!(matches!(none, PackError::PackManifestMissing(_)), "{none}");
        let program = refused(|f| fs::remove_file(f.join("bin/app")).unwrap());
        assert!(matches!(program, PackError::PackEntryPoint(_)), "{program}");
        let plain = refused(|f| {
            fs::set_permissions(f.join("bin/app"), fs::Permissions::from_mode(0o644)).unwrap();
        });
        assert!(matches!(plain, PackError::PackEntryPoint(_)), "{plain}");
        let manifest = refused(|f| fs::write(f.join(MANIFEST_NAME), "{").unwrap());
        assert!(matches!(manifest, PackError::Manifest(..)), "{manifest}");
        let lost = Packed::of(Path::new("/nonexistent/folder")).unwrap_err();
        assert!(matches!(lost, PackError::PackFileUnreadable(..)), "{lost}");
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_pack_file_name() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"\xff");
        let refused = refused(|f| fs::write(f.join(name), "").unwrap());
        assert!(matches!(refused, PackError::PackFileName(_)), "{refused}");
    }
}
