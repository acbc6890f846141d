//! A TPM in a process of its own: swtpm, behind a socket in a folder that goes with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where swtpm keeps what survives a reset.
const STATE: &str = "tpm2-00.permall";
const START_TIME_MAX: Duration = Duration::from_secs(30);

pub struct Swtpm {
    pub folder: tempfile::TempDir,
    process: Child,
}

impl Swtpm {
    /// A TPM that nobody used before.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::run(folder.path());
        let swtpm = Self { folder, process };
        swtpm.wait();
        swtpm
    }

    /// Another TPM in the same state, beside a device in the same state.
    pub fn duplicate(&mut self) -> Self {
        self.stop();
        let folder = tempfile::tempdir().unwrap();
        for name in [STATE, "device/rot"] {
            let to = folder.path().join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            // A device that is not made yet has no file.
            let _ = std::fs::copy(self.folder.path().join(name), to);
        }
        let process = Self::run(folder.path());
        let swtpm = Self { folder, process };
        swtpm.wait();
        swtpm
    }

    fn run(folder: &std::path::Path) -> Child {
        let at = |name: &str| folder.join(name).display().to_string();
        Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .args(["--tpmstate", &format!("dir={}", folder.display())])
            .args(["--server", &format!("type=unixio,path={}", at("socket"))])
            .args(["--ctrl", &format!("type=unixio,path={}", at("socket.ctrl"))])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is not here: `cargo xtask test` installs it, or apt-get install swtpm")
    }

    fn wait(&self) {
        let until = Instant::now() + START_TIME_MAX;
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < until, "swtpm did not open its socket");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Where a device of this TPM lives.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("device/rot")
    }

    /// Takes the TPM's power away and gives it back: what it holds in memory is gone.
    pub fn power_cycle(&mut self) {
        self.stop();
        std::fs::remove_file(self.socket()).unwrap();
        std::fs::remove_file(self.folder.path().join("socket.ctrl")).unwrap();
        self.process = Self::run(self.folder.path());
        self.wait();
    }

    fn stop(&mut self) {
        // It may be stopped already.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}
