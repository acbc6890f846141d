//! Who signs: a key file of either algorithm, and the two keys that a hybrid role needs.

use crate::home::Home;
use crate::keys::{self, AnyKey, Unlock};
use crate::lms::{LmsError, LmsKey, is_signed_by, without_forged};
use anyhow::Result;
use craton_image::package::{Package, PackageError, Unsigned};
use craton_trust::cbor::Writer;
use craton_trust::cose::{self, Kind, LMS_SIGN1_SIZE, Sign1};
use craton_trust::crypto::{By, LmsSigner as _, Signer};
use craton_trust::error::Error as TrustError;
use craton_trust::signed;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::RoleKeys;
use craton_trust::suit;
use std::path::Path;

/// With fewer leaves than this, each signature says how many are left.
const LEAVES_FEW: u32 = 64;

/// An opened key file.
pub enum AnySigner {
    /// Of ES256.
    Es256(SoftKey),
    /// Of HSS/LMS.
    Lms(Box<LmsKey>),
}

impl AnySigner {
    /// Opens a key file of either algorithm.
    ///
    /// # Errors
    /// Those of [`keys::read`] and [`LmsKey::open`].
    pub fn open(path: &Path, unlock: &Unlock) -> Result<Self> {
        match keys::any_public_key(&path.display().to_string()) {
            Ok(AnyKey::Lms(_)) => Self::open_lms(path, unlock),
            _ => keys::read(path, unlock).map(Self::Es256),
        }
    }

    /// Opens a key file of LMS.
    ///
    /// # Errors
    /// Those of [`LmsKey::open`].
    pub fn open_lms(path: &Path, unlock: &Unlock) -> Result<Self> {
        let key = LmsKey::open(path, unlock, &Home::of_user()?.lms_records())?;
        Ok(Self::Lms(Box::new(key)))
    }

    fn by(&self) -> By<'_> {
        match self {
            Self::Es256(key) => By::Es256(key),
            Self::Lms(key) => By::Lms(&**key),
        }
    }

    /// The key, if it is one of ES256.
    #[must_use]
    pub fn es256(&self) -> Option<&dyn Signer> {
        match self {
            Self::Es256(key) => Some(key),
            Self::Lms(_) => None,
        }
    }

    /// The key, if it is one of LMS.
    #[must_use]
    pub fn lms(&self) -> Option<&LmsKey> {
        match self {
            Self::Es256(_) => None,
            Self::Lms(key) => Some(key),
        }
    }

    /// Whether the key has a role.
    #[must_use]
    pub fn is_in(&self, role: RoleKeys<'_>) -> bool {
        match self {
            Self::Es256(key) => role.contains(&key.public_key()),
            Self::Lms(key) => role.contains_lms(&key.public_key()),
        }
    }

    fn public_key(&self) -> AnyKey {
        match self {
            Self::Es256(key) => AnyKey::Es256(key.public_key()),
            Self::Lms(key) => AnyKey::Lms(key.public_key()),
        }
    }

    /// Whether the key signed an object: a signature that only names it does not count.
    #[must_use]
    pub fn has_signed(&self, object: &[u8]) -> bool {
        is_signed_by(object, self.public_key())
    }

    /// Signs a section that nobody has signed, or adds a signature to one; `size` bytes at most.
    ///
    /// # Errors
    /// `SignerRepeated`, `BufferTooSmall`, and why the key does not sign.
    pub fn sign_section(&self, section: &[u8], is_signed: bool, size: usize) -> Result<Vec<u8>> {
        let mut out = vec![0u8; size];
        let signed = if is_signed {
            signed::countersign_by(&Soft, Kind::TrustStore, section, self.by(), &mut out)
        } else {
            first_signature(section, self.by(), &mut out)
        };
        self.told(signed).map(<[u8]>::to_vec)
    }

    /// A signed section without the signature that names the key and is not by it; where nobody
    /// else signed, its payload alone.
    ///
    /// # Errors
    /// Those of the encoding.
    pub fn without_forged(&self, section: &[u8]) -> Result<Vec<u8>> {
        Ok(without_forged(section, self.public_key())?)
    }

    /// Adds a signature to a package, in place of one that names the key and is not by it.
    ///
    /// # Errors
    /// `SignerRepeated`, `FieldTooLong`, and why the key does not sign.
    pub fn countersign(&self, package: &Package) -> Result<Package> {
        self.told(countersign(package, self.by(), self.public_key()))
    }

    /// What came of a signature: why the key refused, if it did; and who has few leaves left is
    /// told.
    fn told<T, E: Into<anyhow::Error>>(&self, signed: Result<T, E>) -> Result<T> {
        let Self::Lms(key) = self else { return signed.map_err(Into::into) };
        if let Some(refusal) = key.refusal() {
            return Err(refusal.into());
        }
        if signed.is_ok() && key.left() < LEAVES_FEW {
            let (path, left) = (key.path().display(), key.left());
            eprintln!(
                "craton: {path} has {left} leaves left. Make the key that follows it in time"
            );
        }
        signed.map_err(Into::into)
    }
}

/// Adds a signature of ES256 to a package, as [`AnySigner::countersign`] does.
///
/// # Errors
/// `SignerRepeated`, `FieldTooLong`.
pub fn countersign_es256(package: &Package, key: &SoftKey) -> Result<Package, PackageError> {
    countersign(package, By::Es256(key), AnyKey::Es256(key.public_key()))
}

fn countersign(package: &Package, by: By<'_>, key: AnyKey) -> Result<Package, PackageError> {
    if is_signed_by(package.envelope(), key) {
        return Err(TrustError::SignerRepeated.into());
    }
    let (_, all) = suit::unchecked_signatures(package.envelope())?;
    let other = |bytes: &&[u8]| Sign1::parse(bytes).is_ok_and(|it| *it.key_id != key.key_id());
    let others: Vec<&[u8]> = all.filter(other).collect();
    match by {
        By::Es256(signer) if others.is_empty() => {
            Unsigned::of(package.payload().to_vec(), &package.image()?.1)?.sign(&[signer])
        }
        by => package.with_signatures(&others)?.countersign(by),
    }
}

/// Refuses a key that is named twice, or copied: one key signs once (SIG-2).
///
/// # Errors
/// `SignerRepeated`, before any key signs.
pub fn check_distinct(signers: &[AnySigner]) -> Result<(), TrustError> {
    let mut rest = signers;
    while let Some((signer, after)) = rest.split_first() {
        if after.iter().any(|other| other.public_key() == signer.public_key()) {
            return Err(TrustError::SignerRepeated);
        }
        rest = after;
    }
    Ok(())
}

/// Signs by all keys, those of ES256 first: LMS stands beside them and never alone (STORE-8).
///
/// # Errors
/// `KeyOtherAlgorithm` without a key of ES256, and why a key does not sign.
pub fn sign_package(unsigned: Unsigned, signers: &[AnySigner]) -> Result<Package> {
    let es256: Vec<&dyn Signer> = signers.iter().filter_map(AnySigner::es256).collect();
    let mut lms = signers.iter().filter(|signer| signer.lms().is_some());
    if let (true, Some(key)) = (es256.is_empty(), signers.iter().find_map(AnySigner::lms)) {
        return Err(LmsError::KeyOtherAlgorithm(key.path().to_owned()).into());
    }
    let package = unsigned.sign(&es256)?;
    lms.try_fold(package, |package, signer| signer.countersign(&package))
}

/// Adds to what signed a package before, by ES256 first.
///
/// # Errors
/// `SignerRepeated` before any key signs, for a key that has; and why a key does not sign.
pub fn add_signatures(package: Package, signers: &[AnySigner]) -> Result<Package> {
    if signers.iter().any(|signer| signer.has_signed(package.envelope())) {
        return Err(TrustError::SignerRepeated.into());
    }
    let (es256, lms): (Vec<_>, Vec<_>) =
        signers.iter().partition(|signer| signer.es256().is_some());
    { es256.into_iter().chain(lms) }.try_fold(package, |package, by| by.countersign(&package))
}

/// A section with its first signature.
fn first_signature<'o>(
    section: &[u8],
    by: By<'_>,
    out: &'o mut [u8],
) -> Result<&'o [u8], TrustError> {
    let mut room = [0u8; LMS_SIGN1_SIZE];
    if section.len() + room.len() + FIRST_HEADS > out.len() {
        return Err(TrustError::BufferTooSmall); // before a leaf is spent on it
    }
    let sign1 = cose::sign_by(&Soft, by, Kind::TrustStore, &[section], &mut room)?;
    let mut writer = Writer::new(out);
    writer.array(2)?.bytes(section)?.array(1)?.bytes(sign1)?;
    let length = writer.length();
    out.get(..length).ok_or(TrustError::BufferTooSmall)
}

/// Bytes of heads around a section and its first signature: of the pair, the section, the list and
/// the signature.
const FIRST_HEADS: usize = 1 + 3 + 1 + 3;
