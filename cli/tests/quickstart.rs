//! The three journeys, whole, as a newcomer starts them: check-in, update (a delta, confirmed),
//! failure (trial, fallback, report, pause).

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// There is one quickstart at a time on a machine.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn quickstart_shows_all_five_steps_and_cleans_up() {
    shows_all_five_steps(&[], "rot: software, attested");
}

/// The same with the device's root of trust on a virtual board.
#[test]
fn quickstart_shows_the_same_on_a_board() {
    // `cargo xtask test` builds it; a machine without the target or the emulator has none.
    let Ok(firmware) = std::env::var("CRATON_FIRMWARE") else {
        println!("NOT CHECKED: CRATON_FIRMWARE names no built firmware: cargo xtask test");
        return;
    };
    let board = ["--rot", "firmware", "--firmware", &firmware];
    shows_all_five_steps(&board, "rot: firmware, attested");
}

/// The same with the device's root of trust in a TPM.
#[test]
fn quickstart_shows_the_same_in_a_tpm() {
    shows_all_five_steps(&["--rot", "tpm"], "rot: tpm, attested");
}

fn shows_all_five_steps(more: &[&str], attested: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_craton"))
        .args(["quickstart", "--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"])
        .args(more)
        .env("XDG_DATA_HOME", folder.path())
        .output()
        .unwrap();
    let (said, erred) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{erred}");
    for expected in [
        attested,
        "deploy 1.0.0: whole",
        "deploy 2.0.0: delta",
        "fell back to 2.0.0 by itself",
        "SIGABRT in blink::brightness (src/main.rs:33)",
        "paused by itself",
        "dashboard  http://127.0.0.1:",
    ] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}\n{erred}");
    }
    let left = std::fs::read_dir(folder.path().join("craton")).into_iter().flatten().count();
    assert_eq!(left, 0, "quickstart left something behind");
}
