//! The benchmark program runs: every row is printed, and every figure is one. How large a figure is
//! is not asked here: that is for a quiet machine.

use std::collections::BTreeMap;
use std::process::Command;

const ROWS: [&str; 13] = [
    "appraisals",
    "check-in-bare",
    "check-in-cpu",
    "check-in-light",
    "check-in-million",
    "check-in-service",
    "check-ins",
    "sandbox-app",
    "sandbox-bare",
    "sandbox-start",
    "store-few",
    "store-many",
    "store-ratio",
];

#[test]
fn every_row_prints_a_finite_figure() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bench")).args(["--quick", "--json"]).output().unwrap();
    let (said, why) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{why}");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(said).unwrap();
    let figures: BTreeMap<&str, f64> = rows
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["value"].as_f64().unwrap()))
        .collect();
    assert_eq!(figures.keys().copied().collect::<Vec<_>>(), ROWS);
    for (name, figure) in figures {
        assert!(figure.is_finite() && figure >= 0.0, "{name}: {figure}");
    }
}
