//! Key files: a P-256 key in hexadecimal for one machine's development, or sealed under a
//! passphrase ([`crate::sealed`]), its public key beside it in the clear, so that it can be named
//! without the passphrase. Keys of LMS have files of their own ([`crate::lms`]).

use crate::error::CliError;
use crate::home::{read_file, read_secret, write_new_secret};
use crate::lms::{KeyFile, LmsError};
use crate::output::hex;
use crate::passphrase::Passphrase;
pub use crate::passphrase::Unlock;
use crate::sealed::{Sealed, Wrapping};
use anyhow::{Context as _, Result};
use craton_trust::crypto::Signer as _;
use craton_trust::id::from_hex;
use craton_trust::key::{KEY_ID_SIZE, LmsPublicKey};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::{PublicKey, lms};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// What a sealed key file begins its life as.
const FORMAT: &str = "craton-key-1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKey {
    format: String,
    public_key: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// A new random key.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<SoftKey> {
    loop {
        let mut secret = Zeroizing::new([0u8; 32]);
        aws_lc_rs::rand::fill(&mut secret[..]).context("the system has no randomness")?;
        if let Ok(key) = SoftKey::from_bytes(&secret) {
            return Ok(key);
        }
    }
}

/// Writes a new key file, under a passphrase or in the clear.
///
/// # Errors
/// `FileExists`, `FileNotWritten`.
pub fn write(path: &Path, key: &SoftKey, passphrase: Option<&Passphrase>) -> Result<()> {
    let text = match passphrase {
        None => Zeroizing::new(hex(Zeroizing::new(key.to_bytes()).as_slice())),
        Some(passphrase) => Zeroizing::new(seal(key, passphrase)?),
    };
    Ok(write_new_secret(path, text.as_bytes())?)
}

/// Reads a key file, asking for its passphrase if it has one.
///
/// # Errors
/// `SigningKeyMissing`, `SecretExposed`, `SigningKeyDamaged`, `KeyOtherAlgorithm`,
/// `PassphraseWrong`, and those of [`Unlock::passphrase`].
pub fn read(path: &Path, unlock: &Unlock) -> Result<SoftKey> {
    if !path.exists() {
        return Err(CliError::SigningKeyMissing(path.to_owned()).into());
    }
    let text = Zeroizing::new(read_secret(path)?);
    let damaged = || CliError::SigningKeyDamaged(path.to_owned());
    let text = std::str::from_utf8(&text).map_err(|_| damaged())?.trim();
    if !text.starts_with('{') {
        let secret = Zeroizing::new(from_hex::<32>(text).ok_or_else(damaged)?);
        return SoftKey::from_bytes(&secret).map_err(|_| damaged().into());
    }
    if KeyFile::parse(text).is_some() {
        return Err(CliError::from(LmsError::KeyOtherAlgorithm(path.to_owned())).into());
    }
    let key = parse(text).ok_or_else(damaged)?;
    let sealed = key.secret();
    let wrapping = Wrapping::of(&sealed, &unlock.passphrase(path)?).ok_or_else(damaged)?;
    let secret = wrapping.open::<32>(&sealed, &SealedKey::context(&key.public_key));
    let secret = secret.ok_or_else(|| CliError::PassphraseWrong(path.to_owned()))?;
    SoftKey::from_bytes(&secret).map_err(|_| damaged().into())
}

/// A public key of either algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyKey {
    /// ES256.
    Es256(PublicKey),
    /// HSS/LMS.
    Lms(LmsPublicKey),
}

impl AnyKey {
    /// The hint by which a signature names the key.
    #[must_use]
    pub fn key_id(&self) -> [u8; KEY_ID_SIZE] {
        match self {
            Self::Es256(key) => key.key_id(&Soft),
            Self::Lms(key) => key.key_id(&Soft),
        }
    }

    /// As a .pub file has it: x ‖ y, or the HSS key, in hexadecimal.
    #[must_use]
    pub fn to_hex(self) -> String {
        match self {
            Self::Es256(key) => hex(&key.0),
            Self::Lms(key) => hex(&key.to_hss()),
        }
    }

    fn from_hex(text: &str) -> Option<Self> {
        let lms = || LmsPublicKey::from_hss(&from_hex::<{ lms::KEY_SIZE }>(text)?).ok();
        let es256 = from_hex(text).map(PublicKey).map(Self::Es256);
        es256.or_else(|| lms().map(Self::Lms))
    }
}

/// The public key of a key file, or of a file or text that holds nothing else.
///
/// # Errors
/// `FileUnreadable`, `SigningKeyDamaged`.
pub fn any_public_key(named: &str) -> Result<AnyKey, CliError> {
    if let Some(key) = AnyKey::from_hex(named) {
        return Ok(key);
    }
    let path = Path::new(named);
    let damaged = || CliError::SigningKeyDamaged(path.to_owned());
    let text = Zeroizing::new(read_file(path)?);
    let text = std::str::from_utf8(&text).map_err(|_| damaged())?.trim();
    if let Some(file) = KeyFile::parse(text) {
        return file.public_key().map(AnyKey::Lms).ok_or_else(damaged);
    }
    if let Some(sealed) = parse(text) {
        let key = from_hex(&sealed.public_key).map(PublicKey);
        return key.map(AnyKey::Es256).ok_or_else(damaged);
    }
    if let Some(secret) = from_hex::<32>(text).map(Zeroizing::new) {
        let key = SoftKey::from_bytes(&secret).map_err(|_| damaged())?;
        return Ok(AnyKey::Es256(key.public_key()));
    }
    AnyKey::from_hex(text).ok_or_else(damaged)
}

/// The same, of ES256.
///
/// # Errors
/// `KeyOtherAlgorithm`, and those of [`any_public_key`].
pub fn public_key(named: &str) -> Result<PublicKey, CliError> {
    match any_public_key(named)? {
        AnyKey::Es256(key) => Ok(key),
        AnyKey::Lms(_) => Err(LmsError::KeyOtherAlgorithm(named.into()).into()),
    }
}

/// Reads a sealed key's text; `None` for anything else, or for costs beyond the bounds.
fn parse(text: &str) -> Option<SealedKey> {
    let key: SealedKey = serde_json::from_str(text).ok()?;
    (key.format == FORMAT && key.secret().is_bounded()).then_some(key)
}

impl SealedKey {
    fn secret(&self) -> Sealed {
        Sealed {
            memory_kib: self.memory_kib,
            passes: self.passes,
            lanes: self.lanes,
            salt: self.salt.clone(),
            nonce: self.nonce.clone(),
            sealed: self.sealed.clone(),
        }
    }

    /// What the seal also vouches for.
    fn context(public_key: &str) -> String {
        format!("{FORMAT} {public_key}")
    }
}

fn seal(key: &SoftKey, passphrase: &Passphrase) -> Result<String> {
    let (public_key, secret) = (hex(&key.public_key().0), Zeroizing::new(key.to_bytes()));
    let context = SealedKey::context(&public_key);
    let sealed = Wrapping::fresh(passphrase)?.seal(&secret[..], &context)?;
    let Sealed { memory_kib, passes, lanes, salt, nonce, sealed } = sealed;
    let format = FORMAT.into();
    let key = SealedKey { format, public_key, memory_kib, passes, lanes, salt, nonce, sealed };
    Ok(serde_json::to_string_pretty(&key)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn refused(path: &Path, unlock: &Unlock) -> CliError {
        read(path, unlock).err().unwrap().downcast().unwrap()
    }

    #[test]
    fn a_sealed_key_opens_by_its_passphrase_alone_and_shows_its_public_key() {
        let folder = tempfile::tempdir().unwrap();
        let unlock = |name: &str, text: &str| {
            let file = folder.path().join(name);
            write_new_secret(&file, text.as_bytes()).unwrap();
            Unlock::by_file(file)
        };
        let (right, wrong) = (unlock("right", "several words\n"), unlock("wrong", "other words\n"));
        let path = folder.path().join("root.key");
        let key = generate().unwrap();
        write(&path, &key, Some(&right.new_passphrase("root").unwrap())).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&hex(&key.to_bytes())));
        assert_eq!(read(&path, &right).unwrap().public_key(), key.public_key());
        assert_eq!(public_key(path.to_str().unwrap()).unwrap(), key.public_key());
        assert!(matches!(refused(&path, &wrong), CliError::PassphraseWrong(_)));
        // The public key is vouched for, too: another in its place is no one's.
        let other = hex(&generate().unwrap().public_key().0);
        let swapped = text.replace(&hex(&key.public_key().0), &other);
        fs::write(&path, swapped).unwrap();
        assert!(matches!(refused(&path, &right), CliError::PassphraseWrong(_)));
        fs::write(&path, text.replace("\"memory_kib\": 65536", "\"memory_kib\": 4000000000"))
            .unwrap();
        assert!(matches!(refused(&path, &right), CliError::SigningKeyDamaged(_)));
    }

    #[test]
    fn a_key_of_lms_is_key_other_algorithm_where_one_of_es256_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lms.key");
        let key = crate::lms::LmsKey::create(&path, None, folder.path()).unwrap();
        let other = |error| matches!(error, CliError::Lms(LmsError::KeyOtherAlgorithm(_)));
        assert!(other(refused(&path, &Unlock::default())));
        let (named, hex) = (path.to_str().unwrap(), AnyKey::Lms(key).to_hex());
        for named in [named, &hex] {
            assert_eq!(any_public_key(named).unwrap(), AnyKey::Lms(key));
            assert!(other(public_key(named).unwrap_err()));
        }
    }

    #[test]
    fn a_missing_open_or_damaged_key_file_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("publisher.key");
        let unlock = Unlock::default();
        assert!(matches!(refused(&path, &unlock), CliError::SigningKeyMissing(_)));
        let key = generate().unwrap();
        write(&path, &key, None).unwrap();
        assert_eq!(read(&path, &unlock).unwrap().to_bytes(), key.to_bytes());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(refused(&path, &unlock), CliError::SecretExposed(_)));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for damaged in ["", "ff", "{}", "{\"format\":", &"00".repeat(32), "\u{fffd}"] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(refused(&path, &unlock), CliError::SigningKeyDamaged(_)), "{damaged}");
        }
    }
}
