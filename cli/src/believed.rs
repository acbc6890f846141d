//! What is believed of a service that may lie: a catalog's trust store descends from the catalog's
//! id, and never goes back.
//!
//! What was believed last is kept in the catalog's folder. It is missing the first time and never
//! later: a file that is there and does not read is refused. Were it taken for none, who damages it
//! would have the service believed anew. What the service shows then is told with the refusal, for
//! somebody to compare it with what another machine believes.

use crate::client::Call;
use crate::error::CliError;
use crate::home::read_if_there;
use crate::memory::Memory;
use crate::operation::Operation;
use crate::session::Session;
use anyhow::Result;
use craton_api::operator::{CatalogId, Section as SectionName, TrustStore};
use craton_trust::cose::Kind;
use craton_trust::crypto::Crypto;
use craton_trust::soft::Soft;
use craton_trust::store::{
    CHAIN_MAX, KeptSection, Role, Section, SectionKind, accept_chain, accept_genesis, catalog_id,
};
use craton_trust::{Digest, Error as TrustError, Signed};
use std::path::{Path, PathBuf};

/// Why what a service shows is not believed; each has its number in `spec/errors.toml`.
#[derive(Debug, thiserror::Error)]
pub enum BelievedError {
    /// What the service keeps is not this catalog's.
    #[error(
        "E6133: the trust store that the service shows is not the one of this catalog. Do not go \
         on with this service"
    )]
    TrustStoreOther,
    /// The service shows an older trust store than before.
    #[error(
        "E6134: the service shows version {found} of the trust store; {known} was seen before. \
         Do not go on with this service"
    )]
    TrustStoreOlder {
        /// Seen before.
        known: u64,
        /// Shown now.
        found: u64,
    },
    /// What was believed before does not read.
    #[error(
        "E6128: {path} is damaged: what this machine remembers of the catalog, without which a \
         service could go back. Restore it from a copy; or compare what the service shows now \
         ({shown}) with what `craton trust-store show` and `craton audit checkpoint` print on \
         another machine, then remove it"
    )]
    MemoryDamaged {
        /// The file.
        path: PathBuf,
        /// What would be believed without it.
        shown: String,
    },
    /// Another process remembers something.
    #[error(
        "E6129: another craton command has had {lock} for {seconds} s. See whether it waits for a \
         service that does not answer; end it, or try again"
    )]
    MemoryBusy {
        /// The file that it locked.
        lock: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
}

impl BelievedError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::TrustStoreOther => 6133,
            Self::TrustStoreOlder { .. } => 6134,
            Self::MemoryDamaged { .. } => 6128,
            Self::MemoryBusy { .. } => 6129,
        }
    }
}

const OTHER: CliError = CliError::Believed(BelievedError::TrustStoreOther);

/// How many versions of a section are followed: a new one each week for 19 years. A service that
/// lists more has a client fetch for ever.
pub const VERSIONS_MAX: usize = 16 * CHAIN_MAX + 1;

/// All signed versions of a section, from the first on, each believed by the one before. Nothing
/// here vouches for the first. Only [`Chain::follow`] makes one: it is verified once.
pub struct Chain {
    versions: Vec<Vec<u8>>,
    newest: KeptSection<Vec<u8>>,
    genesis: Digest,
}

impl Chain {
    /// Follows signed versions from the first to the newest.
    ///
    /// # Errors
    /// `TrustStoreOther` of none; `ChainTooLong` of more than [`VERSIONS_MAX`]; those of
    /// `accept_genesis` and `accept_chain`.
    pub fn follow(crypto: &impl Crypto, versions: Vec<Vec<u8>>) -> Result<Self> {
        let (first, later) = versions.split_first().ok_or(OTHER)?;
        if versions.len() > VERSIONS_MAX {
            return Err(TrustError::ChainTooLong.into());
        }
        let genesis = accept_genesis(crypto, &Signed::parse(first)?)?;
        let digest = genesis.digest();
        let mut section = *genesis;
        // As many at once as a device takes in one boot.
        for chain in later.chunks(CHAIN_MAX) {
            section = accept_chain(crypto, section, digest, chain.iter().map(Vec::as_slice))?;
        }
        let newest = Signed::parse(later.last().unwrap_or(first))?.unchecked_payload().to_vec();
        Ok(Self { newest: KeptSection::parse(newest)?, genesis: digest, versions })
    }

    /// The signed versions.
    #[must_use]
    pub fn versions(&self) -> &[Vec<u8>] {
        &self.versions
    }

    /// The newest section.
    #[must_use]
    pub fn section(&self) -> Section<'_> {
        self.newest.section()
    }

    /// The digest of the first section.
    #[must_use]
    pub const fn genesis(&self) -> Digest {
        self.genesis
    }

    /// What to compare with another machine's: the newest version, and the digests of the first
    /// and of the newest section, hexadecimal.
    #[must_use]
    pub fn told(&self) -> String {
        let section = self.section();
        let half = match section.kind {
            SectionKind::Platform => "platform",
            SectionKind::Owner => "owner",
        };
        let newest = Soft.sha256(&[self.newest.bytes()]);
        format!("{half} {}, genesis {}, newest {newest}", section.version, self.genesis)
    }

    /// Refuses a chain that ends before a section that was believed, or goes past it another way:
    /// keys that are gone would sign again.
    fn check_known(&self, known: &KeptSection<Vec<u8>>) -> Result<(), CliError> {
        let (known_version, found) = (known.section().version, self.section().version);
        if found < known_version {
            return Err(BelievedError::TrustStoreOlder { known: known_version, found }.into());
        }
        let is_known = |version: &Vec<u8>| {
            Signed::parse(version).is_ok_and(|it| it.unchecked_payload() == known.bytes())
        };
        if self.versions.iter().any(is_known) { Ok(()) } else { Err(OTHER) }
    }
}

/// The catalog's `owner` section, which descends from the catalog's id.
///
/// # Errors
/// `TrustStoreOther`, `TrustStoreOlder`, `MemoryDamaged`, `MemoryBusy`, and those of the service.
pub async fn owner(session: &mut Session) -> Result<Chain> {
    let (catalog, folder) = (session.catalog().await?, session.folder().await?);
    let memory = Memory::of(&folder.owner_path()).await?;
    let chain = Chain::follow(&Soft, signed_versions(session, SectionName::Owner).await?)?;
    check_descent(&chain, catalog)?;
    check_and_remember(&memory, SectionKind::Owner, &chain)?;
    Ok(chain)
}

/// The catalog's `platform` section. Nothing here vouches for its first version: that stands in the
/// fuses of devices. What was shown first is remembered.
///
/// # Errors
/// As [`owner`].
pub async fn platform(session: &mut Session) -> Result<Chain> {
    let folder = session.folder().await?;
    let memory = Memory::of(&folder.platform_path()).await?;
    let chain = Chain::follow(&Soft, signed_versions(session, SectionName::Platform).await?)?;
    check_and_remember(&memory, SectionKind::Platform, &chain)?;
    Ok(chain)
}

fn check_descent(chain: &Chain, catalog: CatalogId) -> Result<(), CliError> {
    let descends = CatalogId::from(catalog_id(chain.genesis())) == catalog;
    if descends { Ok(()) } else { Err(OTHER) }
}

/// Compares a chain with the section that is remembered, and remembers its end in place of that.
fn check_and_remember(memory: &Memory, kind: SectionKind, chain: &Chain) -> Result<()> {
    chain.section().require(kind)?;
    if let Some(kept) = memory.read()? {
        let (path, shown) = (memory.path().to_owned(), chain.told());
        let known = as_signed(&kept, kind);
        chain.check_known(&known.map_err(|_| BelievedError::MemoryDamaged { path, shown })?)?;
    }
    let Some(newest) = chain.versions().last() else { return Ok(()) };
    Ok(memory.remember(newest)?)
}

async fn signed_versions(session: &mut Session, half: SectionName) -> Result<Vec<Vec<u8>>> {
    let store: TrustStore = session.ask(Call::of(Operation::TrustStoreShow)).await?;
    let these = store.sections.iter().filter(|it| it.section == half);
    let mut numbers: Vec<u64> = these.map(|it| it.version).collect();
    numbers.sort_unstable();
    if numbers.len() > VERSIONS_MAX {
        return Err(TrustError::ChainTooLong.into());
    }
    let mut versions = Vec::new();
    for number in numbers {
        let half = crate::output::word(half);
        let call = Call::of(Operation::TrustStoreFetch).at(half).at(number);
        versions.push(session.fetch(call).await?);
    }
    Ok(versions)
}

/// The section that was believed last and is kept here; `None` if none ever was.
///
/// # Errors
/// `FileUnreadable`; `MemoryDamaged` for what is no such section, or not as it was signed.
pub fn remembered(
    path: &Path,
    kind: SectionKind,
) -> Result<Option<KeptSection<Vec<u8>>>, CliError> {
    let Some(kept) = read_if_there(path)? else { return Ok(None) };
    as_signed(&kept, kind).map(Some).map_err(|_| {
        let shown = "any command that asks it tells it".into();
        BelievedError::MemoryDamaged { path: path.to_owned(), shown }.into()
    })
}

/// A section as its own root signed it: against damage, since who writes files here could have a
/// root of his own.
fn as_signed(kept: &[u8], kind: SectionKind) -> Result<KeptSection<Vec<u8>>, TrustError> {
    let signed = Signed::parse(kept)?;
    let section = Section::parse(signed.unchecked_payload())?;
    section.require(kind)?;
    signed.verify(&Soft, Kind::TrustStore, &[section.role(Role::Root)], Section::parse)?;
    KeptSection::parse(signed.unchecked_payload().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use craton_trust::crypto::{Signature, Signer as _};
    use craton_trust::error::Result as TrustResult;
    use craton_trust::key::{LmsPublicKey, PublicKey};
    use craton_trust::soft::SoftKey;
    use craton_trust::store::{RoleKeysBuilder, SectionBuilder};
    use craton_trust::{lms, signed};
    use std::cell::Cell;

    /// Counts what it verifies.
    #[derive(Default)]
    struct Counting(Cell<usize>);

    impl Crypto for Counting {
        fn sha256(&self, parts: &[&[u8]]) -> Digest {
            Soft.sha256(parts)
        }

        fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
            Soft.sha512(parts)
        }

        fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
            Soft.hmac_sha512(key, parts)
        }

        fn es256_verify(
            &self,
            key: &PublicKey,
            parts: &[&[u8]],
            signature: &Signature,
        ) -> TrustResult<()> {
            self.0.set(self.0.get() + 1);
            Soft.es256_verify(key, parts, signature)
        }

        fn lms_root(
            &self,
            key: &LmsPublicKey,
            parts: &[&[u8]],
            signature: &lms::Signature,
        ) -> TrustResult<lms::Root> {
            Soft.lms_root(key, parts, signature)
        }
    }

    fn signed_section(section: &SectionBuilder, root: &SoftKey) -> Vec<u8> {
        let (mut payload, mut object) = (vec![0; 4096], vec![0; 4096]);
        let payload = section.encode(&mut payload).unwrap();
        signed::seal(&Soft, Kind::TrustStore, payload, &[root], &mut object).unwrap().to_vec()
    }

    /// A root, and two versions of a section that it signed.
    fn two_versions(kind: SectionKind) -> (SoftKey, SectionBuilder, Vec<Vec<u8>>) {
        let root = generate().unwrap();
        let mut section = SectionBuilder::genesis(kind, true, 9);
        section.set_role(Role::Root, RoleKeysBuilder::of(root.public_key()));
        let first = signed_section(&section, &root);
        let digest = Signed::parse(&first).unwrap().digest(&Soft);
        (section.version, section.genesis) = (2, Some(digest));
        let chain = vec![first, signed_section(&section, &root)];
        (root, section, chain)
    }

    fn follow(versions: &[Vec<u8>]) -> Result<Chain> {
        Chain::follow(&Soft, versions.to_vec())
    }

    #[test]
    fn a_trust_store_of_another_catalog_is_refused_and_a_chain_verified_once() {
        let (_, second, versions) = two_versions(SectionKind::Owner);
        let counting = Counting::default();
        let chain = Chain::follow(&counting, versions.clone()).unwrap();
        assert_eq!(counting.0.get(), 3, "the first by its root, the second by both roots");
        assert_eq!((chain.section().version, chain.versions()), (2, &versions[..]));
        let catalog = CatalogId(chain.genesis().0);
        assert!(check_descent(&chain, catalog).is_ok());
        let other = check_descent(&chain, CatalogId(Soft.sha256(&[b"other"]).0));
        assert!(matches!(other, Err(CliError::Believed(BelievedError::TrustStoreOther))));
        let none = follow(&[]).err().unwrap();
        assert!(matches!(
            none.downcast().unwrap(),
            CliError::Believed(BelievedError::TrustStoreOther)
        ));
        let foreign = [versions[0].clone(), signed_section(&second, &generate().unwrap())];
        assert!(follow(&foreign).is_err(), "a successor that the root did not sign");
    }

    #[test]
    fn a_chain_goes_on_after_64_successors_and_ends_at_1025_versions_chain_too_long() {
        let (root, mut section, mut versions) = two_versions(SectionKind::Owner);
        for version in 3..=VERSIONS_MAX as u64 + 1 {
            section.version = version;
            versions.push(signed_section(&section, &root));
        }
        for count in [CHAIN_MAX + 1, CHAIN_MAX + 2, VERSIONS_MAX] {
            assert_eq!(follow(&versions[..count]).unwrap().section().version, count as u64);
        }
        let refused = follow(&versions).err().unwrap();
        assert_eq!(refused.downcast().ok(), Some(TrustError::ChainTooLong));
        // One that is missing is missed wherever a piece begins.
        for gap in [CHAIN_MAX, CHAIN_MAX + 1] {
            let mut with_gap = versions[..CHAIN_MAX + 4].to_vec();
            with_gap.remove(gap);
            let refused = follow(&with_gap).err().unwrap();
            assert_eq!(refused.downcast().ok(), Some(TrustError::SuccessorVersion));
        }
    }

    #[test]
    fn a_chain_that_is_older_than_what_was_believed_or_forks_before_it_is_refused() {
        for kind in [SectionKind::Owner, SectionKind::Platform] {
            let (root, mut second, versions) = two_versions(kind);
            let (folder, chain) = (tempfile::tempdir().unwrap(), follow(&versions).unwrap());
            let path = folder.path().join("catalog/section");
            let runtime = crate::args::runtime().unwrap();
            let memory = runtime.block_on(Memory::of(&path)).unwrap();
            let check = |chain: &Chain| check_and_remember(&memory, kind, chain);
            let refused = |chain: &Chain| check(chain).unwrap_err().downcast().unwrap();
            let short = follow(&versions[..1]).unwrap();
            check(&short).unwrap();
            check(&chain).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), versions[1]);
            let older = refused(&short);
            assert!(matches!(
                older,
                CliError::Believed(BelievedError::TrustStoreOlder { known: 2, found: 1 })
            ));
            second.ceiling += 1;
            let fork = follow(&[versions[0].clone(), signed_section(&second, &root)]).unwrap();
            assert!(
                matches!(refused(&fork), CliError::Believed(BelievedError::TrustStoreOther)),
                "signed, and not the same"
            );
            let (_, _, strange) = two_versions(kind);
            assert!(matches!(
                refused(&follow(&strange).unwrap()),
                CliError::Believed(BelievedError::TrustStoreOther)
            ));
            assert_eq!(std::fs::read(&path).unwrap(), versions[1], "what is known stays");
        }
    }

    #[test]
    fn a_remembered_section_with_any_flipped_bit_is_memory_damaged_and_none_is_none() {
        let (_, _, versions) = two_versions(SectionKind::Platform);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.section");
        let read = || remembered(&path, SectionKind::Platform);
        assert!(matches!(read(), Ok(None)));
        std::fs::write(&path, &versions[1]).unwrap();
        assert_eq!(read().unwrap().unwrap().section().version, 2);
        let owner = remembered(&path, SectionKind::Owner);
        assert!(
            matches!(owner, Err(CliError::Believed(BelievedError::MemoryDamaged { .. }))),
            "the other section's"
        );
        for bit in 0..versions[1].len() * 8 {
            let mut damaged = versions[1].clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, damaged).unwrap();
            let refused = read();
            assert!(
                matches!(refused, Err(CliError::Believed(BelievedError::MemoryDamaged { .. }))),
                "bit {bit}"
            );
        }
        for length in 0..versions[1].len() {
            std::fs::write(&path, &versions[1][..length]).unwrap();
            assert!(
                matches!(read(), Err(CliError::Believed(BelievedError::MemoryDamaged { .. }))),
                "{length} bytes"
            );
        }
    }
}
