//! The three journeys, whole, as a newcomer starts them: check-in, update (a delta, confirmed),
//! failure (trial, fallback, report, pause).

use std::process::Command;

#[test]
fn quickstart_shows_all_five_steps_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_craton"))
        .args(["quickstart", "--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"])
        .env("XDG_DATA_HOME", folder.path())
        .output()
        .unwrap();
    let (said, erred) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{erred}");
    for expected in [
        "rot: software, attested",
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
