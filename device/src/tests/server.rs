//! A service on loopback that answers whatever a test wants: real TLS 1.3, HTTP by hand.

use crate::link::Peer;
use craton_trust::PublicKey;
use rcgen::PublicKeyData as _;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// The whole head, lower case.
    pub head: String,
    pub body: Vec<u8>,
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A service; it ends with the test's process.
pub struct Server {
    pub address: String,
    pub key: PublicKey,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers each request with the bytes that `reply` makes of it, head included.
    pub fn start(reply: impl Fn(&Asked) -> Vec<u8> + Send + 'static) -> Self {
        Self::serving(move |stream, asked| {
            while let Some(request) = read_request(stream) {
                asked.lock().unwrap().push(request.clone());
                // Whoever has heard enough hangs up.
                if stream.write_all(&reply(&request)).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
        })
    }

    fn serving(serve: impl Fn(&mut Stream, &Mutex<Vec<Asked>>) + Send + 'static) -> Self {
        Self::dated((1975, 4096), serve)
    }

    /// Says `ok` under a certificate that is good from one year to another.
    pub fn of_years(from: i32, to: i32) -> Self {
        Self::dated((from, to), |stream, _| {
            if read_request(stream).is_some() {
                let _ = stream.write_all(&answer(200, b"ok"));
                let _ = stream.flush();
            }
        })
    }

    fn dated(
        (from, to): (i32, i32),
        serve: impl Fn(&mut Stream, &Mutex<Vec<Asked>>) + Send + 'static,
    ) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = PublicKey::from_sec1(pair.der_bytes()).unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(to, 1, 1);
        let certificate = parameters.self_signed(&pair).unwrap();
        let private = PrivatePkcs8KeyDer::from(pair.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (config, seen) = (Arc::new(config), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                serve(&mut StreamOwned::new(connection, stream), &seen);
            }
        });
        Self { address, key, asked }
    }

    /// Sends these bytes to the first request, and closes.
    pub fn hang_up_after(bytes: Vec<u8>) -> Self {
        Self::serving(move |stream, _| {
            if read_request(stream).is_some() {
                let _ = stream.write_all(&bytes);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        })
    }

    /// This service, pinned.
    pub fn peer(&self) -> Peer {
        Peer { address: self.address.clone(), keys: vec![self.key] }
    }

    /// The requests that arrived so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// An HTTP answer with its length.
pub fn answer(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &mut Stream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { path, head, body })
}
