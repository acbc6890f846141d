//! `craton key`: key files of people and machines that hold no catalog: an approver's, a build
//! machine's.

use crate::home::write_file;
use crate::keys::{self, Unlock};
use crate::output::{Output, hex};
use crate::session::Options;
use anyhow::Result;
use clap::Subcommand;
use craton_trust::PublicKey;
use craton_trust::crypto::Signer as _;
use craton_trust::soft::Soft;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is done with key files.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key under a passphrase, and beside it a .pub file with its public key
    Create {
        /// The new key file
        file: PathBuf,
        /// In the clear, for development
        #[arg(long)]
        dev: bool,
        #[command(flatten)]
        unlock: Unlock,
    },
    /// Show the public key of a key file; needs no passphrase
    Show {
        /// The key file
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Shown {
    file: PathBuf,
    public_key: String,
    key_id: String,
}

/// Does it.
///
/// # Errors
/// `FileExists`, `FileNotWritten`, `SigningKeyDamaged`, and those of the passphrase.
pub fn run(command: &Command, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    match command {
        Command::Create { file, dev, unlock } => {
            let passphrase = match dev {
                true => None,
                false => Some(unlock.new_passphrase(&file.display().to_string())?),
            };
            let key = keys::generate()?;
            keys::write(file, &key, passphrase.as_ref())?;
            let public = file.with_extension("pub");
            write_file(&public, hex(&key.public_key().0).as_bytes())?;
            show(file, key.public_key(), out);
            out.next(&[&format!(
                "give {} to the catalog's owner, for: craton catalog create --approver",
                public.display()
            )]);
        }
        Command::Show { file } => {
            show(file, keys::public_key(&file.display().to_string())?, out);
        }
    }
    Ok(())
}

fn show(file: &Path, key: PublicKey, out: Output) {
    let (public_key, key_id) = (hex(&key.0), hex(&key.key_id(&Soft)));
    let shown = Shown { file: file.to_owned(), public_key, key_id };
    let fields = [
        ("file", shown.file.display().to_string()),
        ("public key", shown.public_key.clone()),
        ("key id", shown.key_id.clone()),
    ];
    out.one(&shown, &fields);
}
