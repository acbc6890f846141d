//! Binding a thread to a seccomp program, which no crate of ours does.

use rustix::io::Errno;

/// Binds the calling thread, and what it starts and executes, to `program` for good. Needs
/// no_new_privs. Errors: `INVAL` for a program that the kernel does not accept.
pub fn bind_to(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `len` instructions at `filter`, which outlive the call, and writes
    // none of them.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}
