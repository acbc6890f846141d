//! Tracing a process: the few `ptrace(2)` requests that crash capture needs, each as a safe
//! function on plain numbers. Only the thread that seized a process may make the others.

use std::io;
use std::marker::PhantomData;

use registers::Registers;

pub mod registers;

/// Stop reports beyond signals that a seized process makes, as `ptrace(2)` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A signal waits to be delivered; the process dies of it unless it handles or ignores it.
    Signal(i32),
    /// A job-control stop: must be answered with [`Tracee::listen`], or the stop is undone.
    Group,
    /// The program was replaced: every address known before is void.
    Exec,
    /// The thread is about to end with this wait status; registers and memory are still there.
    Exit(i32),
    /// Anything else (a new thread, an interrupt): answered by resuming.
    Other,
}

/// What [`Tracee::wait`] saw, of the thread with this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Stopped(i32, Stop),
    Exited(i32, i32),
    Killed(i32, i32),
}

/// What the kernel says of a signal (`siginfo_t`): the fields that a crash record needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalInfo {
    pub signal: i32,
    pub code: i32,
    /// Fault address of SIGSEGV, SIGBUS, SIGILL, SIGFPE; meaningless for others.
    pub address: u64,
    /// System call number of a SIGSYS made by seccomp; meaningless for others.
    pub syscall: i32,
}

/// A seized process. Not `Send`: the kernel ties the right to trace to the calling thread.
/// When that thread ends, the kernel kills the process (`PTRACE_O_EXITKILL`).
#[derive(Debug)]
pub struct Tracee {
    pid: i32,
    _thread: PhantomData<*const ()>,
}

/// Length of `siginfo_t` on Linux in 64-bit words.
const SIGINFO_WORDS: usize = 16;

impl Tracee {
    /// Begins to trace every thread of `pid` (as this process sees it), and those it makes
    /// later, without stopping it. Errors are the kernel's: `EPERM`, `ESRCH`.
    pub fn seize(pid: i32) -> io::Result<Tracee> {
        let options = libc::PTRACE_O_EXITKILL
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_TRACEEXIT;
        request(libc::PTRACE_SEIZE, pid, 0, options as usize)?;
        Ok(Tracee { pid, _thread: PhantomData })
    }

    /// A claim to trace that the kernel does not know of.
    #[cfg(test)]
    pub fn unseized(pid: i32) -> Tracee {
        Tracee { pid, _thread: PhantomData }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Blocks until some traced thread changes state. `ECHILD` when none is left. The end of
    /// the process itself is only looked at: its parent still gets to wait for it, once this
    /// thread has ended. Before that no one else in this process may wait for it.
    pub fn wait(&self) -> io::Result<Change> {
        let thread = next_to_change()?;
        let leave = if thread == self.pid { libc::WNOWAIT } else { 0 };
        let change = take_change(thread, libc::WEXITED | libc::WSTOPPED | leave)?;
        if leave != 0 && matches!(change, Change::Stopped(..)) {
            return take_change(thread, libc::WSTOPPED);
        }
        Ok(change)
    }

    /// Lets a stopped thread run, delivering `signal` unless it is 0.
    pub fn resume(&self, thread: i32, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_CONT, thread, 0, signal as usize)
    }

    /// Leaves a thread in its job-control stop, still traced.
    pub fn listen(&self, thread: i32) -> io::Result<()> {
        request(libc::PTRACE_LISTEN, thread, 0, 0)
    }

    /// Stops tracing a stopped thread and lets it run, delivering `signal` unless it is 0.
    pub fn detach(&self, thread: i32, signal: i32) -> io::Result<()> {
        request(libc::PTRACE_DETACH, thread, 0, signal as usize)
    }

    /// The signal that a stopped thread is about to receive.
    pub fn signal_info(&self, thread: i32) -> io::Result<SignalInfo> {
        let mut words = [0u64; SIGINFO_WORDS];
        request(libc::PTRACE_GETSIGINFO, thread, 0, words.as_mut_ptr() as usize)?;
        // Layout of siginfo_t on 64-bit Linux: si_signo, si_errno, si_code, padding, then a
        // union whose first member is the address, for SIGSYS followed by the call's number.
        let [first, second, address, syscall, ..] = words;
        Ok(SignalInfo {
            signal: first as u32 as i32,
            code: second as u32 as i32,
            address,
            syscall: syscall as u32 as i32,
        })
    }

    /// The general registers of a stopped thread. `ENOEXEC` for a program of another width.
    pub fn registers(&self, thread: i32) -> io::Result<Registers> {
        let mut set = registers::zeroed();
        let mut area = libc::iovec { iov_base: (&raw mut set).cast(), iov_len: size_of_val(&set) };
        let place = &raw mut area as usize;
        request(libc::PTRACE_GETREGSET, thread, libc::NT_PRSTATUS as usize, place)?;
        if area.iov_len != size_of_val(&set) {
            return Err(io::Error::from_raw_os_error(libc::ENOEXEC));
        }
        Ok(registers::from_kernel(&set))
    }
}

/// Which thread that the calling thread traces has something to report.
fn next_to_change() -> io::Result<i32> {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;
    wait_report(libc::P_ALL, 0, flags).map(|report| report.thread)
}

fn take_change(thread: i32, flags: i32) -> io::Result<Change> {
    let WaitReport { code, status, .. } = wait_report(libc::P_PID, thread as u32, flags)?;
    Ok(match code {
        libc::CLD_EXITED => Change::Exited(thread, status),
        libc::CLD_KILLED | libc::CLD_DUMPED => Change::Killed(thread, status),
        _ => Change::Stopped(thread, stop(thread, status)),
    })
}

/// What `waitid(2)` reports: the fields of its `siginfo_t` that matter.
struct WaitReport {
    thread: i32,
    code: i32,
    status: i32,
}

fn wait_report(kind: libc::idtype_t, thread: u32, flags: i32) -> io::Result<WaitReport> {
    // __WNOTHREAD: tracees of this thread only, so that no one else's child is reaped.
    let flags = flags | libc::__WALL | libc::__WNOTHREAD;
    loop {
        let mut words = [0u64; SIGINFO_WORDS];
        // SAFETY: `words` is as large and as aligned as a siginfo_t, live during the call.
        let result = unsafe { libc::waitid(kind, thread, words.as_mut_ptr().cast(), flags) };
        if result == 0 {
            // si_signo, si_errno, si_code, padding, si_pid, si_uid, si_status.
            let [_, code, pid, status, ..] = words;
            return Ok(WaitReport {
                thread: pid as u32 as i32,
                code: code as u32 as i32,
                status: status as u32 as i32,
            });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// A stop by its status: a signal, and above it the event.
fn stop(thread: i32, status: i32) -> Stop {
    let signal = status & 0x7f;
    match status >> 8 {
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        libc::PTRACE_EVENT_EXIT => Stop::Exit(exit_status(thread)),
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Stop::Group,
        _ => Stop::Other,
    }
}

/// The wait status a thread in its exit stop will end with; 0 if the kernel will not say.
fn exit_status(thread: i32) -> i32 {
    let mut message: libc::c_ulong = 0;
    match request(libc::PTRACE_GETEVENTMSG, thread, 0, &raw mut message as usize) {
        Ok(()) => message as i32,
        Err(_) => 0,
    }
}

/// The signal in a wait status, if that is how the thread ended.
pub fn signal_of(status: i32) -> Option<i32> {
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

fn request(what: libc::c_uint, thread: i32, place: usize, data: usize) -> io::Result<()> {
    // SAFETY: every caller in this file passes in `data` either a number or the address of a
    // live place as large as the request writes; `place` is a number in all of them.
    let result = unsafe {
        libc::ptrace(what, thread, place as *mut libc::c_void, data as *mut libc::c_void)
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::{Child, Command};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    /// Tracing is the affair of one thread, and waiting for children too.
    fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn waiting_without_a_tracee_says_so_instead_of_blocking() {
        let error = on_own_thread(next_to_change).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
    }

    #[test]
    fn own_process_cannot_be_seized() {
        let error = Tracee::seize(std::process::id() as i32).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn a_signal_is_seen_before_it_acts_and_a_detached_process_lives_on_without_it() {
        let mut child = sleeper();
        let pid = child.id() as i32;
        on_own_thread(|| {
            let tracee = Tracee::seize(pid).unwrap();
            signal(pid, "USR1");
            assert_eq!(next(&tracee), Change::Stopped(pid, Stop::Signal(libc::SIGUSR1)));
            assert_eq!(tracee.signal_info(pid).unwrap().signal, libc::SIGUSR1);
            let registers = tracee.registers(pid).unwrap();
            assert!(registers.get(registers::PC).unwrap() > 0);
            assert_eq!(registers.get(registers::COUNT as u16), None);
            tracee.detach(pid, 0).unwrap();
        });
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_stopped_process_stays_stopped_until_it_is_continued() {
        let mut child = sleeper();
        let pid = child.id() as i32;
        on_own_thread(|| {
            let tracee = Tracee::seize(pid).unwrap();
            signal(pid, "STOP");
            assert_eq!(next(&tracee), Change::Stopped(pid, Stop::Signal(libc::SIGSTOP)));
            tracee.resume(pid, libc::SIGSTOP).unwrap();
            assert_eq!(next(&tracee), Change::Stopped(pid, Stop::Group));
            tracee.listen(pid).unwrap();
            signal(pid, "CONT");
            assert_eq!(next(&tracee), Change::Stopped(pid, Stop::Other));
            tracee.resume(pid, 0).unwrap();
            assert_eq!(next(&tracee), Change::Stopped(pid, Stop::Signal(libc::SIGCONT)));
        });
        // The tracing thread has ended: so has the process.
        assert!(!child.wait().unwrap().success());
    }

    /// The next change that is not the start of `sleep`, which may come before or after.
    fn next(tracee: &Tracee) -> Change {
        match tracee.wait().unwrap() {
            Change::Stopped(thread, Stop::Exec) => {
                tracee.resume(thread, 0).unwrap();
                next(tracee)
            }
            other => other,
        }
    }

    fn signal(pid: i32, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
        assert!(sent.unwrap().success());
    }
}
