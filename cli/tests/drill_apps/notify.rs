//! System calls of other processes, held until a test has decided what becomes of them: seccomp's
//! user notification. A thread that listens hands its filter to every process that it starts.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// A call that waits for its verdict.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    id: u64,
    /// The thread that called.
    pub thread: u32,
    /// The call's number.
    pub number: libc::c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel does it.
    Through,
    /// It fails with this errno, undone.
    Fails(i32),
}

/// Where the held calls arrive.
pub struct Listener(File);

/// Holds these calls of all processes that this thread starts from now on.
pub fn listen(calls: &[libc::c_long]) -> io::Result<Listener> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for (place, call) in calls.iter().enumerate() {
        let to_notify = u8::try_from(calls.len() - place).expect("few calls");
        let mut jump = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32);
        jump.jt = to_notify;
        program.push(jump);
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: two system calls on this thread; the program outlives the second, which copies it.
    let fd = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(Listener(File::from(unsafe { OwnedFd::from_raw_fd(fd as i32) })))
}

impl Listener {
    /// The next held call; `None` when no process is left that could call.
    pub fn next(&self) -> io::Result<Option<Held>> {
        loop {
            let mut ready =
                libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one descriptor in a place that outlives the call.
            let polled = unsafe { libc::poll(&raw mut ready, 1, -1) };
            if polled > 0 && ready.revents & libc::POLLIN == 0 {
                return Ok(None);
            }
            // SAFETY: plain numbers, for which zero is a value; the kernel wants them zero.
            let mut held: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: the kernel writes one notification into the place of one.
            let received = unsafe {
                libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut held)
            };
            if received == 0 {
                return Ok(Some(Held {
                    id: held.id,
                    thread: held.pid,
                    number: held.data.nr.into(),
                    arguments: held.data.args,
                }));
            }
            let error = io::Error::last_os_error();
            // The caller was killed before we looked, or a signal came: the next one.
            if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) {
                return Err(error);
            }
        }
    }

    /// Lets a call go. A caller that is gone needs no verdict.
    pub fn answer(&self, held: &Held, verdict: Verdict) {
        let (error, flags) = match verdict {
            Verdict::Through => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Verdict::Fails(errno) => (-errno, 0),
        };
        let mut response = libc::seccomp_notif_resp { id: held.id, val: 0, error, flags };
        // SAFETY: the kernel reads one response from the place of one.
        unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response);
        }
    }
}
