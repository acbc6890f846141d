//! A sandbox for one app, for an ordinary user on a stock kernel.
//!
//! *Full*: user, mount, pid, network, ipc and uts namespaces of its own; a private read-only
//! tree; Landlock; seccomp; limits; no capabilities. The network is an empty one whose only door
//! is our proxy at `socks5h://127.0.0.1:1080` (it also speaks HTTP CONNECT), which dials what
//! the manifest lists.
//!
//! *Reduced*, where the host refuses namespaces: Landlock, seccomp without sockets, limits. The
//! app then has no network and no child processes, and it can still learn that a file of the
//! host exists, though never what is in it.
//!
//! Life of a start: [`spawn`] leaves the app bound and waiting before its exec, so that a
//! supervisor can seize it with ptrace by [`Running::app_pid`]; [`Running::release`] lets it go.
//! A tracer must collect the app's end with waitpid before [`Running::wait`] can.

mod app;
mod bpf;
mod control;
mod error;
mod fence;
mod filter;
mod host;
mod inbound;
mod init;
mod limits;
mod running;
mod start;
mod syscalls;
mod tree;
mod watch;
mod zygote;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use app::STORAGE_VARIABLE;
pub use control::Ended;
pub use error::SandboxError;
pub use limits::Limits;
pub use running::{GRACE, Running};
pub use start::{probe, spawn};
pub use tree::STORAGE_INSIDE;
pub use zygote::{Zygote, sandbox_init_main};

/// What to run and how far it may reach; taken from the verified package and its manifest.
#[derive(Debug)]
pub struct Spec {
    /// What is forked to start the app.
    pub zygote: Arc<Zygote>,
    /// The unpacked package. Seen by the app as `/`, read-only. When we are root, `run_as`
    /// must be able to read it.
    pub root: PathBuf,
    /// Path inside the package, with or without a leading slash.
    pub entry_point: String,
    pub args: Vec<String>,
    /// Added to the few variables we set ourselves.
    pub env: Vec<(String, String)>,
    /// DNS names (exact, any case) and IPv4 addresses that the proxy may dial.
    pub allowed_connections: Vec<String>,
    /// Opened on every address of the host and forwarded to the app's own loopback.
    pub tcp_server_ports: Vec<u16>,
    /// Refused unless empty: not enforced yet.
    pub udp_server_ports: Vec<u16>,
    pub storage: Option<Storage>,
    pub limits: Limits,
    /// Standard output and error of the app: pipes or terminals; `None` discards.
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    /// Uid and gid the app gets when we are root; ignored otherwise.
    pub run_as: u32,
    pub accept: Accept,
}

/// The app's one writable file, made if missing. It survives updates of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub file: PathBuf,
    /// Most the file may grow to, in KiB.
    pub quota_kib: u32,
}

/// Which isolation is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// Full where the host allows it, else reduced.
    #[default]
    Best,
    FullOnly,
    /// Reduced even where full would work: for tests.
    Reduced,
}

/// What an app got, for evidence, tables and the dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    Full,
    Reduced {
        reason: String,
        /// One line that a person can act on.
        how_to_allow: String,
    },
}

impl Isolation {
    /// The word of evidence and screens: `full` or `reduced`.
    pub fn word(&self) -> &'static str {
        match self {
            Isolation::Full => "full",
            Isolation::Reduced { .. } => "reduced",
        }
    }
}

/// Of the dynamic range that systemd leaves to services; nobody on a stock system has it.
pub const RUN_AS_DEFAULT: u32 = 61_184;

impl Spec {
    /// An app without arguments, network, ports or storage, whose output is discarded.
    pub fn new(
        zygote: Arc<Zygote>,
        root: impl Into<PathBuf>,
        entry_point: impl Into<String>,
    ) -> Spec {
        Spec {
            zygote,
            root: root.into(),
            entry_point: entry_point.into(),
            args: Vec::new(),
            env: Vec::new(),
            allowed_connections: Vec::new(),
            tcp_server_ports: Vec::new(),
            udp_server_ports: Vec::new(),
            storage: None,
            limits: Limits::default(),
            stdout: None,
            stderr: None,
            run_as: RUN_AS_DEFAULT,
            accept: Accept::Best,
        }
    }
}
