//! A TPM 2.0 in a process of its own, for a machine that has none to spare: swtpm.
//!
//! Its state is a folder, which outlives it. What it keeps, whoever reads that folder has: it is
//! for looking around, and its endorsement key is of no maker.

use crate::error::CliError;
use crate::home::make_folder;
use anyhow::Result;
use craton_rot::tpm2::Address;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SWTPM: &str = "swtpm";
/// How long it may take to open its socket.
const OPENS_WITHIN: Duration = Duration::from_secs(30);
/// The longest path of a socket (`sockaddr_un`, Linux).
const SOCKET_PATH_MAX: usize = 107;
/// What the name of the second socket ends in, which tpm2-tools want.
const CTRL: &str = ".ctrl";

/// A TPM that runs; it ends with this value.
pub struct Swtpm {
    process: Child,
    socket: PathBuf,
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

impl Swtpm {
    /// Starts one in a folder, as a machine does that gets power.
    ///
    /// # Errors
    /// `ToolMissing`, `ToolFailed`, `BoardPath`, `StepLate`; those of files.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::run(SWTPM, folder)
    }

    fn run(program: &'static str, folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        let folder = fs::canonicalize(folder)?;
        let socket = folder.join("socket");
        // The one for tools has a longer name.
        if socket.as_os_str().len() + CTRL.len() > SOCKET_PATH_MAX {
            return Err(CliError::BoardPath(socket).into());
        }
        let _ = fs::remove_file(&socket);
        let started = Command::new(program)
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.display())])
            .args(["--server", &format!("type=unixio,path={}", socket.display())])
            .args(["--ctrl", &format!("type=unixio,path={}{CTRL}", socket.display())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("swtpm.log"))?)
            .spawn();
        let mend = "Install it: apt install swtpm";
        let missing = |source| CliError::ToolMissing { tool: SWTPM, mend, source };
        let mut swtpm = Self { process: started.map_err(missing)?, socket };
        let until = Instant::now() + OPENS_WITHIN;
        while !swtpm.socket.exists() {
            if swtpm.process.try_wait()?.is_some() {
                let said = fs::read_to_string(folder.join("swtpm.log")).unwrap_or_default();
                return Err(CliError::ToolFailed { tool: SWTPM, mend, said }.into());
            }
            if Instant::now() > until {
                let (what, seconds) = ("the TPM's socket".to_owned(), OPENS_WITHIN.as_secs());
                return Err(CliError::StepLate { what, seconds }.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(swtpm)
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        Address::Unix(self.socket.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &'static str, folder: &Path) -> CliError {
        Swtpm::run(program, folder).err().unwrap().downcast().unwrap()
    }

    #[test]
    fn a_machine_without_swtpm_is_told_what_to_install_tool_missing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = refused("swtpm-is-not-here", folder.path());
        assert!(matches!(missing, CliError::ToolMissing { .. }));
        assert!(missing.to_string().contains("apt install swtpm"), "{missing}");
    }

    #[test]
    fn a_tpm_that_does_not_start_says_why_and_a_deep_folder_is_board_path() {
        let folder = tempfile::tempdir().unwrap();
        // Options of another program: it ends at once.
        let failed = refused("false", folder.path());
        assert!(matches!(failed, CliError::ToolFailed { .. }), "{failed}");
        let deep = folder.path().join("t".repeat(SOCKET_PATH_MAX));
        assert!(matches!(refused(SWTPM, &deep), CliError::BoardPath(_)));
    }
}
