//! The promise on size: an update of a static program costs at most 0.6 of the best of bsdiff,
//! xdelta3 and `zstd --patch-from` on the same pair of images.

use craton_image::delta::{apply, make};
use craton_image::erofs::{Tree, write};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

const FIRST: &str = r#"
fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("hello {} version 1", line.trim());
}
"#;
const SECOND: &str = r#"
fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for word in line.split_whitespace() {
        *counts.entry(word.to_string()).or_insert(0u32) += 1;
    }
    for (word, count) in &counts {
        println!("{word}: {count}");
    }
    println!("hello {} version 2", line.trim());
}
"#;

/// The image of an application, built as the samples are.
fn image(folder: &Path, source: &str) -> Vec<u8> {
    let (source_path, program) = (folder.join("app.rs"), folder.join("app"));
    fs::write(&source_path, source).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--edition", "2024", "-O", "-Cstrip=symbols", "-Crelocation-model=pie"]);
    rustc.args(["-Ctarget-feature=+crt-static", "-Cforce-unwind-tables=yes"]);
    let built = rustc.arg("-o").arg(&program).arg(&source_path).status().unwrap();
    assert!(built.success());
    let mut tree = Tree::new();
    tree.insert_file("app_manifest.json", &b"{\"SchemaVersion\": 1}"[..], false).unwrap();
    tree.insert_file("bin/app", fs::read(&program).unwrap(), true).unwrap();
    write(&tree)
}

/// `zstd --ultra -22 --patch-from`, by the library.
fn zstd_patch(old: &[u8], new: &[u8]) -> usize {
    let mut encoder = zstd::stream::Encoder::with_ref_prefix(Vec::new(), 22, old).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(new).unwrap();
    encoder.finish().unwrap().len()
}

/// The size of what a tool makes of the files `old` and `new`; `None` if it is not installed.
fn tool(folder: &Path, tool: &str, args: &[&str]) -> Option<usize> {
    let out = Command::new(tool).args(args).current_dir(folder).output();
    let Ok(out) = out else {
        eprintln!("NOT COMPARED with {tool}: it is not installed.");
        return None;
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(fs::metadata(folder.join("patch")).unwrap().len() as usize)
}

#[test]
fn a_delta_of_a_program_is_at_most_three_fifths_of_the_best_known() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (old, new) = (image(folder, FIRST), image(folder, SECOND));
    fs::write(folder.join("old"), &old).unwrap();
    fs::write(folder.join("new"), &new).unwrap();
    let delta = make(&old, &new).unwrap();
    assert!(apply(&old, &delta, new.len() as u64).as_ref() == Ok(&new));
    let bsdiff = tool(folder, "bsdiff", &["old", "new", "patch"]);
    let xdelta_args = ["-9", "-S", "lzma", "-e", "-f", "-s", "old", "new", "patch"];
    let xdelta = tool(folder, "xdelta3", &xdelta_args);
    let zstd = Some(zstd_patch(&old, &new));
    eprintln!(
        "{} -> {} bytes: delta {}, bsdiff {bsdiff:?}, xdelta3 {xdelta:?}, zstd {zstd:?}",
        old.len(),
        new.len(),
        delta.len()
    );
    for best_known in [bsdiff, xdelta, zstd].into_iter().flatten() {
        assert!(delta.len() * 10 <= best_known * 6, "{} > 0.6 * {best_known}", delta.len());
    }
}
