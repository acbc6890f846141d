//! Bodies of requests, each bounded in length and in patience.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;

use super::HttpError;

/// Seconds without a byte after which a body is given up.
const IDLE_S_MAX: u64 = 20;

/// Seconds that a body held in memory may take as a whole.
const WHOLE_S_MAX: u64 = 120;

/// The next bytes of a body; `None` at its end.
pub(super) async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, HttpError> {
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

/// A whole body of at most `size_max` bytes.
///
/// # Errors
/// `BodyTooLarge`, `BodySlow`, `BodyBroken`.
pub async fn read_body(mut body: Body, size_max: usize) -> Result<Bytes, HttpError> {
    let whole = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(&mut body).await? {
            if bytes.len() + chunk.len() > size_max {
                return Err(HttpError::BodyTooLarge { size_max });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(bytes))
    };
    let patience = Duration::from_secs(WHOLE_S_MAX);
    tokio::time::timeout(patience, whole).await.map_err(|_| HttpError::BodySlow)?
}
