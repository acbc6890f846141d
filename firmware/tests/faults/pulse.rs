//! Whether a process still does something: what the kernel says of its threads.
//!
//! A clock on the wall says nothing of it: a process that others keep from the processor does
//! nothing, too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much of a processor a chip may take before it counts as lost, in hundredths of a second: a
/// boot takes 5.
const LOST: u64 = 60;
/// For how long every thread must have slept at each look, and none have had the processor.
const ASLEEP: Duration = Duration::from_secs(4);

/// What a chip is that comes to no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// It took too much of a processor.
    Spent,
    /// It waits for something that does not come.
    Asleep,
}

/// One process, looked at again and again.
pub struct Pulse {
    process: u32,
    enough: u64,
    last: u64,
    sleeps_since: Instant,
}

impl Pulse {
    pub fn of(process: u32) -> Self {
        let Look { spent, .. } = look(process);
        Self { process, enough: spent + LOST, last: spent, sleeps_since: Instant::now() }
    }

    /// Whether it is lost by now.
    pub fn lost(&mut self) -> Option<Lost> {
        let Look { spent, sleeps } = look(self.process);
        if spent > self.last || !sleeps {
            (self.last, self.sleeps_since) = (spent, Instant::now());
        }
        if spent > self.enough {
            return Some(Lost::Spent);
        }
        (self.sleeps_since.elapsed() > ASLEEP).then_some(Lost::Asleep)
    }
}

/// What is seen of a process at one moment.
struct Look {
    /// Hundredths of a second of a processor, so far.
    spent: u64,
    /// No thread of it runs or wants to.
    sleeps: bool,
}

/// Of a process that is gone: asleep. Its socket says the rest.
fn look(process: u32) -> Look {
    let of_process = PathBuf::from(format!("/proc/{process}"));
    let times = fields(&of_process).into_iter().skip(11).take(2);
    let spent = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    let threads = std::fs::read_dir(of_process.join("task")).into_iter().flatten();
    let mut states = threads.map_while(Result::ok).map(|thread| fields(&thread.path()));
    Look { spent, sleeps: states.all(|about| about.first().is_some_and(|state| state == "S")) }
}

/// What `stat` says after the name, from the state on.
fn fields(of: &Path) -> Vec<String> {
    let about = std::fs::read_to_string(of.join("stat")).unwrap_or_default();
    about.rsplit(") ").next().unwrap_or("").split(' ').map(String::from).collect()
}

#[test]
fn who_is_kept_from_the_processor_is_not_asleep() {
    use std::process::{Command, Stdio};
    let spins = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let waits = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let (mut of_one, mut of_other) = (Pulse::of(spins.id()), Pulse::of(waits.id()));
    // As long as the one gets no processor it wants it all the same.
    let begun = Instant::now();
    let lost = loop {
        assert_ne!(of_one.lost(), Some(Lost::Asleep), "it runs");
        match of_other.lost() {
            Some(lost) => break lost,
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    assert_eq!(lost, Lost::Asleep);
    assert!(begun.elapsed() >= ASLEEP);
    while of_one.lost() != Some(Lost::Spent) {
        std::thread::sleep(Duration::from_millis(100));
    }
    for mut process in [spins, waits] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}
