//! Package files, without the service: pack, sign, show, verify.

use crate::believed;
use crate::error::CliError;
use crate::home::{CatalogFolder, read_file, write_file};
use crate::keys;
use crate::output::{Output, date, hex, moment};
use crate::signer::{AnySigner, add_signatures, check_distinct, sign_package};
use anyhow::Result;
use craton_image::pack::{Facts, Packed};
use craton_image::package::{Package, Unsigned, sha256};
use craton_image::sbom::{Component, components_of_lock, cyclonedx};
use craton_trust::soft::Soft;
use craton_trust::store::{Role, RoleKeysBuilder, SectionKind};
use craton_trust::suit::{self, Image, ImageType};
use craton_trust::{ClassId, Digest};
use serde::Serialize;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What `image pack` is told.
#[derive(clap::Args)]
pub struct Pack {
    /// The app's folder, with app_manifest.json
    folder: PathBuf,
    /// The version that people read, such as 1.0.2
    #[arg(long)]
    version: String,
    /// The folder that the package and its bill of materials go into; otherwise this one
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What anti-rollback compares: raise it when an older version must never run again
    #[arg(long, default_value_t = 1)]
    security_version: u64,
    /// Informational order of publishing
    #[arg(long, default_value_t = 1)]
    sequence: u64,
    /// Who makes it: at most 16 bytes
    #[arg(long, default_value = "local", value_parser = sixteen)]
    vendor: Sixteen,
    /// The class of devices it is for: at most 16 bytes
    #[arg(long, default_value = "craton/virtual-1", value_parser = sixteen)]
    class: Sixteen,
    /// Until when it is supported, such as 2031-12-31
    #[arg(long, value_name = "DATE", default_value = "2031-12-31", value_parser = date)]
    support_until: u64,
    /// A Cargo.lock whose packages go into the bill of materials
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// The app's licence, as an SPDX expression
    #[arg(long)]
    licence: Option<String>,
    /// A CycloneDX file of your own, in place of the one that is written
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lock", "licence"])]
    sbom: Option<PathBuf>,
}

/// A name of at most 16 bytes, with zeros behind.
#[derive(Clone, Copy)]
pub struct Sixteen(pub [u8; 16]);

/// Reads one.
///
/// # Errors
/// For no byte, and for more than 16.
pub fn sixteen(text: &str) -> Result<Sixteen, String> {
    let mut bytes = [0; 16];
    let room = bytes.get_mut(..text.len()).filter(|room| !room.is_empty());
    room.ok_or("1 to 16 bytes are wanted")?.copy_from_slice(text.as_bytes());
    Ok(Sixteen(bytes))
}

impl fmt::Display for Sixteen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let shown = self.0.get(..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        f.write_str(&shown.map_or_else(|| hex(&self.0), str::to_owned))
    }
}

/// What a package file says of itself.
#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    /// `None` before it is signed.
    id: Option<String>,
    name: String,
    version: String,
    component: String,
    image_type: &'static str,
    vendor: String,
    class: String,
    sequence: u64,
    security_version: u64,
    payload: String,
    payload_size: u64,
    sbom: String,
    support_until_s: u64,
}

/// Packs a folder: an unsigned package, and its bill of materials beside it, whose digest the
/// manifest names.
///
/// # Errors
/// The packer's with line, column and number; `FileUnreadable`, `FileNotWritten`.
pub fn pack(with: &Pack, out: Output) -> Result<()> {
    let packed = Packed::of(&with.folder)?;
    let name = &packed.manifest.name;
    let stem = format!("{}-{}", plain(name), plain(&with.version));
    let sbom = match &with.sbom {
        Some(file) => read_file(file)?,
        None => bill_of_materials(with, &packed)?,
    };
    let facts = Facts {
        version: with.version.clone(),
        security_version: with.security_version,
        sequence: with.sequence,
        vendor: with.vendor.0,
        class: ClassId(with.class.0),
        sbom: sha256(&sbom),
        support_until: with.support_until,
    };
    let image = packed.image(&facts)?;
    let unsigned = Unsigned::of(packed.payload.clone(), &image)?;
    let folder = with.out.clone().unwrap_or_default();
    if with.out.is_some() {
        crate::home::make_folder(&folder)?;
    }
    let sbom_path = folder.join(format!("{stem}.cdx.json"));
    write_file(&sbom_path, &sbom)?;
    let path = folder.join(format!("{stem}.unsigned"));
    write_file(&path, &unsigned.to_bytes())?;
    show_image(&path, None, &unsigned.image()?, out);
    out.next(&[&format!("craton image sign {}", path.display())]);
    Ok(())
}

/// A name as part of a file's name.
fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

fn bill_of_materials(with: &Pack, packed: &Packed) -> Result<Vec<u8>> {
    let name = packed.manifest.name.clone();
    let parts = match &with.lock {
        None => Vec::new(),
        Some(file) => {
            let text = String::from_utf8_lossy(&read_file(file)?).into_owned();
            components_of_lock(&text, &name)?
        }
    };
    let app = Component {
        name,
        version: with.version.clone(),
        purl: None,
        sha256: Some(sha256(&packed.payload)),
        licence: with.licence.clone(),
    };
    Ok(cyclonedx(&app, &parts))
}

/// Signs an unsigned file, or adds to what signed a package before: those signatures hold as they
/// did. `anew` drops them. A package is replaced by itself alone: any other file that is there may
/// have signatures for which leaves were spent.
///
/// # Errors
/// Those of the file and of the keys; `SignerRepeated`, `FileExists`, before any key signs;
/// `FileNotWritten`.
pub fn sign(
    file: &Path,
    keys: &[AnySigner],
    anew: bool,
    to: Option<&Path>,
    out: Output,
) -> Result<()> {
    check_distinct(keys)?;
    let to = to.map_or_else(|| file.with_extension("image"), Path::to_owned);
    if to.exists() && !is_same_file(file, &to) {
        return Err(CliError::FileExists(to).into());
    }
    let bytes = read_file(file)?;
    let package = match (Unsigned::parse(&bytes), Package::parse(&bytes)) {
        (Ok(unsigned), _) => sign_package(unsigned, keys)?,
        (_, Ok(signed)) if anew => {
            sign_package(Unsigned::of(signed.payload().to_vec(), &signed.image()?.1)?, keys)?
        }
        (_, Ok(signed)) => add_signatures(signed, keys)?,
        (Err(error), Err(_)) => return Err(error.into()),
    };
    let (id, image) = package.image()?;
    write_file(&to, &package.to_bytes())?;
    show_image(&to, Some(id.to_string()), &image, out);
    let to = to.display();
    out.next(&[&format!("craton image upload {to}"), &format!("craton image-set create {to}")]);
    Ok(())
}

/// Whether both paths lead to one file that is there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let paths = std::fs::canonicalize(one).ok().zip(std::fs::canonicalize(other).ok());
    paths.is_some_and(|(one, other)| one == other)
}

/// Reads a package file.
///
/// # Errors
/// `FileUnreadable`, `PackageUnsigned`, and those of [`Package::parse`].
pub fn read(file: &Path) -> Result<Package> {
    let bytes = read_file(file)?;
    match Package::parse(&bytes) {
        Ok(package) => Ok(package),
        Err(_) if Unsigned::parse(&bytes).is_ok() => {
            Err(CliError::PackageUnsigned(file.to_owned()).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows what a file says of itself; nothing of it is believed.
///
/// # Errors
/// As [`Package::parse`].
pub fn show(file: &Path, out: Output) -> Result<()> {
    let bytes = read_file(file)?;
    if let Ok(unsigned) = Unsigned::parse(&bytes) {
        show_image(file, None, &unsigned.image()?, out);
        return Ok(());
    }
    let package = Package::parse(&bytes)?;
    let (id, image) = package.image()?;
    show_image(file, Some(id.to_string()), &image, out);
    Ok(())
}

/// By what a package is verified.
pub enum By {
    /// A publisher's public key, named as [`keys::public_key`] reads it.
    Key(String),
    /// The trust store of a catalog that was seen last.
    Seen(CatalogFolder),
}

/// Verifies a package, and a bill of materials, if one is given.
///
/// # Errors
/// Those of [`suit::verify`]; `FileUnreadable`, `MemoryDamaged`.
pub fn verify(file: &Path, by: &By, sbom: Option<&Path>, out: Output) -> Result<()> {
    let package = read(file)?;
    let role = match by {
        By::Key(named) => RoleKeysBuilder::of(keys::public_key(named)?),
        By::Seen(folder) => {
            let path = folder.owner_path();
            let kept = believed::remembered(&path, SectionKind::Owner)?;
            let none = || CliError::FileUnreadable(path, ErrorKind::NotFound.into());
            kept.ok_or_else(none)?.section().role(Role::Publisher).into()
        }
    };
    let image = suit::verify(&Soft, role.role_keys(), package.envelope())?;
    image.check_payload(&sha256(package.payload()), package.payload().len() as u64)?;
    let other = |sbom: &&Path| read_file(sbom).map(|bytes| sha256(&bytes) != image.sbom);
    if let Some(sbom) = sbom
        && other(&sbom)?
    {
        return Err(CliError::SbomOther(sbom.to_owned()).into());
    }
    show_image(file, Some(Digest(package.image()?.0.0).to_string()), &image, out);
    out.done("verified");
    Ok(())
}

fn show_image(file: &Path, id: Option<String>, image: &Image<'_>, out: Output) {
    let text = |bytes: &[u8; 16]| Sixteen(*bytes).to_string();
    let shown = Shown {
        file: file.to_owned(),
        id,
        name: image.name.to_owned(),
        version: image.version.to_owned(),
        component: hex(&image.component.0),
        image_type: match image.image_type {
            ImageType::Application => "application",
            ImageType::RootOfTrust => "root of trust",
            ImageType::Runtime => "runtime",
            ImageType::Recovery => "recovery of a root of trust",
        },
        vendor: text(&image.vendor),
        class: text(&image.class.0),
        sequence: image.sequence,
        security_version: image.security_version,
        payload: image.payload.to_string(),
        payload_size: image.payload_size,
        sbom: image.sbom.to_string(),
        support_until_s: image.support_until,
    };
    let fields = [
        ("file", shown.file.display().to_string()),
        ("id", shown.id.clone().unwrap_or_else(|| "not signed yet".into())),
        ("name", shown.name.clone()),
        ("version", shown.version.clone()),
        ("component", shown.component.clone()),
        ("type", shown.image_type.into()),
        ("vendor", shown.vendor.clone()),
        ("class", shown.class.clone()),
        ("security version", shown.security_version.to_string()),
        ("payload", format!("{} ({} bytes)", shown.payload, shown.payload_size)),
        ("sbom", shown.sbom.clone()),
        ("supported until", moment(shown.support_until_s)),
    ];
    out.one(&shown, &fields);
}
