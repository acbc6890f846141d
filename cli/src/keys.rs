//! Key files: a P-256 key in hexadecimal for one machine's development, or sealed under a
//! passphrase.
//!
//! A sealed key costs a guesser Argon2id's time and memory for each try; its public key stands
//! beside it in the clear, so that it can be named without the passphrase, and is authenticated
//! with it.

use crate::error::CliError;
use crate::home::{read_file, read_secret, write_new_secret};
use crate::output::hex;
use crate::passphrase::Passphrase;
pub use crate::passphrase::Unlock;
use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use craton_trust::PublicKey;
use craton_trust::crypto::Signer as _;
use craton_trust::id::from_hex;
use craton_trust::soft::SoftKey;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// What a sealed key file begins its life as.
const FORMAT: &str = "craton-key-1";

/// Argon2id as RFC 9106 §4 has it for a machine with little memory to spare.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// A file that asks for more is refused: opening one must not stop the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;

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
/// `SigningKeyMissing`, `SecretExposed`, `SigningKeyDamaged`, `PassphraseWrong`, and those of
/// [`Unlock::passphrase`].
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
    let sealed = parse(text).ok_or_else(damaged)?;
    let passphrase = unlock.passphrase(path)?;
    let secret = open(&sealed, &passphrase).ok_or_else(damaged)?;
    let secret = secret.ok_or_else(|| CliError::PassphraseWrong(path.to_owned()))?;
    SoftKey::from_bytes(&secret).map_err(|_| damaged().into())
}

/// The public key of a key file, or of a file or text that holds nothing else.
///
/// # Errors
/// `FileUnreadable`, `SigningKeyDamaged`.
pub fn public_key(named: &str) -> Result<PublicKey, CliError> {
    if let Some(point) = from_hex::<64>(named) {
        return Ok(PublicKey(point));
    }
    let path = Path::new(named);
    let damaged = || CliError::SigningKeyDamaged(path.to_owned());
    let text = Zeroizing::new(read_file(path)?);
    let text = std::str::from_utf8(&text).map_err(|_| damaged())?.trim();
    if let Some(sealed) = parse(text) {
        return from_hex(&sealed.public_key).map(PublicKey).ok_or_else(damaged);
    }
    if let Some(secret) = from_hex::<32>(text).map(Zeroizing::new) {
        return SoftKey::from_bytes(&secret).map(|key| key.public_key()).map_err(|_| damaged());
    }
    from_hex(text).map(PublicKey).ok_or_else(damaged)
}

/// Reads a sealed key's text; `None` for anything else, or for costs beyond the bounds.
fn parse(text: &str) -> Option<SealedKey> {
    let sealed: SealedKey = serde_json::from_str(text).ok()?;
    let bounded = sealed.memory_kib <= MEMORY_KIB_MAX
        && sealed.passes <= PASSES_MAX
        && sealed.lanes <= LANES_MAX;
    (sealed.format == FORMAT && bounded).then_some(sealed)
}

fn seal(key: &SoftKey, passphrase: &Passphrase) -> Result<String> {
    let (mut salt, mut nonce) = ([0u8; 16], [0u8; NONCE_LEN]);
    for room in [&mut salt[..], &mut nonce[..]] {
        aws_lc_rs::rand::fill(room).context("the system has no randomness")?;
    }
    let mut sealed = SealedKey {
        format: FORMAT.into(),
        public_key: hex(&key.public_key().0),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: LANES,
        salt: hex(&salt),
        nonce: hex(&nonce),
        sealed: String::new(),
    };
    let wrapping = wrapping_key(&sealed, passphrase).context("Argon2id refused its parameters")?;
    let mut secret = key.to_bytes().to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    wrapping
        .seal_in_place_append_tag(unique, Aad::from(facts(&sealed)), &mut secret)
        .context("the key could not be sealed")?;
    sealed.sealed = hex(&secret);
    Ok(serde_json::to_string_pretty(&sealed)?)
}

/// The secret; the outer `None` for a file that no passphrase opens, the inner one for another
/// passphrase.
fn open(sealed: &SealedKey, passphrase: &Passphrase) -> Option<Option<Zeroizing<[u8; 32]>>> {
    let nonce = Nonce::assume_unique_for_key(from_hex::<NONCE_LEN>(&sealed.nonce)?);
    let wrapping = wrapping_key(sealed, passphrase)?;
    let mut body = Zeroizing::new(from_hex::<48>(&sealed.sealed)?);
    let opened = wrapping.open_in_place(nonce, Aad::from(facts(sealed)), &mut body[..]);
    Some(opened.ok().and_then(|secret| <[u8; 32]>::try_from(&*secret).ok()).map(Zeroizing::new))
}

/// What the seal also vouches for.
fn facts(sealed: &SealedKey) -> String {
    let SealedKey { format, public_key, memory_kib, passes, lanes, .. } = sealed;
    format!("{format} {public_key} {memory_kib} {passes} {lanes}")
}

fn wrapping_key(sealed: &SealedKey, passphrase: &Passphrase) -> Option<LessSafeKey> {
    let SealedKey { memory_kib, passes, lanes, .. } = *sealed;
    let params = argon2::Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt = from_hex::<16>(&sealed.salt)?;
    let mut key = Zeroizing::new([0u8; 32]);
    argon2.hash_password_into(passphrase.as_bytes(), &salt, &mut key[..]).ok()?;
    UnboundKey::new(&AES_256_GCM, &key[..]).ok().map(LessSafeKey::new)
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
