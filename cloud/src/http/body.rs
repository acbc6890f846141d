//! Bodies of requests, each bounded in length and in patience.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::HttpError;
use crate::app::Patience;

/// Seconds without a byte after which a body is given up.
const IDLE_S_MAX: u64 = 20;

/// Seconds that a body held in memory may take as a whole.
const WHOLE_S_MAX: u64 = 120;

/// How fast an upload of any length must come: a byte now and then does not hold its place.
pub(super) struct Pace {
    patience: Patience,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, since: Instant::now(), bytes: 0 }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, HttpError> {
        let patience = self.left(self.since.elapsed());
        let chunk = tokio::time::timeout(patience, next_chunk(body));
        let chunk = chunk.await.map_err(|_| HttpError::BodySlow)??;
        self.bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }

    fn left(&self, elapsed: Duration) -> Duration {
        let earned = Duration::from_secs(self.bytes / self.patience.upload_rate.max(1));
        (self.patience.upload_start + earned).saturating_sub(elapsed)
    }
}

/// The next bytes of a body; `None` at its end.
async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, HttpError> {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(IDLE_S_MAX), body.frame());
        match frame.await.map_err(|_| HttpError::BodySlow)? {
            None => return Ok(None),
            Some(Err(_)) => return Err(HttpError::BodyBroken),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Bytes of a refused body that are still taken.
const DROPPED_SIZE_MAX: u64 = 32 * 1024 * 1024;

/// Seconds for it.
const DROPPED_S_MAX: u64 = 20;

/// Takes the rest of a refused body and drops it, within bounds: a sender that is cut off while it
/// writes sees a broken connection, and never why.
pub(super) async fn drop_rest(body: &mut Body) {
    let rest = async {
        let mut left = DROPPED_SIZE_MAX;
        while let Ok(Some(chunk)) = next_chunk(body).await {
            let Some(room) = left.checked_sub(chunk.len() as u64) else { return };
            left = room;
        }
    };
    // Past the bounds the connection breaks after all.
    let _ = tokio::time::timeout(Duration::from_secs(DROPPED_S_MAX), rest).await;
}

/// A whole body of at most `size_max` bytes.
///
/// # Errors
/// `BodyTooLarge`, `BodySlow`, `BodyBroken`.
pub async fn read_body(mut body: Body, size_max: usize) -> Result<Bytes, HttpError> {
    let whole = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(&mut body).await? {
            if bytes.len() + chunk.len() > size_max {
                drop_rest(&mut body).await;
                return Err(HttpError::BodyTooLarge { size_max });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(bytes))
    };
    let patience = Duration::from_secs(WHOLE_S_MAX);
    tokio::time::timeout(patience, whole).await.map_err(|_| HttpError::BodySlow)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_earns_time_by_its_bytes_alone() {
        let upload_start = Duration::from_secs(60);
        let patience = Patience { upload_start, upload_rate: 100, ..Patience::default() };
        let mut pace = Pace::new(patience);
        assert_eq!(pace.left(Duration::from_secs(59)), Duration::from_secs(1));
        assert_eq!(pace.left(Duration::from_secs(61)), Duration::ZERO);
        pace.bytes = 6_000;
        assert_eq!(pace.left(Duration::from_secs(61)), Duration::from_secs(59));
        assert_eq!(pace.left(Duration::from_secs(121)), Duration::ZERO);
    }
}
