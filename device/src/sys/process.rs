//! Process calls that neither std nor rustix offers safely.

use rustix::fd::{FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Which side of a fork the caller is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    Child,
    Parent(Pid),
}

/// Who becomes the child's parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    Child,
    /// `CLONE_PARENT`: the child's parent is the caller's parent, who is told of its end.
    Sibling,
}

/// Forks the calling process. Errors: `NOSYS` when the process has more than one thread, since a
/// forked copy of such a process may not even allocate.
pub fn fork(lineage: Lineage) -> Result<Fork, Errno> {
    if thread_count().is_some_and(|threads| threads > 1) {
        return Err(Errno::NOSYS);
    }
    let parent = if lineage == Lineage::Sibling { libc::CLONE_PARENT } else { 0 };
    let flags = (parent | libc::SIGCHLD) as libc::c_ulong;
    // SAFETY: with a null stack and no CLONE_VM the child continues here on its own copy of the
    // memory; there is one thread (checked above), so no lock is held by a thread that is gone.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0_u64, 0_u64, 0_u64, 0_u64) };
    match result {
        -1 => Err(last_errno()),
        0 => Ok(Fork::Child),
        pid => i32::try_from(pid).ok().and_then(Pid::from_raw).map(Fork::Parent).ok_or(Errno::SRCH),
    }
}

/// Ends the process at once: no destructor, no exit handler of a library runs.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// `None` where there is no /proc to ask, as in a sandbox that could not mount one.
fn thread_count() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// Moves the calling, single-threaded process into new namespaces.
pub fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    if flags.contains(UnshareFlags::FILES) {
        return Err(Errno::INVAL);
    }
    // SAFETY: the one hazard is CLONE_FILES, which would split the descriptor table under Rust's
    // feet; it is refused above.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Closes every descriptor from `first` up, except those in `keep` (any order).
///
/// The caller must not use an owner of a closed descriptor again; the only caller is a process
/// about to exec, which forgets its owners.
pub fn close_from(first: RawFd, keep: &[RawFd]) -> Result<(), Errno> {
    let mut kept: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= first).collect();
    kept.sort_unstable();
    let mut low = first;
    for fd in kept {
        if fd > low {
            close_span(low, fd - 1)?;
        }
        low = low.max(fd + 1);
    }
    close_span(low, RawFd::MAX)
}

fn close_span(low: RawFd, high: RawFd) -> Result<(), Errno> {
    // SAFETY: close_range takes numbers only; see close_from about owners.
    let result = unsafe { libc::syscall(libc::SYS_close_range, low, high, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// A descriptor that becomes readable when one of `signals` is pending; they are blocked.
pub fn signal_descriptor(signals: &[libc::c_int]) -> Result<OwnedFd, Errno> {
    let set = signal_set(signals);
    // SAFETY: `set` is initialised; the third argument may be null.
    if unsafe { libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) } != 0 {
        return Err(last_errno());
    }
    // SAFETY: `set` is initialised.
    let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: the kernel has just made `fd`, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Size in bytes of one record read from a signal descriptor; the signal number is its first u32.
pub const SIGNAL_RECORD_BYTES: usize = size_of::<libc::signalfd_siginfo>();

/// Takes the descriptor this process was started with, such as standard input.
///
/// Returns `None` if it is not open. Call once per number: two owners would close it twice.
pub fn inherited(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD only asks.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and by the contract above this is its only owner.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets `signal` to be ignored, which exec preserves.
pub fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN is a valid disposition and installs no code of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: all-zero bytes are a valid sigset_t, and sigemptyset then defines it.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is ours.
    unsafe { libc::sigemptyset(&mut set) };
    for signal in signals {
        // SAFETY: `set` is initialised; a bad number is refused by the call.
        unsafe { libc::sigaddset(&mut set, *signal) };
    }
    set
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
