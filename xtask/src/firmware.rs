//! The bare-metal programs, which are built for another target and stand outside the workspace.

use crate::{needs, step};
use anyhow::{Result, ensure};
use std::path::Path;

const TARGET: &str = "thumbv8m.main-none-eabi";
const STEPS: [(&str, &str); 6] = [
    ("firmware: format", "cargo fmt -- --check"),
    ("firmware: clippy", "cargo clippy --release --locked --all-targets -- -D warnings"),
    (
        "firmware: clippy of its programs",
        "cargo clippy --release --locked --features chip --target thumbv8m.main-none-eabi \
            -- -D warnings",
    ),
    (
        "firmware: clippy for an RP2350",
        "cargo clippy --release --locked --features rp2350 --target thumbv8m.main-none-eabi \
            -- -D warnings",
    ),
    // In a folder of its own: the tests boot what lies in the other one.
    (
        "firmware: links for an RP2350",
        "cargo build --release --locked --features rp2350 --target thumbv8m.main-none-eabi \
            --target-dir target/rp2350 --bin rom --bin runtime --bin mailbox",
    ),
    ("firmware: tests", "cargo test --release --locked"),
];

/// What [`build`] builds, below the workspace.
pub const BUILT: &str = "target/firmware";
const BUILD: [(&str, &str); 2] = [
    (
        "firmware: programs",
        "cargo build --release --locked --features chip --target thumbv8m.main-none-eabi",
    ),
    (
        "firmware: bundle",
        "cargo run --release --locked --features bundle --bin bundle -- \
            target/thumbv8m.main-none-eabi/release ../target/firmware",
    ),
];

/// Builds what a virtual board needs into `target/firmware`.
pub fn build(root: &Path) -> Result<()> {
    step::run(root, "target of the firmware", &format!("rustup target add {TARGET}"))?;
    let folder = root.join("firmware");
    BUILD.iter().try_for_each(|(name, line)| step::run(&folder, name, line))
}

/// Builds the firmware and does the main job with the device's root of trust on a virtual board.
pub fn board(root: &Path) -> Result<()> {
    ensure!(needs::present("qemu-system-arm"), "there is no emulator: apt install qemu-system-arm");
    build(root)?;
    step::run(root, "main job", "cargo run --release --locked -- quickstart --rot firmware")
}

/// Checks `firmware/`, boots it on an emulated chip, and builds what a virtual board needs; whether
/// it did. Without the emulator or the target it says
/// what it leaves out; the run that decides a merge does not start without the emulator (`needs`).
pub fn check(root: &Path) -> Result<bool> {
    if !needs::present("qemu-system-arm") {
        println!("xtask: NOT CHECKED: firmware/: install qemu-system-arm");
        return Ok(false);
    }
    let line = format!("rustup target add {TARGET}");
    if let Err(why) = step::run(root, "target of the firmware", &line) {
        println!("xtask: NOT CHECKED: firmware/: {why:#}");
        return Ok(false);
    }
    let folder = root.join("firmware");
    STEPS.iter().try_for_each(|(name, line)| step::run(&folder, name, line))?;
    build(root)?;
    Ok(true)
}
