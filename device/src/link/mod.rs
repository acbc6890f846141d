//! The device's end of TLS and HTTP: one connection to the service, whose key is pinned.
//!
//! What is true here: the service is believed by its key, which stands in the trust store under the
//! role Service, and by nothing else. Dates, names and issuers of its certificate are ignored: the
//! device may have no clock (Off-spec for RFC 5280: belief rests on the key and on the signed
//! reply). No session is resumed and no early data is sent, so that every exporter is of one full
//! handshake.

mod error;
mod pin;
#[cfg(test)]
mod tests;

pub use error::LinkError;
pub use pin::fingerprint;

use craton_api::device::{EXPORTER_LABEL, EXPORTER_SIZE, MEDIA_TYPE};
use craton_api::problem::Problem;
use craton_trust::PublicKey;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long the service may take to accept a connection, or to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What one exchange runs on: the calling thread.
///
/// # Errors
/// `SystemExhausted`.
pub fn runtime() -> Result<Runtime, LinkError> {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(LinkError::SystemExhausted)
}

/// Where the service is, and which keys it may have.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `host:port`.
    pub address: String,
    /// The keys of the role Service.
    pub keys: Vec<PublicKey>,
}

/// The device's only credential: the certificate of the last check-in, and its key.
#[derive(Clone)]
pub struct Credential {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS#8 DER.
    pub key: Vec<u8>,
}

/// One connection.
pub struct Link {
    sender: SendRequest<UnsyncBoxBody<Bytes, Infallible>>,
    exporter: [u8; EXPORTER_SIZE],
    host: String,
    /// Why the connection ended, once it has by an error.
    ended: Arc<OnceLock<String>>,
}

impl Link {
    /// Connects, with a credential or, for a check-in, without one.
    ///
    /// # Errors
    /// `ServiceUnreachable`, `ServiceKeyOther`, `TlsRefused`, `CredentialDamaged`.
    pub async fn connect(peer: &Peer, credential: Option<&Credential>) -> Result<Self, LinkError> {
        let (config, seen) = tls_config(&peer.keys, credential)?;
        let tls = shake_hands(&peer.address, config).await.map_err(|error| {
            let other = seen.other_key().is_some();
            if other { LinkError::ServiceKeyOther(peer.address.clone()) } else { error }
        })?;
        let unreachable = |why| LinkError::ServiceUnreachable(peer.address.clone(), why);
        let exporter = tls
            .get_ref()
            .1
            .export_keying_material([0u8; EXPORTER_SIZE], EXPORTER_LABEL, None)
            .map_err(|_| LinkError::TlsRefused)?;
        let (sender, connection) =
            handshake(TokioIo::new(tls)).await.map_err(|error| unreachable(error.to_string()))?;
        let ended = Arc::new(OnceLock::new());
        let end = ended.clone();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                let _ = end.set(cause_of(&error));
            }
        });
        Ok(Self { sender, exporter, host: peer.address.clone(), ended })
    }

    /// The key that whoever is at the address shows, believed by nobody yet: for a person to
    /// compare before it is pinned.
    ///
    /// # Errors
    /// `ServiceUnreachable`, `TlsRefused`; `ServiceKeyOther` if it is not of P-256.
    pub async fn key_shown_at(address: &str) -> Result<PublicKey, LinkError> {
        let (config, seen) = tls_config(&[], None)?;
        let shaken = shake_hands(address, config).await;
        match seen.other_key() {
            Some(key) => key.ok_or_else(|| LinkError::ServiceKeyOther(address.to_owned())),
            // With no key pinned there is no handshake that succeeds.
            None => Err(shaken.err().unwrap_or(LinkError::TlsRefused)),
        }
    }

    /// The connection's exporter, which evidence answers.
    #[must_use]
    pub fn exporter(&self) -> &[u8; EXPORTER_SIZE] {
        &self.exporter
    }

    /// Posts a body and returns the answer of at most `most` bytes. It is the last that this
    /// connection is for, and says so: the service closes it with its answer, and need not wake up
    /// once more to see that the device has gone.
    ///
    /// # Errors
    /// `ServiceUnreachable`, `ServiceRefused` with the service's own words, `AnswerTooLarge`.
    pub async fn post(
        mut self,
        path: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<Vec<u8>, LinkError> {
        let mut answer = self.send(Method::POST, path, None, body).await?;
        self.collect(&mut answer, most).await
    }

    /// Gets a small object of at most `most` bytes.
    ///
    /// # Errors
    /// As [`Link::post`].
    pub async fn get(&mut self, path: &str, most: usize) -> Result<Vec<u8>, LinkError> {
        let mut answer = self.send(Method::GET, path, None, Vec::new()).await?;
        self.collect(&mut answer, most).await
    }

    /// Sends any request, and returns the answer's status and body, whatever the status: for the
    /// command line, which speaks to the operator API over the same pinned connection. Sending the
    /// body may take as long as `within` beside the answer's own time.
    ///
    /// # Errors
    /// `ServiceUnreachable`, `AnswerTooLarge`.
    pub async fn ask<B>(
        &mut self,
        request: Request<B>,
        most: usize,
        within: Duration,
    ) -> Result<(u16, Vec<u8>), LinkError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let mut answer = self.exchange(request, within + ANSWER_WITHIN).await?;
        let status = answer.status().as_u16();
        Ok((status, self.collect(&mut answer, most).await?))
    }

    /// Gets an object from byte `from` on, piece by piece into `take`, which says how many bytes it
    /// has room for by refusing.
    ///
    /// # Errors
    /// As [`Link::post`], or what `take` returns.
    pub async fn fetch(
        &mut self,
        path: &str,
        from: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let mut answer = self.send(Method::GET, path, range, Vec::new()).await?;
        while let Some(piece) = self.next_piece(&mut answer).await? {
            take(&piece)?;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        range: Option<String>,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, LinkError> {
        let last = method == Method::POST;
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        if !body.is_empty() {
            request = request.header("content-type", MEDIA_TYPE);
        }
        if last {
            request = request.header("connection", "close");
        }
        if let Some(range) = &range {
            request = request.header("range", range);
        }
        let body: Full<Bytes> = Full::new(body.into());
        let request = request.body(body).map_err(|_| LinkError::TlsRefused)?;
        let mut answer = self.exchange(request, ANSWER_WITHIN).await?;
        let status = answer.status().as_u16();
        let expected = if range.is_some() { 206 } else { 200 };
        if status == expected || (range.is_none() && (201..=204).contains(&status)) {
            return Ok(answer);
        }
        let said = self.collect(&mut answer, PROBLEM_MAX).await.unwrap_or_default();
        let code = serde_json::from_slice(&said).ok().map(|problem: Problem| problem.code);
        Err(LinkError::ServiceRefused(status, refusal_text(&said), code))
    }

    async fn exchange<B>(
        &mut self,
        request: Request<B>,
        within: Duration,
    ) -> Result<Response<Incoming>, LinkError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let exchange = async {
            // The request before may still be on its way out: hyper refuses a sender that is not
            // ready.
            self.sender.ready().await?;
            self.sender.send_request(request.map(BodyExt::boxed_unsync)).await
        };
        let answer = timeout(within, exchange).await;
        let answer = answer.map_err(|_| self.unreachable("no answer"))?;
        answer.map_err(|error| self.unreachable(error))
    }

    async fn collect(
        &self,
        answer: &mut Response<Incoming>,
        most: usize,
    ) -> Result<Vec<u8>, LinkError> {
        let mut body = Vec::new();
        while let Some(piece) = self.next_piece(answer).await? {
            if body.len() + piece.len() > most {
                return Err(LinkError::AnswerTooLarge(most));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    async fn next_piece(
        &self,
        answer: &mut Response<Incoming>,
    ) -> Result<Option<Bytes>, LinkError> {
        loop {
            let frame = timeout(ANSWER_WITHIN, answer.frame()).await;
            let frame = frame.map_err(|_| self.unreachable("the answer stopped"))?;
            match frame {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|error| self.unreachable(error))?;
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    fn unreachable(&self, why: impl ToString) -> LinkError {
        let why = self.ended.get().cloned().unwrap_or_else(|| why.to_string());
        LinkError::ServiceUnreachable(self.host.clone(), why)
    }
}

async fn shake_hands(
    address: &str,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, LinkError> {
    let unreachable = |why: String| LinkError::ServiceUnreachable(address.to_owned(), why);
    let tcp = timeout(ANSWER_WITHIN, TcpStream::connect(address)).await;
    let tcp = tcp.map_err(|_| unreachable("no answer".into()))?;
    let tcp = tcp.map_err(|error| unreachable(error.to_string()))?;
    // Small requests wait for nothing: each is written whole.
    let _ = tcp.set_nodelay(true);
    let name = ServerName::try_from("craton.invalid").map_err(|_| LinkError::TlsRefused)?;
    let tls = timeout(ANSWER_WITHIN, TlsConnector::from(Arc::new(config)).connect(name, tcp));
    let tls = tls.await.map_err(|_| unreachable("no TLS answer".into()))?;
    tls.map_err(|error| unreachable(error.to_string()))
}

/// An error with what it came from: hyper alone says only that it was cancelled.
fn cause_of(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

/// The most of a refusal's text that is read, bytes.
const PROBLEM_MAX: usize = 4096;

/// The words of a problem document (RFC 9457) with their number, or of any other text.
fn refusal_text(body: &[u8]) -> String {
    let said = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => format!("E{}: {}. {}", problem.code, problem.title, problem.detail),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    said.chars().filter(|c| !c.is_control()).take(500).collect()
}

fn tls_config(
    keys: &[PublicKey],
    credential: Option<&Credential>,
) -> Result<(ClientConfig, Arc<pin::Pinned>), LinkError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let pinned = Arc::new(pin::Pinned::new(keys.to_vec(), provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| LinkError::TlsRefused)?
        .dangerous()
        .with_custom_certificate_verifier(pinned.clone());
    let mut config = match credential {
        None => builder.with_no_client_auth(),
        Some(credential) => {
            let chain = vec![CertificateDer::from(credential.certificate.clone())];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(credential.key.clone()));
            builder.with_client_auth_cert(chain, key).map_err(|_| LinkError::CredentialDamaged)?
        }
    };
    config.resumption = rustls::client::Resumption::disabled();
    Ok((config, pinned))
}
