//! The service as it runs: real sockets, real TLS, real refusals to come up.

mod certificates;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::http::{Exporter, PeerCertificate};
use crate::testing::keys;

/// Believes any certificate, as a client that pins the key by other means would not.
#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn connector(version: &'static rustls::SupportedProtocolVersion) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connected(address: SocketAddr) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("craton").unwrap();
    connector(&rustls::version::TLS13).connect(name, stream).await.unwrap()
}

async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A peer that ends without a close is fine here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

async fn service(folder: &std::path::Path) -> Service {
    up(Config::on_loopback(folder.to_owned()), Parts::new(keys())).await.unwrap()
}

/// `Service` has no `Debug`.
async fn refusal(config: Config) -> ServiceError {
    match up(config, Parts::new(keys())).await {
        Ok(_) => panic!("the service came up"),
        Err(refusal) => refusal,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_over_tls_1_3_and_on_loopback_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (device, dashboard) = service.addresses();
    let answer = ask(&mut connected(device).await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    let mut plain = TcpStream::connect(dashboard).await.unwrap();
    plain.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    tokio::time::timeout(Duration::from_secs(10), service.shutdown()).await.unwrap();
    assert!(TcpStream::connect(device).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_is_refused_and_no_ticket_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (device, _) = service.addresses();
    let stream = TcpStream::connect(device).await.unwrap();
    let name = ServerName::try_from("craton").unwrap();
    assert!(connector(&rustls::version::TLS12).connect(name, stream).await.is_err());
    let mut stream = connected(device).await;
    ask(&mut stream, HEALTH).await;
    let (_, connection) = stream.get_ref();
    assert_eq!(connection.tls13_tickets_received(), 0);
    service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_sees_the_exporter_of_its_own_connection() {
    let folder = tempfile::tempdir().unwrap();
    let show =
        async |Extension(Exporter(exporter)): Extension<Exporter>,
               Extension(PeerCertificate(certificate)): Extension<PeerCertificate>| {
            assert!(certificate.is_none());
            exporter.map(|byte| format!("{byte:02x}")).concat()
        };
    let mut parts = Parts::new(keys());
    parts.device_routes = Router::new().route("/exporter", get(show));
    let service = up(Config::on_loopback(folder.path().to_owned()), parts).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut stream = connected(service.addresses().0).await;
        let own = {
            let (_, connection) = stream.get_ref();
            let label = craton_api::device::EXPORTER_LABEL;
            connection.export_keying_material([0u8; 32], label, None).unwrap()
        };
        let request = "GET /exporter HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = ask(&mut stream, request).await;
        assert!(answer.ends_with(&own.map(|byte| format!("{byte:02x}")).concat()), "{answer}");
        seen.push(own);
    }
    assert_ne!(seen[0], seen[1]);
    service.shutdown().await;
}

#[tokio::test]
async fn port_taken_says_so_and_leaves_the_folder_free() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Config::on_loopback(folder.path().to_owned());
    config.device_listen = taken.local_addr().unwrap();
    let refusal = refusal(config.clone()).await;
    assert!(matches!(refusal, ServiceError::PortTaken(address) if address == config.device_listen));
    assert!(refusal.to_string().starts_with("E4351: another program listens on 127.0.0.1:"));
    service(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn address_refused_is_one_of_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::on_loopback(folder.path().to_owned());
    config.device_listen = "192.0.2.1:1".parse().unwrap();
    assert!(matches!(refusal(config).await, ServiceError::AddressRefused { .. }));
}

#[tokio::test]
async fn dashboard_exposed_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut config = Config::on_loopback(data.clone());
    config.dashboard_listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(refusal(config).await, ServiceError::DashboardExposed(_)));
    assert!(!data.exists());
}

#[tokio::test]
async fn data_folder_in_use_refuses_a_second_service_and_not_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let first = service(folder.path()).await;
    let refused = refusal(Config::on_loopback(folder.path().to_owned())).await;
    assert!(matches!(refused, ServiceError::DataFolderInUse(_)));
    first.shutdown().await;
    service(folder.path()).await.shutdown().await;
}

#[tokio::test]
async fn data_folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::write(&data, b"a file").unwrap();
    let refused = refusal(Config::on_loopback(data)).await;
    assert!(matches!(refused, ServiceError::DataFolder { .. }));
}

#[tokio::test]
async fn the_data_folder_and_the_database_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    service(&data).await.shutdown().await;
    assert_eq!((mode(&data), mode(&data.join("craton.db"))), (0o700, 0o600));
    // Opened by hand, or by an earlier version: closed again.
    open(&data, 0o755);
    open(&data.join("craton.db"), 0o644);
    let again = service(&data).await;
    let files: Vec<_> =
        std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().path()).collect();
    for file in files.iter().filter(|file| file.to_string_lossy().contains("craton.db")) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&data), 0o700);
    again.shutdown().await;
    // A folder of somebody else's files is not ours to close.
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("a letter"), b"").unwrap();
    open(&shared, 0o755);
    let refused = refusal(Config::on_loopback(shared.clone())).await;
    let shared_folder = matches!(refused, ServiceError::Store(StoreError::FolderShared { .. }));
    assert!(shared_folder, "{refused}");
    assert_eq!(mode(&shared), 0o755);
}

#[test]
fn tls_refused_carries_the_librarys_words() {
    let refused = ServiceError::TlsKeyRefused(rustls::Error::HandshakeNotComplete);
    assert_eq!(refused.code(), 4355);
    assert!(refused.to_string().contains("handshake"), "{refused}");
}

/// A cheap generator, so that a seed reproduces the requests.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// One request that is wrong somewhere.
    fn request(&mut self) -> Vec<u8> {
        const GOOD: &str = "PUT /v1/catalogs/00/blobs/00 HTTP/1.1\r\nhost: x\r\n\
            authorization: Bearer craton_x\r\ncontent-type: application/json\r\n\
            content-length: 12\r\n\r\n{\"name\": 1 }";
        match self.next() % 8 {
            0 => {
                let count = self.next() % 400;
                self.bytes(count)
            }
            1 => {
                let cut = self.next() as usize % GOOD.len();
                GOOD.as_bytes()[..cut].to_vec()
            }
            2..=4 => {
                let mut request = GOOD.as_bytes().to_vec();
                for _ in 0..=self.next() % 4 {
                    let at = self.next() as usize % request.len();
                    request[at] = self.next() as u8;
                }
                request
            }
            5 => GOOD.replace("12", "99999999999999999999999").into_bytes(),
            6 => GOOD.replace("host: x", &format!("h: {}", "x".repeat(70_000))).into_bytes(),
            _ => {
                let path = String::from_utf8_lossy(&self.bytes(60)).replace([' ', '\r', '\n'], "%");
                format!("GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
            }
        }
    }
}

/// Sends the bytes, ends the sending side, and waits for the end of the answer.
async fn throw(address: SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    // The service may close before it has taken everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_malformed_requests_leave_the_service_answering() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (device, dashboard) = service.addresses();
    let lanes = (0..20u64).map(|lane| {
        tokio::spawn(async move {
            let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ (lane + 1));
            for _ in 0..485 {
                throw(dashboard, &noise.request()).await;
            }
            for n in 0..15 {
                let request = noise.request();
                if n % 3 == 0 {
                    // Not even TLS.
                    throw(device, &request).await;
                    continue;
                }
                let mut stream = connected(device).await;
                let _ = stream.write_all(&request).await;
                let _ = stream.shutdown().await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    let answer = ask(&mut connected(device).await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let catalogs = service.app().store.read(|db| db.catalogs()).unwrap();
    assert!(catalogs.is_empty());
    service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_do_not_keep_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path()).await;
    let (device, dashboard) = service.addresses();
    let mut silent = Vec::new();
    for n in 0..200 {
        let address = if n % 2 == 0 { device } else { dashboard };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"G").await.unwrap();
        silent.push(stream);
    }
    let answer = ask(&mut connected(device).await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The plain listener gives up on a head that does not come.
    let mut one = silent.swap_remove(1);
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(25), one.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "a silent connection was still open after 25 s");
    service.shutdown().await;
}

/// A service with a catalog that holds one large blob, and its owner's token.
struct Holding {
    service: Service,
    token: String,
    path: String,
    _folder: tempfile::TempDir,
}

impl Holding {
    async fn new(patience: Patience) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::on_loopback(folder.path().to_owned());
        config.patience = patience;
        let service = up(config, Parts::new(keys())).await.unwrap();
        let app = service.app();
        let token = std::fs::read_to_string(folder.path().join("operator-token")).unwrap();
        let token = token.trim().to_owned();
        let caller = crate::app::callers::authenticate(app, Some(&token)).unwrap();
        let asked = craton_api::operator::CatalogCreate {
            name: "acme".into(),
            owner_section: craton_api::operator::Base64(crate::testing::owner_section(true)),
            platform_section: craton_api::operator::Base64(crate::testing::platform_section(true)),
        };
        let permit = caller.permit_service().unwrap();
        let catalog = crate::app::catalogs::create(app, permit, asked).await.unwrap().id;
        // More than the buffers of both ends of a connection take.
        let blob = vec![7; 48 << 20];
        let mut upload = app.blobs.begin(crate::crypto::sha256(&blob));
        assert!(upload.chunk(blob.into()).await);
        let permit = caller.permit(catalog).unwrap();
        let (blob, _) = crate::app::blobs::keep(app, permit, upload).await.unwrap();
        let path = format!("/v1/catalogs/{catalog}/blobs/{}", blob.sha256);
        Self { service, token, path, _folder: folder }
    }

    /// Asks for the blob; the answer is there to be read.
    async fn asked(&self) -> TlsStream<TcpStream> {
        let mut stream = connected(self.service.addresses().0).await;
        let (path, token) = (&self.path, &self.token);
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// The status of the answer.
    async fn status(mut stream: TlsStream<TcpStream>) -> String {
        let mut head = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_exact(&mut head));
        read.await.expect("an answer within a minute").unwrap();
        String::from_utf8_lossy(&head[9..]).into_owned()
    }

    /// Asks until the answer is the blob.
    async fn served_in_time(&self) {
        for _ in 0..300 {
            if Self::status(self.asked().await).await == "200" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no place became free");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_do_not_read_hold_only_their_own_places() {
    let holding = Holding::new(Patience::default()).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = holding.asked().await;
        stream.read_exact(&mut [0; 12]).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(Holding::status(holding.asked().await).await, "429", "StreamsBusy");
    let device = holding.service.addresses().0;
    let answer = ask(&mut connected(device).await, HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    holding.served_in_time().await;
    holding.service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_reads_is_cut_off_and_its_place_is_free_again() {
    let write_stall = Duration::from_millis(300);
    let holding = Holding::new(Patience { write_stall, ..Patience::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = holding.asked().await;
        stream.read_exact(&mut [0; 12]).await.unwrap();
        idle.push(stream);
    }
    // The connections stay open on this side: only the service can end them.
    holding.served_in_time().await;
    drop(idle);
    holding.service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_a_byte_now_and_then_is_body_slow() {
    let upload_start = Duration::from_millis(500);
    let patience = Patience { upload_start, upload_rate: 1 << 20, ..Patience::default() };
    let holding = Holding::new(patience).await;
    let (path, token) = (&holding.path, &holding.token);
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/octet-stream\r\ncontent-length: 50331648\r\n\r\n"
    );
    let stream = connected(holding.service.addresses().0).await;
    let (mut reads, mut writes) = tokio::io::split(stream);
    writes.write_all(head.as_bytes()).await.unwrap();
    let drip = tokio::spawn(async move {
        while writes.write_all(&[7]).await.is_ok() && writes.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(60), reads.read_exact(&mut answer));
    read.await.expect("an answer within a minute").unwrap();
    assert_eq!(&answer[9..], b"408", "BodySlow");
    drip.abort();
    holding.service.shutdown().await;
}
