//! Where the command line keeps its things: XDG folders, secrets with mode 0600.

use anyhow::{Context as _, Result, bail};
use craton_trust::soft::SoftKey;
use serde::Serialize;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The folders of one user, or of one quickstart.
#[derive(Clone, Debug)]
pub struct Home {
    config: PathBuf,
    data: PathBuf,
}

/// Which service and catalog the commands speak to.
#[derive(Clone, Debug, Serialize)]
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
    /// The user's own: `$XDG_CONFIG_HOME/craton` and `$XDG_DATA_HOME/craton`.
    pub fn of_user() -> Result<Self> {
        let under = |variable: &str, below: &str| match std::env::var_os(variable) {
            Some(folder) if !folder.is_empty() => Ok(PathBuf::from(folder)),
            _ => std::env::home_dir().map(|home| home.join(below)).context(
                "E6101: there is no home folder. Set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME",
            ),
        };
        let config = under("XDG_CONFIG_HOME", ".config")?.join("craton");
        // Root's home is closed to the user that root's sandboxes run as.
        let data = if rustix::process::geteuid().is_root() {
            PathBuf::from("/var/lib/craton")
        } else {
            under("XDG_DATA_HOME", ".local/share")?.join("craton")
        };
        Ok(Self { config, data })
    }

    /// Everything below one folder.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        Self { config: folder.join("config"), data: folder.join("data") }
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

    /// The profile's file.
    #[must_use]
    pub fn profile_path(&self) -> PathBuf {
        self.config.join("profile.json")
    }

    /// Writes the profile.
    pub fn write_profile(&self, profile: &Profile) -> Result<()> {
        make_folder(&self.config)?;
        write_secret(&self.profile_path(), &serde_json::to_vec_pretty(profile)?)
    }

    /// Reads a signing key by name.
    pub fn key(&self, name: &str) -> Result<SoftKey> {
        let path = self.config.join("keys").join(format!("{name}.key"));
        let meta = fs::metadata(&path).with_context(|| {
            format!(
                "E6105: there is no key {}. It is made with the catalog; copy it from where that \
                 was done",
                path.display()
            )
        })?;
        if meta.permissions().mode() & 0o077 != 0 {
            bail!(
                "E6106: {} can be read by others. Run: chmod 600 {}",
                path.display(),
                path.display()
            );
        }
        let text = fs::read_to_string(&path)?;
        let secret = craton_trust::id::from_hex::<32>(text.trim())
            .with_context(|| format!("E6107: {} is damaged. Restore it", path.display()))?;
        Ok(SoftKey::from_bytes(&secret)?)
    }

    /// The key of a name; a new one if there is none yet.
    pub fn key_or_new(&self, name: &str) -> Result<SoftKey> {
        let folder = self.config.join("keys");
        let path = folder.join(format!("{name}.key"));
        if !path.exists() {
            make_folder(&folder)?;
            let key = new_key()?;
            let text: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            write_secret(&path, text.as_bytes())?;
        }
        self.key(name)
    }
}

fn new_key() -> Result<SoftKey> {
    loop {
        let mut secret = [0u8; 32];
        aws_lc_rs::rand::fill(&mut secret).context("the system has no randomness")?;
        if let Ok(key) = SoftKey::from_bytes(&secret) {
            return Ok(key);
        }
    }
}

/// Makes a folder that only its owner enters.
pub fn make_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
        format!("E6108: the folder {} cannot be made. Check its parent", path.display())
    })
}

/// Makes a folder that others may pass through to what they know of, and not list.
pub fn make_passage(path: &Path) -> Result<()> {
    make_folder(path)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o711))?)
}

/// Writes a file that only its owner reads, all or nothing.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&fresh);
    let write = || -> std::io::Result<()> {
        let mut file = file?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        // The new name is on the disk only after its folder is.
        fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().with_context(|| {
        format!("E6109: {} cannot be written. Check that the disk has room", path.display())
    })
}
