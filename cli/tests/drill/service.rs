//! `craton up` as a process, and what an operator asks of it.

use crate::processes::{self, until};
use craton_api::problem::Problem;
use craton_cloud::authority::Keyring;
use craton_device::link::{Link, LinkError, Peer};
use craton_trust::PublicKey;
use craton_trust::crypto::Signer as _;
use http_body_util::Full;
use hyper::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program under drill.
pub const CRATON: &str = env!("CARGO_BIN_EXE_craton");

/// A running service.
pub struct Service {
    child: Child,
    /// Where devices and operators come.
    pub devices: SocketAddr,
    /// Where browsers of this machine come.
    pub dashboard: SocketAddr,
}

impl Service {
    /// Starts a service on its data folder; `at` is where it listened before, if it did.
    pub fn start(data: &Path, at: Option<(SocketAddr, SocketAddr)>) -> Self {
        Self::start_in(data, at, &[])
    }

    /// The same with an environment.
    pub fn start_in(
        data: &Path,
        at: Option<(SocketAddr, SocketAddr)>,
        environment: &[(&str, String)],
    ) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (devices, dashboard) = at.unwrap_or((free, free));
        let log = log_file(&data.with_extension("log"));
        let mut child = Command::new(CRATON)
            .args(["up", "--check-in-every-s", "1", "--data"])
            .arg(data)
            .args(["--listen", &devices.to_string(), "--dashboard", &dashboard.to_string()])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line_after = |word: &str| -> String {
            let mut line = String::new();
            while !line.starts_with(word) {
                line.clear();
                let read = said.read_line(&mut line).unwrap();
                assert!(read > 0, "craton up ended: {}", read_log(&data.with_extension("log")));
            }
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let devices = line_after("service").strip_prefix("https://").unwrap().parse().unwrap();
        let dashboard = line_after("dashboard");
        let dashboard = dashboard.strip_prefix("http://").unwrap().trim_end_matches('/');
        let dashboard = dashboard.parse().unwrap();
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, devices, dashboard }
    }

    /// Where it listens.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.devices, self.dashboard)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        processes::cut(&mut self.child);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        processes::cut(&mut self.child);
    }
}

/// A log that goes on where it stopped.
pub fn log_file(path: &Path) -> fs::File {
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// The end of a log.
pub fn read_log(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = fs::File::open(path) {
        let _ = file.read_to_string(&mut text);
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Why an operator's request was not answered as wished.
#[derive(Debug)]
pub enum Failed {
    /// Nobody answered.
    Unreachable(LinkError),
    /// The service said no.
    Refused(u16, String),
}

/// An operator with the first token of a service.
pub struct Operator {
    data: PathBuf,
    address: SocketAddr,
    key: PublicKey,
    runtime: tokio::runtime::Runtime,
}

impl Operator {
    /// The operator of the service on this data folder.
    pub fn of(data: &Path, address: SocketAddr) -> Self {
        let keyring = Keyring::open(&data.join("keys.sealed"), &data.join("master.key")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { data: data.to_owned(), address, key: keyring.tls.public_key(), runtime }
    }

    /// The service's TLS key.
    pub fn service_key(&self) -> PublicKey {
        self.key
    }

    /// One request on its own connection: status and body.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), LinkError> {
        let token = fs::read_to_string(self.data.join("operator-token")).unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {}", token.trim()))
            .header("content-type", media_type)
            .body(Full::new(body.into()))
            .unwrap();
        let peer = Peer { address: self.address.to_string(), keys: vec![self.key] };
        self.runtime.block_on(async {
            let mut link = Link::connect(&peer, None).await?;
            link.ask(request, 64 * 1024 * 1024, std::time::Duration::ZERO).await
        })
    }

    fn json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<T, Failed> {
        let (status, answer) =
            self.ask(method, path, media_type, body).map_err(Failed::Unreachable)?;
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(&answer).unwrap());
        }
        let said = String::from_utf8_lossy(&answer).into_owned();
        let code = serde_json::from_slice::<Problem>(&answer).map_or(0, |problem| problem.code);
        Err(Failed::Refused(code, said))
    }

    /// GET.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.json("GET", path, "application/json", Vec::new())
    }

    /// POST of JSON.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failed> {
        self.json("POST", path, "application/json", serde_json::to_vec(body).unwrap())
    }

    /// POST of a signed object.
    pub fn post_object<T: DeserializeOwned>(&self, path: &str, object: &[u8]) -> Result<T, Failed> {
        self.json("POST", path, "application/cbor", object.to_vec())
    }

    /// PUT of bytes.
    pub fn put<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> Result<T, Failed> {
        self.json("PUT", path, "application/octet-stream", bytes.to_vec())
    }
}

/// A page of the dashboard, or any other answer over plain HTTP.
pub fn plain_get(address: SocketAddr, path: &str) -> String {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(processes::PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until a service answers that it is well.
pub fn healthy(address: SocketAddr) {
    until("a healthy answer", || {
        plain_get(address, "/healthz").starts_with("HTTP/1.1 200").then_some(())
    });
}
