//! Why an app could not be started. Numbers 5100–5119.

use thiserror::Error;

/// Each variant's number is stable and registered in `spec/errors.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SandboxError {
    #[error("E5100: the sandbox program {program} could not be started ({why}). Reinstall Craton.")]
    InitNotStarted { program: String, why: String },
    #[error(
        "E5101: the sandbox program ended or fell silent before the app was ready ({during}). \
         Look at its log lines; if it repeats, report it."
    )]
    InitSilent { during: String },
    #[error(
        "E5102: the kernel refused namespaces at '{step}' (errno {errno}). Allow them: \
         {how_to_allow}; or accept reduced isolation."
    )]
    NamespacesRefused { step: String, errno: i32, how_to_allow: String },
    #[error("E5103: setting up the sandbox failed at '{step}' (errno {errno}). {mend}")]
    SetupFailed { step: String, errno: i32, mend: &'static str },
    #[error(
        "E5104: the entry point {entry_point} could not be executed (errno {errno}). Pack a \
         statically linked program for this processor, with its x bit set."
    )]
    EntryPointNotExecutable { entry_point: String, errno: i32 },
    #[error("E5105: the package folder {folder} is not usable ({why}). Unpack the image again.")]
    PackageUnusable { folder: String, why: String },
    #[error("E5106: the storage file {file} is not usable ({why}). Free space or mend its mode.")]
    StorageUnusable { file: String, why: String },
    #[error(
        "E5107: UDP server ports are not forwarded into sandboxes. Remove AllowedUdpServerPorts \
         from app_manifest.json."
    )]
    UdpServerPorts,
    #[error(
        "E5108: TCP port {port} cannot be opened on this device ({why}). Stop the program that \
         has it, or choose a port above 1023."
    )]
    ServerPortTaken { port: u16, why: String },
    #[error(
        "E5109: AllowedConnections has '{entry}', which is neither a DNS name nor an IPv4 \
         address. Correct it in app_manifest.json."
    )]
    ConnectionMalformed { entry: String },
    #[error(
        "E5110: the log of an app is a regular file, whose size would count against the app's \
         storage quota. Pass a pipe."
    )]
    LogIsFile,
    #[error(
        "E5111: arguments and environment take {bytes} bytes, above {bytes_max}. Pass less; put \
         data into the package."
    )]
    ArgumentsTooLong { bytes: usize, bytes_max: usize },
    #[error(
        "E5112: this kernel has no Landlock and refuses namespaces, so nothing could confine the \
         app. {how_to_allow}; or use a kernel with Landlock (5.13 or later)."
    )]
    NothingConfines { how_to_allow: String },
}

impl SandboxError {
    /// Whether the host is at fault, rather than the app or its package.
    pub fn is_hosts(&self) -> bool {
        match self {
            SandboxError::InitNotStarted { .. }
            | SandboxError::InitSilent { .. }
            | SandboxError::NamespacesRefused { .. }
            | SandboxError::SetupFailed { .. }
            | SandboxError::StorageUnusable { .. }
            | SandboxError::ServerPortTaken { .. }
            | SandboxError::LogIsFile
            | SandboxError::NothingConfines { .. } => true,
            SandboxError::EntryPointNotExecutable { .. }
            | SandboxError::PackageUnusable { .. }
            | SandboxError::UdpServerPorts
            | SandboxError::ConnectionMalformed { .. }
            | SandboxError::ArgumentsTooLong { .. } => false,
        }
    }

    pub fn code(&self) -> u16 {
        match self {
            SandboxError::InitNotStarted { .. } => 5100,
            SandboxError::InitSilent { .. } => 5101,
            SandboxError::NamespacesRefused { .. } => 5102,
            SandboxError::SetupFailed { .. } => 5103,
            SandboxError::EntryPointNotExecutable { .. } => 5104,
            SandboxError::PackageUnusable { .. } => 5105,
            SandboxError::StorageUnusable { .. } => 5106,
            SandboxError::UdpServerPorts => 5107,
            SandboxError::ServerPortTaken { .. } => 5108,
            SandboxError::ConnectionMalformed { .. } => 5109,
            SandboxError::LogIsFile => 5110,
            SandboxError::ArgumentsTooLong { .. } => 5111,
            SandboxError::NothingConfines { .. } => 5112,
        }
    }
}
