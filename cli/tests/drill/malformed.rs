//! Strangers at both listeners: ten thousand malformed requests, and slow ones.

use crate::World;
use crate::device::Run;
use crate::processes::{PATIENCE, memory_kib};
use crate::service::{Operator, healthy, plain_get};
use crate::soak;
use craton_api::device::{BLOBS_PATH, CHECK_IN_MAX, CHECK_IN_PATH, FAILURES_PATH, SETS_PATH};
use craton_device::link::{Link, Peer};
use http_body_util::Full;
use hyper::{Method, Request};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

const HANDSHAKES: usize = 5_500;
const PLAIN: usize = 2_500;
const OVER_TLS: usize = 2_000;
const GROWTH_KIB_MAX: u64 = 96 * 1024;

/// Numbers that are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most) + 1;
        (0..length).map(|_| self.roll() as u8).collect()
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// Sends bytes and waits until the service has closed: a connection that it never closes fails the
/// test by the time limit. Returns the answer.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The service may have seen enough before we have said all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("still open: {}", String::from_utf8_lossy(bytes))
        }
        _ => answer,
    }
}

/// A whole first flight of TLS 1.3.
fn client_hello() -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "craton.invalid".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut flight = Vec::new();
    client.write_tls(&mut flight).unwrap();
    flight
}

fn bad_handshake(dice: &mut Dice, hello: &[u8]) -> Vec<u8> {
    match dice.below(6) {
        0 => dice.bytes(600),
        1 => Vec::new(),
        2 => hello[..dice.below(hello.len())].to_vec(),
        3 => {
            let mut bent = hello.to_vec();
            for _ in 0..=dice.below(4) {
                let place = dice.below(bent.len());
                bent[place] ^= 1 << dice.below(8);
            }
            bent
        }
        // A whole first flight, then rubbish in place of the second.
        4 => [hello, &dice.bytes(300)].concat(),
        _ => b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
    }
}

fn bad_head(dice: &mut Dice) -> Vec<u8> {
    let path = dice.one_of(&[
        "/../../../../etc/passwd",
        "/catalogs/%2e%2e/%00",
        "/healthz?%ff=%",
        "/devices/\u{202e}",
        "*",
        "//",
        "/v1/catalogs",
    ]);
    let method =
        dice.one_of(&["POST", "PUT", "DELETE", "PATCH", "BREW", "get", "CONNECT", "TRACE"]);
    match dice.below(9) {
        0 => dice.bytes(400),
        1 => format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").into(),
        2 => format!("GET {path} HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000)).into(),
        3 => format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "z".repeat(40_000)).into(),
        4 => {
            let many: String = (0..150).map(|n| format!("h{n}: v\r\n")).collect();
            format!("GET {path} HTTP/1.1\r\n{many}\r\n").into()
        }
        5 => format!("GET {path} HTTP/{}\r\n\r\n", dice.one_of(&["0.9", "2", "1.1.1", ""])).into(),
        6 => format!("{method} {path} HTTP/1.1\r\ncontent-length: -1\r\n\r\n").into(),
        7 => {
            let endless = "f".repeat(18);
            format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{endless}\r\n").into()
        }
        _ => b"GET / HTTP/1.1\r\nhost: x\r\nbroken header\r\n\r\n".to_vec(),
    }
}

/// A request that HTTP lets through, and nothing else should.
fn bad_request(dice: &mut Dice, catalog: &str) -> Request<Full<hyper::body::Bytes>> {
    let mut nested = vec![0x81u8; 64];
    nested.push(0);
    let body = match dice.below(6) {
        0 => Vec::new(),
        1 => dice.bytes(CHECK_IN_MAX),
        2 => nested,
        // A byte string that says it is longer than memory.
        3 => [&[0x82, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &dice.bytes(64)]
            .concat(),
        4 => vec![0x82, 0x41, 0x00, 0x41, 0x00],
        _ => vec![0x5a; CHECK_IN_MAX + 1 + dice.below(100_000)],
    };
    let hex = "ab".repeat(32);
    let (method, path) = match dice.below(9) {
        0..=3 => (Method::POST, CHECK_IN_PATH.to_owned()),
        4 => (Method::POST, FAILURES_PATH.to_owned()),
        5 => (Method::GET, format!("{SETS_PATH}{hex}")),
        6 => (Method::GET, format!("{BLOBS_PATH}..%2f..%2fetc%2fpasswd")),
        7 => (dice.one_of(&[Method::PUT, Method::PATCH, Method::TRACE]), CHECK_IN_PATH.to_owned()),
        _ => {
            let below = dice.one_of(&["image-sets", "images", "deployments", "devices", "tokens"]);
            (Method::POST, format!("/v1/catalogs/{catalog}/{below}"))
        }
    };
    let token = dice.one_of(&["", "Bearer craton_0000", "Basic cm9vdDo=", "Bearer \u{7f}"]);
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Ok(token) = hyper::header::HeaderValue::from_str(token) {
        request = request.header("authorization", token);
    }
    request.body(Full::new(body.into())).unwrap()
}

/// Sends them over connections of twenty requests each.
fn requests_over_tls(dice: &mut Dice, operator: &Operator, address: SocketAddr, catalog: &str) {
    let peer = Peer { address: address.to_string(), keys: vec![operator.service_key()] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut link: Option<Link> = None;
    for at in 0..OVER_TLS {
        let request = bad_request(dice, catalog);
        let asked = format!("{} {}", request.method(), request.uri());
        runtime.block_on(async {
            if at % 20 == 0 || link.is_none() {
                link = Some(Link::connect(&peer, None).await.unwrap());
            }
            match link.as_mut().unwrap().ask(request, 64 * 1024, std::time::Duration::ZERO).await {
                Ok((status, _)) => assert!((400..500).contains(&status), "{asked}: {status}"),
                // It may close rather than read the rest of a body that is too large.
                Err(_) => link = None,
            }
        });
    }
}

/// Connections that say one byte at a time.
fn slow_senders(address: SocketAddr, begin: &[u8]) -> Vec<TcpStream> {
    let mut streams: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    for byte in begin {
        for stream in &mut streams {
            stream.write_all(&[*byte]).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    streams
}

#[test]
fn ten_thousand_malformed_requests_leave_the_service_as_it_was() {
    let mut world = World::begin();
    let (devices, dashboard) = world.service.addresses();
    let mut dice = Dice(0x5eed_0001);
    let hello = client_hello();
    // Caches fill at the first strangers already; only what grows after that counts.
    for _ in 0..200 {
        exchange(devices, &bad_handshake(&mut dice, &hello));
        exchange(dashboard, &bad_head(&mut dice));
    }
    let before_kib = memory_kib(world.service.pid());
    let mut slow = slow_senders(devices, &hello[..8]);
    slow.extend(slow_senders(dashboard, b"GET /hea"));
    for _ in 0..HANDSHAKES {
        exchange(devices, &bad_handshake(&mut dice, &hello));
    }
    for _ in 0..PLAIN {
        let bytes = bad_head(&mut dice);
        let answer = exchange(dashboard, &bytes);
        let text = String::from_utf8_lossy(&answer);
        let fault = text.starts_with("HTTP/1.1 5");
        assert!(!fault && !text.contains("root:"), "{}: {text}", String::from_utf8_lossy(&bytes));
    }
    let catalog = world.maker.catalog.to_string();
    requests_over_tls(&mut dice, &world.maker.operator, devices, &catalog);
    healthy(dashboard);
    drop_when_closed(slow);
    let grown_kib = memory_kib(world.service.pid()).saturating_sub(before_kib);
    println!("{} malformed requests: {grown_kib} KiB grown", HANDSHAKES + PLAIN + OVER_TLS);
    assert!(grown_kib < GROWTH_KIB_MAX, "{grown_kib} KiB");
    let set = world.maker.ship(2, Some(1));
    let running = world.device.run(&Run::quick(devices));
    world.device.until_confirmed(&running, set);
    assert!(running.stop().success());
    let metrics = plain_get(dashboard, "/metrics");
    let refused =
        metrics.lines().find_map(|line| line.strip_prefix("craton_check_ins_refused_total "));
    assert!(refused.unwrap().trim().parse::<usize>().unwrap() > 300, "{metrics}");
}

/// In a soak the service must close slow connections by itself.
fn drop_when_closed(streams: Vec<TcpStream>) {
    if !soak() {
        return;
    }
    for mut stream in streams {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let open = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!open, "a slow connection stays open");
    }
}
