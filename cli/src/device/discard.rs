//! `craton device discard`: takes a root of trust out of a TPM, so that another device can be made
//! in it.

use crate::error::CliError;
use crate::home::Home;
use crate::output::Output;
use crate::session::Options;
use crate::tpm_error::TpmError;
use crate::virtual_device::CLAIM_CODE_FILE;
use anyhow::Result;
use craton_device::folder::ENDORSEMENT_FILE;
use craton_device::rot::Place;
use craton_device::tpm;
use craton_rot::{Error, tpm2};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is discarded.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Discard {
    /// The device's name on this machine: its root of trust goes, and no other
    name: Option<String>,
    /// Or its folder
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Or a TPM, for want of the folder: whatever device is in it is lost
    #[arg(long, value_name = "ADDRESS")]
    erase_tpm: Option<tpm2::Address>,
}

/// Does it.
///
/// # Errors
/// `NotInTpm`, `TpmOccupied`, `StorageLocked`, and the TPM's.
pub fn run(with: &Discard, options: &Options) -> Result<()> {
    let out = Output::new(options.json);
    let folder = match (&with.erase_tpm, &with.folder, &with.name) {
        (Some(address), ..) => {
            tpm::erase(address)?;
            out.done(&format!("no root of trust of craton is in the TPM {address}: {LOST}"));
            return Ok(());
        }
        (None, Some(folder), _) => folder.clone(),
        (None, None, name) => Home::of_user()?.device(name.as_deref().unwrap_or_default()),
    };
    let address = match Place::of(&folder) {
        Ok(Place::Tpm(address)) => address,
        // One that was cut before it noted where.
        Err(Error::StorageMissing) if folder.join(tpm::STATE_FILE).exists() => {
            tpm2::Address::default()
        }
        _ => return Err(CliError::from(TpmError::NotInTpm(folder)).into()),
    };
    tpm::discard(&folder, &address)?;
    forget(&folder)?;
    out.done(&format!("the root of trust of {} is gone: {LOST}", folder.display()));
    out.next(&["craton device retire DEVICE", "craton device manufacture NAME --rot tpm"]);
    Ok(())
}

/// Removes what belonged to the device that is gone: it would be taken for the next one's. The
/// claim code goes first: with an endorsement beside it, it would be taken again.
fn forget(folder: &Path) -> Result<(), CliError> {
    let approvals = folder.join(tpm::APPROVALS);
    let files = [CLAIM_CODE_FILE, ENDORSEMENT_FILE].map(|name| folder.join(name));
    let files = files.into_iter().map(|path| (fs::remove_file(&path), path));
    for (removed, path) in files.chain([(fs::remove_dir_all(&approvals), approvals)]) {
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(CliError::FileNotWritten(path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is said of it.
const LOST: &str = "its identity and all that it sealed are lost for ever";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_tpm_is_not_in_tpm_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let with = Discard { name: None, folder: Some(folder.path().into()), erase_tpm: None };
        let options = Options { json: true, wanted_catalog: None };
        let refused = run(&with, &options).unwrap_err().downcast().unwrap();
        assert!(matches!(refused, CliError::Tpm(TpmError::NotInTpm(_))), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
