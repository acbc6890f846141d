//! The seccomp filter: what an app may ask of the kernel.
//!
//! An allow-list that answers EPERM to everything else; dangerous calls raise SIGSYS, so that they
//! become a failure report; and `clone3`, whose flags no filter can see, is answered with ENOSYS so
//! that C libraries fall back to `clone`.

use std::collections::BTreeMap;

use super::bpf::{Answer, Condition, Verdict, compile};
use super::control::Mode;
use super::syscalls::{ALLOWED, ALLOWED_FULL, DANGEROUS};

type Calls = BTreeMap<u32, Verdict>;
type Rules = Vec<Vec<Condition>>;

const EPERM: Answer = Answer::Errno(libc::EPERM);
const ENOSYS: Answer = Answer::Errno(libc::ENOSYS);

/// The program for an app whose pid is `own_pid`.
pub fn program(mode: Mode, own_pid: u32) -> Vec<libc::sock_filter> {
    let mut calls = Calls::new();
    always(&mut calls, ALLOWED, Answer::Allow);
    conditional(&mut calls);
    match mode {
        Mode::Reduced => reduced(&mut calls, own_pid),
        Mode::Full | Mode::Probe => full(&mut calls),
    }
    always(&mut calls, DANGEROUS, Answer::Trap);
    always(&mut calls, &[libc::SYS_clone3], ENOSYS);
    compile(&calls, EPERM)
}

/// Calls whose arguments decide, in both modes.
fn conditional(calls: &mut Calls) {
    // Nothing becomes executable that was not mapped so.
    allow_if(calls, libc::SYS_mprotect, vec![vec![NOT_EXEC]]);
    // Two kinds of memory that RLIMIT_DATA does not count are not given: shared without a file,
    // and growing downwards.
    let private = [flag(3, libc::MAP_SHARED, 0), GROWS_NOT];
    let of_a_file = [flag(3, libc::MAP_ANONYMOUS, 0), GROWS_NOT];
    let counted = [private, of_a_file];
    // W^X: never both at once.
    let either = [NOT_WRITE, NOT_EXEC];
    let rules =
        either.iter().flat_map(|prot| counted.map(|[kind, grows]| vec![*prot, kind, grows]));
    allow_if(calls, libc::SYS_mmap, rules.collect());
    // Beyond the end of a file, where RLIMIT_FSIZE does not look, nothing is set aside either.
    allow_if(calls, libc::SYS_fallocate, one_of(1, &[0, PUNCH_HOLE]));

    // Reading-and-truncating is granted by Landlock before ABI 3 to whoever may read.
    allow_if(calls, libc::SYS_openat, opening(2));
    #[cfg(target_arch = "x86_64")]
    allow_if(calls, libc::SYS_open, opening(1));

    allow_if(calls, libc::SYS_prlimit64, one_of(0, &[0]));
    allow_if(calls, libc::SYS_sched_setaffinity, one_of(0, &[0]));
    allow_if(calls, libc::SYS_prctl, one_of(0, PRCTL_ALLOWED));
    allow_if(calls, libc::SYS_fcntl, one_of(1, FCNTL_ALLOWED));
    allow_if(calls, libc::SYS_ioctl, one_of(1, IOCTL_ALLOWED));
}

/// With namespaces of its own the app may fork, signal and use the (empty) network.
fn full(calls: &mut Calls) {
    always(calls, ALLOWED_FULL, Answer::Allow);
    allow_if(calls, libc::SYS_clone, vec![vec![flag(0, NEW_NAMESPACES, 0)]]);
    allow_if(calls, libc::SYS_socket, one_of(0, SOCKET_FAMILIES));
    allow_if(calls, libc::SYS_socketpair, one_of(0, &[libc::AF_UNIX]));
}

/// Sharing pids and the network with the host, the app gets threads but no processes, signals
/// only itself, and has no socket but stream pairs (a datagram pair could address others).
fn reduced(calls: &mut Calls, own_pid: u32) {
    let thread = flag(0, libc::CLONE_THREAD, libc::CLONE_THREAD);
    allow_if(calls, libc::SYS_clone, vec![vec![thread, flag(0, NEW_NAMESPACES, 0)]]);
    let own = i32::try_from(own_pid).unwrap_or(i32::MAX);
    allow_if(calls, libc::SYS_kill, one_of(0, &[own, 0]));
    allow_if(calls, libc::SYS_tgkill, one_of(0, &[own]));
    // Its storage is not on a mount without exec: what it writes there must not become code.
    let kinds = [flag(3, libc::MAP_SHARED, 0), flag(3, libc::MAP_ANONYMOUS, 0)];
    let rules = kinds.map(|kind| vec![NOT_EXEC, kind, GROWS_NOT]);
    allow_if(calls, libc::SYS_mmap, rules.into());
    let stream = flag(1, 0xf, libc::SOCK_STREAM);
    allow_if(calls, libc::SYS_socketpair, vec![vec![equal(0, libc::AF_UNIX), stream]]);
}

const NOT_WRITE: Condition = flag(2, libc::PROT_WRITE, 0);
const NOT_EXEC: Condition = flag(2, libc::PROT_EXEC, 0);
const GROWS_NOT: Condition = flag(3, libc::MAP_GROWSDOWN, 0);
const PUNCH_HOLE: i32 = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;

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
fn opening(argument: u8) -> Rules {
    let keeps = flag(argument, libc::O_TRUNC, 0);
    let writes_only = flag(argument, libc::O_ACCMODE, libc::O_WRONLY);
    let writes = flag(argument, libc::O_ACCMODE, libc::O_RDWR);
    vec![vec![keeps], vec![writes_only], vec![writes]]
}

fn always(calls: &mut Calls, numbers: &[i64], answer: Answer) {
    calls.extend(numbers.iter().map(|call| (number(*call), Verdict::Always(answer))));
}

fn allow_if(calls: &mut Calls, call: i64, rules: Rules) {
    calls.insert(number(call), Verdict::AllowIf(rules, EPERM));
}

/// A number that no processor has would match nothing.
fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX - 1)
}

fn one_of(argument: u8, values: &[i32]) -> Rules {
    values.iter().map(|value| vec![equal(argument, *value)]).collect()
}

fn equal(argument: u8, value: i32) -> Condition {
    Condition { argument, mask: u32::MAX, value: low_word(value) }
}

const fn flag(argument: u8, mask: i32, value: i32) -> Condition {
    Condition { argument, mask: low_word(mask), value: low_word(value) }
}

const fn low_word(value: i32) -> u32 {
    u32::from_ne_bytes(value.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::bpf::tests::{answered, run};
    use super::*;

    const OWN_PID: u32 = 77;
    /// More than any processor has.
    const NUMBERS: std::ops::Range<i64> = 0..1024;

    fn in_both_modes() -> [(Mode, Vec<libc::sock_filter>); 2] {
        [Mode::Full, Mode::Reduced].map(|mode| (mode, program(mode, OWN_PID)))
    }

    #[test]
    fn a_call_in_no_table_is_refused_and_a_dangerous_one_trapped() {
        let eperm = libc::SECCOMP_RET_ERRNO | 1;
        for (mode, program) in in_both_modes() {
            for call in NUMBERS {
                let found = answered(&program, call, [0; 6]);
                let full = mode == Mode::Full && ALLOWED_FULL.contains(&call);
                match call {
                    libc::SYS_clone3 => assert_eq!(found, libc::SECCOMP_RET_ERRNO | 38),
                    _ if DANGEROUS.contains(&call) => assert_eq!(found, libc::SECCOMP_RET_TRAP),
                    _ if full || ALLOWED.contains(&call) => {
                        assert_eq!(found, libc::SECCOMP_RET_ALLOW, "{call}");
                    }
                    _ => assert!(found == eperm || CONDITIONAL.contains(&call), "{call}"),
                }
            }
        }
    }

    const CONDITIONAL: &[i64] = &[
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_fallocate,
        libc::SYS_openat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_prctl,
        libc::SYS_fcntl,
        libc::SYS_ioctl,
        libc::SYS_clone,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_kill,
        libc::SYS_tgkill,
    ];

    #[test]
    fn no_call_is_in_two_tables() {
        let tables = [ALLOWED, ALLOWED_FULL, DANGEROUS].concat();
        let mut once = tables.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), tables.len());
    }

    #[test]
    fn arguments_decide() {
        let [(_, full), (_, reduced)] = in_both_modes();
        let allow = libc::SECCOMP_RET_ALLOW;
        let prot = |bits: i32| [0, 0, bits as u64, 0, 0, 0];
        let first = |value: i32| [value as u32 as u64, 0, 0, 0, 0, 0];
        for program in [&full, &reduced] {
            let allowed = |call, arguments| answered(program, call, arguments) == allow;
            let map = |prot: i32, flags: i32| [0, 0, prot as u64, flags as u64, 0, 0];
            let (data, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
            assert!(allowed(libc::SYS_mmap, map(data, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS)));
            assert!(allowed(libc::SYS_mmap, map(data, shared)));
            assert!(!allowed(libc::SYS_mmap, map(data, shared | libc::MAP_ANONYMOUS)));
            let grows = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_GROWSDOWN;
            assert!(!allowed(libc::SYS_mmap, map(data, grows)));
            assert!(!allowed(libc::SYS_fallocate, [0, 1, 0, 0, 0, 0]));
            assert!(allowed(libc::SYS_fallocate, [0, 0, 0, 4096, 0, 0]));
            assert!(!allowed(libc::SYS_mmap, prot(libc::PROT_WRITE | libc::PROT_EXEC)));
            assert!(!allowed(libc::SYS_mprotect, prot(libc::PROT_EXEC)));
            assert!(!allowed(libc::SYS_clone, first(libc::CLONE_THREAD | libc::CLONE_NEWUSER)));
            assert!(!allowed(libc::SYS_openat, prot(libc::O_RDONLY | libc::O_TRUNC)));
            assert!(allowed(libc::SYS_openat, prot(libc::O_RDWR | libc::O_TRUNC)));
            assert!(!allowed(libc::SYS_prctl, first(libc::PR_SET_PTRACER)));
            assert!(!allowed(libc::SYS_socket, first(libc::AF_VSOCK)));
            // The upper half of an argument is not looked at, as the kernel does not either.
            assert!(!allowed(libc::SYS_mprotect, prot(libc::PROT_EXEC).map(|low| low | 7 << 32)));
        }
        let in_full = |call, arguments| answered(&full, call, arguments) == allow;
        let in_reduced = |call, arguments| answered(&reduced, call, arguments) == allow;
        let code = prot(libc::PROT_READ | libc::PROT_EXEC);
        assert!(in_full(libc::SYS_mmap, code) && !in_reduced(libc::SYS_mmap, code));
        assert!(in_full(libc::SYS_clone, first(libc::SIGCHLD)));
        assert!(!in_reduced(libc::SYS_clone, first(libc::SIGCHLD)));
        assert!(in_full(libc::SYS_socket, first(libc::AF_INET)));
        assert!(!in_reduced(libc::SYS_socket, first(libc::AF_INET)));
        assert!(in_full(libc::SYS_kill, first(1)) && !in_reduced(libc::SYS_kill, first(1)));
        assert!(in_reduced(libc::SYS_kill, first(OWN_PID as i32)));
    }

    #[test]
    fn no_call_takes_long_to_decide() {
        for (_, program) in in_both_modes() {
            let x86_64 = 0xc000_003e;
            let arch = if cfg!(target_arch = "x86_64") { x86_64 } else { program[1].k };
            let longest = NUMBERS.map(|call| run(&program, arch, call as u32, [99; 6]).1).max();
            assert!(longest.is_some_and(|steps| steps < 64), "{longest:?}");
        }
    }
}
