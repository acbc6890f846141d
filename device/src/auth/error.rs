//! Why the device cannot check in.

use crate::ipc::Fault;
use crate::link::LinkError;

/// Why the auth role refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The root of trust refused.
    #[error("{0}")]
    Rot(#[from] craton_rot::Error),
    /// An object was refused.
    #[error("{0}")]
    Trust(#[from] craton_trust::Error),
    /// The service was not reached, or said no.
    #[error("{0}")]
    Link(#[from] LinkError),
    /// Nobody owns the device.
    #[error("E5410: the device has no owner. Have its owner claim it with its claim code")]
    DeviceUnowned,
    /// The reply took too long.
    #[error("E5412: the reply came after 60 s and does not count. The device tries again")]
    ReplyLate,
    /// The reply has no time or certificate.
    #[error("E5413: the reply is one for a request without a connection. The device tries again")]
    ReplyOffline,
}

impl AuthError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Rot(error) => error.code(),
            Self::Trust(error) => error.code(),
            Self::Link(error) => error.code(),
            Self::DeviceUnowned => 5410,
            Self::ReplyLate => 5412,
            Self::ReplyOffline => 5413,
        }
    }

    /// The number that the service gave with its refusal.
    #[must_use]
    pub fn service_code(&self) -> Option<u16> {
        match self {
            Self::Link(error) => error.service_code(),
            _ => None,
        }
    }

    /// Who is at fault.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Link(_) | Self::ReplyLate | Self::ReplyOffline => Fault::Service,
            Self::Rot(error) if is_outage(*error) => Fault::Host,
            Self::Rot(_) | Self::Trust(_) | Self::DeviceUnowned => Fault::Judged,
        }
    }
}

/// Whether the disk or the board refused, or did and the root of trust waits for its next reset.
fn is_outage(error: craton_rot::Error) -> bool {
    use craton_rot::Error as Rot;
    matches!(
        error,
        Rot::StorageFailed
            | Rot::StorageFull
            | Rot::StorageLocked
            | Rot::StateUncertain
            | Rot::ResetNeeded
            | Rot::MailboxUnreachable
            | Rot::MailboxSilent
            | Rot::MailboxReset
    )
}
