//! The key file: every key of the service, sealed under a master key that is kept in a file of its
//! own, so that a copy of the data folder alone (a backup, a stolen disk image of it) opens nothing
//! when the master key lives elsewhere.

use super::{AuthorityError, FileKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"CRKEYS\x00\x01";

/// The keys of the service, each for one role.
pub struct Keyring {
    /// The TLS key that devices pin (role Service).
    pub tls: FileKey,
    /// Signs assignments (role Online).
    pub online: FileKey,
    /// Countersigns admitted image sets (role Catalog).
    pub catalog: FileKey,
    /// Signs checkpoints (role Log).
    pub log: FileKey,
    /// Issues client certificates.
    pub issuing: FileKey,
}

impl Keyring {
    /// Opens `sealed` under the key in `master`; makes both when neither exists. A first start that
    /// was cut, wherever, is gone on with; what was there and is lost is never made anew.
    ///
    /// # Errors
    /// `KeyringIo`, `KeyringSealed`, `KeyringExposed`, `KeyDamaged`.
    pub fn open(sealed: &Path, master: &Path) -> Result<Self, AuthorityError> {
        match (sealed.exists(), master.exists()) {
            (false, false) => Self::create(sealed, master, STEPS)?,
            // The first start was cut after the master key: the keys under it wait.
            (false, true) if waiting(sealed).exists() => put_in_place(sealed)?,
            _ => {}
        }
        let master = read_secret(master)?;
        let mut bytes = read_secret(sealed)?;
        let damaged = || AuthorityError::KeyringSealed(sealed.to_owned());
        let body = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?.to_vec();
        bytes.clear();
        let (nonce, body) = body.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut body = body.to_vec();
        let key = sealing_key(&master).ok_or_else(damaged)?;
        let keys = key.open_in_place(nonce, Aad::from(MAGIC), &mut body).map_err(|_| damaged())?;
        let mut decoder = minicbor::Decoder::new(keys);
        let mut next = || FileKey::from_pkcs8(decoder.bytes().map_err(|_| damaged())?);
        Ok(Self { tls: next()?, online: next()?, catalog: next()?, log: next()?, issuing: next()? })
    }

    /// Makes both files in `steps` steps, each of which is on the disk before the next: the keys
    /// beside their place, the master key, the keys in their place. After the first the master key
    /// is still absent, and the next start makes both anew; after the second it finds the keys.
    fn create(sealed: &Path, master: &Path, steps: usize) -> Result<(), AuthorityError> {
        let mut keys = minicbor::Encoder::new(Vec::new());
        for _ in 0..5 {
            let key = FileKey::generate()?;
            keys.bytes(key.pkcs8()).map_err(|_| AuthorityError::KeyDamaged)?;
        }
        let (mut secret, mut nonce) = ([0u8; 32], [0u8; NONCE_LEN]);
        for room in [&mut secret[..], &mut nonce[..]] {
            aws_lc_rs::rand::fill(room).map_err(|_| AuthorityError::KeyDamaged)?;
        }
        let mut body = keys.into_writer();
        let key = sealing_key(&secret).ok_or(AuthorityError::KeyDamaged)?;
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::from(MAGIC), &mut body)
            .map_err(|_| AuthorityError::KeyDamaged)?;
        let body = [&MAGIC[..], &nonce, &body].concat();
        let write: [&dyn Fn() -> Result<(), AuthorityError>; STEPS] = [
            &|| write_waiting(sealed, &body),
            &|| write_waiting(master, &secret),
            &|| put_in_place(master),
            &|| put_in_place(sealed),
        ];
        write.iter().take(steps).try_for_each(|step| step())
    }
}

/// Writes to the disk at a first start.
const STEPS: usize = 4;

fn sealing_key(secret: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, secret).ok().map(LessSafeKey::new)
}

fn read_secret(path: &Path) -> Result<Vec<u8>, AuthorityError> {
    let io = |error| AuthorityError::KeyringIo(path.to_owned(), error);
    let open_to_others = fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0;
    if open_to_others {
        return Err(AuthorityError::KeyringExposed(path.to_owned()));
    }
    fs::read(path).map_err(io)
}

/// Where a file is written before it comes to its place.
fn waiting(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_waiting(path: &Path, bytes: &[u8]) -> Result<(), AuthorityError> {
    let fresh = waiting(path);
    let io = |error| AuthorityError::KeyringIo(fresh.clone(), error);
    let _ = fs::remove_file(&fresh);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&fresh).map_err(io)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(io)
}

fn put_in_place(path: &Path) -> Result<(), AuthorityError> {
    let io = |error| AuthorityError::KeyringIo(path.to_owned(), error);
    fs::rename(waiting(path), path).and_then(|()| sync_folder(path)).map_err(io)
}

/// A name is on the disk only after its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::crypto::Signer as _;

    #[test]
    fn keys_survive_a_restart_and_differ() {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
        let first = Keyring::open(&sealed, &master).unwrap();
        let again = Keyring::open(&sealed, &master).unwrap();
        assert_eq!(first.online.public_key(), again.online.public_key());
        assert_ne!(first.online.public_key(), first.catalog.public_key());
    }

    #[test]
    fn a_damaged_key_file_is_keyring_sealed_and_never_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
        drop(Keyring::open(&sealed, &master).unwrap());
        let good = fs::read(&sealed).unwrap();
        for place in [0, 9, 40, good.len() - 1] {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(&sealed, &bad).unwrap();
            let refused = Keyring::open(&sealed, &master);
            assert!(matches!(refused, Err(AuthorityError::KeyringSealed(_))), "{place}");
        }
        fs::write(&sealed, &good).unwrap();
        fs::remove_file(&master).unwrap();
        let refused = Keyring::open(&sealed, &master);
        assert!(matches!(refused, Err(AuthorityError::KeyringIo(..))));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_keyring_exposed() {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
        drop(Keyring::open(&sealed, &master).unwrap());
        fs::set_permissions(&master, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Keyring::open(&sealed, &master);
        assert!(matches!(refused, Err(AuthorityError::KeyringExposed(_))));
    }

    #[test]
    fn a_first_start_that_is_cut_anywhere_is_gone_on_with() {
        for steps in 0..=STEPS {
            for torn in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
                Keyring::create(&sealed, &master, steps).unwrap();
                // The next file was begun.
                match steps {
                    0 if torn => fs::write(waiting(&sealed), b"CRK").unwrap(),
                    1 if torn => fs::write(waiting(&master), b"half").unwrap(),
                    _ => {}
                }
                let first = Keyring::open(&sealed, &master);
                let first = first.unwrap_or_else(|why| panic!("after {steps} steps: {why}"));
                let again = Keyring::open(&sealed, &master).unwrap();
                assert_eq!(first.tls.public_key(), again.tls.public_key());
                let left = [waiting(&sealed), waiting(&master)];
                assert!(left.iter().all(|path| !path.exists()), "after {steps} steps");
            }
        }
    }

    #[test]
    fn a_lost_key_file_is_keyring_io_and_never_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
        drop(Keyring::open(&sealed, &master).unwrap());
        fs::remove_file(&sealed).unwrap();
        let refused = Keyring::open(&sealed, &master);
        assert!(matches!(refused, Err(AuthorityError::KeyringIo(ref path, _)) if *path == sealed));
        assert!(!sealed.exists());
    }
}
