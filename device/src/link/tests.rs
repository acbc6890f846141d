//! One refusal each, over real TLS on loopback; and what did not happen.

use super::*;
use crate::tests::{Server, answer, block_on, key, nobody};
use craton_api::problem::Fault;
use craton_trust::crypto::Signer as _;
use std::net::TcpListener;

const SET: &str = "/device/v1/sets/0";

fn refused<T>(outcome: Result<T, LinkError>) -> LinkError {
    outcome.err().unwrap()
}

/// What one request to a service that always says `reply` comes to.
fn got(reply: Vec<u8>, most: usize) -> Result<Vec<u8>, LinkError> {
    let server = Server::start(move |_| reply.clone());
    block_on(async { Link::connect(&server.peer(), None).await?.get(SET, most).await })
}

fn credential() -> (Credential, rcgen::KeyPair) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let certificate = certificate.der().to_vec();
    (Credential { certificate, key: pair.serialize_der() }, pair)
}

#[test]
fn a_refusal_keeps_its_number_and_no_control_character() {
    let problem = Problem::from_text(4102, 403, Fault::Peer, "E4102: it was seen. Restart it");
    let body = serde_json::to_vec(&problem).unwrap();
    assert_eq!(refusal_text(&body), "E4102: it was seen. Restart it");
    assert_eq!(refusal_text(b"no\x1b[2J\nJSON"), "no[2JJSON");
    assert!(refusal_text(&[b'x'; 4096]).len() <= 500);
}

#[test]
fn nobody_at_the_address_is_service_unreachable() {
    let refused = refused(block_on(Link::connect(&nobody(), None)));
    assert!(matches!(refused, LinkError::ServiceUnreachable(..)), "{refused}");
}

#[test]
fn a_silent_service_is_service_unreachable_after_its_time() {
    // Connections are taken by the system, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = Peer { address: silent.local_addr().unwrap().to_string(), keys: Vec::new() };
    let since = std::time::Instant::now();
    let refused = refused(block_on(Link::connect(&peer, None)));
    assert!(matches!(refused, LinkError::ServiceUnreachable(..)), "{refused}");
    assert!(since.elapsed() >= ANSWER_WITHIN);
}

#[test]
fn service_key_other_is_told_nothing() {
    let server = Server::start(|_| answer(200, b"believe me"));
    let stranger = Peer { keys: vec![key(9).public_key()], ..server.peer() };
    let none = Peer { keys: Vec::new(), ..server.peer() };
    for peer in [stranger, none] {
        let refused = refused(block_on(Link::connect(&peer, None)));
        assert!(matches!(refused, LinkError::ServiceKeyOther(_)), "{refused}");
    }
    assert!(server.asked().is_empty(), "not a byte of a request left the device");
}

#[test]
fn tls_refused_is_a_request_that_cannot_be_said_and_it_is_not_sent() {
    let server = Server::start(|_| answer(200, b"ok"));
    block_on(async {
        let mut link = Link::connect(&server.peer(), None).await.unwrap();
        let refused = refused(link.get("/a path with spaces\r\n", 10).await);
        assert!(matches!(refused, LinkError::TlsRefused), "{refused}");
        assert!(server.asked().is_empty());
        assert_eq!(link.get(SET, 10).await.unwrap(), b"ok", "the connection goes on");
    });
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn credential_damaged_dials_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = Peer { address, keys: Vec::new() };
    let ((good, _), (other, _)) = (credential(), credential());
    let garbage = Credential { key: vec![1, 2, 3], ..good.clone() };
    let of_another = Credential { key: other.key, ..good };
    for damaged in [garbage, of_another] {
        let refused = refused(block_on(Link::connect(&peer, Some(&damaged))));
        assert!(matches!(refused, LinkError::CredentialDamaged), "{refused}");
    }
    let dialed = listener.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(dialed, Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn service_refused_keeps_the_services_number_and_words() {
    let problem = Problem::from_text(4110, 401, Fault::Peer, "E4110: it is old. Check in");
    let refused = refused(got(answer(401, &serde_json::to_vec(&problem).unwrap()), 10));
    assert!(matches!(refused, LinkError::ServiceRefused(401, ..)), "{refused}");
    assert!(refused.to_string().contains("E4110: it is old. Check in"), "{refused}");
}

#[test]
fn service_refused_is_a_whole_object_where_its_rest_was_asked_and_nothing_is_taken() {
    let server = Server::start(|_| answer(200, b"the whole object"));
    let mut taken = Vec::new();
    let outcome = block_on(async {
        let mut link = Link::connect(&server.peer(), None).await?;
        let take = |piece: &[u8]| {
            taken.extend_from_slice(piece);
            Ok(())
        };
        link.fetch(SET, 4, take).await
    });
    let refused = refused(outcome);
    assert!(matches!(refused, LinkError::ServiceRefused(200, ..)), "{refused}");
    assert!(taken.is_empty());
    assert!(server.asked()[0].head.contains("range: bytes=4-"), "{:?}", server.asked());
}

#[test]
fn answer_too_large_stops_reading_whether_its_length_is_said_or_not() {
    assert_eq!(got(answer(200, &[7; 100]), 100).unwrap().len(), 100);
    let said = refused(got(answer(200, &[7; 101]), 100));
    assert!(matches!(said, LinkError::AnswerTooLarge(100)), "{said}");
    let mut endless = b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..1000 {
        endless.extend_from_slice(b"400\r\n");
        endless.extend_from_slice(&[7; 0x400]);
        endless.extend_from_slice(b"\r\n");
    }
    let unsaid = refused(got(endless, 2048));
    assert!(matches!(unsaid, LinkError::AnswerTooLarge(2048)), "{unsaid}");
}

#[test]
fn an_answer_that_is_cut_off_is_service_unreachable_and_not_a_short_object() {
    let cut = b"HTTP/1.1 200 x\r\ncontent-length: 50\r\nconnection: close\r\n\r\nhalf".to_vec();
    let server = Server::hang_up_after(cut);
    let outcome =
        block_on(async { Link::connect(&server.peer(), None).await?.get(SET, 100).await });
    let refused = refused(outcome);
    assert!(matches!(refused, LinkError::ServiceUnreachable(..)), "{refused}");
}

/// The same as a device clock at 1970 or 2100: the certificate is of another time than now.
#[test]
fn a_service_certificate_of_any_century_is_believed_by_its_key() {
    for (from, to) in [(1971, 1972), (2100, 2101)] {
        let server = Server::of_years(from, to);
        let got = block_on(async { Link::connect(&server.peer(), None).await?.get(SET, 10).await });
        assert_eq!(got.unwrap(), b"ok", "{from}");
        let stranger = Peer { keys: vec![key(9).public_key()], ..server.peer() };
        let refused = refused(block_on(Link::connect(&stranger, None)));
        assert!(matches!(refused, LinkError::ServiceKeyOther(_)), "{refused}");
    }
}

const CHILD: &str = "CRATON_TEST_WITHOUT_DESCRIPTORS";

#[test]
fn system_exhausted_is_a_process_without_free_descriptors() {
    let program = std::env::current_exe().unwrap();
    let name = "link::tests::child_without_descriptors";
    let child =
        std::process::Command::new(program).args(["--exact", name]).env(CHILD, "1").status();
    assert!(child.unwrap().success());
}

/// A child's part: alone in its process, because the limit is the process's.
#[test]
fn child_without_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum }).unwrap();
    let refused = refused(runtime());
    assert!(matches!(refused, LinkError::SystemExhausted(_)), "{refused}");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    assert!(runtime().is_ok());
}

#[test]
fn a_post_is_said_to_be_the_last_request_of_its_connection() {
    let server = Server::start(|_| answer(200, b"ok"));
    block_on(async {
        let mut link = Link::connect(&server.peer(), None).await.unwrap();
        assert_eq!(link.get(SET, 10).await.unwrap(), b"ok");
        assert_eq!(link.post(SET, b"body".to_vec(), 10).await.unwrap(), b"ok");
    });
    let closes: Vec<bool> =
        server.asked().iter().map(|asked| asked.head.contains("connection: close")).collect();
    assert_eq!(closes, [false, true]);
}
