//! The only place with `unsafe`: system calls that no crate of ours offers safely.

pub mod loopback;
pub mod mounts;
pub mod process;
pub mod ptrace;
pub mod seccomp;
