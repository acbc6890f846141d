//! `mount_setattr(2)`, which rustix does not have.

use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;

/// What is set on a mount; nothing is ever cleared, so a stricter mount stays as strict.
pub const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub const NO_SETUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
pub const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Adds `attributes` to the mount that `mount` is the root of.
pub fn restrict_mount(mount: impl AsFd, attributes: u64) -> Result<(), Errno> {
    let attr = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is an empty C string (AT_EMPTY_PATH: the descriptor itself), `attr` lives
    // over the call and its size is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(Errno::from_io_error(&last()).unwrap_or(Errno::IO)) }
}

fn last() -> std::io::Error {
    std::io::Error::last_os_error()
}
