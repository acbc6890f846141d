//! A blob as an answer, with at most one range. Each chunk is read by a short task that may block,
//! one ahead of the connection: no thread waits for a peer that does not read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use craton_api::operator::Digest;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::{HttpError, Refusal};
use crate::app::{AppError, Blobs, Place};

const CHUNK_SIZE: u64 = 128 * 1024;

/// The blob, or the range of it that `headers` ask for (RFC 9110 section 14: one range, from a
/// place to a place or to the end; any other request gets the whole).
///
/// # Errors
/// `BlobMissing`, `RangeInvalid`.
pub fn blob_response(
    blobs: &Blobs,
    sha256: Digest,
    headers: &HeaderMap,
    place: Place,
) -> Result<Response, Refusal> {
    let (file, size) = blobs.open_blob(sha256).map_err(AppError::from)?;
    file_response(file, size, headers, place)
}

/// The same for a file that is open already.
///
/// # Errors
/// `RangeInvalid`.
pub fn file_response(
    file: File,
    size: u64,
    headers: &HeaderMap,
    place: Place,
) -> Result<Response, Refusal> {
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.and_then(parse_range);
    let (start, end) = match range {
        None => (0, size),
        Some((start, last)) => (start, last.map_or(size, |last| last.saturating_add(1).min(size))),
    };
    if range.is_some() && start >= end {
        return Err(HttpError::RangeInvalid.into());
    }
    let body = Body::new(FileBody { file: Arc::new(file), start, end, reading: None, place });
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

/// The bytes from `start` to `end`; dropped with its connection, however that ends.
struct FileBody {
    file: Arc<File>,
    start: u64,
    end: u64,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
    #[expect(dead_code, reason = "held until the last byte is given")]
    place: Place,
}

impl FileBody {
    /// Begins to read the chunk at `start`, if there is one.
    fn read(&self, start: u64) -> Option<JoinHandle<std::io::Result<Bytes>>> {
        let size = self.end.saturating_sub(start).min(CHUNK_SIZE);
        let file = self.file.clone();
        (size > 0).then(|| {
            tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; size as usize];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            })
        })
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => match self.read(self.start) {
                Some(reading) => reading,
                None => return Poll::Ready(None),
            },
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let bytes = read.unwrap_or_else(|lost| Err(std::io::Error::other(lost)))?;
        self.start += bytes.len() as u64;
        self.reading = self.read(self.start);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.start)
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
