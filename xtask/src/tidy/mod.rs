//! The house rules as a test: DESIGN's layer table and STYLE's numbers, over all
//! files of the tree.
//!
//! Every check is a function from the tree's texts to findings, so that its own tests can show it
//! a bad text. Nothing here asks git: an uncommitted file is held to the same rules.

mod dependencies;
mod errors;
mod layers;
mod modules;
mod nesting;
mod ratchet;
mod refusals;
mod rules;
mod shape;
mod source;
mod threats;
mod unsafe_code;
mod words;

use anyhow::{Context, Result, bail};
use source::Source;
use std::collections::BTreeMap;
use std::path::Path;

/// One broken rule and the place that breaks it. Line 0 speaks of the whole file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub says: String,
}

pub fn finding(path: &str, line: usize, says: impl Into<String>) -> Finding {
    Finding { path: path.to_string(), line, says: says.into() }
}

/// Every text file of the project by its path from the root, and each Rust file split once.
pub struct Tree {
    pub texts: BTreeMap<String, String>,
    pub sources: Vec<Source>,
}

impl Tree {
    pub fn of(files: impl IntoIterator<Item = (String, String)>) -> Tree {
        let texts: BTreeMap<String, String> = files.into_iter().collect();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = rust.map(|(path, text)| Source::read(path, text)).collect();
        Tree { texts, sources }
    }

    pub fn text(&self, path: &str) -> &str {
        self.texts.get(path).map_or("", String::as_str)
    }

    #[cfg(test)]
    pub fn fixture(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(path, text)| (path.to_string(), text.to_string())))
    }
}

/// The first folder of a path.
pub fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("layers between crates", layers::check),
    ("layers inside cloud and device", modules::check),
    ("lines, functions, files, nesting", ratchet::check),
    ("words that may not stay", words::check),
    ("unsafe only where it may be, with its reason", unsafe_code::check),
    ("error numbers", errors::check),
    ("rules and their tests", rules::check),
    ("what bad input gets, and the tests that show it", refusals::check),
    ("threats, and the tests that show the defence", threats::check),
    ("a reason for each dependency", dependencies::check),
];

/// Runs every check, prints every finding, and fails if there is one.
pub fn run(root: &Path) -> Result<()> {
    let tree = load(root)?;
    let mut broken = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&tree);
        findings.sort();
        findings.dedup();
        println!("tidy: {name}: {}", verdict(findings.len()));
        for found in &findings {
            println!("  {}:{}: {}", found.path, found.line, found.says);
        }
        broken += findings.len();
    }
    let comments = shape::comment_shares(&tree);
    println!("tidy: comment share (advice only): {comments}");
    if broken > 0 {
        bail!("{broken} broken house rules; each is named above with its place");
    }
    Ok(())
}

fn verdict(count: usize) -> String {
    if count == 0 { "kept".into() } else { format!("{count} broken") }
}

/// Folders of tools and of what is built; never ours to judge.
const NOT_OURS: &[&str] = &[".git", "target", "corpus", "artifacts", "node_modules"];

fn load(root: &Path) -> Result<Tree> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("{} cannot be listed", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            if NOT_OURS.iter().any(|skip| name == *skip) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.extend(text_file(root, &entry.path())?);
            }
        }
    }
    Ok(Tree::of(files))
}

/// (path from the root, text); none where the file is no text.
fn text_file(root: &Path, path: &Path) -> Result<Option<(String, String)>> {
    let bytes = match std::fs::read(path) {
        // An editor's or a test's file may be gone again between the listing and the reading.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    Ok(String::from_utf8(bytes).ok().map(|text| (name, text)))
}
