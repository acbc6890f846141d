//! Why the service was not reached, or not heard.

/// Why a connection or a request failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The service does not answer.
    #[error(
        "E5401: the service at {0} cannot be reached: {1}. A device runs on and tries again by \
         itself; a person checks the address, and that the service is up"
    )]
    ServiceUnreachable(String, String),
    /// Somebody else answers.
    #[error(
        "E5402: what answers at {0} is not the service: its key is not in the trust store. Check \
         the address; if the service has a new key, deliver a trust store that names it"
    )]
    ServiceKeyOther(String),
    /// The TLS library refused.
    #[error("E5403: the connection could not be set up: a defect of craton; report it")]
    TlsRefused,
    /// The certificate and its key do not belong together.
    #[error("E5404: the device's certificate is damaged. It gets a new one at its next check-in")]
    CredentialDamaged,
    /// The service said no: status, words, and its own number if it gave one.
    #[error("E5405: the service refused ({0}): {1}")]
    ServiceRefused(u16, String, Option<u16>),
    /// The answer is longer than it may be.
    #[error("E5406: the service's answer is longer than {0} bytes; it was not read further")]
    AnswerTooLarge(usize),
    /// The receiver of a stream refused it.
    #[error("E5407: the download stopped: {0}")]
    DownloadStopped(String),
    /// The system has no descriptor or memory for a connection.
    #[error(
        "E5408: the system has no room for a connection: {0}. Raise its limit of open files; the \
         device tries again"
    )]
    SystemExhausted(std::io::Error),
}

impl LinkError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::ServiceUnreachable(..) => 5401,
            Self::ServiceKeyOther(_) => 5402,
            Self::TlsRefused => 5403,
            Self::CredentialDamaged => 5404,
            Self::ServiceRefused(..) => 5405,
            Self::AnswerTooLarge(_) => 5406,
            Self::DownloadStopped(_) => 5407,
            Self::SystemExhausted(_) => 5408,
        }
    }

    /// The number that the service gave with its refusal.
    #[must_use]
    pub fn service_code(&self) -> Option<u16> {
        match self {
            Self::ServiceRefused(_, _, code) => *code,
            _ => None,
        }
    }
}
