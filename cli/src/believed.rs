//! What is believed of a service that may lie: a catalog's trust store descends from the catalog's
//! id, and never goes back.

use crate::client::Call;
use crate::error::CliError;
use crate::home::{CatalogFolder, make_folder, read_file, write_file};
use crate::operation::Operation;
use crate::session::Session;
use anyhow::Result;
use craton_api::operator::{CatalogId, Section as SectionName, TrustStore};
use craton_trust::soft::Soft;
use craton_trust::store::{KeptSection, accept_chain, accept_genesis, catalog_id};
use craton_trust::{Digest, Signed};
use std::path::Path;

/// The catalog's newest `owner` section; it is remembered, so that an older one is noticed.
pub async fn owner_section(session: &mut Session) -> Result<KeptSection<Vec<u8>>> {
    let catalog = session.catalog().await?;
    let folder = session.folder().await?;
    let versions = signed_versions(session, SectionName::Owner).await?;
    let section = descended(catalog, &versions)?;
    if let Ok(known) = remembered(&folder.owner_path()) {
        no_older(known.section().version, section.section().version)?;
    }
    remember(&folder, &folder.owner_path(), &versions)?;
    Ok(section)
}

fn remember(folder: &CatalogFolder, path: &Path, versions: &[Vec<u8>]) -> Result<(), CliError> {
    let Some(newest) = versions.last() else { return Ok(()) };
    make_folder(&folder.0)?;
    write_file(path, newest)
}

/// The catalog's newest `platform` section, and the digest of its first. Nothing here vouches for
/// that one: it stands in the fuses of devices. What was shown first is remembered, and another
/// chain or an older end of it is noticed: keys that are gone would sign again.
pub async fn platform_section(session: &mut Session) -> Result<(KeptSection<Vec<u8>>, Digest)> {
    followed(&platform_versions(session).await?)
}

/// All signed versions of the catalog's `platform` section, from the first on: one chain, of which
/// the same holds.
pub async fn platform_versions(session: &mut Session) -> Result<Vec<Vec<u8>>> {
    let folder = session.folder().await?;
    let versions = signed_versions(session, SectionName::Platform).await?;
    followed(&versions)?;
    if let Ok(known) = remembered(&folder.platform_path()) {
        no_other(&versions, &known)?;
    }
    remember(&folder, &folder.platform_path(), &versions)?;
    Ok(versions)
}

/// Refuses a chain that ends before a section that was believed, or goes past it another way.
fn no_other(versions: &[Vec<u8>], known: &KeptSection<Vec<u8>>) -> Result<()> {
    let (newest, _) = followed(versions)?;
    no_older(known.section().version, newest.section().version)?;
    for version in versions {
        if Signed::parse(version)?.unchecked_payload() == known.bytes() {
            return Ok(());
        }
    }
    Err(CliError::TrustStoreOther.into())
}

async fn signed_versions(session: &mut Session, half: SectionName) -> Result<Vec<Vec<u8>>> {
    let store: TrustStore = session.ask(Call::of(Operation::TrustStoreShow)).await?;
    let these = store.sections.iter().filter(|it| it.section == half);
    let mut numbers: Vec<u64> = these.map(|it| it.version).collect();
    numbers.sort_unstable();
    let mut versions = Vec::new();
    for number in numbers {
        let half = crate::output::word(half);
        let call = Call::of(Operation::TrustStoreFetch).at(half).at(number);
        versions.push(session.fetch(call).await?);
    }
    Ok(versions)
}

/// The section that was believed last and is kept here, for work without the service.
///
/// # Errors
/// `FileUnreadable`, and those of the encoding.
pub fn remembered(path: &Path) -> Result<KeptSection<Vec<u8>>> {
    let kept = read_file(path)?;
    Ok(KeptSection::parse(Signed::parse(&kept)?.unchecked_payload().to_vec())?)
}

/// Believes a chain of versions from the one whose digest is the catalog's id.
fn descended(catalog: CatalogId, versions: &[Vec<u8>]) -> Result<KeptSection<Vec<u8>>> {
    let (newest, genesis) = followed(versions)?;
    if CatalogId::from(catalog_id(genesis)) != catalog {
        return Err(CliError::TrustStoreOther.into());
    }
    Ok(newest)
}

/// The end of a chain of versions, and the digest of its first, which nothing here vouches for.
///
/// # Errors
/// `TrustStoreOther` of none; those of `accept_genesis` and `accept_chain`.
pub fn followed(versions: &[Vec<u8>]) -> Result<(KeptSection<Vec<u8>>, Digest)> {
    let (first, later) = versions.split_first().ok_or(CliError::TrustStoreOther)?;
    let genesis = accept_genesis(&Soft, &Signed::parse(first)?)?;
    accept_chain(&Soft, *genesis, genesis.digest(), later.iter().map(Vec::as_slice))?;
    let newest = Signed::parse(later.last().unwrap_or(first))?.unchecked_payload();
    Ok((KeptSection::parse(newest.to_vec())?, genesis.digest()))
}

fn no_older(known: u64, found: u64) -> Result<(), CliError> {
    if found < known { Err(CliError::TrustStoreOlder { known, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use craton_trust::cose::Kind;
    use craton_trust::crypto::{Crypto as _, Signer as _};
    use craton_trust::signed;
    use craton_trust::soft::SoftKey;
    use craton_trust::store::{Role, RoleKeysBuilder, SectionBuilder, SectionKind};

    fn signed_section(section: &SectionBuilder, root: &SoftKey) -> Vec<u8> {
        let (mut payload, mut object) = (vec![0; 4096], vec![0; 4096]);
        let payload = section.encode(&mut payload).unwrap();
        signed::seal(&Soft, Kind::TrustStore, payload, &[root], &mut object).unwrap().to_vec()
    }

    #[test]
    fn a_trust_store_of_another_catalog_or_an_older_one_is_refused() {
        let root = generate().unwrap();
        let mut section = SectionBuilder::genesis(SectionKind::Owner, true, 9);
        section.set_role(Role::Root, RoleKeysBuilder::of(root.public_key()));
        let first = signed_section(&section, &root);
        let digest = Signed::parse(&first).unwrap().digest(&Soft);
        let catalog = CatalogId(digest.0);
        let mut second = section.clone();
        (second.version, second.genesis) = (2, Some(digest));
        let chain = vec![first.clone(), signed_section(&second, &root)];
        assert_eq!(descended(catalog, &chain).unwrap().section().version, 2);
        let other = descended(CatalogId(Soft.sha256(&[b"other"]).0), &chain).unwrap_err();
        assert!(matches!(other.downcast().unwrap(), CliError::TrustStoreOther));
        let none = descended(catalog, &[]).unwrap_err();
        assert!(matches!(none.downcast().unwrap(), CliError::TrustStoreOther));
        let foreign = vec![first, signed_section(&second, &generate().unwrap())];
        assert!(descended(catalog, &foreign).is_err(), "a successor that the root did not sign");
        assert!(matches!(no_older(2, 1), Err(CliError::TrustStoreOlder { .. })));
        // A platform's, of which no id vouches for the first.
        let kept = |signed: &Vec<u8>| {
            KeptSection::parse(Signed::parse(signed).unwrap().unchecked_payload().to_vec()).unwrap()
        };
        let (known, short) = (kept(&chain[1]), vec![chain[0].clone()]);
        assert!(no_other(&chain, &known).is_ok() && no_other(&chain, &kept(&chain[0])).is_ok());
        let older = no_other(&short, &known).unwrap_err().downcast().unwrap();
        assert!(matches!(older, CliError::TrustStoreOlder { known: 2, found: 1 }));
        second.ceiling += 1;
        let fork = vec![chain[0].clone(), signed_section(&second, &root)];
        let fork = no_other(&fork, &known).unwrap_err().downcast().unwrap();
        assert!(matches!(fork, CliError::TrustStoreOther), "signed by the root, and not the same");
        assert!(no_older(2, 2).is_ok());
    }
}
