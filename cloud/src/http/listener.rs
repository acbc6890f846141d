//! Both listeners: TLS 1.3 for devices and operators, plain HTTP for this machine's browser.
//!
//! The loop is our own because a handler needs the connection's exporter and the peer's
//! certificate. Every wait has an end: accepting, the handshake, a request's head, (in `body`) its
//! bytes, and (in `patient`) a peer that takes no byte of the answer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use craton_api::device::{EXPORTER_LABEL, EXPORTER_SIZE};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::ResolvesServerCert;
use rustls::time_provider::TimeProvider;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;

use super::patient::Patient;
use super::{Exporter, PeerCertificate};
use crate::app::App;
use crate::app::check_in::LastReply;
use crate::clock::Clock;
use crate::keys::Keys;

/// Connections open at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 4096;

/// Seconds for a TLS handshake.
const HANDSHAKE_S_MAX: u64 = 10;

/// Seconds for the head of a request, the first and each later one.
const HEAD_S_MAX: u64 = 15;

/// Bytes of the head of a request.
const HEAD_SIZE_MAX: usize = 32 * 1024;

/// Seconds that open requests get when the service stops.
const DRAIN_S_MAX: u64 = 5;

/// TLS 1.3 only, without tickets and without early data: each connection proves itself anew, so
/// that evidence bound to its exporter is fresh. Clients' certificates are dated by `clock`, as
/// they were when they were issued.
///
/// # Errors
/// A refusal of the TLS library.
pub fn tls_config(keys: &Keys, clock: Arc<dyn Clock>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let resolver = Arc::new(OneKey(keys.tls.clone()));
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(keys.client_verifier.clone())
        .with_cert_resolver(resolver);
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The service's clock, as rustls asks for the time.
struct ClockTime(Arc<dyn Clock>);

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.now_s())))
    }
}

#[derive(Debug)]
struct OneKey(Arc<rustls::sign::CertifiedKey>);

impl ResolvesServerCert for OneKey {
    fn resolve(
        &self,
        _hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Serves TLS until `stop` changes, then lets open requests end.
pub async fn serve_tls(
    listener: TcpListener,
    config: ServerConfig,
    router: Router,
    app: App,
    stop: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let stop_each = stop.clone();
    accept_loop(listener, app.clone(), stop, move |stream| {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let (app, stop) = (app.clone(), stop_each.clone());
        let stream = Patient::new(stream, app.patience.write_stall);
        async move {
            let patience = Duration::from_secs(HANDSHAKE_S_MAX);
            match tokio::time::timeout(patience, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let (certificate, exporter) = facts_of(&stream);
                    serve_one(stream, router, stop, certificate, exporter).await;
                }
                _ => {
                    app.counted.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    })
    .await;
}

/// Serves plain HTTP until `stop` changes. Meant for a loopback address.
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    app: App,
    stop: watch::Receiver<bool>,
) {
    let (stop_each, stall) = (stop.clone(), app.patience.write_stall);
    accept_loop(listener, app, stop, move |stream| {
        let stream = Patient::new(stream, stall);
        let (router, stop) = (router.clone(), stop_each.clone());
        serve_one(stream, router, stop, PeerCertificate(None), None)
    })
    .await;
}

async fn accept_loop<F, R>(
    listener: TcpListener,
    app: App,
    mut stop: watch::Receiver<bool>,
    serve: F,
) where
    F: Fn(TcpStream) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: give connections time to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        app.counted.connections.fetch_add(1, Ordering::Relaxed);
        // A small answer must not wait for a larger packet.
        let _ = stream.set_nodelay(true);
        let connection = serve(stream);
        tokio::spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    let all = places.acquire_many(CONNECTIONS_MAX as u32);
    let _ = tokio::time::timeout(Duration::from_secs(DRAIN_S_MAX), all).await;
}

fn facts_of(stream: &TlsStream<Patient<TcpStream>>) -> (PeerCertificate, Option<Exporter>) {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.map(|certificate| certificate.to_vec());
    let exported = connection.export_keying_material([0; EXPORTER_SIZE], EXPORTER_LABEL, None);
    (PeerCertificate(certificate), exported.ok().map(Exporter))
}

async fn serve_one<S>(
    stream: S,
    router: Router,
    mut stop: watch::Receiver<bool>,
    certificate: PeerCertificate,
    exporter: Option<Exporter>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let last = LastReply::default();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(certificate.clone());
        request.extensions_mut().insert(last.clone());
        if let Some(exporter) = exporter {
            request.extensions_mut().insert(exporter);
        }
        async move { router.call(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_S_MAX))
        .max_buf_size(HEAD_SIZE_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ended is the peer's matter; its requests were answered or not.
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Where a listener came to listen.
///
/// # Errors
/// The system's.
pub async fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
