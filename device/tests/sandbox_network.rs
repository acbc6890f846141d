//! The app's only door to the network, from inside: what is listed is dialed, nothing else.

mod sandbox_app;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use craton_device::apps::proxy::ProxyRefusal;
use sandbox_app::{App, Outcome, full_isolation};

/// A service on the host's loopback that greets whoever connects.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            // A client that has gone needs no greeting.
            let _ = client.and_then(|mut client| client.write_all(b"greetings"));
        }
    });
    port
}

fn proxied(allowed: &[&str], host: &str, port: u16) -> Outcome {
    App::new().allowing(allowed).run(&["proxy", host, &port.to_string()])
}

#[track_caller]
fn only_refusal(outcome: &Outcome) -> &ProxyRefusal {
    assert_eq!((outcome.network.dialed, outcome.network.refused), (0, 1), "{}", outcome.output);
    outcome.network.recent.front().expect("the refusal is kept")
}

#[test]
fn a_listed_address_is_reached_through_the_proxy() {
    if !full_isolation() {
        return;
    }
    let outcome = proxied(&["127.0.0.1"], "127.0.0.1", greeter());
    assert_eq!(outcome.output.trim(), "reply 0\ngreetings");
    assert_eq!((outcome.network.dialed, outcome.network.refused), (1, 0));
}

#[test]
fn http_connect_reaches_the_same() {
    if !full_isolation() {
        return;
    }
    let port = greeter().to_string();
    let reached = App::new().allowing(&["127.0.0.1"]).run(&["connect", "127.0.0.1", &port]);
    assert!(reached.output.starts_with("HTTP/1.1 200 "), "{}", reached.output);
    let refused = App::new().run(&["connect", "127.0.0.1", &port]);
    assert!(refused.output.starts_with("HTTP/1.1 403 "), "{}", refused.output);
    assert!(refused.output.contains("E5120"), "{}", refused.output);
}

#[test]
fn an_unlisted_host_is_not_allowed_and_the_manifest_line_is_named() {
    if !full_isolation() {
        return;
    }
    let outcome = proxied(&["example.com"], "127.0.0.1", greeter());
    assert_eq!(outcome.output.trim(), "reply 2");
    let refusal = only_refusal(&outcome);
    assert!(matches!(refusal, ProxyRefusal::NotAllowed { .. }));
    assert!(refusal.to_string().contains("\"AllowedConnections\": [\"127.0.0.1\"]"));
}

#[test]
fn a_listed_name_that_points_into_the_device_is_address_private() {
    if !full_isolation() {
        return;
    }
    let outcome = proxied(&["localhost"], "localhost", greeter());
    assert_eq!(outcome.output.trim(), "reply 2");
    assert!(matches!(only_refusal(&outcome), ProxyRefusal::AddressPrivate { .. }));
}

#[test]
fn a_listed_host_that_does_not_answer_is_unreachable() {
    if !full_isolation() {
        return;
    }
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let outcome = proxied(&["127.0.0.1"], "127.0.0.1", closed);
    assert_eq!(outcome.output.trim(), "reply 4");
    assert!(matches!(only_refusal(&outcome), ProxyRefusal::Unreachable { .. }));
}

#[test]
fn without_the_proxy_nothing_is_reached() {
    let port = greeter().to_string();
    for host in ["127.0.0.1", "10.0.0.1", "1.1.1.1", "169.254.169.254"] {
        let outcome = App::new().allowing(&["127.0.0.1"]).run(&["dial", host, &port]);
        assert!(outcome.output.starts_with("errno"), "{host}: {}", outcome.output);
    }
}

#[test]
fn reduced_isolation_has_no_network_at_all() {
    let port = greeter().to_string();
    let app = App::reduced().allowing(&["127.0.0.1"]);
    app.run(&["dial", "127.0.0.1", &port]).refused(libc::EPERM);
    for socket in ["socket-tcp", "socket-udp", "socket-unix", "socketpair-dgram"] {
        App::reduced().run(&[socket]).refused(libc::EPERM);
    }
}

#[test]
fn a_listed_server_port_is_forwarded_into_the_app() {
    if !full_isolation() {
        return;
    }
    let port = {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let mut app = App::new();
    app.spec.tcp_server_ports = vec![port];
    let (mut running, mut pipe) = app.start(&["serve", &port.to_string()]);
    let mut ready = [0; 3];
    pipe.read_exact(&mut ready).expect("it listens");
    assert_eq!(&ready, b"ok\n");
    for _ in 0..3 {
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("the host's port");
        let mut said = String::new();
        client.read_to_string(&mut said).expect("text");
        assert_eq!(said, "hello from inside");
    }
    running.stop().expect("it ends");
    drop(running);
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < until, "the port stays open");
        std::thread::sleep(Duration::from_millis(20));
    }
}
