//! A blob as an answer: read ahead on a thread that may block, with at most one range.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use craton_api::operator::Digest;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

use super::{HttpError, Refusal};
use crate::app::{AppError, Blobs};

const CHUNK_SIZE: usize = 64 * 1024;

/// Chunks read ahead of the connection.
const AHEAD_MAX: usize = 4;

/// The blob, or the range of it that `headers` ask for (RFC 9110 section 14: one range, from a
/// place to a place or to the end; any other request gets the whole).
///
/// # Errors
/// `BlobMissing`, `RangeInvalid`.
pub fn blob_response(
    blobs: &Blobs,
    sha256: Digest,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let (file, size) = blobs.open_blob(sha256).map_err(AppError::from)?;
    file_response(file, size, headers)
}

/// The same for a file that is open already.
///
/// # Errors
/// `RangeInvalid`.
pub fn file_response(file: File, size: u64, headers: &HeaderMap) -> Result<Response, Refusal> {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(parse_range);
    let (start, end) = match range {
        None => (0, size),
        Some((start, last)) => (start, last.map_or(size, |last| last.saturating_add(1).min(size))),
    };
    if range.is_some() && start >= end {
        return Err(HttpError::RangeInvalid.into());
    }
    let body = Body::new(FileBody::start(file, start, end));
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    if range.is_some() {
        let said = format!("bytes {start}-{}/{size}", end - 1);
        if let Ok(said) = HeaderValue::from_str(&said) {
            headers.insert(header::CONTENT_RANGE, said);
        }
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(answer)
}

fn parse_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (start, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((start.parse().ok()?, last))
}

struct FileBody {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    left: u64,
}

impl FileBody {
    fn start(file: File, start: u64, end: u64) -> Self {
        let (chunk, chunks) = mpsc::channel(AHEAD_MAX);
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = read_ahead(file, start, end, &chunk) {
                let _ = chunk.blocking_send(Err(failure));
            }
        });
        Self { chunks, left: end - start }
    }
}

/// Ends early, without a failure, when the connection has gone.
fn read_ahead(
    mut file: File,
    start: u64,
    end: u64,
    chunk: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    let mut left = end - start;
    while left > 0 {
        let mut bytes = vec![0; left.min(CHUNK_SIZE as u64) as usize];
        file.read_exact(&mut bytes)?;
        left -= bytes.len() as u64;
        if chunk.blocking_send(Ok(bytes.into())).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.chunks.poll_recv(context).map(|next| {
            next.map(|chunk| {
                chunk.map(|bytes| {
                    self.left = self.left.saturating_sub(bytes.len() as u64);
                    Frame::data(bytes)
                })
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_others_are_passed_over() {
        assert_eq!(parse_range("bytes=0-99"), Some((0, Some(99))));
        assert_eq!(parse_range("bytes=5-"), Some((5, None)));
        for other in ["bytes=-5", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", "bytes="] {
            assert_eq!(parse_range(other), None, "{other}");
        }
    }
}
