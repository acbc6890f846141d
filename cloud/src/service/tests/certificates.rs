//! Clients' certificates over real TLS: those that are not ours or not of today end the connection
//! before a byte of HTTP is read.

use super::*;
use std::time::SystemTime;

use craton_api::device::SETS_PATH;
use craton_trust::PublicKey;
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{AlertDescription, Error};

use crate::app::check_in::Policy;
use crate::attest::tests::appraised;
use crate::authority::{FileKey, IssuingCa, Keyring};
use crate::setup::parts;

const HOUR: Duration = Duration::from_secs(3600);

/// A service with its key file, and its issuing CA once more.
struct Bench {
    _folder: tempfile::TempDir,
    service: Service,
    ca: IssuingCa,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sealed, master) = (folder.path().join("keys"), folder.path().join("master"));
        let keyring = Keyring::open(&sealed, &master).unwrap();
        let ca = IssuingCa::new(&keyring.issuing).unwrap();
        let parts = parts(keyring, Policy::default()).unwrap();
        let config = Config::on_loopback(folder.path().join("data"));
        let service = up(config, parts).await.unwrap();
        Self { _folder: folder, service, ca }
    }

    /// What a client with this chain hears when it asks for a set.
    async fn heard(&self, chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Heard {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_client_auth_cert(chain, key)
            .unwrap();
        let stream = TcpStream::connect(self.service.addresses().0).await.unwrap();
        let name = ServerName::try_from("craton").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let mut stream = match connected {
            Ok(stream) => stream,
            Err(error) => return Heard::of(error),
        };
        let zeros = "0".repeat(64);
        let request = format!(
            "GET {SETS_PATH}{zeros} HTTP/1.1\r\nhost: x\r\n\
            connection: close\r\n\r\n"
        );
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            Ok(_) => Heard::Http(String::from_utf8_lossy(&answer).into_owned()),
            Err(error) => Heard::of(error),
        }
    }

    fn requests(&self) -> u64 {
        self.service.app().counted.requests.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[derive(Debug, PartialEq)]
enum Heard {
    Http(String),
    Alert(AlertDescription),
}

impl Heard {
    fn of(error: std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::AlertReceived(alert)) => Self::Alert(*alert),
            _ => panic!("neither an answer nor an alert: {error}"),
        }
    }
}

/// A certificate that `ca` issued at `now` for an hour, and its key.
fn issued(ca: &IssuingCa, now: SystemTime) -> (Vec<CertificateDer<'static>>, KeyPair) {
    let pair = KeyPair::generate().unwrap();
    let device = appraised(PublicKey::from_sec1(pair.der_bytes()).unwrap());
    let certificate = ca.issue(&device, now, HOUR).unwrap();
    (vec![certificate.der.into()], pair)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_and_one_of_tomorrow_open_no_connection() {
    let bench = Bench::new().await;
    let now = SystemTime::now();
    let day = 24 * HOUR;
    let (expired, key) = issued(&bench.ca, now - day);
    let heard = bench.heard(expired, &key).await;
    assert_eq!(heard, Heard::Alert(AlertDescription::CertificateExpired));
    let (early, key) = issued(&bench.ca, now + day);
    let heard = bench.heard(early, &key).await;
    assert!(matches!(heard, Heard::Alert(_)), "{heard:?}");
    assert_eq!(bench.requests(), 0, "no handler saw a request");
    let (good, key) = issued(&bench.ca, now);
    let heard = bench.heard(good, &key).await;
    // TLS lets it in; that no check-in issued it, the handler finds out.
    let Heard::Http(answer) = heard else { panic!("{heard:?}") };
    assert!(answer.contains("E4110") || answer.contains("4110"), "{answer}");
    assert_eq!(bench.requests(), 1);
    bench.service.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_a_foreign_ca_or_of_a_device_opens_no_connection() {
    let bench = Bench::new().await;
    let now = SystemTime::now();
    // A CA of the same name with another key.
    let foreign = IssuingCa::new(&FileKey::generate().unwrap()).unwrap();
    let (certificate, key) = issued(&foreign, now);
    let heard = bench.heard(certificate, &key).await;
    assert!(matches!(heard, Heard::Alert(_)), "{heard:?}");
    let own_pair = KeyPair::generate().unwrap();
    let own = CertificateParams::default().self_signed(&own_pair).unwrap();
    let heard = bench.heard(vec![own.der().clone()], &own_pair).await;
    assert_eq!(heard, Heard::Alert(AlertDescription::UnknownCA));
    // A good device that issues to others.
    let (device, device_key) = issued(&bench.ca, now);
    let (_, parsed) = x509_parser::parse_x509_certificate(&device[0]).unwrap();
    let name = parsed.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned();
    let mut as_ca = CertificateParams::default();
    as_ca.distinguished_name = rcgen::DistinguishedName::new();
    as_ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    as_ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = Issuer::new(as_ca, device_key);
    let pair = KeyPair::generate().unwrap();
    let leaf = CertificateParams::default();
    let issued_by_device = leaf.signed_by(&pair, &issuer).unwrap();
    let chain = vec![issued_by_device.der().clone(), device[0].clone()];
    let heard = bench.heard(chain, &pair).await;
    assert!(matches!(heard, Heard::Alert(_)), "{heard:?}");
    assert_eq!(bench.requests(), 0, "no handler saw a request");
    bench.service.shutdown().await;
}
