use std::io;

/// Why a delta cannot be made or is refused. Every refusal has one remedy: fetch the whole payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    #[error("E2300: the delta ends early. Fetch it again, or the whole payload.")]
    DeltaTruncated,
    #[error("E2301: this is not a Craton delta (wrong magic). Fetch the whole payload.")]
    DeltaMagicWrong,
    #[error("E2302: the delta has a format that this version does not know. Fetch the payload.")]
    DeltaVersionUnknown,
    #[error("E2303: the delta's windows are not 1 MiB. Fetch the whole payload.")]
    DeltaWindowSizeWrong,
    #[error("E2304: the delta is for another old payload. Fetch the whole payload.")]
    DeltaBaseWrong,
    #[error("E2305: the delta makes another payload than the signed one. Fetch the payload.")]
    DeltaTargetWrong,
    #[error("E2306: bytes follow the delta's last window. Fetch the whole payload.")]
    DeltaTrailingBytes,
    #[error("E2307: the delta states a window over the bounds. Fetch the whole payload.")]
    DeltaWindowTooLarge,
    #[error("E2308: a window of the delta cannot be decompressed. Fetch the whole payload.")]
    DeltaFrameUndecodable,
    #[error("E2309: a window holds more or less than it states. Fetch the whole payload.")]
    DeltaFrameLengthWrong,
    #[error("E2310: a window's operations do not add up to its output. Fetch the payload.")]
    DeltaControlMalformed,
    #[error("E2311: the delta copies from outside the old payload. Fetch the whole payload.")]
    DeltaCopyOutOfRange,
    #[error("E2312: the rebuilt payload is not the signed one. Fetch the whole payload.")]
    DeltaResultWrong,
    #[error("E2313: a payload is larger than allowed (at most 320 MiB). Split the application.")]
    DeltaPayloadTooLarge,
    #[error("E2314: the old payload or the delta cannot be read: {0}. Check the storage.")]
    DeltaReadFailed(io::ErrorKind),
    #[error("E2315: more windows are said to be written than the delta has. Start again.")]
    DeltaResumePastEnd,
    #[error("E2316: the delta's address map is malformed. Fetch the whole payload.")]
    DeltaMapMalformed,
}

impl DeltaError {
    /// The stable number in `spec/errors.toml`.
    pub fn code(&self) -> u16 {
        match self {
            Self::DeltaTruncated => 2300,
            Self::DeltaMagicWrong => 2301,
            Self::DeltaVersionUnknown => 2302,
            Self::DeltaWindowSizeWrong => 2303,
            Self::DeltaBaseWrong => 2304,
            Self::DeltaTargetWrong => 2305,
            Self::DeltaTrailingBytes => 2306,
            Self::DeltaWindowTooLarge => 2307,
            Self::DeltaFrameUndecodable => 2308,
            Self::DeltaFrameLengthWrong => 2309,
            Self::DeltaControlMalformed => 2310,
            Self::DeltaCopyOutOfRange => 2311,
            Self::DeltaResultWrong => 2312,
            Self::DeltaPayloadTooLarge => 2313,
            Self::DeltaReadFailed(_) => 2314,
            Self::DeltaResumePastEnd => 2315,
            Self::DeltaMapMalformed => 2316,
        }
    }
}

impl From<io::Error> for DeltaError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::DeltaTruncated,
            kind => Self::DeltaReadFailed(kind),
        }
    }
}
