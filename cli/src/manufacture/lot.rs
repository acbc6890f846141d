//! What a station keeps: its settings, the board that is in it, its devices, and the signed list of
//! them.
//!
//! ```text
//! station.json      catalog and class, and how many versions of the platform section there are
//! platform.section  the first of them; later ones are platform-2.section and so on
//! bench/            claim-code of the board that is in it, until its identity is known
//! devices/ID/       claim-code, journal.json, endorsement.cbor
//! devices.lot       the signed list
//! ```
//!
//! A board has no name before it has an identity. So its claim code is made first, on the bench;
//! the rename of the bench to the folder of its device is the write that commits whose it is.

use crate::believed::Chain;
use crate::error::CliError;
use crate::home::{make_folder, read_if_there, read_secret, write_secret};
use crate::package_file::{Sixteen, sixteen};
use crate::virtual_device::{CLAIM_CODE_FILE, fresh_claim_code};
use anyhow::{Context as _, Result};
use craton_api::operator::CatalogId;
use craton_device::folder::ENDORSEMENT_FILE;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::signed::{self, PAYLOAD_MAX};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{Role, SectionKind};
use craton_trust::{ClassId, DeviceId, Digest, Signed, lot};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const ABOUT_FILE: &str = "station.json";
const PLATFORM_FILE: &str = "platform.section";
const LOCK_FILE: &str = "station.lock";
const BENCH: &str = "bench";
const DEVICES: &str = "devices";
const JOURNAL_FILE: &str = "journal.json";
const LOT_FILE: &str = "devices.lot";
const FORMAT: &str = "craton-station-1";

/// Where a version of the platform section is.
fn platform_file(version: u64) -> String {
    if version == 1 { PLATFORM_FILE.into() } else { format!("platform-{version}.section") }
}

/// Reads a section that the station wrote before it noted that it began.
///
/// # Errors
/// `StationDamaged` if it is not there; `SecretExposed`, `FileUnreadable`.
fn signed_section(path: &Path) -> Result<Vec<u8>, CliError> {
    if !path.exists() {
        return Err(CliError::StationDamaged(path.to_owned()));
    }
    read_secret(path)
}

/// What a station was begun with.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    catalog: CatalogId,
    class: String,
    /// How many versions of the platform section it began with: another file beside them is of a
    /// beginning that was cut. A station of an earlier build does not say.
    #[serde(default)]
    platform_versions: Option<u64>,
}

/// How far a device is. Each step is noted once it is done; doing it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Its identity is known, and its claim code is in its folder.
    Identified,
    /// It passed the self-test, before its lifecycle was closed.
    Tested,
    /// Its lifecycle is closed, and its evidence says so.
    Closed,
    /// It is endorsed, and in the list: it is finished.
    Listed,
}

/// What is noted of a device.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The device.
    pub device: craton_api::operator::DeviceId,
    /// Its number in the lot, by the order in which boards were identified.
    pub number: u32,
    /// How far it is.
    pub step: Step,
}

/// A station's folder, locked for this process.
pub struct Lot {
    folder: PathBuf,
    catalog: CatalogId,
    class: ClassId,
    platform: Chain,
    _lock: File,
}

impl Lot {
    /// Whether a station was begun in a folder.
    pub fn is_begun(folder: &Path) -> bool {
        folder.join(ABOUT_FILE).exists()
    }

    /// Begins a station; its settings are written last, so that one that was cut begins again.
    ///
    /// # Errors
    /// `FolderRefused`, `FileNotWritten`; `StationDamaged` where devices were made: their settings
    /// are lost, and others would make one lot of two.
    pub fn begin(
        folder: &Path,
        catalog: CatalogId,
        class: ClassId,
        platform: &[Vec<u8>],
    ) -> Result<()> {
        make_folder(folder)?;
        make_folder(&folder.join(DEVICES))?;
        let made = fs::read_dir(folder.join(DEVICES))?.next().is_some();
        if made || folder.join(BENCH).exists() {
            return Err(CliError::StationDamaged(folder.join(ABOUT_FILE)).into());
        }
        for (version, section) in (1..).zip(platform) {
            write_secret(&folder.join(platform_file(version)), section)?;
        }
        let platform_versions = Some(u64::try_from(platform.len())?);
        let class = Sixteen(class.0).to_string();
        let about = About { format: FORMAT.into(), catalog, class, platform_versions };
        Ok(write_secret(&folder.join(ABOUT_FILE), &serde_json::to_vec_pretty(&about)?)?)
    }

    /// Opens a station, and finishes what a kill left between two renames.
    ///
    /// # Errors
    /// `StationRuns`; `StationDamaged` also where a platform section or the endorsement of a
    /// finished device is lost; those of its files.
    pub fn open(folder: &Path) -> Result<Self> {
        let lock = File::create(folder.join(LOCK_FILE))?;
        lock.try_lock().map_err(|_| CliError::StationRuns(folder.to_owned()))?;
        let path = folder.join(ABOUT_FILE);
        let damaged = || CliError::StationDamaged(path.clone());
        let about: About = serde_json::from_slice(&read_secret(&path)?).map_err(|_| damaged())?;
        let class = sixteen(&about.class).map_err(|_| damaged())?;
        if about.format != FORMAT {
            return Err(damaged().into());
        }
        let there = || (2..).find(|version| !folder.join(platform_file(*version)).exists());
        let versions =
            about.platform_versions.or_else(|| Some(there()? - 1)).ok_or_else(damaged)?;
        let read = |version| signed_section(&folder.join(platform_file(version)));
        let sections = (1..=versions).map(read).collect::<Result<_, _>>()?;
        let platform = Chain::follow(&Soft, sections);
        // They were verified when the station began.
        let platform = platform.with_context(|| CliError::StationDamaged(folder.to_owned()))?;
        platform.section().require(SectionKind::Platform)?;
        let (folder, catalog, class) = (folder.to_owned(), about.catalog, ClassId(class.0));
        let lot = Self { folder, catalog, class, platform, _lock: lock };
        lot.clear_bench()?;
        // Before a board is written: the list of the lot would leave a finished device out.
        lot.journals()?.iter().try_for_each(|journal| lot.endorsement(journal).map(|_| ()))?;
        Ok(lot)
    }

    pub fn catalog(&self) -> CatalogId {
        self.catalog
    }

    pub fn class(&self) -> ClassId {
        self.class
    }

    /// The first signed platform section, as a blank chip is given it.
    pub fn platform(&self) -> &[u8] {
        self.platform.versions().first().map_or(&[], Vec::as_slice)
    }

    /// The signed platform sections after a version, in their order.
    pub fn successors(&self, version: u64) -> impl Iterator<Item = &[u8]> {
        let known = usize::try_from(version).unwrap_or(usize::MAX);
        self.platform.versions().iter().skip(known).map(Vec::as_slice)
    }

    /// The newest signed platform section, and its digest.
    ///
    /// # Errors
    /// None for what was opened.
    pub fn newest(&self) -> Result<(&[u8], Digest)> {
        let newest = self.platform.versions().last().map_or(&[][..], Vec::as_slice);
        Ok((newest, Signed::parse(newest)?.digest(&Soft)))
    }

    /// The digest of the first section: the platform, for good.
    pub fn genesis(&self) -> Digest {
        self.platform.genesis()
    }

    /// Whether the newest section's root is one for development.
    pub fn is_dev(&self) -> bool {
        self.platform.section().dev
    }

    /// The signed list.
    pub fn file(&self) -> PathBuf {
        self.folder.join(LOT_FILE)
    }

    /// Where the claim code of a device is.
    pub fn claim_code_file(&self, device: DeviceId) -> PathBuf {
        self.device(device).join(CLAIM_CODE_FILE)
    }

    fn device(&self, device: DeviceId) -> PathBuf {
        self.folder.join(DEVICES).join(device.to_string())
    }

    /// Refuses a key that is not the manufacturer's: a chip would take no order of it.
    ///
    /// # Errors
    /// `KeyNotInRole`.
    pub fn check_manufacturer(&self, key: &SoftKey, path: &Path) -> Result<()> {
        let public = key.public_key();
        let section = self.platform.section();
        let known = section.role(Role::Manufacturer).keys().any(|known| known == public);
        if known { Ok(()) } else { Err(CliError::KeyNotInRole(path.display().to_string()).into()) }
    }

    /// The claim code of the board that is in the station: made now, or the one that was there when
    /// the station was killed.
    ///
    /// # Errors
    /// `LotFull`; those of its file.
    pub fn bench_code(&self) -> Result<String> {
        if self.journals()?.len() >= lot::DEVICES_MAX {
            return Err(
                CliError::LotFull { folder: self.folder.clone(), of: lot::DEVICES_MAX }.into()
            );
        }
        if let Some(code) = self.bench_code_of_before()? {
            return Ok(code);
        }
        make_folder(&self.folder.join(BENCH))?;
        let code = fresh_claim_code()?;
        write_secret(&self.folder.join(BENCH).join(CLAIM_CODE_FILE), code.as_bytes())?;
        Ok(code)
    }

    /// The claim code on the bench, if there is one.
    ///
    /// # Errors
    /// Those of its file.
    pub fn bench_code_of_before(&self) -> Result<Option<String>> {
        let file = self.folder.join(BENCH).join(CLAIM_CODE_FILE);
        if !file.exists() {
            return Ok(None);
        }
        Ok(Some(String::from_utf8(read_secret(&file)?).context("the claim code")?))
    }

    /// What is noted of a device.
    ///
    /// # Errors
    /// `StationDamaged`.
    pub fn journal(&self, device: DeviceId) -> Result<Option<Journal>> {
        let folder = self.device(device);
        if folder.exists() { self.read_journal(&folder).map(Some) } else { Ok(None) }
    }

    fn read_journal(&self, folder: &Path) -> Result<Journal> {
        let path = folder.join(JOURNAL_FILE);
        let journal = read_secret(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Ok(journal.ok_or(CliError::StationDamaged(path))?)
    }

    fn journals(&self) -> Result<Vec<Journal>> {
        let folder = self.folder.join(DEVICES);
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        entries.map(|entry| self.read_journal(&entry?.path())).collect()
    }

    /// The board on the bench is this device.
    ///
    /// # Errors
    /// Those of its files.
    pub fn identify(&self, device: DeviceId) -> Result<Journal> {
        let number = self.journals()?.iter().map(|journal| journal.number).max().unwrap_or(0) + 1;
        let device = craton_api::operator::DeviceId(device.0);
        let journal = Journal { device, number, step: Step::Identified };
        let bench = self.folder.join(BENCH).join(JOURNAL_FILE);
        write_secret(&bench, &serde_json::to_vec_pretty(&journal)?)?;
        self.clear_bench()?;
        Ok(journal)
    }

    /// A bench whose board is known becomes the folder of that device.
    fn clear_bench(&self) -> Result<()> {
        let bench = self.folder.join(BENCH);
        if !bench.join(JOURNAL_FILE).exists() {
            return Ok(());
        }
        let journal = self.read_journal(&bench)?;
        let place = self.device(DeviceId(journal.device.0));
        fs::rename(&bench, &place).with_context(|| place.display().to_string())?;
        for folder in [&self.folder, &self.folder.join(DEVICES)] {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Notes that a step is done.
    ///
    /// # Errors
    /// Those of its file.
    pub fn note(&self, journal: &mut Journal, step: Step) -> Result<()> {
        journal.step = step;
        let path = self.device(DeviceId(journal.device.0)).join(JOURNAL_FILE);
        Ok(write_secret(&path, &serde_json::to_vec_pretty(&*journal)?)?)
    }

    /// The claim code of a device.
    ///
    /// # Errors
    /// Those of its file.
    pub fn claim_code(&self, device: DeviceId) -> Result<String> {
        let code = read_secret(&self.claim_code_file(device))?;
        String::from_utf8(code).context("the claim code")
    }

    /// The endorsement of a device, which a finished one has.
    ///
    /// # Errors
    /// `StationDamaged` if it is lost; `FileUnreadable`.
    fn endorsement(&self, journal: &Journal) -> Result<Option<Vec<u8>>, CliError> {
        let file = self.device(DeviceId(journal.device.0)).join(ENDORSEMENT_FILE);
        match (read_if_there(&file)?, journal.step) {
            (None, Step::Listed) => Err(CliError::StationDamaged(file)),
            (kept, _) => Ok(kept),
        }
    }

    /// Keeps a device's endorsement, and signs the list of all that have one. The same devices make
    /// the same bytes.
    ///
    /// # Errors
    /// Those of the files and of the signer.
    pub fn list(&self, device: DeviceId, endorsement: &[u8], manufacturer: &SoftKey) -> Result<()> {
        write_secret(&self.device(device).join(ENDORSEMENT_FILE), endorsement)?;
        let mut rows = Vec::new();
        for journal in self.journals()? {
            if let Some(endorsement) = self.endorsement(&journal)? {
                rows.push((DeviceId(journal.device.0), endorsement));
            }
        }
        rows.sort();
        let rows: Vec<&[u8]> = rows.iter().map(|(_, row)| row.as_slice()).collect();
        let (mut payload, mut object) = (vec![0; PAYLOAD_MAX], vec![0; PAYLOAD_MAX + 1024]);
        let payload = lot::encode(&Soft, &rows, &mut payload)?;
        let signed = signed::seal(&Soft, Kind::Lot, payload, &[manufacturer], &mut object)?;
        Ok(write_secret(&self.file(), signed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;
    use craton_trust::store::{RoleKeysBuilder, SectionBuilder};

    const CATALOG: CatalogId = CatalogId([7; 32]);
    const CLASS: ClassId = ClassId([b'c'; 16]);

    /// Versions of a platform section.
    fn versions(count: u64) -> Vec<Vec<u8>> {
        let root = generate().unwrap();
        let mut section = SectionBuilder::genesis(SectionKind::Platform, true, 9);
        section.set_role(Role::Root, RoleKeysBuilder::of(root.public_key()));
        let sign = |section: &SectionBuilder| {
            let (mut payload, mut object) = (vec![0; 4096], vec![0; 4096]);
            let payload = section.encode(&mut payload).unwrap();
            signed::seal(&Soft, Kind::TrustStore, payload, &[&root], &mut object).unwrap().to_vec()
        };
        let mut versions = vec![sign(&section)];
        section.genesis = Some(Signed::parse(&versions[0]).unwrap().digest(&Soft));
        for version in 2..=count {
            section.version = version;
            versions.push(sign(&section));
        }
        versions
    }

    fn refused(outcome: Result<Lot>) -> CliError {
        outcome.err().unwrap().downcast().unwrap()
    }

    #[test]
    fn a_station_has_the_versions_that_it_began_with_and_no_other_ones() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |versions: &[Vec<u8>]| Lot::begin(folder.path(), CATALOG, CLASS, versions);
        begin(&versions(3)).unwrap();
        // Cut before its settings were written, and begun again with another platform.
        let about = folder.path().join(ABOUT_FILE);
        fs::remove_file(&about).unwrap();
        let chain = versions(2);
        begin(&chain).unwrap();
        let lot = Lot::open(folder.path()).unwrap();
        assert_eq!(lot.successors(0).collect::<Vec<_>>(), chain);
        drop(lot);
        // Fewer than it began with: keys that are gone would count again.
        for version in [1, 2] {
            let lost = folder.path().join(platform_file(version));
            fs::rename(&lost, folder.path().join("away")).unwrap();
            let refused = self::refused(Lot::open(folder.path()));
            assert!(matches!(&refused, CliError::StationDamaged(path) if *path == lost));
            let away = folder.path().join("away");
            let mut damaged = fs::read(&away).unwrap();
            damaged[40] ^= 1;
            write_secret(&lost, &damaged).unwrap();
            let refused = self::refused(Lot::open(folder.path()));
            assert!(matches!(&refused, CliError::StationDamaged(path) if path == folder.path()));
            fs::rename(away, &lost).unwrap();
        }
        // A station of an earlier build takes what is there.
        fs::remove_file(folder.path().join(platform_file(3))).unwrap();
        let text = fs::read_to_string(&about).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.as_object_mut().unwrap().remove("platform_versions").unwrap();
        fs::write(&about, json.to_string()).unwrap();
        assert_eq!(Lot::open(folder.path()).unwrap().successors(0).count(), 2);
    }

    #[test]
    fn a_station_that_made_devices_and_lost_its_settings_is_station_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let begin = || Lot::begin(folder.path(), CATALOG, CLASS, &versions(1));
        begin().unwrap();
        Lot::open(folder.path()).unwrap().bench_code().unwrap();
        fs::remove_file(folder.path().join(ABOUT_FILE)).unwrap();
        let lost = |outcome: Result<()>| {
            matches!(outcome.unwrap_err().downcast().unwrap(), CliError::StationDamaged(_))
        };
        assert!(lost(begin()), "a board's claim code is on the bench");
        let device = folder.path().join(DEVICES).join("00");
        fs::rename(folder.path().join(BENCH), device).unwrap();
        assert!(lost(begin()), "a device was made");
    }
}
