//! The words between the monitor and its roles: which questions each understands, and what it
//! answers.

pub use crate::apps::sandbox::Isolation;
use crate::believed::BelievedBytes;
use crate::installed::{AppPayload, InstalledApp};
use crate::ipc::{Fault, Refusal};
use crate::link::{Credential, Peer};
use craton_trust::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// [`Peer`] on its way to a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerBytes {
    /// `host:port`.
    pub address: String,
    /// The pinned keys, x ‖ y each.
    pub keys: Vec<Vec<u8>>,
}

impl From<PeerBytes> for Peer {
    fn from(bytes: PeerBytes) -> Self {
        let key = |raw: &Vec<u8>| Some(PublicKey(raw.as_slice().try_into().ok()?));
        Self { keys: bytes.keys.iter().filter_map(key).collect(), address: bytes.address }
    }
}

impl From<&Peer> for PeerBytes {
    fn from(peer: &Peer) -> Self {
        let keys = peer.keys.iter().map(|key| key.0.to_vec()).collect();
        Self { address: peer.address.clone(), keys }
    }
}

/// [`Credential`] on its way to a role.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialBytes {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8 DER.
    pub key: Vec<u8>,
}

impl From<CredentialBytes> for Credential {
    fn from(bytes: CredentialBytes) -> Self {
        Self { certificate: bytes.certificate, key: bytes.key }
    }
}

/// A component and what was measured of it.
pub type MeasuredBytes = ([u8; 16], [u8; 32]);

/// What the auth role understands.
#[derive(Serialize, Deserialize)]
pub enum AuthQuestion {
    /// What the device believes; asked before a boot.
    Believed,
    /// This boot's measurements: the runtime's program, the signed set, and each image's payload.
    Boot {
        /// SHA-256 of the program.
        runtime: [u8; 32],
        /// The set as it was signed.
        set: Option<Vec<u8>>,
        /// Components and the SHA-256 of their payloads.
        images: Vec<MeasuredBytes>,
    },
    /// One check-in.
    CheckIn {
        /// `host:port`.
        service: String,
        /// How the device is.
        status: StatusBytes,
        /// The sets on this device, which a successor of the trust store must keep; `None` to ask
        /// for no successor in this boot.
        kept: Option<Vec<[u8; 32]>>,
    },
    /// The record of the last failure of the root of trust's chip, which is told once.
    ChipFailure,
    /// Which successor of the trust store was refused since this was asked last.
    RefusedSuccessor,
    /// The trial held: raise the floors to what was booted.
    Confirm,
    /// A boot of a confirmed set began: as `Confirm`, unless the root of trust's own program is on
    /// trial, which holds only once it checked in.
    ConfirmAgain,
}

/// The status that a check-in reports.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StatusBytes {
    /// The set that runs.
    pub running: Option<[u8; 32]>,
    /// Whether it is on trial.
    pub trial: bool,
    /// The last set that failed.
    pub failed: Option<[u8; 32]>,
    /// 0 idle, 1 full, 2 reduced.
    pub isolation: u8,
}

/// What the auth role answers.
#[derive(Serialize, Deserialize)]
pub enum AuthAnswer {
    /// To `Believed`.
    Believed(BelievedBytes),
    /// To `Boot`: how often the device booted.
    Booted(u64),
    /// To `CheckIn`.
    CheckedIn(CheckedIn),
    /// To `CheckIn`, instead: so many successors of the trust store were taken. Only another boot
    /// measures them, and only it checks in.
    Succeeded(u64),
    /// To `ChipFailure`.
    ChipFailure(Option<Vec<u8>>),
    /// To `RefusedSuccessor`.
    RefusedSuccessor(Option<Refusal>),
    /// To `Confirm` and `ConfirmAgain`: whether it was done.
    Confirmed(bool),
}

/// A check-in that the service answered, verified.
#[derive(Clone, Serialize, Deserialize)]
pub struct CheckedIn {
    /// The service's time, seconds since 1970.
    pub time: u64,
    /// When to check in again, seconds.
    pub next_s: u64,
    /// The set to run: signed, addressed to us, and logged.
    pub target: Option<[u8; 32]>,
    /// The credential for everything else.
    pub credential: CredentialBytes,
    /// The service's pinned keys.
    pub peer: PeerBytes,
}

/// What the update role understands.
#[derive(Serialize, Deserialize)]
pub enum UpdateQuestion {
    /// Fetch, verify and stage a set.
    Fetch {
        /// By what to judge it.
        believed: BelievedBytes,
        /// Which set.
        set: [u8; 32],
        /// From where.
        peer: PeerBytes,
        /// As whom.
        credential: CredentialBytes,
        /// Sets on this device whose payloads may serve as bases.
        installed: Vec<[u8; 32]>,
    },
}

/// What the crash role understands; it answers with a number.
#[derive(Serialize, Deserialize)]
pub enum CrashQuestion {
    /// Number a record and keep it.
    Keep(Vec<u8>),
    /// Send what waits.
    Send {
        /// To where.
        peer: PeerBytes,
        /// As whom.
        credential: CredentialBytes,
    },
    /// Send what firmware says that it measured, if the service does not have it.
    OfferBootLog {
        /// To where.
        peer: PeerBytes,
        /// As whom.
        credential: CredentialBytes,
    },
}

/// One app to run, as its verified manifest says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppOrder {
    /// What has versions.
    pub component: [u8; 16],
    /// Its image.
    pub image: [u8; 32],
    /// Its name, for the log.
    pub name: String,
    /// Its payload, by which its files are judged before every start.
    pub payload: AppPayload,
    /// Its unpacked files.
    pub root: PathBuf,
    /// The program in them.
    pub entry_point: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The names and addresses that it may dial.
    pub allowed_connections: Vec<String>,
    /// The TCP ports that it serves, forwarded from every address of the device.
    pub tcp_server_ports: Vec<u16>,
    /// Its storage file's bound, KiB.
    pub storage_kib: Option<u32>,
}

impl AppOrder {
    /// What an installed app's verified manifest orders.
    #[must_use]
    pub fn of(app: &InstalledApp) -> Self {
        let capabilities = &app.manifest.capabilities;
        let hosts = capabilities.allowed_connections.iter();
        Self {
            component: app.component.0,
            image: app.image.0,
            name: app.manifest.name_in_package().to_owned(),
            payload: app.payload.clone(),
            root: app.root.clone(),
            entry_point: app.manifest.entry_point.clone(),
            arguments: app.manifest.cmd_args.clone(),
            allowed_connections: hosts.map(ToString::to_string).collect(),
            tcp_server_ports: capabilities.allowed_tcp_server_ports.clone(),
            storage_kib: capabilities.mutable_storage_kib,
        }
    }
}

/// What the apps role understands.
#[derive(Serialize, Deserialize)]
pub enum AppsQuestion {
    /// What isolation this host gives.
    Probe,
    /// Run these, and start them again when they end.
    Start {
        /// The apps.
        apps: Vec<AppOrder>,
        /// Their set.
        set: [u8; 32],
        /// The boot count, for failure records.
        boot: u64,
    },
    /// How they are.
    State,
    /// SIGTERM, ten seconds, SIGKILL; answered when all have ended.
    Stop,
}

/// What the apps role answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppsAnswer {
    /// How apps are kept apart.
    pub isolation: Isolation,
    /// Each app.
    pub apps: Vec<AppStatus>,
}

/// How one app is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// How long it has been up, milliseconds; `None` while it is down.
    pub up_ms: Option<u64>,
    /// How many connections its proxy refused in this boot.
    pub refused: u64,
    /// The last of them: host and reason.
    pub last_refusal: Option<String>,
}

/// What the apps role says by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AppsEvent {
    /// An app failed: its record, without a number yet.
    Failed {
        /// Its name.
        name: String,
        /// What happened, for the log.
        what: String,
        /// Who is at fault: a host that cannot start apps is not held against their set.
        fault: Fault,
        /// The record.
        record: Vec<u8>,
    },
}
