//! `craton key`: key files of people and machines that hold no catalog: an approver's, a build
//! machine's.

use crate::error::CliError;
use crate::home::{Home, write_new_file};
use crate::image::catalog_in_use;
use crate::keys::{self, AnyKey, Unlock};
use crate::lms::{self, LmsKey, Record};
use crate::output::{Output, hex};
use crate::platform::HybridRole;
use crate::session::Options;
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_trust::crypto::Signer as _;
use craton_trust::key::LmsPublicKey;
use craton_trust::lms::LEAVES;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is done with key files.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key under a passphrase, and beside it a .pub file with its public key
    Create {
        /// The new key file
        #[arg(required_unless_present = "role")]
        file: Option<PathBuf>,
        /// Or: among the keys of the catalog in use, as the LMS key of this role
        #[arg(long = "for", value_enum, conflicts_with_all = ["file", "algorithm"])]
        role: Option<HybridRole>,
        /// What it signs by; `lms` is for a platform's root and publisher, beside ES256
        #[arg(long, value_enum, default_value = "es256")]
        algorithm: Algorithm,
        /// In the clear, for development
        #[arg(long)]
        dev: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Show the public key of a key file, and the leaves left of one of LMS; needs no passphrase
    Show {
        /// The key file
        file: PathBuf,
    },
    /// Take an LMS key file that was moved here, or a copy, as the only one that signs from now on
    Adopt {
        /// The key file
        file: PathBuf,
        /// The leaf that signs next: past every one that ever signed
        #[arg(long, value_name = "LEAF", value_parser = clap::value_parser!(u32).range(..=1024))]
        next: Option<u32>,
        #[command(flatten)]
        unlock: Unlock,
    },
}

/// What a key signs by.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algorithm {
    /// ECDSA on P-256
    Es256,
    /// Hashes alone: 1024 signatures, and never two by one leaf
    Lms,
}

#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    algorithm: &'static str,
    public_key: String,
    key_id: String,
    /// `None` of a key of another algorithm, and of a public key alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaves: Option<Leaves>,
}

/// What is left of an LMS key.
#[derive(Serialize)]
struct Leaves {
    next: u32,
    left: u32,
    /// The leaf that was next when the key signed on this machine last.
    next_here: Option<u32>,
}

/// Does it.
///
/// # Errors
/// `FileExists`, `FileNotWritten`, `KeyNamePublic`, `SigningKeyDamaged`, those of the passphrase,
/// and of [`LmsKey::adopt`].
pub fn run(command: &Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Create { file, role, algorithm, dev, unlock } => {
            let file = &place(file.as_ref(), *role, options)?;
            let public = public_place(file)?;
            let algorithm = role.map_or(*algorithm, |_| Algorithm::Lms);
            let passphrase = match dev {
                true => None,
                false => Some(unlock.new_passphrase(&file.display().to_string())?),
            };
            let key = match algorithm {
                Algorithm::Es256 => {
                    let key = keys::generate()?;
                    keys::write(file, &key, passphrase.as_ref())?;
                    AnyKey::Es256(key.public_key())
                }
                Algorithm::Lms => {
                    let records = Home::of_user()?.lms_records();
                    AnyKey::Lms(LmsKey::create(file, passphrase.as_ref(), &records)?)
                }
            };
            write_new_file(&public, key.to_hex().as_bytes())?;
            show(file, out)?;
            next(key, &public, *role, out);
        }
        Command::Show { file } => show(file, out)?,
        Command::Adopt { file, next, unlock } => {
            let key = LmsKey::open(file, unlock, &Home::of_user()?.lms_records())?;
            key.adopt(*next)?;
            show(file, out)?;
        }
    }
    Ok(())
}

/// Where a new key goes.
fn place(file: Option<&PathBuf>, role: Option<HybridRole>, options: &Options) -> Result<PathBuf> {
    match (file, role) {
        (_, Some(role)) => {
            let (home, catalog) = catalog_in_use(options)?;
            Ok(role.lms_path(&home.catalog(catalog)))
        }
        (Some(file), None) => Ok(file.clone()),
        (None, None) => Err(CliError::CatalogUnchosen.into()), // the words say one of them
    }
}

/// Where the public key of a new key goes: somebody may know another key by a file that is there.
fn public_place(file: &Path) -> Result<PathBuf, CliError> {
    let public = file.with_extension("pub");
    if public == file {
        return Err(CliError::KeyNamePublic(public));
    }
    if public.exists() { Err(CliError::FileExists(public)) } else { Ok(public) }
}

fn next(key: AnyKey, public: &Path, role: Option<HybridRole>, out: Output) {
    let public = public.display();
    let role = match role {
        Some(HybridRole::Root) => "root",
        _ => "publisher",
    };
    match key {
        AnyKey::Es256(_) => out.next(&[&format!(
            "give {public} to the catalog's owner, for: craton catalog create --approver"
        )]),
        AnyKey::Lms(_) => {
            out.done(
                "\nKeep one file of this key: who signs with a copy signs by the same leaves, and \
                 two signatures by one leaf let others forge.",
            );
            let add = format!("--add {role}={public}");
            out.next(&[&format!("craton trust-store propose --section platform {add}")]);
        }
    }
}

fn show(file: &Path, out: Output) -> Result<()> {
    let key = keys::any_public_key(&file.display().to_string())?;
    let leaves = match key {
        AnyKey::Lms(key) => leaves(file, &key)?,
        AnyKey::Es256(_) => None,
    };
    let algorithm = match key {
        AnyKey::Es256(_) => "ES256",
        AnyKey::Lms(_) => "HSS/LMS, SHA-256/192, 1024 leaves, digits of 4 bits",
    };
    let (public_key, key_id) = (key.to_hex(), hex(&key.key_id()));
    let shown = Shown { file: file.to_owned(), algorithm, public_key, key_id, leaves };
    let mut fields = vec![
        ("file", shown.file.display().to_string()),
        ("algorithm", algorithm.into()),
        ("public key", shown.public_key.clone()),
        ("key id", shown.key_id.clone()),
    ];
    if let Some(Leaves { next, left, next_here }) = &shown.leaves {
        let here = next_here.map_or("it never signed".into(), |next| format!("{next} was next"));
        fields.extend([
            ("next leaf", next.to_string()),
            ("leaves left", format!("{left} of {LEAVES}")),
            ("on this machine", here),
        ]);
    }
    out.one(&shown, &fields);
    Ok(())
}

/// The count of a key file; `None` for a file that has the public key alone.
fn leaves(file: &Path, key: &LmsPublicKey) -> Result<Option<Leaves>> {
    let Ok(kept) = lms::read(file) else { return Ok(None) };
    let next = kept.next_leaf();
    let next_here = Record::of(key, &Home::of_user()?.lms_records()).next_leaf()?;
    Ok(Some(Leaves { next, left: LEAVES.saturating_sub(next), next_here }))
}
