//! Copying between two connections, and the threads that do it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Enough for the system's resolver, which is the hungriest caller.
const STACK_BYTES: usize = 256 * 1024;
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Runs `work` on a thread with a small stack. Where no thread can be had the work is dropped,
/// and with it the connection it holds.
pub fn small_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
    drop(builder.spawn(work));
}

/// Copies both ways until both are done; an end on one side is passed on as an end.
pub fn relay(left: &TcpStream, right: &TcpStream) {
    thread::scope(|scope| {
        let back = thread::Builder::new().stack_size(STACK_BYTES);
        if back.spawn_scoped(scope, || one_way(right, left)).is_ok() {
            one_way(left, right);
        }
    });
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let whole = io::copy(&mut from, &mut to);
    // Errors mean that the other side is gone already.
    let _ = to.shutdown(Shutdown::Write);
    if whole.is_err() {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// Whether a listener that failed to accept was shut down. Anything else, as a connection that was
/// given up or descriptors that ran out, passes; it is waited for here, since the loop of one app
/// must survive what another app uses up.
pub fn is_closed(why: &io::Error) -> bool {
    if why.raw_os_error() == Some(libc::EINVAL) {
        return true;
    }
    thread::sleep(ACCEPT_AGAIN);
    false
}

/// A bound on how many connections are served at once.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<(Mutex<usize>, Condvar)>,
}

/// One taken place; dropping frees it.
#[derive(Debug)]
pub struct Place {
    places: Places,
}

impl Places {
    pub fn new(count: usize) -> Places {
        Places { free: Arc::new((Mutex::new(count), Condvar::new())) }
    }

    /// Waits until there is one.
    pub fn take(&self) -> Place {
        let (count, freed) = &*self.free;
        let mut free = count.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place { places: self.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (count, freed) = &*self.places.free;
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}
