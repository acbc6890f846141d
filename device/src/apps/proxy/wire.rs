//! Reading an app's request and answering it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::refusal::ProxyRefusal;

const HEAD_BYTES_MAX: usize = 4096;
const HOST_BYTES_MAX: usize = 255;

const SOCKS_VERSION: u8 = 5;
const SOCKS_CONNECT: u8 = 1;
const SOCKS_NO_AUTHENTICATION: u8 = 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub protocol: Protocol,
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Socks5,
    HttpConnect,
}

/// Tells the protocols apart by the first byte.
pub fn read_request(mut app: impl Read + Write) -> Result<Request, ProxyRefusal> {
    let request = match byte(&mut app) {
        Ok(SOCKS_VERSION) => read_socks(&mut app),
        Ok(b'C') => read_connect(&mut app),
        _ => Err(malformed()),
    };
    let request = request.map_err(|_| ProxyRefusal::RequestMalformed)?;
    if is_plain(&request.host) { Ok(request) } else { Err(ProxyRefusal::RequestMalformed) }
}

/// No name or address has other characters, and these would move a log's cursor or forge a line.
fn is_plain(host: &str) -> bool {
    host.len() <= HOST_BYTES_MAX && host.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `refusal` is `None` when the connection stands.
pub fn answer(
    mut app: impl Write,
    protocol: Protocol,
    refusal: Option<&ProxyRefusal>,
) -> io::Result<()> {
    match protocol {
        Protocol::Socks5 => {
            let reply = refusal.map_or(0, socks_reply);
            app.write_all(&[SOCKS_VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0])
        }
        Protocol::HttpConnect => app.write_all(http_reply(refusal).as_bytes()),
    }
}

/// RFC 1928 §6.
fn socks_reply(refusal: &ProxyRefusal) -> u8 {
    match refusal {
        ProxyRefusal::NotAllowed { .. } | ProxyRefusal::AddressPrivate { .. } => 2,
        ProxyRefusal::NameUnresolved { .. } | ProxyRefusal::Unreachable { .. } => 4,
        ProxyRefusal::RequestMalformed => 7,
    }
}

fn http_reply(refusal: Option<&ProxyRefusal>) -> String {
    let Some(refusal) = refusal else {
        return "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    };
    let status = match refusal {
        ProxyRefusal::NotAllowed { .. } | ProxyRefusal::AddressPrivate { .. } => "403 Forbidden",
        _ => "502 Bad Gateway",
    };
    let body = refusal.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// RFC 1928 §3 and §4, after the version byte.
fn read_socks(app: &mut (impl Read + Write)) -> io::Result<Request> {
    let count = byte(app)?;
    let mut methods = vec![0; usize::from(count)];
    app.read_exact(&mut methods)?;
    if !methods.contains(&SOCKS_NO_AUTHENTICATION) {
        return Err(malformed());
    }
    app.write_all(&[SOCKS_VERSION, SOCKS_NO_AUTHENTICATION])?;
    let [version, command, _reserved, kind] = bytes(app)?;
    if version != SOCKS_VERSION || command != SOCKS_CONNECT {
        return Err(malformed());
    }
    let host = match kind {
        1 => Ipv4Addr::from(bytes::<4>(app)?).to_string(),
        3 => {
            let mut name = vec![0; usize::from(byte(app)?)];
            app.read_exact(&mut name)?;
            String::from_utf8(name).map_err(|_| malformed())?
        }
        4 => Ipv6Addr::from(bytes::<16>(app)?).to_string(),
        _ => return Err(malformed()),
    };
    let port = u16::from_be_bytes(bytes(app)?);
    Ok(Request { protocol: Protocol::Socks5, host, port })
}

/// RFC 9110 §9.3.6, after the C. Reads not a byte past the head, which may be followed by data.
fn read_connect(app: &mut impl Read) -> io::Result<Request> {
    let mut head = vec![b'C'];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(malformed());
        }
        head.push(byte(app)?);
    }
    let head = std::str::from_utf8(&head).map_err(|_| malformed())?;
    let line = head.lines().next().unwrap_or_default();
    let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    let (host, port) = target.and_then(|target| target.rsplit_once(':')).ok_or_else(malformed)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| malformed())?;
    Ok(Request { protocol: Protocol::HttpConnect, host: host.to_owned(), port })
}

fn byte(app: &mut impl Read) -> io::Result<u8> {
    bytes::<1>(app).map(|[byte]| byte)
}

fn bytes<const N: usize>(app: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    app.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct App {
        sends: io::Cursor<Vec<u8>>,
        gets: Vec<u8>,
    }

    impl Read for App {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.sends.read(buffer)
        }
    }

    impl Write for App {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.gets.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn request(sends: &[u8]) -> (Result<Request, ProxyRefusal>, Vec<u8>) {
        let mut app = App { sends: io::Cursor::new(sends.to_vec()), gets: Vec::new() };
        (read_request(&mut app), app.gets)
    }

    #[test]
    fn socks5_with_a_name_is_read() {
        let (read, gets) = request(b"\x05\x02\x01\x00\x05\x01\x00\x03\x04host\x01\xbb");
        let read = read.expect("well-formed");
        assert_eq!((read.host.as_str(), read.port), ("host", 443));
        assert_eq!(gets, [5, 0]);
    }

    #[test]
    fn socks5_with_addresses_is_read() {
        let (read, _) = request(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50");
        assert_eq!(read.expect("well-formed").host, "127.0.0.1");
        let mut six = b"\x05\x01\x00\x05\x01\x00\x04".to_vec();
        six.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        six.extend_from_slice(&[0, 80]);
        assert_eq!(request(&six).0.expect("well-formed").host, "::1");
    }

    #[test]
    fn http_connect_is_read() {
        let (read, _) = request(b"CONNECT a.com:443 HTTP/1.1\r\nHost: a.com\r\n\r\n");
        let read = read.expect("well-formed");
        assert_eq!(read.protocol, Protocol::HttpConnect);
        assert_eq!((read.host.as_str(), read.port), ("a.com", 443));
    }

    #[test]
    fn anything_else_is_malformed() {
        let mut endless = b"CONNECT ".to_vec();
        endless.resize(2 * HEAD_BYTES_MAX, b'a');
        let long = [b"CONNECT ".as_slice(), &[b'a'; 300], b":80 HTTP/1.1\r\n\r\n"].concat();
        let broken: [&[u8]; 12] = [
            b"\x05\x01\x00\x05\x01\x00\x03\x05a\x1b[2J\x00\x50",
            b"CONNECT a\tb:80 HTTP/1.1\r\n\r\n",
            &long,
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
            b"\x05\x01\x02",
            b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50",
            b"\x05\x01\x00\x05\x01\x00\x03\x09host",
            b"\x05\x01\x00\x05\x01\x00\x09",
            b"CONNECT a.com:99999 HTTP/1.1\r\n\r\n",
            &endless,
        ];
        for sends in broken {
            assert_eq!(request(sends).0, Err(ProxyRefusal::RequestMalformed));
        }
    }
}
