//! Sensor: measures every ten seconds, keeps the count in its private storage, and sends each
//! measurement to the one host that its manifest allows.

#![forbid(unsafe_code)]

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

/// The one file an app with `MutableStorage` may write. It is there and as large as allowed.
const STORAGE: &str = "/mutable/storage";
const HOST: &str = "telemetry.example.com";
/// Bytes read of an answer's head.
const HEAD_MAX: u64 = 4096;
const PERIOD: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    let storage = File::options().read(true).write(true).open(STORAGE)?;
    loop {
        let number = next_number(&storage)?;
        let celsius = measure(number);
        println!("measurement {number}: {celsius} C");
        if let Err(error) = send(number, celsius) {
            println!("not sent: {error}");
        }
        sleep(PERIOD);
    }
}

/// Counts on from the last run; a new storage begins with zeros.
fn next_number(storage: &File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    storage.read_at(&mut bytes, 0)?;
    let number = u64::from_le_bytes(bytes).wrapping_add(1);
    storage.write_all_at(&number.to_le_bytes(), 0)?;
    storage.sync_data()?;
    Ok(number)
}

/// In place of a real sensor: a slow wave between 18 and 24 degrees.
fn measure(number: u64) -> f64 {
    let angle = number as f64 / 10.0;
    ((21.0 + 3.0 * angle.sin()) * 10.0).round() / 10.0
}

/// Sends through the proxy that the sandbox names in the environment: an app has no other way
/// out. The proxy dials what the manifest allows and refuses the rest.
fn send(number: u64, celsius: f64) -> io::Result<()> {
    let proxy = env::var("HTTPS_PROXY").map_err(io::Error::other)?;
    let proxy = proxy.trim_start_matches("http://");
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "CONNECT {HOST}:80 HTTP/1.1\r\nHost: {HOST}:80\r\n\r\n")?;
    read_answer(&stream)?;
    let body = format!("{{\"number\":{number},\"celsius\":{celsius}}}");
    let length = body.len();
    let request = format!(
        "POST /measurements HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    read_answer(&stream)
}

/// Reads an answer's head; anything but success is an error.
fn read_answer(stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.take(HEAD_MAX)).lines();
    let status = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    match status.split(' ').nth(1) {
        Some(code) if code.starts_with('2') => Ok(()),
        _ => Err(io::Error::other(format!("answer: {status}"))),
    }
}
