//! `unsafe` stands only where DESIGN §4 says, and each one says why it is sound.

use super::source::{Source, words};
use super::{Finding, Tree, finding, top};

const MAY: &[&str] = &["device/src/sys/", "device/src/sys.rs", "firmware/src/", "sdk/src/"];
const SAFETY_LINES_ABOVE_MAX: usize = 8;

/// Packages whose roots may not say `forbid`, because one folder of theirs is in `MAY`.
const PARTLY: &[&str] = &["device", "firmware", "sdk"];

pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.sources.iter().flat_map(in_file).collect();
    findings.extend(tree.sources.iter().filter_map(root_forbids));
    findings
}

fn in_file(source: &Source) -> Vec<Finding> {
    let may = MAY.iter().any(|prefix| source.path.starts_with(prefix)) || crashes(&source.path);
    let mut findings = Vec::new();
    for (at, _) in words(&source.code).filter(|(_, word)| *word == "unsafe") {
        let line = source.line_of(at);
        if !may {
            findings.push(finding(&source.path, line, "unsafe may stand only in device/src/sys"));
        } else if !has_reason(source, line) {
            findings.push(finding(&source.path, line, "unsafe without a SAFETY note above it"));
        }
    }
    findings
}

/// No part of the product: `crate/tests/x_apps/`, programs that crash so that a test can watch.
fn crashes(path: &str) -> bool {
    let folder = path.split_once("/tests/").and_then(|(_, inside)| inside.split_once('/'));
    folder.is_some_and(|(name, _)| name.ends_with("_apps"))
}

fn has_reason(source: &Source, line: usize) -> bool {
    let first = line.saturating_sub(SAFETY_LINES_ABOVE_MAX + 1);
    let above = source.comments.lines().skip(first).take(line - first);
    above.into_iter().any(|l| l.contains("SAFETY:") || l.contains("# Safety"))
}

/// The root of a crate forbids `unsafe`, or denies it where a folder of it may have some.
fn root_forbids(source: &Source) -> Option<Finding> {
    let inside = source.path.split_once("/src/")?.1;
    let bin = inside.starts_with("bin/") && inside.matches('/').count() == 1;
    if !(inside == "lib.rs" || inside == "main.rs" || bin) {
        return None;
    }
    let wanted = match PARTLY.contains(&top(&source.path)) {
        true => "#![deny(unsafe_code)]",
        false => "#![forbid(unsafe_code)]",
    };
    let present = source.code.contains(wanted) || source.code.contains("#![forbid(unsafe_code)]");
    (!present).then(|| finding(&source.path, 1, format!("the crate's root has no {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        check(&Tree::fixture(&[(path, text)]))
    }

    #[test]
    fn unsafe_outside_its_folder_is_found() {
        assert_eq!(findings("rot/src/a.rs", "// SAFETY: no\nfn a() { unsafe { b() } }").len(), 1);
        assert_eq!(findings("rot/src/a.rs", "// unsafe\nlet a = \"unsafe\";"), vec![]);
    }

    #[test]
    fn unsafe_without_its_reason_is_found() {
        assert_eq!(findings("device/src/sys/a.rs", "fn a() { unsafe { b() } }").len(), 1);
        assert_eq!(findings("a/tests/x_apps/a.rs", "fn a() { unsafe { b() } }").len(), 1);
        let good = "fn a() {\n    // SAFETY: b has no preconditions\n    unsafe { b() }\n}";
        assert_eq!(findings("device/src/sys/a.rs", good), vec![]);
        assert_eq!(findings("a/tests/x_apps/a.rs", good), vec![]);
        assert_eq!(findings("a/tests/x.rs", good).len(), 1);
    }

    #[test]
    fn a_root_that_does_not_forbid_unsafe_is_found() {
        assert_eq!(findings("rot/src/lib.rs", "//! rot").len(), 1);
        assert_eq!(findings("rot/src/lib.rs", "#![forbid(unsafe_code)]"), vec![]);
        assert_eq!(findings("fleet/src/bin/bench.rs", "fn main() {}").len(), 1);
        assert_eq!(findings("device/src/lib.rs", "#![deny(unsafe_code)]"), vec![]);
    }
}
