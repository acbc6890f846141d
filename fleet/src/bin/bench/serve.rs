//! The service in a process of its own: the program starts itself again.

use crate::cpu::process_us;
use anyhow::{Context as _, Result};
use craton_cloud::app::check_in::Policy;
use craton_cloud::clock::{Clock as _, SystemClock};
use craton_device::link::Peer;
use craton_fleet::{House, Operator, Seed, Setting, SimClock};
use craton_trust::PublicKey;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the child says first.
#[derive(Serialize, Deserialize)]
struct Hello {
    address: String,
    key: Vec<u8>,
}

/// The lowest priority that there is.
const BEHIND: i32 = 19;

/// The child's main: serves until its input ends; a line in is answered by its CPU so far.
pub fn run(data: PathBuf, seed: u64, behind: bool) -> Result<()> {
    if behind {
        rustix::process::nice(BEHIND)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let clock = SimClock::at(SystemClock.now_s());
    let setting = Setting { seed: Seed(seed), clock, policy: Policy::default(), data };
    let mut house = runtime.block_on(House::open(setting))?;
    let peer = house.peer();
    let key = peer.keys.first().context("the service has a key")?.to_sec1().to_vec();
    say(&serde_json::to_string(&Hello { address: peer.address.clone(), key })?)?;
    for line in std::io::stdin().lines() {
        line?;
        say(&format!("{}", process_us()))?;
    }
    runtime.block_on(house.stop());
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The service's process, seen from the devices'.
pub struct Served {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Its owner.
    pub operator: Operator,
}

impl Served {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path, seed: u64, behind: bool) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args([data.as_os_str(), seed.to_string().as_ref()])
            .args(behind.then_some("--behind"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("the child's output")?);
        let mut hello = String::new();
        output.read_line(&mut hello)?;
        let hello: Hello = serde_json::from_str(&hello).context("the service did not come up")?;
        let peer = Peer { address: hello.address, keys: vec![PublicKey::from_sec1(&hello.key)?] };
        let token = std::fs::read_to_string(data.join("operator-token"))?.trim().to_owned();
        let input = child.stdin.take();
        Ok(Self { child, input, output, operator: Operator { peer, token } })
    }

    /// Microseconds of CPU that it has used.
    pub fn cpu_us(&mut self) -> Result<f64> {
        writeln!(self.input.as_mut().context("the child's input")?, "cpu")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
