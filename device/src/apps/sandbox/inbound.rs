//! Connections from outside to the app's server ports: accepted on the host, joined with a
//! socket that the init made inside the app's network.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::SandboxError;
use super::control::{SOCKET_PLEASE, receive, send};
use crate::apps::proxy::{Places, is_closed, relay, small_thread};

/// The open host ports of one app; dropping closes them.
#[derive(Debug, Default)]
pub struct Inbound {
    listeners: Vec<TcpListener>,
}

/// Connections of one app from outside at one time; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 32;

impl Inbound {
    /// Opens `ports` on every address. The descriptor goes to the init.
    pub fn open(ports: &[u16]) -> Result<(Inbound, Option<OwnedFd>), SandboxError> {
        if ports.is_empty() {
            return Ok((Inbound::default(), None));
        }
        let pair =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let taken = |port: u16, why: io::Error| SandboxError::ServerPortTaken {
            port,
            why: why.to_string(),
        };
        let first = ports.first().copied().unwrap_or_default();
        let (ours, theirs) = pair.map_err(|errno| taken(first, errno.into()))?;
        let channel = Arc::new(Mutex::new(ours));
        let places = Places::new(CONNECTIONS_MAX);
        let mut inbound = Inbound::default();
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port));
            let listener = listener.map_err(|why| taken(*port, why))?;
            let kept = listener.try_clone().map_err(|why| taken(*port, why))?;
            let (channel, places) = (Arc::clone(&channel), places.clone());
            let port = *port;
            small_thread("app-port", move || serve(&listener, port, &channel, &places));
            inbound.listeners.push(kept);
        }
        Ok((inbound, Some(theirs)))
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        for listener in &self.listeners {
            // Wakes the thread in accept, which then ends.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
    }
}

fn serve(listener: &TcpListener, port: u16, channel: &Arc<Mutex<OwnedFd>>, places: &Places) {
    loop {
        let place = places.take();
        let outside = match listener.accept() {
            Ok((outside, _)) => outside,
            Err(why) if is_closed(&why) => return,
            Err(_) => continue,
        };
        let channel = Arc::clone(channel);
        small_thread("app-inbound", move || {
            let _place = place;
            match connect(&channel, port) {
                Ok(inside) => relay(&outside, &inside),
                // The app does not listen (yet): the caller sees the connection closed.
                Err(_) => drop(outside.shutdown(Shutdown::Both)),
            }
        });
    }
}

fn connect(channel: &Mutex<OwnedFd>, port: u16) -> io::Result<TcpStream> {
    let socket = {
        let channel = channel.lock().unwrap_or_else(PoisonError::into_inner);
        send(channel.as_fd(), SOCKET_PLEASE, &[])?;
        receive(channel.as_fd())?.fds.pop().ok_or(io::ErrorKind::ConnectionRefused)?
    };
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(TcpStream::from(socket))
}
