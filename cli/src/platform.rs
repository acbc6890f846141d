//! The keys of a platform's root and publisher, by both algorithms where the role is hybrid.

use crate::board;
use crate::client::Call;
use crate::error::CliError;
use crate::home::CatalogFolder;
use crate::keys::{AnyKey, Unlock};
use crate::lms::{LmsError, highest_leaf, is_signed_by};
use crate::operation::Operation;
use crate::session::Session;
use crate::signer::{AnySigner, countersign_es256};
use anyhow::Result;
use clap::ValueEnum;
use craton_api::operator::ImageList;
use craton_device::auth::RUNTIME;
use craton_image::package::Package;
use craton_trust::crypto::{LmsSigner as _, Signer};
use craton_trust::soft::SoftKey;
use craton_trust::store::{Role, RoleKeys};
use craton_trust::suit::Image;
use std::path::{Path, PathBuf};

/// A role that may be hybrid.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HybridRole {
    /// Of the platform
    Root,
    /// Of the programs that the platform's devices run
    PlatformPublisher,
}

impl HybridRole {
    /// Where its key of ES256 is, among a catalog's keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::PlatformPublisher => "platform-publisher",
        }
    }

    /// Where its key of LMS is.
    #[must_use]
    pub fn lms_path(self, folder: &CatalogFolder) -> PathBuf {
        folder.key_path(&format!("{}-lms", self.name()))
    }

    /// The role's key of LMS, which must be one of those that `sections` list; `None` where none of
    /// them is hybrid and there is no file. What it signed before and the service shows, it has
    /// seen.
    ///
    /// # Errors
    /// `HybridKeyMissing`, `KeyNotInRole`, those of the key file and of the service.
    pub async fn lms_key(
        self,
        session: &mut Session,
        path: &Path,
        sections: &[RoleKeys<'_>],
        unlock: &Unlock,
    ) -> Result<Option<AnySigner>> {
        let hybrid = sections.iter().any(|role| role.lms_threshold() > 0);
        if !self.has_key(path, hybrid)? {
            return Ok(None);
        }
        let key = AnySigner::open_lms(path, unlock)?;
        if hybrid && !sections.iter().any(|role| key.is_in(*role)) {
            return Err(CliError::KeyNotInRole(path.display().to_string()).into());
        }
        if let Some(key) = key.lms() {
            let objects = platform_objects(session).await?;
            let objects = objects.iter().map(Vec::as_slice);
            highest_leaf(&key.public_key(), objects)
                .into_iter()
                .for_each(|leaf| key.has_seen(leaf));
        }
        Ok(Some(key))
    }

    /// Whether the role has a key file of LMS, which it must have if it is hybrid.
    fn has_key(self, path: &Path, hybrid: bool) -> Result<bool, LmsError> {
        match path.exists() {
            false if hybrid => {
                Err(LmsError::HybridKeyMissing { role: self.name(), path: path.to_owned() })
            }
            there => Ok(there),
        }
    }
}

/// The most images whose envelopes are asked for, the newest ones.
const IMAGES_MAX: usize = 64;

/// What the service has of the platform's root and publisher: signed sections and envelopes.
async fn platform_objects(session: &mut Session) -> Result<Vec<Vec<u8>>> {
    let mut objects = session.platform_section().await?.versions().to_vec();
    let all: ImageList = session.ask(Call::of(Operation::ImageList)).await?;
    let ours = [RUNTIME, board::ROOT_OF_TRUST].map(|component| component.0);
    let mut images = all.items;
    images.retain(|image| ours.contains(&image.component.0));
    images.sort_by_key(|image| std::cmp::Reverse(image.created_s));
    for image in images.into_iter().take(IMAGES_MAX) {
        objects.push(session.fetch(Call::of(Operation::BlobFetch).at(image.envelope)).await?);
    }
    Ok(objects)
}

/// The platform's publisher: its key of ES256, and that of LMS if it has one.
pub struct Publisher {
    es256: SoftKey,
    lms: Option<AnySigner>,
}

impl Publisher {
    /// With a key of ES256 alone.
    #[must_use]
    pub const fn of(es256: SoftKey) -> Self {
        Self { es256, lms: None }
    }

    /// The catalog's, as its trust store lists it. Where the role is not hybrid yet, a key of LMS
    /// that is there signs all the same: images are signed by both before the role asks for it.
    ///
    /// # Errors
    /// Those of [`HybridRole::lms_key`] and of the key files.
    pub async fn open(
        session: &mut Session,
        lms_key: Option<&Path>,
        unlock: &Unlock,
    ) -> Result<Self> {
        let (folder, role) = (session.folder().await?, HybridRole::PlatformPublisher);
        let es256 = folder.key(role.name(), unlock)?;
        let platform = session.platform_section().await?;
        let path = lms_key.map_or_else(|| role.lms_path(&folder), Path::to_owned);
        if lms_key.is_some() && !path.exists() {
            return Err(CliError::SigningKeyMissing(path).into());
        }
        let listed = [platform.section().role(Role::Publisher)];
        let lms = role.lms_key(session, &path, &listed, unlock).await?;
        Ok(Self { es256, lms })
    }

    /// Its key of ES256, which alone approves boots.
    #[must_use]
    pub fn es256(&self) -> &dyn Signer {
        &self.es256
    }

    /// Packs a program and signs it.
    ///
    /// # Errors
    /// Those of [`Package::sign`], and why a key does not sign.
    pub fn package(&self, program: Vec<u8>, about: &Image<'_>) -> Result<Package> {
        self.countersign(Package::sign(program, about, &[self.es256()])?)
    }

    /// Adds the signatures of those of its keys that did not sign yet; `None` if all did. A
    /// signature that the service shows counts only if it verifies.
    ///
    /// # Errors
    /// Those of [`Package::countersign`], and why a key does not sign.
    pub fn add_missing(&self, package: Package) -> Result<Option<Package>> {
        let by_es256 = AnyKey::Es256(self.es256.public_key());
        let lacks_es256 = !is_signed_by(package.envelope(), by_es256);
        let lms = self.lms.iter().find(|key| !key.has_signed(package.envelope()));
        let package = if lacks_es256 { countersign_es256(&package, &self.es256)? } else { package };
        match lms {
            Some(key) => key.countersign(&package).map(Some),
            None => Ok(lacks_es256.then_some(package)),
        }
    }

    /// Adds its signature of LMS, if it has that key.
    ///
    /// # Errors
    /// Why the key does not sign.
    pub fn countersign(&self, package: Package) -> Result<Package> {
        self.lms.iter().try_fold(package, |package, key| key.countersign(&package))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craton_trust::soft::Soft;

    #[test]
    fn a_hybrid_role_without_its_second_key_is_hybrid_key_missing_and_another_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = HybridRole::Root.lms_path(&CatalogFolder(folder.path().to_owned()));
        assert_eq!(path, folder.path().join("root-lms.key"));
        let missing = HybridRole::Root.has_key(&path, true);
        assert!(matches!(missing, Err(LmsError::HybridKeyMissing { role: "root", .. })));
        assert!(matches!(HybridRole::Root.has_key(&path, false), Ok(false)));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(HybridRole::Root.has_key(&path, true), Ok(true)));
    }

    /// Whoever keeps an envelope can name any key in it.
    #[test]
    fn a_signature_that_only_names_the_key_is_replaced_by_the_keys_own() {
        use craton_trust::cose::Sign1;
        use craton_trust::store::RoleKeysBuilder;
        use craton_trust::{ClassId, ComponentId, Digest, suit};
        let [ours, other] = [1, 2].map(|seed| SoftKey::from_bytes(&[seed; 32]).unwrap());
        let none = suit::Abis::new(&[]).unwrap();
        let about = Image {
            component: ComponentId([1; 16]),
            image_type: suit::ImageType::Runtime,
            vendor: [2; 16],
            class: ClassId([3; 16]),
            sequence: 1,
            security_version: 1,
            name: "runtime",
            version: "1.0.0",
            payload: Digest([0; 32]),
            payload_size: 0,
            verity: None,
            provides: none,
            depends: none,
            sbom: Digest([4; 32]),
            support_until: 0,
        };
        let signed = |payload: u8, by: &SoftKey| {
            let package = Package::sign(vec![payload; 9], &about, &[by]).unwrap();
            let (_, all) = suit::unchecked_signatures(package.envelope()).unwrap();
            let sign1 = all.collect::<Vec<_>>()[0].to_vec();
            (package, sign1)
        };
        let (by_other, others) = signed(1, &other);
        let (_, forged) = signed(2, &ours);
        assert_eq!(
            *Sign1::parse(&forged).unwrap().key_id,
            AnyKey::Es256(ours.public_key()).key_id()
        );
        let role = RoleKeysBuilder::of(ours.public_key());
        let publisher = Publisher::of(ours);
        for signatures in [&[&others[..], &forged][..], &[&forged], &[&others]] {
            let package = by_other.with_signatures(signatures).unwrap();
            let mended = publisher.add_missing(package).unwrap().unwrap();
            assert!(suit::verify(&Soft, role.role_keys(), mended.envelope()).is_ok());
            assert_eq!(mended.image().unwrap().0, by_other.image().unwrap().0);
            assert!(publisher.add_missing(mended).unwrap().is_none(), "nothing is missing");
        }
    }
}
