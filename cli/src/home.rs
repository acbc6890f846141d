//! Where the command line keeps its things: XDG folders, secrets with mode 0600.

use crate::error::CliError;
use crate::keys::{self, Unlock};
use crate::output::hex;
use anyhow::Result;
use craton_api::operator::CatalogId;
use craton_trust::soft::SoftKey;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The folders of one user, or of one quickstart.
#[derive(Clone, Debug)]
pub struct Home {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

/// Which service and catalog the commands speak to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `host:port`.
    pub service: String,
    /// The service's TLS key, hexadecimal x ‖ y.
    pub service_key: String,
    /// The token.
    pub token: String,
    /// The catalog in use, hexadecimal.
    pub catalog: Option<String>,
}

impl Home {
    /// The user's own: `$XDG_CONFIG_HOME/craton`, `$XDG_DATA_HOME/craton`, and
    /// `$XDG_STATE_HOME/craton`.
    pub fn of_user() -> Result<Self> {
        let under = |variable: &str, below: &str| {
            xdg(std::env::var_os(variable), std::env::home_dir(), below)
        };
        let config = under("XDG_CONFIG_HOME", ".config")?.join("craton");
        // Root's home is closed to the user that root's sandboxes run as.
        let data = if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib/craton")
        } else {
            under("XDG_DATA_HOME", ".local/share")?.join("craton")
        };
        let state = under("XDG_STATE_HOME", ".local/state")?.join("craton");
        Ok(Self { config, data, state })
    }

    /// Everything below one folder.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        let [config, data, state] = ["config", "data", "state"].map(|name| folder.join(name));
        Self { config, data, state }
    }

    /// The service's data folder.
    #[must_use]
    pub fn service(&self) -> PathBuf {
        self.data.join("service")
    }

    /// The folder of a virtual device.
    #[must_use]
    pub fn device(&self, name: &str) -> PathBuf {
        self.data.join("devices").join(name)
    }

    /// Where quickstart keeps everything it makes.
    #[must_use]
    pub fn quickstart(&self) -> PathBuf {
        self.data.join("quickstart")
    }

    /// What this machine remembers of the LMS keys that sign here: apart from the keys, so that a
    /// copy of those does not bring it back, too.
    #[must_use]
    pub fn lms_records(&self) -> PathBuf {
        self.state.join("lms")
    }

    /// The profile's file.
    #[must_use]
    pub fn profile_path(&self) -> PathBuf {
        self.config.join("profile.json")
    }

    /// Writes the profile. Of two that are written at once, one is left, whole.
    pub fn write_profile(&self, profile: &Profile) -> Result<()> {
        make_folder(&self.config)?;
        Ok(replace_secret(&self.profile_path(), &serde_json::to_vec_pretty(profile)?)?)
    }

    /// Reads the profile.
    ///
    /// # Errors
    /// `ProfileMissing`, `ProfileDamaged`, `SecretExposed`.
    pub fn profile(&self) -> Result<Profile, CliError> {
        let path = self.profile_path();
        if !path.exists() {
            return Err(CliError::ProfileMissing);
        }
        let text = read_secret(&path)?;
        serde_json::from_slice(&text).map_err(|_| CliError::ProfileDamaged(path))
    }

    /// The catalogs of which something is kept here.
    #[must_use]
    pub fn catalogs(&self) -> Vec<CatalogId> {
        let folders = fs::read_dir(self.config.join("catalogs")).into_iter().flatten().flatten();
        folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect()
    }

    /// What is kept here of a catalog.
    #[must_use]
    pub fn catalog(&self, id: CatalogId) -> CatalogFolder {
        CatalogFolder(self.config.join("catalogs").join(id.to_string()))
    }
}

/// An XDG base folder: as its variable says, or below the home folder.
fn xdg(said: Option<OsString>, home: Option<PathBuf>, below: &str) -> Result<PathBuf, CliError> {
    match said.filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => home.map(|home| home.join(below)).ok_or(CliError::HomeMissing),
    }
}

/// What is kept of one catalog: its keys, the trust store seen last, the checkpoint seen last.
#[derive(Clone, Debug)]
pub struct CatalogFolder(pub PathBuf);

impl CatalogFolder {
    /// Where the key of a name is: `root`, `publisher`, `approver`, `manufacturer`,
    /// `platform-publisher`, `witness`.
    #[must_use]
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// Reads a signing key by name.
    ///
    /// # Errors
    /// `SigningKeyMissing` and those of [`keys::read`].
    pub fn key(&self, name: &str, unlock: &Unlock) -> Result<SoftKey> {
        keys::read(&self.key_path(name), unlock)
    }

    /// The signed `owner` section that was seen last.
    #[must_use]
    pub fn owner_path(&self) -> PathBuf {
        self.0.join("owner.section")
    }

    /// The signed `platform` section that was seen last.
    #[must_use]
    pub fn platform_path(&self) -> PathBuf {
        self.0.join("platform.section")
    }

    /// The signed checkpoint that was seen last.
    #[must_use]
    pub fn checkpoint_path(&self) -> PathBuf {
        self.0.join("checkpoint")
    }
}

/// Makes a folder that only its owner enters.
///
/// # Errors
/// `FolderRefused`.
pub fn make_folder(path: &Path) -> Result<(), CliError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| CliError::FolderRefused(path.to_owned(), error))
}

/// Makes a folder that others may pass through to what they know of, and not list.
pub fn make_passage(path: &Path) -> Result<()> {
    make_folder(path)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o711))?)
}

/// Writes a file that only its owner reads, all or nothing; what a cut left of the new one is
/// written over the next time.
///
/// # Errors
/// `FileNotWritten`.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let fresh = beside(path, "new");
    let _ = fs::remove_file(&fresh);
    let written = write_by(&fresh, path, bytes);
    written.map_err(|error| CliError::FileNotWritten(path.to_owned(), error))
}

/// The same where a lock may not hold, as on some disks of a network: no two processes write into
/// one file, and the last one counts, whole. A cut leaves a file that nothing reads.
///
/// # Errors
/// `FileNotWritten`.
pub fn replace_secret(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let mut own = [0u8; 8];
    let drawn = aws_lc_rs::rand::fill(&mut own);
    let written = drawn.map_err(io::Error::other).and_then(|()| {
        let fresh = beside(path, &format!("{}.new", hex(&own)));
        write_by(&fresh, path, bytes).inspect_err(|_| {
            let _ = fs::remove_file(&fresh);
        })
    });
    written.map_err(|error| CliError::FileNotWritten(path.to_owned(), error))
}

fn write_by(fresh: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    sync_folder(path)
}

/// Writes a new file that only its owner reads; what is there is never overwritten.
///
/// # Errors
/// `FileExists`, `FileNotWritten`.
pub fn write_new_secret(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_new(path, bytes, 0o600)
}

/// Writes a new file of no secret; what is there is never overwritten.
///
/// # Errors
/// As [`write_new_secret`].
pub fn write_new_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_new(path, bytes, 0o666) // less what the user's mask takes
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        sync_folder(path)
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::FileExists(path.to_owned()),
        _ => CliError::FileNotWritten(path.to_owned(), error),
    })
}

/// Writes a file of no secret, all or nothing.
///
/// # Errors
/// `FileNotWritten`.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let fresh = beside(path, "new");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    written.map_err(|error| CliError::FileNotWritten(path.to_owned(), error))
}

/// Reads a file.
///
/// # Errors
/// `FileUnreadable`.
pub fn read_file(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|error| CliError::FileUnreadable(path.to_owned(), error))
}

/// Reads a file that may not be there yet: no other reason makes it none, and neither does a link
/// on the way to it that leads nowhere, as to a disk that is away.
///
/// # Errors
/// `FileUnreadable`.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, CliError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !leads_nowhere(path) => Ok(None),
        Err(error) => Err(CliError::FileUnreadable(path.to_owned(), error)),
    }
}

/// Whether the last name on the way that is there is a link to what is not.
fn leads_nowhere(path: &Path) -> bool {
    let last = path.ancestors().find(|on_the_way| fs::symlink_metadata(on_the_way).is_ok());
    last.is_some_and(|last| !last.exists())
}

/// Reads a file that nobody else may read. What is no file, such as a pipe, has no mode to judge.
///
/// # Errors
/// `SecretExposed`, `FileUnreadable`.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, CliError> {
    let meta = fs::metadata(path);
    let meta = meta.map_err(|error| CliError::FileUnreadable(path.to_owned(), error))?;
    if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
        return Err(CliError::SecretExposed(path.to_owned()));
    }
    read_file(path)
}

/// A new name is on the disk only after its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_profile_or_with_a_damaged_one_login_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::below(folder.path());
        assert!(matches!(home.profile(), Err(CliError::ProfileMissing)));
        let profile = Profile {
            service: "127.0.0.1:1".into(),
            service_key: "00".into(),
            token: "t".into(),
            catalog: None,
        };
        home.write_profile(&profile).unwrap();
        assert_eq!(home.profile().unwrap().service, "127.0.0.1:1");
        let path = home.profile_path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(home.profile(), Err(CliError::SecretExposed(_))));
        write_secret(&path, b"{").unwrap();
        assert!(matches!(home.profile(), Err(CliError::ProfileDamaged(_))));
    }

    #[test]
    fn profiles_written_at_once_leave_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::below(folder.path());
        std::thread::scope(|scope| {
            for number in 0..8 {
                let home = &home;
                scope.spawn(move || {
                    let (service, service_key) = (format!("127.0.0.1:{number}"), "00".into());
                    let token = number.to_string().repeat(40_000);
                    let profile = Profile { service, service_key, token, catalog: None };
                    for _ in 0..5 {
                        home.write_profile(&profile).unwrap();
                    }
                });
            }
        });
        let profile = home.profile().unwrap();
        assert!(profile.token.starts_with(&profile.service["127.0.0.1:".len()..]));
        assert_eq!(fs::read_dir(&home.config).unwrap().count(), 1);
    }

    #[test]
    fn the_xdg_variable_counts_before_the_home_and_without_both_it_is_home_missing() {
        let home = || Some(PathBuf::from("/home/a"));
        let below = ".config";
        assert_eq!(xdg(Some("/x".into()), home(), below).unwrap(), PathBuf::from("/x"));
        assert_eq!(xdg(Some("".into()), home(), below).unwrap(), PathBuf::from("/home/a/.config"));
        assert!(matches!(xdg(None, None, below), Err(CliError::HomeMissing)));
    }

    #[test]
    fn what_exists_is_never_overwritten_and_what_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        write_new_secret(&path, b"one").unwrap();
        assert!(matches!(write_new_secret(&path, b"two"), Err(CliError::FileExists(_))));
        assert_eq!(read_file(&path).unwrap(), b"one");
        let nowhere = folder.path().join("none/b.key");
        assert!(matches!(write_new_secret(&nowhere, b""), Err(CliError::FileNotWritten(..))));
        assert!(matches!(write_secret(&nowhere, b""), Err(CliError::FileNotWritten(..))));
        assert!(matches!(replace_secret(&nowhere, b""), Err(CliError::FileNotWritten(..))));
        assert!(matches!(write_file(&nowhere, b""), Err(CliError::FileNotWritten(..))));
        assert!(matches!(read_file(&nowhere), Err(CliError::FileUnreadable(..))));
        assert!(matches!(read_if_there(&nowhere), Ok(None)));
        assert!(matches!(read_if_there(folder.path()), Err(CliError::FileUnreadable(..))));
        // What was moved to a disk that is away is not what never was.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&nowhere, &link).unwrap();
        assert!(matches!(read_if_there(&link), Err(CliError::FileUnreadable(..))));
        std::os::unix::fs::symlink(folder.path().join("away"), folder.path().join("to")).unwrap();
        let below = read_if_there(&folder.path().join("to/a.key"));
        assert!(matches!(below, Err(CliError::FileUnreadable(..))));
        std::os::unix::fs::symlink(folder.path(), folder.path().join("here")).unwrap();
        let below = read_if_there(&folder.path().join("here/none/a.key"));
        assert!(matches!(below, Ok(None)), "the link leads somewhere");
        assert!(matches!(write_new_file(&path, b"two"), Err(CliError::FileExists(_))));
        assert!(matches!(make_folder(&path.join("c")), Err(CliError::FolderRefused(..))));
    }
}
