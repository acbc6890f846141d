//! Files that a program writes and that are checked in, so that a change of them is seen in review.

use crate::step;
use anyhow::{Context, Result, bail};
use std::path::Path;

pub enum Mode {
    Write,
    Check,
}

/// A checked-in file and the command that prints it.
struct Generated {
    path: &'static str,
    command: &'static str,
}

const FILES: &[Generated] = &[Generated {
    path: "spec/openapi.json",
    command: "cargo run --quiet --release --package craton-cli -- openapi",
}];

pub fn run(root: &Path, mode: Mode) -> Result<()> {
    for Generated { path, command } in FILES {
        let kept = std::fs::read_to_string(root.join(path)).ok();
        let printed = step::output(root, command).filter(|text| !text.is_empty());
        let wanted =
            printed.with_context(|| format!("the command that prints {path} fails: {command}"))?;
        match (&mode, kept) {
            (_, Some(kept)) if kept == wanted => println!("xtask: gen: {path} is up to date"),
            (Mode::Write, _) => {
                std::fs::write(root.join(path), &wanted)
                    .with_context(|| format!("{path} cannot be written"))?;
                println!("xtask: gen: {path} written");
            }
            (Mode::Check, kept) => {
                let line = first_difference(kept.as_deref().unwrap_or(""), &wanted);
                bail!("{path} differs from line {line} on; write it anew with: cargo xtask gen");
            }
        }
    }
    Ok(())
}

/// Number of the first line in which two texts differ.
fn first_difference(kept: &str, wanted: &str) -> usize {
    let same = kept.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count();
    same + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\nc", "a\nx\nc"), 2);
        assert_eq!(first_difference("a\n", "a\nb\n"), 2);
        assert_eq!(first_difference("", "a"), 1);
    }
}
