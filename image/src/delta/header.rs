use super::{DeltaError, PAYLOAD_BYTES_MAX, WINDOW_BYTES};
use sha2::{Digest, Sha256};

/// Which bytes a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// SHA-256.
    pub digest: [u8; 32],
    /// Bytes.
    pub size: u64,
}

impl Payload {
    pub fn of(bytes: &[u8]) -> Payload {
        Payload { digest: Sha256::digest(bytes).into(), size: bytes.len() as u64 }
    }
}

/// What a delta says of itself; nothing of it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub old: Payload,
    pub new: Payload,
}

impl Header {
    pub const BYTES: usize = 96;
    const MAGIC: [u8; 8] = *b"CRATONDL";
    const VERSION: u32 = 1;

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Self::MAGIC.to_vec();
        out.extend(Self::VERSION.to_le_bytes());
        out.extend((WINDOW_BYTES as u32).to_le_bytes());
        for payload in [&self.old, &self.new] {
            out.extend(payload.digest);
            out.extend(payload.size.to_le_bytes());
        }
        out
    }

    /// Reads the first [`Header::BYTES`] of a delta, so that a caller can see whether it fits
    /// before he fetches the rest.
    pub fn decode(bytes: &[u8]) -> Result<Header, DeltaError> {
        let mut rest = bytes;
        if take::<8>(&mut rest)? != Self::MAGIC {
            return Err(DeltaError::DeltaMagicWrong);
        }
        if u32::from_le_bytes(take(&mut rest)?) != Self::VERSION {
            return Err(DeltaError::DeltaVersionUnknown);
        }
        if u32::from_le_bytes(take(&mut rest)?) as usize != WINDOW_BYTES {
            return Err(DeltaError::DeltaWindowSizeWrong);
        }
        let (old, new) = (payload(&mut rest)?, payload(&mut rest)?);
        Ok(Header { old, new })
    }

    /// Windows of output.
    pub fn windows(&self) -> u64 {
        self.new.size.div_ceil(WINDOW_BYTES as u64)
    }
}

fn payload(rest: &mut &[u8]) -> Result<Payload, DeltaError> {
    let (digest, size) = (take(rest)?, u64::from_le_bytes(take(rest)?));
    if size > PAYLOAD_BYTES_MAX {
        return Err(DeltaError::DeltaPayloadTooLarge);
    }
    Ok(Payload { digest, size })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DeltaError> {
    let (taken, after) = rest.split_first_chunk().ok_or(DeltaError::DeltaTruncated)?;
    *rest = after;
    Ok(*taken)
}
