//! The seccomp filter: what an app may ask of the kernel.
//!
//! Three stacked programs, of which the strictest answer counts: an allow-list that answers EPERM
//! to everything else; dangerous calls that raise SIGSYS, so that they become a failure report;
//! and `clone3`, whose flags no filter can see, answered with ENOSYS so that C libraries fall
//! back to `clone`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::control::Mode;
use super::syscalls::{ALLOWED, ALLOWED_FULL, DANGEROUS};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The programs in the order in which they must be installed.
pub fn programs(mode: Mode, own_pid: u32) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let mut allowed = plain(ALLOWED);
    conditional(&mut allowed)?;
    match mode {
        Mode::Reduced => reduced(&mut allowed, own_pid)?,
        Mode::Full | Mode::Probe => full(&mut allowed)?,
    }
    let eperm = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let enosys = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    Ok(vec![
        program(plain(DANGEROUS), SeccompAction::Allow, SeccompAction::Trap)?,
        program(plain(&[libc::SYS_clone3]), SeccompAction::Allow, enosys)?,
        program(allowed, eperm, SeccompAction::Allow)?,
    ])
}

/// Binds the calling thread and what it execs for good. Needs no_new_privs.
pub fn install(programs: &[BpfProgram]) -> Result<(), seccompiler::Error> {
    programs.iter().try_for_each(|program| seccompiler::apply_filter(program))
}

/// Calls whose arguments decide, in both modes.
fn conditional(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    // W^X: never both at once, and nothing becomes executable that was not mapped so.
    let write = flag(2, libc::PROT_WRITE, 0);
    let exec = flag(2, libc::PROT_EXEC, 0);
    rules.insert(libc::SYS_mmap, any([all([write])?, all([exec.clone()])?]));
    rules.insert(libc::SYS_mprotect, any([all([exec])?]));

    // Reading-and-truncating is granted by Landlock before ABI 3 to whoever may read.
    rules.insert(libc::SYS_openat, opening(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, opening(1)?);

    rules.insert(libc::SYS_prlimit64, any([all([equal(0, 0)])?]));
    rules.insert(libc::SYS_sched_setaffinity, any([all([equal(0, 0)])?]));
    rules.insert(libc::SYS_prctl, one_of(0, PRCTL_ALLOWED)?);
    rules.insert(libc::SYS_fcntl, one_of(1, FCNTL_ALLOWED)?);
    rules.insert(libc::SYS_ioctl, one_of(1, IOCTL_ALLOWED)?);
    Ok(())
}

/// With namespaces of its own the app may fork, signal and use the (empty) network.
fn full(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    rules.extend(plain(ALLOWED_FULL));
    rules.insert(libc::SYS_clone, any([all([flag(0, NEW_NAMESPACES, 0)])?]));
    rules.insert(libc::SYS_socket, one_of(0, SOCKET_FAMILIES)?);
    rules.insert(libc::SYS_socketpair, any([all([equal(0, libc::AF_UNIX)])?]));
    Ok(())
}

/// Sharing pids and the network with the host, the app gets threads but no processes, signals
/// only itself, and has no socket but stream pairs (a datagram pair could address others).
fn reduced(rules: &mut Rules, own_pid: u32) -> Result<(), seccompiler::Error> {
    let thread = flag(0, libc::CLONE_THREAD, libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, any([all([thread, flag(0, NEW_NAMESPACES, 0)])?]));
    let own = i32::try_from(own_pid).unwrap_or(i32::MAX);
    rules.insert(libc::SYS_kill, one_of(0, &[own, 0])?);
    rules.insert(libc::SYS_tgkill, any([all([equal(0, own)])?]));
    let stream = flag(1, 0xf, libc::SOCK_STREAM);
    rules.insert(libc::SYS_socketpair, any([all([equal(0, libc::AF_UNIX), stream])?]));
    Ok(())
}

const NEW_NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_UNTRACED;

// AF_VSOCK, AF_ALG and others are not bounded by a network namespace.
const SOCKET_FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

const PRCTL_ALLOWED: &[i32] = &[
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_PDEATHSIG,
    libc::PR_GET_DUMPABLE,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_CAPBSET_READ,
    libc::PR_GET_SECCOMP,
    libc::PR_SET_VMA,
];

// F_SETOWN, F_SETSIG and F_NOTIFY send signals to others and are left out.
const FCNTL_ALLOWED: &[i32] = &[
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
    libc::F_OFD_SETLKW,
    libc::F_GETPIPE_SZ,
];

const IOCTL_ALLOWED: &[i32] = &[
    libc::FIONREAD as i32,
    libc::FIONBIO as i32,
    libc::FIOCLEX as i32,
    libc::FIONCLEX as i32,
    libc::TCGETS as i32,
    libc::TIOCGWINSZ as i32,
];

/// Opening, with the flags in `argument`: truncates only what it also writes.
fn opening(argument: u8) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let keeps = flag(argument, libc::O_TRUNC, 0);
    let writes_only = flag(argument, libc::O_ACCMODE, libc::O_WRONLY);
    let writes = flag(argument, libc::O_ACCMODE, libc::O_RDWR);
    Ok(any([all([keeps])?, all([writes_only])?, all([writes])?]))
}

fn plain(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn one_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    values.iter().map(|value| all([equal(argument, *value)])).collect()
}

fn any<const N: usize>(rules: [SeccompRule; N]) -> Vec<SeccompRule> {
    rules.into()
}

fn all<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, seccompiler::Error> {
    let built: Result<Vec<_>, _> = conditions
        .into_iter()
        .map(|(argument, op, value)| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
        })
        .collect();
    Ok(SeccompRule::new(built?)?)
}

type Condition = (u8, SeccompCmpOp, u64);

fn equal(argument: u8, value: i32) -> Condition {
    (argument, SeccompCmpOp::Eq, low_word(value))
}

fn flag(argument: u8, mask: i32, value: i32) -> Condition {
    (argument, SeccompCmpOp::MaskedEq(low_word(mask)), low_word(value))
}

fn low_word(value: i32) -> u64 {
    u64::from(u32::from_ne_bytes(value.to_ne_bytes()))
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}
