//! What the supervisor and the sandbox program say to each other: JSON messages over a
//! sequenced-packet socket, whose kernel-made credentials translate process ids between
//! namespaces.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    sockopt,
};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::Limits;

/// Longest message in bytes; an order with its arguments must fit.
pub const MESSAGE_BYTES_MAX: usize = 60 * 1024;

/// How long the sandbox program may take for one step.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Descriptors that come with one message.
const FDS_MAX: usize = 3;

/// Lets the app proceed to its exec.
pub const GO: &[u8] = b"go";

/// Asks the init for a socket made inside the network namespace.
pub const SOCKET_PLEASE: &[u8] = b"socket";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub mode: Mode,
    pub root: PathBuf,
    pub entry_point: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub tcp_server_ports: Vec<u16>,
    pub storage: Option<StorageOrder>,
    pub limits: Limits,
    /// User and group the app gets when we are root, in the outer namespace.
    pub run_as: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StorageOrder {
    pub file: PathBuf,
    pub quota_kib: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    Full,
    Reduced,
    /// Makes the namespaces and says how that went, without an app.
    Probe,
}

/// From the sandbox program to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The sender is the init; with namespaces, the proxy's listener comes along.
    Init,
    /// The sender is the app, which waits for [`GO`].
    App,
    /// The app's exec succeeded.
    Running,
    Ended(Ended),
    Failed(Fault),
}

/// How the app's main process ended: exactly one of the two is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub area: Area,
    pub step: String,
    pub errno: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Area {
    Namespaces,
    Setup,
    Package,
    Storage,
    EntryPoint,
    NothingConfines,
}

impl Fault {
    pub fn new(area: Area, step: &str, errno: Errno) -> Fault {
        Fault { area, step: step.to_owned(), errno: errno.raw_os_error() }
    }

    /// A step that only fails for want of permission where the host restricts namespaces.
    pub fn in_namespace(step: &str, errno: Errno) -> Fault {
        let refused = errno == Errno::PERM || errno == Errno::ACCESS;
        Fault::new(if refused { Area::Namespaces } else { Area::Setup }, step, errno)
    }
}

/// One message with what the kernel attached to it.
#[derive(Debug)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub fds: Vec<OwnedFd>,
    /// The sender, in the receiver's pid namespace.
    pub sender: Option<Pid>,
}

impl Received {
    pub fn report(&self) -> Option<Report> {
        serde_json::from_slice(&self.bytes).ok()
    }
}

pub fn send_report(
    socket: impl AsFd,
    report: &Report,
    fd: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let bytes = serde_json::to_vec(report).map_err(|_| Errno::INVAL)?;
    send(socket, &bytes, fd.as_slice())
}

/// Sends at most three descriptors along.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG);
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).map(|_| ())
}

pub fn receive(socket: impl AsFd) -> Result<Received, Errno> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FDS_MAX), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let got = loop {
        match recvmsg(&socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    let (mut fds, mut sender) = (Vec::new(), None);
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(rights) => fds.extend(rights),
            RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.pid),
            _ => {}
        }
    }
    bytes.truncate(got.bytes);
    Ok(Received { bytes, fds, sender })
}

/// Two ends of a line: ours, which sees who sends and gives up on silence, and theirs.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let kind = SocketType::SEQPACKET;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_passcred(&ours, true)?;
    sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(SILENCE_MAX))?;
    Ok((ours, theirs))
}
