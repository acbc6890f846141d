//! The app's only door to the network: a SOCKS5 (RFC 1928) and HTTP CONNECT (RFC 9110 §9.3.6)
//! proxy that dials the names and addresses its manifest lists, and nothing else.
//!
//! The listener lives inside the app's network namespace; this code outside of it.

mod address;
mod refusal;
mod relay;
mod rules;
mod wire;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use refusal::ProxyRefusal;
pub use relay::{Places, is_closed, relay, small_thread};
pub use rules::Rules;

/// Inside the app's network namespace, on 127.0.0.1.
pub use craton_image::app_manifest::PROXY_PORT;

const CONNECTIONS_MAX: usize = 32;
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
const DIAL_MAX: Duration = Duration::from_secs(10);
const ADDRESSES_MAX: usize = 4;
const REFUSALS_KEPT: usize = 32;

/// Variables by which the usual clients find the proxy.
pub fn proxy_environment() -> Vec<(String, String)> {
    let socks = format!("socks5h://127.0.0.1:{PROXY_PORT}");
    let http = format!("http://127.0.0.1:{PROXY_PORT}");
    [("ALL_PROXY", &socks), ("HTTPS_PROXY", &http)]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
}

/// What one app's proxy did since the app was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub dialed: u64,
    pub refused: u64,
    /// The latest refusals, oldest first, at most 32.
    pub recent: VecDeque<ProxyRefusal>,
}

/// A serving proxy; dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    listener: Option<TcpListener>,
    tally: Arc<Mutex<Tally>>,
}

impl Proxy {
    pub fn serve(listener: TcpListener, rules: Rules) -> Proxy {
        let tally = Arc::new(Mutex::new(Tally::default()));
        // Without a second handle the thread ends with the app's network instead of with us.
        let kept = listener.try_clone().ok();
        let desk = Desk { rules: Arc::new(rules), tally: Arc::clone(&tally) };
        small_thread("app-proxy", move || accept(&listener, &desk));
        Proxy { listener: kept, tally }
    }

    pub fn refused(&self) -> u64 {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).refused
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            // Wakes the thread in accept, which then ends.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
    }
}

#[derive(Clone)]
struct Desk {
    rules: Arc<Rules>,
    tally: Arc<Mutex<Tally>>,
}

fn accept(listener: &TcpListener, desk: &Desk) {
    let places = Places::new(CONNECTIONS_MAX);
    loop {
        let place = places.take();
        let app = match listener.accept() {
            Ok((app, _)) => app,
            Err(why) if is_closed(&why) => return,
            Err(_) => continue,
        };
        let desk = desk.clone();
        small_thread("app-dial", move || {
            let _place = place;
            desk.serve(&app);
        });
    }
}

impl Desk {
    fn serve(&self, app: &TcpStream) {
        // A socket that refuses a timeout would only wait longer, within its place.
        let _ = app.set_read_timeout(Some(HANDSHAKE_MAX));
        let request = match wire::read_request(app) {
            Ok(request) => request,
            Err(refusal) => return self.count(Err(&refusal)),
        };
        let outcome = self.dial(&request.host, request.port);
        self.count(outcome.as_ref().map(|_| ()));
        let answered = wire::answer(app, request.protocol, outcome.as_ref().err());
        if let (Ok(outside), Ok(())) = (outcome, answered) {
            let _ = app.set_read_timeout(None);
            relay(app, &outside);
        }
    }

    fn dial(&self, host: &str, port: u16) -> Result<TcpStream, ProxyRefusal> {
        let addresses = self.rules.addresses(host, port, address::resolve)?;
        let mut why = String::new();
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match TcpStream::connect_timeout(&SocketAddr::new(address, port), DIAL_MAX) {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error.to_string(),
            }
        }
        Err(ProxyRefusal::Unreachable { host: host.to_owned(), port, why })
    }

    fn count(&self, outcome: Result<(), &ProxyRefusal>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(refusal) = outcome else {
            tally.dialed += 1;
            return;
        };
        tally.refused += 1;
        if tally.recent.len() == REFUSALS_KEPT {
            tally.recent.pop_front();
        }
        tally.recent.push_back(refusal.clone());
    }
}
