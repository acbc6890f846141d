//! What an app may use up, and the privileges it gives away.

use std::io::Read;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use serde::{Deserialize, Serialize};

/// Upper bounds for one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Private writable memory (heap, stacks of threads) of each process, in KiB; mapped code is
    /// not counted.
    pub memory_kib: u32,
    /// Processes and threads together.
    pub processes: u32,
    pub open_files: u32,
    /// Processor time over the app's whole life in seconds; `None` for no bound.
    pub cpu_seconds: Option<u32>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_kib: 64 * 1024, processes: 32, open_files: 128, cpu_seconds: None }
    }
}

const STACK_BYTES: u64 = 8 * 1024 * 1024;
const LOCKED_BYTES: u64 = 64 * 1024;
/// Far above what a program reserves, and 32 MiB of page tables at most.
const ADDRESS_SPACE_BYTES: u64 = 16 * 1024 * 1024 * 1024;
const SIGNALS_QUEUED: u64 = 1024;

impl Limits {
    /// Binds the calling process. `storage_kib` bounds the size of every file it can write, and
    /// there is only one; `uid_threads` are those that its uid already has.
    pub fn impose(&self, storage_kib: u32, uid_threads: u32) -> Result<(), Errno> {
        let kib = |kib: u32| u64::from(kib) * 1024;
        hard(Resource::Data, kib(self.memory_kib))?;
        hard(Resource::Stack, STACK_BYTES)?;
        hard(Resource::Memlock, LOCKED_BYTES)?;
        hard(Resource::Fsize, kib(storage_kib))?;
        hard(Resource::Nofile, u64::from(self.open_files))?;
        hard(Resource::Nproc, u64::from(self.processes) + u64::from(uid_threads))?;
        // Of 0 a handler in core_pattern would still be given the whole core; of 1 nobody is.
        hard(Resource::Core, 1)?;
        // Neither its page tables nor its queued signals count as data.
        hard(Resource::As, ADDRESS_SPACE_BYTES)?;
        hard(Resource::Sigpending, SIGNALS_QUEUED)?;
        hard(Resource::Msgqueue, 0)?;
        hard(Resource::Nice, 0)?;
        hard(Resource::Rtprio, 0)?;
        match self.cpu_seconds {
            // Its own signal comes first (SIGXCPU), and says what happened; SIGKILL would not.
            Some(seconds) => soft_then_hard(Resource::Cpu, u64::from(seconds)),
            None => Ok(()),
        }
    }
}

/// A limit already lower than ours stays: nobody may raise his own.
fn hard(resource: Resource, wanted: u64) -> Result<(), Errno> {
    let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let value = Some(wanted.min(ceiling));
    setrlimit(resource, Rlimit { current: value, maximum: value })
}

/// As [`hard`], with one more unit before force.
fn soft_then_hard(resource: Resource, wanted: u64) -> Result<(), Errno> {
    hard(resource, wanted.saturating_add(1))?;
    let maximum = rustix::process::getrlimit(resource).maximum;
    let current = Some(wanted.min(maximum.unwrap_or(u64::MAX)));
    setrlimit(resource, Rlimit { current, maximum })
}

/// Gives away every capability, now and across exec, and the way to new ones.
pub fn drop_privileges() -> Result<(), Errno> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::clear_ambient_capability_set()?;
    for bit in 0..CapabilitySet::all().bits().count_ones() {
        match drop_bounding(bit) {
            // INVAL: past the kernel's last one. PERM: without CAP_SETPCAP; no_new_privs and
            // empty sets then keep us from ever gaining one.
            Ok(()) | Err(Errno::PERM) => {}
            Err(Errno::INVAL) => break,
            Err(other) => return Err(other),
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn drop_bounding(bit: u32) -> Result<(), Errno> {
    let capability = CapabilitySet::from_bits_retain(1 << bit);
    rustix::thread::remove_capability_from_bounding_set(capability)
}

/// Threads that `uid` has on this machine, each counted against its process limit.
pub fn threads_of(uid: u32) -> u32 {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let is_process =
        |name: &std::ffi::OsStr| name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
    let processes = processes.flatten().filter(|entry| is_process(&entry.file_name()));
    processes.map(|process| threads_if(&process.path(), uid)).sum()
}

/// In one read, since there are many: a status has about 1500 bytes.
fn read_status(process: &std::path::Path) -> std::io::Result<String> {
    let mut status = vec![0; 4096];
    let count = std::fs::File::open(process.join("status"))?.read(&mut status)?;
    status.truncate(count);
    Ok(String::from_utf8_lossy(&status).into_owned())
}

fn threads_if(process: &std::path::Path, uid: u32) -> u32 {
    let Ok(status) = read_status(process) else { return 0 };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u32>().ok()
    };
    if field("Uid:") == Some(uid) { field("Threads:").unwrap_or(0) } else { 0 }
}
