//! A user with folders of his own, and a service that he started.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// One user: his configuration is below a folder that goes away with him.
pub struct User {
    pub folder: tempfile::TempDir,
}

/// How a command ended.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl User {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Root's sandboxes run as somebody else, who passes through to the device's files.
        let passage = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder.path(), passage).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that only this user reads.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_craton"));
        // `@name` is a file of this user.
        let file = |name: &str| self.path(name).into_os_string();
        command
            .args(
                words
                    .split_whitespace()
                    .map(|word| word.strip_prefix('@').map_or_else(|| word.into(), file)),
            )
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    pub fn types(&self, words: &str) -> Said {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
        for secret in self.secrets() {
            let shown = said.out.contains(&secret) || said.err.contains(&secret);
            assert!(!shown, "craton {words} shows a secret");
        }
        said
    }

    /// What no command may ever show: passphrases, tokens, and keys in the clear.
    fn secrets(&self) -> Vec<String> {
        let mut files = vec![self.path("words"), self.path("token")];
        files.push(self.path("service/operator-token"));
        for catalog in std::fs::read_dir(self.path("config/craton/catalogs")).into_iter().flatten()
        {
            let keys = std::fs::read_dir(catalog.unwrap().path()).unwrap();
            files.extend(
                keys.map(|key| key.unwrap().path())
                    .filter(|key| key.extension().is_some_and(|extension| extension == "key")),
            );
        }
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let texts = texts.map(|text| text.trim().to_owned());
        texts.filter(|text| !text.is_empty() && !text.starts_with('{')).collect()
    }

    /// What a command says that must succeed.
    pub fn does(&self, words: &str) -> String {
        let said = self.types(words);
        assert_eq!(said.code, 0, "craton {words}\n{}\n{}", said.out, said.err);
        said.out
    }

    /// The same with `--json`.
    pub fn json(&self, words: &str) -> Value {
        let said = self.does(&format!("{words} --json"));
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("craton {words}: {said}"))
    }

    /// A command that must be refused with this number.
    pub fn refused(&self, words: &str, number: u16) -> Said {
        let said = self.types(words);
        let wanted = format!("E{number}: ");
        assert!(said.code != 0 && said.err.contains(&wanted), "craton {words}\n{}", said.err);
        said
    }
}

/// A device of this user, while it runs.
pub struct Running(Child);

impl Running {
    /// Its trials hold after three seconds; version 3 of the sample crashes after one.
    pub fn start(user: &User, folder: &str) -> Self {
        let words = format!("device run --folder @{folder} --steady-s 3");
        let log = std::fs::File::create(user.path("device.log")).unwrap();
        Self(user.command(&words).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first: the monitor stops its apps in order.
        let told = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(20);
        while told.is_ok() && Instant::now() < until && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again until the answer is as wanted; a generous time, for a busy machine.
pub fn until(what: &str, user: &User, words: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(180);
    loop {
        let answer = user.json(words);
        if wanted(&answer) {
            return answer;
        }
        let log = || std::fs::read_to_string(user.path("device.log")).unwrap_or_default();
        assert!(Instant::now() < end, "{what} did not happen: {answer}\n{}", log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Builds a version of the sample app with plain rustc into `NAME/app`, its symbols beside it.
pub fn build_sample(user: &User, name: &str) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let folder = user.path(name);
    std::fs::create_dir_all(folder.join("app/bin")).unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let version = sample.join("blink").join(name);
    for file in ["src/main.rs", "app_manifest.json"] {
        let to =
            if file.starts_with("src") { folder.join(file) } else { folder.join("app").join(file) };
        std::fs::copy(version.join(file), to).unwrap();
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let options = std::fs::read_to_string(sample.join("rustc.args")).unwrap();
    command.current_dir(&folder).args(options.lines()).args(["--crate-name", "blink"]);
    let mut remap = std::ffi::OsString::from("--remap-path-prefix=");
    remap.push(&folder);
    remap.push("=.");
    let built = command.arg(remap).args(["-o", "blink", "src/main.rs"]).status().unwrap();
    let strip = Command::new("strip")
        .current_dir(&folder)
        .args(["-o", "app/bin/app", "blink"])
        .status()
        .unwrap();
    assert!(built.success() && strip.success());
}

/// A service in a folder of its own, on free ports.
pub struct Service {
    child: Child,
    data: PathBuf,
    /// The fingerprint of its key, as it printed it.
    pub fingerprint: String,
}

impl Service {
    pub fn start(user: &User) -> Self {
        let data = user.path("service");
        let mut command = user.command("up --listen 127.0.0.1:0 --dashboard 127.0.0.1:0");
        command.args(["--check-in-every-s", "1", "--data"]).arg(&data);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It says so when it is up; if it never is, its output ends.
        let mut said: Vec<String> = Vec::new();
        for line in lines {
            said.push(line.unwrap());
            if said.last().is_some_and(|line| line.starts_with("Stop with Ctrl-C")) {
                break;
            }
        }
        let key = said.iter().find_map(|line| line.strip_prefix("key"));
        let fingerprint = key.unwrap_or_else(|| panic!("{said:?}")).trim().to_owned();
        Self { child, data, fingerprint }
    }

    /// Its `host:port`, as it announced it.
    pub fn address(&self) -> String {
        let text = std::fs::read(self.data.join("service.json")).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        json["address"].as_str().unwrap().to_owned()
    }
}

impl Service {
    /// It answers nobody until it goes on.
    pub fn stand(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(told.unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
