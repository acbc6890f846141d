//! The operator API's client: one pinned TLS connection, a token, JSON or CBOR.

use crate::error::CliError;
use crate::operation::Operation;
use crate::progress::Counted;
use anyhow::{Context as _, Result, bail};
use craton_api::operator::CatalogId;
use craton_api::problem::Problem;
use craton_device::link::{Link, Peer};
use craton_trust::PublicKey;
use hyper::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The largest answer, bytes: a payload as it is.
const ANSWER_MAX: usize = 320 * 1024 * 1024;

/// Bytes a second of the slowest line over which an upload is still waited for.
const RATE_MIN: u64 = 16 * 1024;

/// How long a connection is used again after it was quiet; the service closes one after 15 s.
const QUIET_MAX: Duration = Duration::from_secs(8);

/// Where the service is, and who we are there.
#[derive(Clone)]
pub struct Access {
    /// `host:port`.
    pub address: String,
    /// The service's TLS key.
    pub service_key: PublicKey,
    /// The token, `craton_…`.
    pub token: String,
}

/// A request, planned and not sent: an operation of the table, what fills its path, and its body.
#[derive(Clone, Debug)]
pub struct Call {
    operation: Operation,
    at: Vec<String>,
    query: Vec<String>,
    media_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Call {
    /// An operation without anything else.
    #[must_use]
    pub const fn of(operation: Operation) -> Self {
        Self { operation, at: Vec::new(), query: Vec::new(), media_type: None, body: Vec::new() }
    }

    /// Fills the next name of its path after the catalog.
    #[must_use]
    pub fn at(mut self, value: impl Display) -> Self {
        self.at.push(escaped(&value.to_string()));
        self
    }

    /// Adds to its query, if there is a value.
    #[must_use]
    pub fn query(mut self, name: &str, value: Option<impl Display>) -> Self {
        let pair = value.map(|value| format!("{name}={}", escaped(&value.to_string())));
        self.query.extend(pair);
        self
    }

    /// A JSON body.
    ///
    /// # Errors
    /// None for the types of the API.
    pub fn json(self, body: &impl Serialize) -> Result<Self> {
        Ok(self.with("application/json", serde_json::to_vec(body)?))
    }

    /// A signed object as the body.
    #[must_use]
    pub fn object(self, body: &[u8]) -> Self {
        self.with("application/cbor", body.to_vec())
    }

    /// Bytes as the body.
    #[must_use]
    pub fn octets(self, body: &[u8]) -> Self {
        self.with("application/octet-stream", body.to_vec())
    }

    fn with(self, media_type: &'static str, body: Vec<u8>) -> Self {
        Self { media_type: Some(media_type), body, ..self }
    }

    /// Whether its path names a catalog.
    #[must_use]
    pub fn in_catalog(&self) -> bool {
        self.operation.path().contains("{catalog}")
    }

    fn path(&self, catalog: Option<CatalogId>) -> String {
        let catalog = catalog.filter(|_| self.in_catalog()).map(|id| id.to_string());
        let mut fill = catalog.iter().chain(&self.at);
        let mut path = String::new();
        for part in self.operation.path().split('/').skip(1) {
            path.push('/');
            let named = part.starts_with('{');
            path.push_str(if named { fill.next().map_or("", String::as_str) } else { part });
        }
        if !self.query.is_empty() {
            path.push('?');
            path.push_str(&self.query.join("&"));
        }
        path
    }
}

/// Percent-encoding (RFC 3986 §2.1) of everything but its unreserved characters: a name given on
/// the command line stays one part of the path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// A connection to the operator API.
pub struct Client {
    link: Link,
    access: Access,
    used: Instant,
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
        let link = link(access).await?;
        Ok(Self { link, access: access.clone(), used: Instant::now() })
    }

    /// Does a planned request; JSON out.
    ///
    /// # Errors
    /// [`Refused`], the link's, `AnswerUnexpected`.
    pub async fn call<T: DeserializeOwned>(
        &mut self,
        call: Call,
        catalog: Option<CatalogId>,
    ) -> Result<T> {
        let asked = format!("{} {}", call.operation.method(), call.operation.path());
        let answer = self.call_bytes(call, catalog).await?;
        serde_json::from_slice(&answer).map_err(|_| CliError::AnswerUnexpected(asked).into())
    }

    /// Does a planned request; bytes out.
    ///
    /// # Errors
    /// [`Refused`] and the link's.
    pub async fn call_bytes(&mut self, call: Call, catalog: Option<CatalogId>) -> Result<Vec<u8>> {
        let path = call.path(catalog);
        self.send(call.operation.method(), &path, call.media_type, call.body).await
    }

    /// GET, JSON out.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        let answer = self.send(Method::GET, path, None, Vec::new()).await?;
        json(&answer, path)
    }

    /// POST, JSON in and out.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body)?;
        json(&self.send(Method::POST, path, Some("application/json"), body).await?, path)
    }

    /// PUT of bytes, JSON out.
    pub async fn put_bytes<T: DeserializeOwned>(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T> {
        json(&self.send(Method::PUT, path, Some("application/octet-stream"), bytes).await?, path)
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        media_type: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Vec<u8>> {
        if self.used.elapsed() > QUIET_MAX {
            // Somebody was asked for a passphrase, or a payload was compressed, meanwhile.
            self.link = link(&self.access).await?;
        }
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.access.address)
            .header("authorization", format!("Bearer {}", self.access.token));
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        let within = Duration::from_secs(body.len() as u64 / RATE_MIN);
        let visible = media_type == Some("application/octet-stream");
        let request = request.body(Counted::new(body, visible))?;
        let asked = format!("{} {path}", request.method());
        let answer = self.link.ask(request, ANSWER_MAX, within).await;
        let (status, answer) = answer.with_context(|| asked.clone())?;
        self.used = Instant::now();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) => Err(Refused(Box::new(problem)).into()),
            Err(_) => bail!("the service answered {status}: {}", String::from_utf8_lossy(&answer)),
        }
    }
}

async fn link(access: &Access) -> Result<Link> {
    let peer = Peer { address: access.address.clone(), keys: vec![access.service_key] };
    Ok(Link::connect(&peer, None).await?)
}

fn json<T: DeserializeOwned>(answer: &[u8], path: &str) -> Result<T> {
    serde_json::from_slice(answer).map_err(|_| CliError::AnswerUnexpected(path.to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_its_path() {
        let call = Call::of(Operation::ProductShow).at("../x y/ä?");
        let path = call.path(Some(CatalogId([1; 32])));
        let catalog = "01".repeat(32);
        assert_eq!(path, format!("/v1/catalogs/{catalog}/products/..%2Fx%20y%2F%C3%A4%3F"));
        let call = Call::of(Operation::DeviceList).query("group", Some("a/b&c"));
        let call = call.query("after", None::<u64>).query("limit", Some(7));
        let path = call.path(Some(CatalogId([1; 32])));
        assert_eq!(path, format!("/v1/catalogs/{catalog}/devices?group=a%2Fb%26c&limit=7"));
        assert_eq!(Call::of(Operation::CatalogList).path(None), "/v1/catalogs");
    }

    #[test]
    fn an_answer_of_another_shape_is_answer_unexpected() {
        let refused = json::<u64>(b"\"x\"", "/v1/x").unwrap_err();
        assert!(matches!(refused.downcast().unwrap(), CliError::AnswerUnexpected(_)));
    }
}
