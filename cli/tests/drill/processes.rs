//! Processes as `/proc` shows them: whose they are, and ending all of one program's.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// What a device's process is for: its role, `monitor`, or the name of another program.
pub fn role(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> =
        line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into()).collect();
    match words.iter().position(|word| word == "device-role") {
        Some(at) => words.get(at + 1).cloned().unwrap_or_default(),
        None if words.iter().any(|word| word == "run") => "monitor".into(),
        None => words.get(1).cloned().unwrap_or_default(),
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields begin after it.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_whitespace().nth(1)?.parse().ok()
}

fn is_over(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, fields)| fields.trim_start().starts_with(['Z', 'X']))
}

/// A process and all that it started.
pub fn tree(root: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pairs: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(above) = found.get(at).copied() {
        found.extend(pairs.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// Kills one process, by any of its threads.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // One that has ended already needs none.
        let _ = kill_process(pid, signal);
    }
}

/// Kills a process and all that it started; returns them.
pub fn kill_tree(root: u32) -> Vec<u32> {
    // Stopped first: nobody starts another while we count.
    let mut pids = vec![root];
    loop {
        pids.iter().for_each(|pid| signal(*pid, Signal::STOP));
        let now = tree(root);
        if now == pids {
            break;
        }
        pids = now;
    }
    pids.iter().copied().for_each(kill);
    pids
}

/// Kills a program and all that it started, and waits until none of them is left.
pub fn cut(child: &mut Child) {
    let pids = if matches!(child.try_wait(), Ok(None)) { kill_tree(child.id()) } else { vec![] };
    child.wait().unwrap();
    wait_for(&pids);
}

/// Waits until none of these is left.
pub fn wait_for(pids: &[u32]) {
    for pid in pids {
        until("the end of a killed process", || is_over(*pid).then_some(()));
    }
}

/// Asks a program to end, and waits until it has.
pub fn terminate(child: &mut Child) -> std::process::ExitStatus {
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    if matches!(child.try_wait(), Ok(None)) {
        kill_process(pid, Signal::TERM).unwrap();
    }
    until("the end of a terminated process", || child.try_wait().unwrap())
}

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Looks until there is something.
///
/// # Panics
/// When there is nothing for too long.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Resident memory of a process, KiB.
pub fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
