//! What the checks need on this machine besides a Rust toolchain and a C compiler.

use crate::step;
use anyhow::Result;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

/// A program that a test runs, the Debian package that has it, and what is lost without it.
struct Need {
    program: &'static str,
    package: &'static str,
    check: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        program: "fsck.erofs",
        package: "erofs-utils",
        check: "a second reader judges the EROFS images that we write",
    },
    Need {
        program: "veritysetup",
        package: "cryptsetup-bin",
        check: "a second implementation agrees on our verity trees",
    },
    Need { program: "kill", package: "procps", check: "traces of processes that a signal ends" },
    Need {
        program: "qemu-system-arm",
        package: "qemu-system-arm",
        check: "the root of trust's ROM boots and refuses on an emulated chip",
    },
    Need {
        program: "swtpm",
        package: "swtpm",
        check: "the root of trust in a TPM passes the same suite as every other",
    },
    Need {
        program: "swtpm_localca",
        package: "swtpm-tools",
        check: "a TPM that its maker certified is told from one that nobody did",
    },
    Need {
        program: "tpm2_checkquote",
        package: "tpm2-tools",
        check: "a second implementation reads the quotes, keys and indices that we make in a TPM",
    },
    Need { program: "strip", package: "binutils", check: "samples are packed without symbols" },
];

/// Installs what is missing, after a question unless `unasked`; says what will not run otherwise.
pub fn install(root: &Path, unasked: bool) -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !present(need.program)).collect();
    if !missing.is_empty() {
        install_packages(root, &missing, unasked)?;
    }
    if step::output(root, "cargo fmt --version").is_none()
        || step::output(root, "cargo clippy --version").is_none()
    {
        step::run(root, "toolchain parts", "rustup component add rustfmt clippy")?;
    }
    Ok(())
}

fn install_packages(root: &Path, missing: &[&Need], unasked: bool) -> Result<()> {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let sudo = if is_root(root) { "" } else { "sudo " };
    let line =
        format!("{sudo}apt-get install --yes --no-install-recommends {}", packages.join(" "));
    println!("xtask: some checks need programs that are not here: {}", packages.join(" "));
    let installed = (unasked || agreed(&line))
        && step::run(root, "package lists", &format!("{sudo}apt-get update --quiet=2"))
            .and_then(|()| step::run(root, "packages", &line))
            .inspect_err(|why| println!("xtask: {why:#}"))
            .is_ok();
    let absent: Vec<_> = missing.iter().filter(|need| !present(need.program)).collect();
    for need in &absent {
        println!("xtask: will not run without {}: {}", need.program, need.check);
    }
    if unasked && (!installed || !absent.is_empty()) {
        anyhow::bail!("a merge is decided by every check; install by hand: {line}");
    }
    Ok(())
}

/// Without a terminal there is no one to ask, and nothing is installed unasked.
fn agreed(line: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        println!("xtask: no terminal to ask on; to install them: {line}");
        return false;
    }
    print!("xtask: install them now with `{line}`? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdout().flush().and(std::io::stdin().lock().read_line(&mut answer));
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn is_root(root: &Path) -> bool {
    step::output(root, "id -u").is_some_and(|uid| uid.trim() == "0")
}

/// A program of that name stands in PATH, or where Debian keeps an administrator's programs.
pub fn present(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}
