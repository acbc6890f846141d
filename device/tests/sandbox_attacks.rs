//! Ways to use up, to outlive or to reach what is not the app's, each tried from inside.

mod sandbox_app;

use sandbox_app::{App, full_isolation, say};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};

const QUOTA_KIB: u32 = 64;

fn both() -> [fn() -> App; 2] {
    [App::new, App::reduced]
}

#[test]
fn no_way_of_writing_sets_more_storage_aside_than_its_quota() {
    let ways = ["over-keep", "over-allocate", "over-sparse", "over-truncate", "over-attribute"];
    for make in both() {
        for way in ways {
            let mut app = make().with_storage(QUOTA_KIB);
            let (mut running, mut pipe) = app.start(&[way]);
            running.wait(None).expect("it ends");
            let mut said = String::new();
            pipe.read_to_string(&mut said).expect("text");
            assert!(said.starts_with("errno"), "{way}: {said}");
            let file = std::fs::metadata(app.storage_file()).expect("its storage");
            let quota = u64::from(QUOTA_KIB) * 1024;
            assert!(file.len() <= quota && file.blocks() * 512 <= quota, "{way}: {file:?}");
        }
    }
}

#[test]
fn no_line_to_us_no_folder_and_no_core_is_left_to_the_app() {
    for make in both() {
        let said = make().run(&["left-behind"]).output;
        assert!(!said.contains("descriptor"), "{said}");
        // Of 0 a handler in core_pattern would be given the whole core.
        assert!(said.contains("core 1 1") || said.contains("core 0 0"), "{said}");
    }
    if full_isolation() {
        let said = App::new().run(&["left-behind"]).output;
        let hidden = App::new().run(&["list", "/proc"]).output.trim().is_empty();
        assert!(said.contains("oom 1000") || hidden, "{said}");
    }
}

#[test]
fn the_init_can_be_neither_opened_nor_killed() {
    if !full_isolation() {
        return;
    }
    for path in ["/proc/1/mem", "/proc/1/environ", "/proc/1/maps", "/proc/1/root/etc/passwd"] {
        let tried = App::new().run(&["read", path]);
        assert!(tried.output.starts_with("errno"), "{path}: {}", tried.output);
    }
    let listed = App::new().run(&["list", "/proc/1/fd"]);
    assert!(listed.output.starts_with("errno"), "{}", listed.output);
    let killer = App::new().run(&["kill-all"]);
    assert_eq!((killer.output.as_str(), killer.ended.code), ("ok\n", Some(0)));
}

#[test]
fn an_abstract_socket_of_the_host_is_out_of_reach() {
    let name = format!("craton-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let _listener = UnixListener::bind_addr(&address).expect("a socket");
    for make in both() {
        let tried = make().run(&["abstract", &name]);
        assert!(tried.output.starts_with("errno"), "{}", tried.output);
    }
}

#[test]
fn neither_ipv6_nor_udp_leads_past_the_proxy() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        say("this host has no IPv6: a service on it is not tried");
        return;
    };
    let port = listener.local_addr().expect("an address").port().to_string();
    for make in both() {
        for host in ["::1", "2606:4700::1111", "::ffff:127.0.0.1"] {
            let tried = make().run(&["ipv6", host, &port]);
            assert!(tried.output.starts_with("errno"), "{host}: {}", tried.output);
        }
        for host in ["1.1.1.1", "10.0.0.1", "255.255.255.255"] {
            let tried = make().run(&["udp", host, "53"]);
            assert!(tried.output.starts_with("errno"), "{host}: {}", tried.output);
        }
    }
}

#[test]
fn an_app_that_exhausts_its_proxy_ends_neither_it_nor_another() {
    if !full_isolation() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            // A client that has gone needs no greeting.
            let _ = client.and_then(|mut client| client.write_all(b"greetings"));
        }
    });
    let greedy = App::new().allowing(&["127.0.0.1"]).run(&["exhaust-proxy", "127.0.0.1", &port]);
    assert_eq!(greedy.output.trim(), "held 1\nreply 0\ngreetings");
    assert!(greedy.network.refused >= 32, "{}", greedy.network.refused);
    let other = App::new().allowing(&["127.0.0.1"]).run(&["proxy", "127.0.0.1", &port]);
    assert_eq!(other.output.trim(), "reply 0\ngreetings");
}
