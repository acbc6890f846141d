//! What a station keeps: its settings, the board that is in it, its devices, and the signed list of
//! them.
//!
//! ```text
//! station.json      catalog and class
//! platform.section  the first version of the platform section; later ones are platform-2.section
//!                   and so on
//! bench/            claim-code of the board that is in it, until its identity is known
//! devices/ID/       claim-code, journal.json, endorsement.cbor
//! devices.lot       the signed list
//! ```
//!
//! A board has no name before it has an identity. So its claim code is made first, on the bench;
//! the rename of the bench to the folder of its device is the write that commits whose it is.

use crate::believed;
use crate::error::CliError;
use crate::home::{make_folder, read_file, read_secret, write_secret};
use crate::package_file::{Sixteen, sixteen};
use crate::virtual_device::{CLAIM_CODE_FILE, fresh_claim_code};
use anyhow::{Context as _, Result};
use craton_api::operator::CatalogId;
use craton_device::folder::ENDORSEMENT_FILE;
use craton_trust::cose::Kind;
use craton_trust::crypto::Signer as _;
use craton_trust::signed::{self, PAYLOAD_MAX};
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::store::{KeptSection, Role, SectionKind};
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

/// Whose devices a station makes, and of which class.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    format: String,
    catalog: CatalogId,
    class: String,
}

impl About {
    /// Those of a new station.
    pub fn new(catalog: CatalogId, class: ClassId) -> Self {
        Self { format: FORMAT.into(), catalog, class: Sixteen(class.0).to_string() }
    }
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
    /// All versions of the platform section, signed.
    platform: Vec<Vec<u8>>,
    /// The newest of them, and the digest of the first.
    section: KeptSection<Vec<u8>>,
    genesis: Digest,
    _lock: File,
}

impl Lot {
    /// Whether a station was begun in a folder.
    pub fn is_begun(folder: &Path) -> bool {
        folder.join(ABOUT_FILE).exists()
    }

    /// Begins a station; its settings are written last.
    ///
    /// # Errors
    /// `FolderRefused`, `FileNotWritten`.
    pub fn begin(folder: &Path, about: &About, platform: &[Vec<u8>]) -> Result<()> {
        make_folder(folder)?;
        make_folder(&folder.join(DEVICES))?;
        for (version, section) in (1..).zip(platform) {
            write_secret(&folder.join(platform_file(version)), section)?;
        }
        Ok(write_secret(&folder.join(ABOUT_FILE), &serde_json::to_vec_pretty(about)?)?)
    }

    /// Opens a station, and finishes what a kill left between two renames.
    ///
    /// # Errors
    /// `StationRuns`, `StationDamaged`; those of its files, and of the platform section.
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
        let mut platform = vec![read_secret(&folder.join(PLATFORM_FILE))?];
        let later = (2..).map(|version| folder.join(platform_file(version)));
        for file in later.take_while(|file| file.exists()) {
            platform.push(read_secret(&file)?);
        }
        let (section, genesis) = believed::followed(&platform)?;
        if section.section().kind != SectionKind::Platform {
            return Err(craton_rot::Error::Trust(craton_trust::Error::SectionKind).into());
        }
        let (folder, catalog, class) = (folder.to_owned(), about.catalog, ClassId(class.0));
        let lot = Self { folder, catalog, class, platform, section, genesis, _lock: lock };
        lot.clear_bench()?;
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
        self.platform.first().map_or(&[], Vec::as_slice)
    }

    /// The signed platform sections after a version, in their order.
    pub fn successors(&self, version: u64) -> impl Iterator<Item = &[u8]> {
        let known = usize::try_from(version).unwrap_or(usize::MAX);
        self.platform.iter().skip(known).map(Vec::as_slice)
    }

    /// The newest signed platform section, and its digest.
    ///
    /// # Errors
    /// None for what was opened.
    pub fn newest(&self) -> Result<(&[u8], Digest)> {
        let newest = self.platform.last().map_or(&[][..], Vec::as_slice);
        Ok((newest, Signed::parse(newest)?.digest(&Soft)))
    }

    /// The digest of the first section: the platform, for good.
    pub fn genesis(&self) -> Digest {
        self.genesis
    }

    /// Whether the newest section's root is one for development.
    pub fn is_dev(&self) -> bool {
        self.section.section().dev
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
        let section = self.section.section();
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

    /// Keeps a device's endorsement, and signs the list of all that have one. The same devices make
    /// the same bytes.
    ///
    /// # Errors
    /// Those of the files and of the signer.
    pub fn list(&self, device: DeviceId, endorsement: &[u8], manufacturer: &SoftKey) -> Result<()> {
        write_secret(&self.device(device).join(ENDORSEMENT_FILE), endorsement)?;
        let mut rows = Vec::new();
        for journal in self.journals()? {
            let device = DeviceId(journal.device.0);
            let file = self.device(device).join(ENDORSEMENT_FILE);
            if file.exists() {
                rows.push((device, read_file(&file)?));
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
