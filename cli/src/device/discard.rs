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
use craton_device::{monitor, tpm};
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
/// `NotInTpm`, `TpmNotNamed`, `DeviceRuns`, `TpmOccupied`, `StorageLocked`, and the TPM's.
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
    is_in_tpm(&folder)?;
    let _alone = monitor::alone(&folder)?;
    let taken_out = tpm::take_out(&folder)?;
    forget(&folder)?;
    taken_out.forget()?; // from here on there is no device in the folder
    out.done(&format!("the root of trust of {} is gone: {LOST}", folder.display()));
    out.next(&["craton device retire DEVICE", "craton device manufacture NAME --rot tpm"]);
    Ok(())
}

/// Whether the folder names a TPM: no other one is touched.
///
/// # Errors
/// `NotInTpm`, `TpmNotNamed`, and those of the line that names one.
pub fn is_in_tpm(folder: &Path) -> Result<()> {
    let not = match Place::of(folder) {
        Ok(Place::Tpm(_)) => return Ok(()),
        // One that was cut before it noted where.
        Err(Error::StorageMissing) if folder.join(tpm::STATE_FILE).exists() => {
            TpmError::TpmNotNamed(folder.to_owned())
        }
        Ok(_) | Err(Error::StorageMissing) => TpmError::NotInTpm(folder.to_owned()),
        Err(error) => return Err(error.into()),
    };
    Err(CliError::from(not).into())
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
    use craton_device::monitor::MonitorError;
    use craton_device::rot::PLACE_FILE;

    fn refused(folder: &Path) -> anyhow::Error {
        let with = Discard { name: None, folder: Some(folder.into()), erase_tpm: None };
        run(&with, &Options { json: true, wanted_catalog: None }).unwrap_err()
    }

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_folder_without_a_tpm_is_not_in_tpm_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let error = refused(folder.path()).downcast().unwrap();
        assert!(matches!(error, CliError::Tpm(TpmError::NotInTpm(_))), "{error}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_that_names_no_tpm_is_tpm_not_named_and_no_tpm_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(tpm::STATE_FILE), b"sealed").unwrap();
        let error = refused(folder.path()).downcast().unwrap();
        assert!(matches!(error, CliError::Tpm(TpmError::TpmNotNamed(_))), "{error}");
        assert_eq!(names(folder.path()), [tpm::STATE_FILE]);
        // A line that does not read names none, either.
        fs::write(folder.path().join(PLACE_FILE), b"tpm nowhere").unwrap();
        assert_eq!(refused(folder.path()).downcast().ok(), Some(Error::TpmAddress));
    }

    #[test]
    fn a_device_that_runs_is_device_runs_and_its_tpm_is_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = tpm2::Address::Unix(folder.path().join("nobody"));
        Place::Tpm(nowhere).note(folder.path()).unwrap();
        let running = monitor::alone(folder.path()).unwrap();
        let error = refused(folder.path()).downcast().unwrap();
        assert!(matches!(error, MonitorError::DeviceRuns(_)), "{error}");
        drop(running);
        assert_eq!(refused(folder.path()).downcast().ok(), Some(Error::TpmUnreachable));
        assert!(folder.path().join(PLACE_FILE).exists());
    }
}
