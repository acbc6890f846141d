//! The same instructions for every secret: counted on the emulated chip, one by one. And whether
//! the programs' copies, fills and comparisons are right.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const TARGET: &str = "thumbv8m.main-none-eabi";
/// As many secrets as the program has.
const SECRETS: usize = 70;

/// An emulator that ends with the test, whichever way that ends.
struct Board(Child);

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the program says.
fn said() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let line = ["build", "--release", "--locked", "--features", "chip", "--target", TARGET];
    let mut cargo = Command::new(env!("CARGO"));
    let done = cargo.args(line).arg("--target-dir").arg("target").current_dir(folder).status();
    assert!(done.unwrap().success(), "the firmware did not build: rustup target add {TARGET}");
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-M", "mps2-an505", "-icount", "shift=7,sleep=off", "-serial", "stdio"]);
    qemu.args(["-display", "none", "-monitor", "none", "-kernel"]);
    qemu.arg(folder.join("target").join(TARGET).join("release/steps"));
    let started = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut board = Board(started.unwrap_or_else(|why| panic!("qemu-system-arm: {why}")));
    let lines = BufReader::new(board.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.take_while(|line| line != "steps: end").collect()
}

/// What it says of each secret, as (instructions to make a key, to sign).
fn counts(said: &[String]) -> Vec<(u32, u32)> {
    let counts = said.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, "key", key, "sign", sign] = words[..] else { panic!("{line}") };
        let number = |digits| u32::from_str_radix(digits, 16).unwrap();
        (number(key), number(sign))
    });
    counts.collect()
}

#[test]
fn a_key_and_a_signature_take_the_same_instructions_for_every_secret() {
    let mut said = said();
    assert_eq!(said.pop().as_deref(), Some("steps: memory right"));
    let counts = counts(&said);
    assert_eq!(counts.len(), SECRETS);
    let (key, sign) = counts[0];
    println!("{key} instructions to make a key, {sign} to sign");
    assert!(counts.iter().all(|count| *count == (key, sign)), "{counts:?}");
    // The promise has room above; below, it would not have been the work.
    assert!((1_000_000..5_000_000).contains(&key) && (1_000_000..5_000_000).contains(&sign));
}
