//! A way to the service that can be closed: the device dials the gate, which passes bytes on while
//! it is open and drops the connection while it is not.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A gate before one service.
pub struct Gate {
    /// Where devices come.
    pub address: SocketAddr,
    turned_away: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Gate {
    /// Makes a gate; `is_open` is asked at every connection.
    pub fn before(service: SocketAddr, is_open: impl Fn() -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (turned_away, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, ended) = (turned_away.clone(), over.clone());
        std::thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                if is_open() {
                    pass_on(device, service);
                } else {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, turned_away, over }
    }

    /// How many connections it dropped.
    pub fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread, so that it sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass_on(device: TcpStream, service: SocketAddr) {
    let Ok(service) = TcpStream::connect(service) else { return };
    let halves = [(device.try_clone().unwrap(), service.try_clone().unwrap()), (service, device)];
    for (mut from, mut to) in halves {
        std::thread::spawn(move || {
            // An end of either side is an end of both.
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
