//! The operator API's client: one pinned TLS connection, a token, JSON or CBOR.

use anyhow::{Context as _, Result, bail};
use craton_api::problem::Problem;
use craton_device::link::{Link, Peer};
use craton_trust::PublicKey;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest answer, bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Where the service is, and who we are there.
#[derive(Clone, Debug)]
pub struct Access {
    /// `host:port`.
    pub address: String,
    /// The service's TLS key.
    pub service_key: PublicKey,
    /// The token, `craton_…`.
    pub token: String,
}

/// A connection to the operator API.
pub struct Client {
    link: Link,
    access: Access,
}

/// A refusal of the service, with its number and words.
#[derive(Debug, thiserror::Error)]
#[error("E{}: {}. {}", .0.code, .0.title, .0.detail)]
pub struct Refused(pub Box<Problem>);

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// The link's: unreachable, or another key.
    pub async fn connect(access: &Access) -> Result<Self> {
        let peer = Peer { address: access.address.clone(), keys: vec![access.service_key] };
        let link = Link::connect(&peer, None).await?;
        Ok(Self { link, access: access.clone() })
    }

    /// GET, JSON out.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        self.json(Method::GET, path, "application/json", Vec::new()).await
    }

    /// POST, JSON in and out.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body)?;
        self.json(Method::POST, path, "application/json", body).await
    }

    /// POST of a signed object, JSON out.
    pub async fn post_object<T: DeserializeOwned>(
        &mut self,
        path: &str,
        object: &[u8],
    ) -> Result<T> {
        self.json(Method::POST, path, "application/cbor", object.to_vec()).await
    }

    /// PUT of bytes, JSON out.
    pub async fn put_bytes<T: DeserializeOwned>(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T> {
        self.json(Method::PUT, path, "application/octet-stream", bytes).await
    }

    /// GET of bytes.
    pub async fn get_bytes(&mut self, path: &str) -> Result<Vec<u8>> {
        self.send(Method::GET, path, "application/json", Vec::new()).await
    }

    async fn json<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<T> {
        let answer = self.send(method, path, media_type, body).await?;
        serde_json::from_slice(&answer).context("the service's answer is not what was asked for")
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.access.address)
            .header("authorization", format!("Bearer {}", self.access.token));
        if !body.is_empty() {
            request = request.header("content-type", media_type);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let asked = format!("{} {path}", request.method());
        let (status, answer) =
            self.link.ask(request, ANSWER_MAX).await.with_context(|| asked.clone())?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) => Err(Refused(Box::new(problem)).into()),
            Err(_) => bail!("the service answered {status}: {}", String::from_utf8_lossy(&answer)),
        }
    }
}
