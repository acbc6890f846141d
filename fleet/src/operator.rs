//! The operator API over the same pinned TLS as the command line's.

use anyhow::{Result, bail};
use craton_device::link::{ANSWER_WITHIN, Link, Peer};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest answer, bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// A person with a token.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The service.
    pub peer: Peer,
    /// `craton_…`.
    pub token: String,
}

impl Operator {
    /// GET, JSON out.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(Method::GET, path, "application/json", Vec::new()).await
    }

    /// POST, JSON in and out.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.json(Method::POST, path, "application/json", serde_json::to_vec(body)?).await
    }

    /// POST of nothing, JSON out.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(Method::POST, path, "application/json", Vec::new()).await
    }

    /// A signed object in, JSON out.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn bring<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        object: &[u8],
    ) -> Result<T> {
        self.json(method, path, "application/cbor", object.to_vec()).await
    }

    /// PUT of bytes, JSON out.
    ///
    /// # Errors
    /// The service's refusals.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, bytes: Vec<u8>) -> Result<T> {
        self.json(Method::PUT, path, "application/octet-stream", bytes).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<T> {
        let asked = format!("{method} {path}");
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.peer.address)
            .header("authorization", format!("Bearer {}", self.token));
        if !body.is_empty() {
            request = request.header("content-type", media_type);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let (status, answer) =
            Link::connect(&self.peer, None).await?.ask(request, ANSWER_MAX, ANSWER_WITHIN).await?;
        if !(200..300).contains(&status) {
            bail!("{asked}: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}
